"""Document <-> JSON in the format ocrfarm/1."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ocrfarm.document import Coverage, Document, Gap, Leaf, Line, Page, Word
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.result.origin import Origin

FORMAT = "ocrfarm/1"
"""`ocrfarm-1.schema.json` beside this file is its JSON Schema."""

Json = dict[str, Any]

_PAGES = '"pages":['
"""No string can hold it: in one, a quotation mark has a backslash before it."""

_BETWEEN = re.compile(r"[,\s]*")


def write_json(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write the document in the format ocrfarm/1, a row a line of text."""
    write_document(document, file)


def write_document(document: Document, file: BinaryIO) -> None:
    """Write what `document_to_json` gives, in bounded memory."""
    file.write(dumped(document_row(document))[:-1] + b"," + _PAGES.encode())
    for number, page in enumerate(document.pages):
        file.write(b",\n" if number else b"\n")
        file.write(dumped(page_row(page))[:-1] + b',"lines":')
        write_array(file, map(line_to_json, page.lines))
        file.write(b"}")
    file.write(b"]}\n")


def document_to_json(document: Document) -> bytes:
    """Give UTF-8 JSON: pages with size, lines (text, quad, confidence, words, model) and coverage; and timing."""
    written = io.BytesIO()
    write_document(document, written)
    return written.getvalue()


def document_row(document: Document) -> Json:
    """Give what is said of a document, without its pages."""
    timing = {name: round(seconds, 3) for name, seconds in document.timing.items()}
    return {"format": FORMAT, "complete": document.complete, "timing": timing}


def page_row(page: Page) -> Json:
    """Give what is said of a page, without its lines."""
    known = {"width": page.size.width, "height": page.size.height, "coverage": _coverage_to_json(page.coverage)}
    return _leaf_to_json(page.leaf) | known


def dumped(data: object) -> bytes:
    """Give JSON in UTF-8 without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def write_array(file: BinaryIO, items: Iterable[object]) -> None:
    """Write a JSON array item by item."""
    file.write(b"[")
    for number, item in enumerate(items):
        file.write((b",\n" if number else b"\n") + dumped(item))
    file.write(b"]")


def document_from_json(data: bytes) -> Document:
    """Read what `document_to_json` wrote; ValueError for anything else."""
    try:
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"format is {found['format']!r}, not {FORMAT}")
        return Document(tuple(_page_from_json(page) for page in found["pages"]), found["timing"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a document in the format {FORMAT}: {error}") from error


def pages_from_json(data: bytes) -> Iterator[Page]:
    """Read one page after the other of what `document_to_json` wrote, so that no more than one has to be in memory."""
    text, decoder = data.decode(), json.JSONDecoder()
    at = text.index(_PAGES) + len(_PAGES)
    while text[at := _BETWEEN.match(text, at).end()] != "]":  # type: ignore[union-attr]  # matches everywhere
        page, at = decoder.raw_decode(text, at)
        yield _page_from_json(page)


def _page_from_json(data: Json) -> Page:
    lines = tuple(_line_from_json(line) for line in data["lines"])
    leaf = Leaf(data["number"] - 1 if "number" in data else None, data.get("dpi", 0.0), data.get("has_text", False))
    return Page(Size(data["width"], data["height"]), lines, _coverage_from_json(data["coverage"]), leaf)


def _leaf_to_json(leaf: Leaf) -> Json:
    """Give what is known; most pages are pictures, of which nothing is."""
    number = {} if leaf.number is None else {"number": leaf.number + 1}
    return number | ({"dpi": round(leaf.dpi, 2), "has_text": leaf.has_text} if leaf.dpi else {})


def line_to_json(line: Line) -> Json:
    """Give text, quad, confidence, words and model of a line."""
    return {
        "text": line.text,
        "quad": _quad_to_json(line.quad),
        "confidence": round(line.confidence, 4),
        "words": [{"text": word.text, "quad": _quad_to_json(word.quad)} for word in line.words],
        "model": line.model,
        **({"look": line.look} if line.look else {}),
    }


def _line_from_json(data: Json) -> Line:
    words = tuple(Word(word["text"], Quad.of(word["quad"])) for word in data["words"])
    return Line(data["text"], Quad.of(data["quad"]), data["confidence"], words, data["model"], data.get("look", ""))


def _quad_to_json(quad: Quad) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in quad.points]


def _coverage_to_json(coverage: Coverage) -> Json:
    return {
        "tiles": coverage.tiles,
        "blank": coverage.blank,
        "read": coverage.read,
        "failed": coverage.failed,
        "area": round(coverage.area, 6),
        "scale": coverage.scale,
        "squeezed": coverage.squeezed,
        "saturated": coverage.saturated,
        "scales": [{"scale": scale, "area": round(area, 6)} for scale, area in coverage.scales],
        "retries": coverage.retries,
        "looks": coverage.looks,
        "tiling": coverage.tiling,
        "gaps": [{"box": _box_to_json(gap.box), "reason": gap.reason} for gap in coverage.gaps],
        **({"left_out": [_box_to_json(box) for box in coverage.left_out]} if coverage.left_out else {}),
    }


def _box_to_json(box: Box) -> list[int]:
    return [box.x0, box.y0, box.x1, box.y1]


def _coverage_from_json(data: Json) -> Coverage:
    gaps = tuple(Gap(Box(*gap["box"]), gap["reason"]) for gap in data["gaps"])
    numbers = {
        name: data[name]
        for name in ("tiles", "blank", "read", "area", "scale", "squeezed", "saturated", "tiling", "looks", "retries")
    }
    scales = tuple((each["scale"], each["area"]) for each in data["scales"])
    left_out = tuple(Box(*box) for box in data.get("left_out", ()))
    return Coverage(**numbers, gaps=gaps, scales=scales, left_out=left_out)
