"""Document -> a manifest of the IIIF Presentation API 3.0.

Each page is a canvas on which the image is painted; each line is an annotation with the motivation "supplementing".
The specification is https://iiif.io/api/presentation/3.0/.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO
from urllib.parse import quote

from ocrfarm.document import Document, Line, Page
from ocrfarm.geometry import Quad
from ocrfarm.result.json import Json, encode_json, write_array
from ocrfarm.result.source_info import SourceInfo, enumerate_pages, page_suffix

_BROWSER_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
}
"""Formats that browsers show; for other images, and for a page among several, the preview is painted."""


def write_iiif(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the manifest of the results that will be served below `source.base_url`.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its `base_url` and `stem`
            are in every id.
    """
    head = {
        "@context": "http://iiif.io/api/presentation/3/context.json",
        "id": f"{source.base_url}{quote(source.stem, errors='surrogateescape')}.iiif.json",
        "type": "Manifest",
        "label": {"none": [source.name]},
    }
    file.write(encode_json(head)[:-1] + b',"items":[')
    for place, (number, page) in enumerate(enumerate_pages(document, source.page_offset)):
        file.write(b",\n" if place else b"\n")
        _write_canvas(file, page, source, number, is_only_page=len(document.pages) == 1)
    file.write(b"]}\n")


def _write_canvas(file: BinaryIO, page: Page, source: SourceInfo, number: int, *, is_only_page: bool) -> None:
    name = f"{source.base_url}{quote(source.stem, errors='surrogateescape')}/page/{number}"
    size = {"width": page.size.width, "height": page.size.height}
    painting = {
        "id": f"{name}/painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": _build_image(source, number, is_only_page=is_only_page),
        "target": name,
    }
    painted = {"id": f"{name}/paintings", "type": "AnnotationPage", "items": [painting]}
    canvas = {"id": name, "type": "Canvas", "label": {"none": [str(number)]}, **size}
    text = {"id": f"{name}/text", "type": "AnnotationPage"}
    file.write(
        encode_json(canvas | {"items": [painted]})[:-1] + b',"annotations":[' + encode_json(text)[:-1] + b',"items":'
    )
    write_array(file, _iter_annotations(page, name))
    file.write(b"}]}")


def _build_image(source: SourceInfo, number: int, *, is_only_page: bool) -> Json:
    kind = _BROWSER_MEDIA_TYPES.get(PurePath(source.name).suffix.lower()) if is_only_page else None
    name = source.name if kind else f"{source.stem}{page_suffix(number - 1)}.preview.png"
    return {
        "id": f"{source.base_url}{quote(name, errors='surrogateescape')}",
        "type": "Image",
        "format": kind or "image/png",
    }


def _iter_annotations(page: Page, name: str) -> Iterator[Json]:
    for number, line in enumerate(page.lines, 1):
        yield {
            "id": f"{name}/line/{number}",
            "type": "Annotation",
            "motivation": "supplementing",
            "body": {"type": "TextualBody", "value": line.text, "format": "text/plain"},
            "target": _build_target(line, name),
        }


def _build_target(line: Line, name: str) -> str | Json:
    """Return the box of the line, or its outline if it is not horizontal."""
    box = line.quad.bounds()
    if line.quad == Quad.from_bounds(*line.quad.p0, *line.quad.p2):
        return f"{name}#xywh={max(box.x0, 0)},{max(box.y0, 0)},{box.width},{box.height}"
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in line.quad.points)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><polygon points="{points}"/></svg>'
    return {"type": "SpecificResource", "source": name, "selector": {"type": "SvgSelector", "value": svg}}
