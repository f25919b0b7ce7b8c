"""Document -> a IIIF Presentation 3 manifest: a canvas a page, painted with the picture, annotated line by line."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO
from urllib.parse import quote

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Quad
from ocrfarm.result.json import Json, dumped, write_array
from ocrfarm.result.origin import Origin, numbered, page_part

_SHOWN = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif"}
"""What a browser can show; of other pictures, and of one page of many, the preview is shown."""


def write_iiif(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write the manifest of what will lie at `origin.base`; each line is a supplementing annotation with its place."""
    head = {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{origin.base}{quote(origin.stem)}.iiif.json",
        "type": "Manifest",
        "label": {"none": [origin.name]},
    }
    file.write(dumped(head)[:-1] + b',"items":[')
    for place, (number, page) in enumerate(numbered(document, origin.first)):
        file.write(b",\n" if place else b"\n")
        _canvas(file, page, origin, number, alone=len(document.pages) == 1)
    file.write(b"]}\n")


def _canvas(file: BinaryIO, page: Page, origin: Origin, number: int, *, alone: bool) -> None:
    name = f"{origin.base}{quote(origin.stem)}/page/{number}"
    size = {"width": page.size.width, "height": page.size.height}
    painting = {
        "id": f"{name}/painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": _image(origin, number, alone=alone),
        "target": name,
    }
    painted = {"id": f"{name}/paintings", "type": "AnnotationPage", "items": [painting]}
    canvas = {"id": name, "type": "Canvas", "label": {"none": [str(number)]}, **size}
    text = {"id": f"{name}/text", "type": "AnnotationPage"}
    file.write(dumped(canvas | {"items": [painted]})[:-1] + b',"annotations":[' + dumped(text)[:-1] + b',"items":')
    write_array(file, _annotations(page, name))
    file.write(b"}]}")


def _image(origin: Origin, number: int, *, alone: bool) -> Json:
    kind = _SHOWN.get(PurePath(origin.name).suffix.lower()) if alone else None
    name = origin.name if kind else f"{origin.stem}{page_part(number - 1)}.preview.png"
    return {"id": f"{origin.base}{quote(name)}", "type": "Image", "format": kind or "image/png"}


def _annotations(page: Page, name: str) -> Iterator[Json]:
    for number, line in enumerate(page.lines, 1):
        yield {
            "id": f"{name}/line/{number}",
            "type": "Annotation",
            "motivation": "supplementing",
            "body": {"type": "TextualBody", "value": line.text, "format": "text/plain"},
            "target": _target(line, name),
        }


def _target(line: Line, name: str) -> str | Json:
    """Give the line's box, or its outline where it is not level."""
    box = line.quad.bounds()
    if line.quad == Quad.upright(*line.quad.p0, *line.quad.p2):
        return f"{name}#xywh={max(box.x0, 0)},{max(box.y0, 0)},{box.width},{box.height}"
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in line.quad.points)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><polygon points="{points}"/></svg>'
    return {"type": "SpecificResource", "source": name, "selector": {"type": "SvgSelector", "value": svg}}
