"""Document <-> JSON in the format ocrfarm/1, whose JSON Schema is `ocrfarm-1.schema.json` beside this file.

Coordinates are page pixels with one decimal place, confidences have four. The file has one row for each line of text.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ocrfarm.document import Coverage, Document, Gap, Line, Page, PageSource, Word
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.result.source_info import SourceInfo

FORMAT = "ocrfarm/1"

Json = dict[str, Any]

_PAGES = '"pages":['
"""Text that no JSON string can contain, since a quotation mark in a string follows a backslash."""

_SEPARATOR = re.compile(r"[,\s]*")


def write_json(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write the document in the format ocrfarm/1.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; not used.
    """
    write_document(document, file)


def write_document(document: Document, file: BinaryIO) -> None:
    """Write what `document_to_json` returns, line by line and thus in bounded memory.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
    """
    file.write(encode_json(document_fields(document))[:-1] + b"," + _PAGES.encode())
    for number, page in enumerate(document.pages):
        file.write(b",\n" if number else b"\n")
        file.write(encode_json(page_fields(page))[:-1] + b',"lines":')
        write_array(file, map(line_to_json, page.lines))
        file.write(b"}")
    file.write(b"]}\n")


def document_to_json(document: Document) -> bytes:
    """Return the document as UTF-8 JSON in the format ocrfarm/1.

    Examples:
        >>> line = Line("Valve DN80", Quad.from_bounds(0, 0, 200, 30), confidence=0.97)
        >>> document = Document((Page(Size(800, 600), (line,), Coverage(tiles=1, blank=0, read=1)),), {})
        >>> document_from_json(document_to_json(document)) == document
        True
    """
    written = io.BytesIO()
    write_document(document, written)
    return written.getvalue()


def document_fields(document: Document) -> Json:
    """Return the fields of a document, without its pages."""
    timing = {name: round(seconds, 3) for name, seconds in document.timing.items()}
    return {"format": FORMAT, "complete": document.is_complete, "timing": timing}


def page_fields(page: Page) -> Json:
    """Return the fields of a page, without its lines."""
    known = {"width": page.size.width, "height": page.size.height, "coverage": _coverage_to_json(page.coverage)}
    return _page_source_to_json(page.source) | known


def encode_json(data: object) -> bytes:
    """Return JSON in UTF-8 without spaces.

    Examples:
        >>> encode_json({"text": "8 mm", "quad": [[0.5, 1]]})
        b'{"text":"8 mm","quad":[[0.5,1]]}'
    """
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def write_array(file: BinaryIO, items: Iterable[object]) -> None:
    r"""Write a JSON array item by item, each in a row of its own.

    Args:
        file: A file that is open for writing bytes.
        items: The items; only one of them is in memory at a time.

    Examples:
        >>> file = io.BytesIO()
        >>> write_array(file, [1, {"a": 2}])
        >>> file.getvalue()
        b'[\n1,\n{"a":2}]'
    """
    file.write(b"[")
    file.writelines((b",\n" if number else b"\n") + encode_json(item) for number, item in enumerate(items))
    file.write(b"]")


def document_from_json(data: bytes) -> Document:
    """Read a document in the format ocrfarm/1.

    Raises:
        ValueError: The data is no JSON, or is not in this format.

    Examples:
        >>> document_from_json(b'{"format": "ocrfarm/1", "complete": true, "timing": {}, "pages": []}').pages
        ()
    """
    try:
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"format is {found['format']!r}, not {FORMAT}")
        return Document(tuple(_page_from_json(page) for page in found["pages"]), found["timing"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a document in the format {FORMAT}: {error}") from error


def pages_from_json(data: bytes) -> Iterator[Page]:
    """Read the pages of a document in the format ocrfarm/1 one by one, so that only one of them is in memory."""
    text, decoder = data.decode(), json.JSONDecoder()
    at = text.index(_PAGES) + len(_PAGES)
    while text[at := _SEPARATOR.match(text, at).end()] != "]":  # type: ignore[union-attr]  # matches everywhere
        page, at = decoder.raw_decode(text, at)
        yield _page_from_json(page)


def _page_from_json(data: Json) -> Page:
    lines = tuple(_line_from_json(line) for line in data["lines"])
    number = data["number"] - 1 if "number" in data else None
    source = PageSource(number, data.get("dpi", 0.0), data.get("has_text", False))
    return Page(Size(data["width"], data["height"]), lines, _coverage_from_json(data["coverage"]), source)


def _page_source_to_json(source: PageSource) -> Json:
    """Return the fields that are known; for most pages, which are images, there are none."""
    number = {} if source.number is None else {"number": source.number + 1}
    return number | ({"dpi": round(source.dpi, 2), "has_text": source.has_text} if source.dpi else {})


def line_to_json(line: Line) -> Json:
    """Return the fields of a line: text, quad, confidence, words, model, and the outcome of a second pass."""
    return {
        "text": line.text,
        "quad": _quad_to_json(line.quad),
        "confidence": round(line.confidence, 4),
        "words": [{"text": word.text, "quad": _quad_to_json(word.quad)} for word in line.words],
        "model": line.model,
        **({"second_pass": line.second_pass} if line.second_pass else {}),
    }


def _line_from_json(data: Json) -> Line:
    words = tuple(Word(word["text"], Quad.from_points(word["quad"])) for word in data["words"])
    quad, second_pass = Quad.from_points(data["quad"]), data.get("second_pass", "")
    return Line(data["text"], quad, data["confidence"], words, data["model"], second_pass)


def _quad_to_json(quad: Quad) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in quad.points]


def _coverage_to_json(coverage: Coverage) -> Json:
    return {
        "tiles": coverage.tiles,
        "blank": coverage.blank,
        "read": coverage.read,
        "failed": coverage.failed,
        "fraction_read": round(coverage.fraction_read, 6),
        "scale": coverage.scale,
        "overlong_lines": coverage.overlong_lines,
        "overflowed_tiles": coverage.overflowed_tiles,
        "scales": [{"scale": scale, "fraction": round(fraction, 6)} for scale, fraction in coverage.scales],
        "retries": coverage.retries,
        "second_pass_count": coverage.second_pass_count,
        "tiling": coverage.tiling,
        "gaps": [{"box": _box_to_json(gap.box), "reason": gap.reason} for gap in coverage.gaps],
        **({"excluded": [_box_to_json(box) for box in coverage.excluded]} if coverage.excluded else {}),
    }


def _box_to_json(box: Box) -> list[int]:
    return [box.x0, box.y0, box.x1, box.y1]


def _coverage_from_json(data: Json) -> Coverage:
    gaps = tuple(Gap(Box(*gap["box"]), gap["reason"]) for gap in data["gaps"])
    return Coverage(
        tiles=data["tiles"],
        blank=data["blank"],
        read=data["read"],
        fraction_read=data["fraction_read"],
        scale=data["scale"],
        overlong_lines=data["overlong_lines"],
        overflowed_tiles=data["overflowed_tiles"],
        gaps=gaps,
        tiling=data["tiling"],
        second_pass_count=data["second_pass_count"],
        scales=tuple((each["scale"], each["fraction"]) for each in data["scales"]),
        retries=data["retries"],
        excluded=tuple(Box(*box) for box in data.get("excluded", ())),
    )
