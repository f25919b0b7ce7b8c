"""Document <-> JSON in the format ocrfarm/1."""

import json
from typing import Any

from ocrfarm.document import Coverage, Document, Gap, Line, Page, Word
from ocrfarm.geometry import Box, Quad, Size

FORMAT = "ocrfarm/1"

Json = dict[str, Any]


def document_to_json(document: Document) -> bytes:
    """Give UTF-8 JSON: pages with size, lines (text, quad, confidence, words, model) and coverage; and timing."""
    data = {
        "format": FORMAT,
        "complete": document.complete,
        "pages": [_page_to_json(page) for page in document.pages],
        "timing": {name: round(seconds, 3) for name, seconds in document.timing.items()},
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def document_from_json(data: bytes) -> Document:
    """Read what `document_to_json` wrote; ValueError for anything else."""
    try:
        found = json.loads(data)
        if found["format"] != FORMAT:
            raise ValueError(f"format is {found['format']!r}, not {FORMAT}")
        return Document(tuple(_page_from_json(page) for page in found["pages"]), found["timing"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a document in the format {FORMAT}: {error}") from error


def _page_to_json(page: Page) -> Json:
    return {
        "width": page.size.width,
        "height": page.size.height,
        "lines": [_line_to_json(line) for line in page.lines],
        "coverage": _coverage_to_json(page.coverage),
    }


def _page_from_json(data: Json) -> Page:
    lines = tuple(_line_from_json(line) for line in data["lines"])
    return Page(Size(data["width"], data["height"]), lines, _coverage_from_json(data["coverage"]))


def _line_to_json(line: Line) -> Json:
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
        "looks": coverage.looks,
        "tiling": coverage.tiling,
        "gaps": [
            {"box": [gap.box.x0, gap.box.y0, gap.box.x1, gap.box.y1], "reason": gap.reason} for gap in coverage.gaps
        ],
    }


def _coverage_from_json(data: Json) -> Coverage:
    gaps = tuple(Gap(Box(*gap["box"]), gap["reason"]) for gap in data["gaps"])
    numbers = {
        name: data[name] for name in ("tiles", "blank", "read", "area", "scale", "squeezed", "saturated", "tiling")
    }
    return Coverage(**numbers, looks=data.get("looks", 0), gaps=gaps)
