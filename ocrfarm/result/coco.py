"""Document -> COCO object detection JSON, the format of training data for detectors.

The format is described at https://cocodataset.org/#format-data; the fields for text (`utf8_string`, `legibility`) are
those of COCO-Text. Coordinates are pixels, with one decimal place.
"""

from collections.abc import Iterator
from itertools import count
from typing import BinaryIO

from ocrfarm.document import Document, Line
from ocrfarm.geometry import Quad
from ocrfarm.result.generator import SOFTWARE_NAME, SOFTWARE_VERSION
from ocrfarm.result.json import Json, encode_json, write_array
from ocrfarm.result.source_info import SourceInfo, enumerate_pages
from ocrfarm.result.words import words_of

_LINE, _WORD = 1, 2
_CATEGORIES = [{"id": _LINE, "name": "line", "supercategory": "text"}, {"id": _WORD, "name": "word"}]


def write_coco(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write one image for each page, and one annotation for each line and each word.

    Category 1 is a line and category 2 a word. The `line_id` of a word is the id of its line's annotation.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name becomes `file_name`.
    """
    images = [
        {"id": number, "file_name": source.name, "page": number, "width": page.size.width, "height": page.size.height}
        for number, page in enumerate_pages(document, source.page_offset)
    ]
    head = {"info": {"description": f"{SOFTWARE_NAME} {SOFTWARE_VERSION}"}, "licenses": [], "images": images}
    file.write(encode_json(head | {"categories": _CATEGORIES})[:-1] + b',"annotations":')
    write_array(file, _iter_annotations(document, source.page_offset))
    file.write(b"}\n")


def _iter_annotations(document: Document, page_offset: int) -> Iterator[Json]:
    ids = count(1)
    for image, page in enumerate_pages(document, page_offset):
        for line in page.lines:
            number = next(ids)
            known = {"image_id": image, "iscrowd": 0, "legibility": "legible", "score": round(line.confidence, 4)}
            yield known | {"id": number, "category_id": _LINE, "utf8_string": line.text} | _geometry_fields(line.quad)
            for word in _iter_word_annotations(line, number):
                yield known | {"id": next(ids)} | word


def _iter_word_annotations(line: Line, number: int) -> Iterator[Json]:
    for word in words_of(line):
        yield {"category_id": _WORD, "line_id": number, "utf8_string": word.text} | _geometry_fields(word.quad)


def _geometry_fields(quad: Quad) -> Json:
    """Return the outline, the bounds (x, y, width, height) and the area, in pixels."""
    ring = [(round(x, 1), round(y, 1)) for x, y in quad.points]
    xs, ys = zip(*ring, strict=True)
    doubled = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True))
    bounds = [min(xs), min(ys), round(max(xs) - min(xs), 1), round(max(ys) - min(ys), 1)]
    return {
        "segmentation": [[value for point in ring for value in point]],
        "bbox": bounds,
        "area": round(abs(doubled) / 2, 1),
    }
