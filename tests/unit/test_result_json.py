"""ocrfarm/1 against its published schema, and the other kinds of JSON against the programs that read them."""

import json
from pathlib import Path
from typing import Any

import iiif_prezi3
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from pycocotools.coco import COCO
from pycocotools.mask import area, toBbox

from ocrfarm import result
from ocrfarm.document import Document, Line
from ocrfarm.geometry import Quad
from ocrfarm.result import document_to_json
from tests.support.document_strategies import documents
from tests.support.sample_documents import BASE_URL, DOCUMENTS, SIZE, draw_origin, make_page, write_format
from tests.support.source_tree import ROOT

SCHEMA = json.loads((Path(result.__file__).parent / "ocrfarm-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())


def test_the_schema_is_a_schema_and_published() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads((ROOT / "docs/schema/ocrfarm-1.schema.json").read_text(encoding="utf-8")) == SCHEMA


@every_document
def test_what_is_written_follows_the_schema(document: Document) -> None:
    VALIDATOR.validate(json.loads(document_to_json(document)))


@given(documents)
def test_whatever_is_written_follows_the_schema(document: Document) -> None:
    VALIDATOR.validate(json.loads(document_to_json(document)))


def _strict(schema: Any) -> Any:
    """Give the schema with no room for properties that it does not name."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema and "type" in schema else {}
    return closed | {name: _strict(value) for name, value in schema.items()}


@every_document
def test_the_schema_names_everything_that_is_written(document: Document) -> None:
    Draft202012Validator(_strict(SCHEMA)).validate(json.loads(document_to_json(document)))


@pytest.mark.parametrize("wrong", [{"format": "ocrfarm/2"}, {"pages": [{}]}, {"complete": "yes"}])
def test_the_schema_refuses_what_is_not_the_format(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(json.loads(document_to_json(DOCUMENTS["ordinary"])) | wrong)


@every_document
def test_coco_is_read_by_pycocotools(document: Document, tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_bytes(write_format("coco", document, draw_origin(document, tmp_path)))
    coco = COCO(tmp_path / "coco.json")
    for number, page in enumerate(document.pages, 1):
        (image,) = coco.loadImgs(number)
        assert (image["width"], image["height"]) == (page.size.width, page.size.height)
        lines = coco.loadAnns(coco.getAnnIds(number, catIds=[1]))
        assert [line["utf8_string"] for line in lines] == [line.text for line in page.lines]
        words = coco.loadAnns(coco.getAnnIds(number, catIds=[2]))
        assert [word["utf8_string"] for word in words] == [word.text for line in page.lines for word in line.words]
        assert {word["line_id"] for word in words} == {line["id"] for line in lines}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools and numpy 2
def test_the_area_of_coco_is_that_of_its_mask(tmp_path: Path) -> None:
    document = DOCUMENTS["turned"]
    (tmp_path / "coco.json").write_bytes(write_format("coco", document, draw_origin(document, tmp_path)))
    coco = COCO(tmp_path / "coco.json")
    for line in coco.loadAnns(coco.getAnnIds(catIds=[1])):
        mask = coco.annToRLE(line)
        assert area(mask) == pytest.approx(line["area"], rel=0.05)
        assert list(toBbox(mask)) == pytest.approx(line["bbox"], abs=2)


@every_document
def test_iiif_is_read_by_prezi3(document: Document, tmp_path: Path) -> None:
    data = json.loads(write_format("iiif", document, draw_origin(document, tmp_path)))
    manifest = iiif_prezi3.Manifest(**data)
    assert str(manifest.id) == f"{BASE_URL}sheet.iiif.json"
    for canvas, page in zip(manifest.items, document.pages, strict=True):
        assert (canvas.width, canvas.height) == (page.size.width, page.size.height)
        (text,) = canvas.annotations
        assert [each.body.value for each in text.items or []] == [line.text for line in page.lines]


def test_iiif_says_where_a_line_stands(tmp_path: Path) -> None:
    level, slanted = Line("level", Quad.from_bounds(10, 20, 110, 40), 1.0), DOCUMENTS["turned"].lines[0]
    document = Document((make_page(level, slanted),))
    (canvas,) = json.loads(write_format("iiif", document, draw_origin(document, tmp_path)))["items"]
    targets = [each["target"] for each in canvas["annotations"][0]["items"]]
    assert targets[0] == f"{canvas['id']}#xywh=10,20,100,20"
    assert targets[1]["selector"]["value"].count(",") == 4
    assert canvas["items"][0]["items"][0]["body"]["id"] == f"{BASE_URL}sheet.png"


def test_iiif_shows_previews_of_what_no_browser_shows(tmp_path: Path) -> None:
    document = DOCUMENTS["several"]
    canvases = json.loads(write_format("iiif", document, draw_origin(document, tmp_path)))["items"]
    shown = [canvas["items"][0]["items"][0]["body"]["id"] for canvas in canvases]
    assert shown == [f"{BASE_URL}sheet{part}.preview.png" for part in ("", ".p0001", ".p0002")]


def test_json_lines_are_one_object_a_row(tmp_path: Path) -> None:
    document = DOCUMENTS["several"]
    rows = [json.loads(row) for row in write_format("jsonl", document, draw_origin(document, tmp_path)).splitlines()]
    assert [row["kind"] for row in rows] == ["document", *["page", "line"] * 3]
    assert (rows[1]["width"], rows[1]["height"]) == (SIZE.width, SIZE.height)
