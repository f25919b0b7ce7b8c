"""Parts of images: what is asked for is read, what is not is left out on purpose, and the rest stays as it was."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrfarm.document import Document
from ocrfarm.errors import InputError
from ocrfarm.geometry import Box, Size
from ocrfarm.pipeline import run_pipeline
from ocrfarm.recognize import find_profile
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, make_synthetic_page
from ocrfarm.result import document_from_json, document_to_json
from ocrfarm.selection import Mask, Selection, parse_page_ranges

SYNTHETIC_PROFILE = find_profile("synthetic").with_tiling(side=512, overlap=128)
PAGE = Size(2000, 1500)
REGION = Box(300, 200, 900, 700)


def sheet(path: Path, *seeds: int) -> Path:
    first, *others = (Image.fromarray(make_synthetic_page(PAGE, seed=seed, lines=40)[0]) for seed in seeds)
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")
    return path


def read_document(path: Path, scope: Selection) -> Document:
    return run_pipeline(path, SyntheticEngine(), profile=SYNTHETIC_PROFILE, selection=scope).document


def middle_in(document: Document, box: Box) -> set[str]:
    quads = {line.text: [word.quad.centre for word in line.words] for line in document.lines}
    return {
        text
        for text, centres in quads.items()
        if any(box.x0 <= x < box.x1 and box.y0 <= y < box.y1 for x, y in centres)
    }


def test_a_region_gives_the_lines_in_it_and_says_what_was_left_out(tmp_path: Path) -> None:
    path = sheet(tmp_path / "x.tif", 1)
    whole, part = read_document(path, Selection()), read_document(path, Selection(regions=(REGION,)))
    (page,) = part.pages
    assert {line.text for line in page.lines} == middle_in(part, REGION)
    assert {line for line in page.lines if line.text in middle_in(whole, REGION)} <= set(page.lines)
    assert middle_in(whole, Box(400, 300, 800, 600)) <= {line.text for line in page.lines}
    coverage = page.coverage
    assert part.is_complete
    assert 0 < coverage.tiles < whole.pages[0].coverage.tiles
    left = sum(box.area for box in coverage.excluded) / PAGE.area
    assert coverage.fraction_read + left == pytest.approx(1)
    assert not any(box.intersection(REGION) for box in coverage.excluded)
    assert document_from_json(document_to_json(part)).pages[0].coverage.excluded == coverage.excluded


def test_a_mask_and_a_region_add_up(tmp_path: Path) -> None:
    path = sheet(tmp_path / "x.tif", 2)
    whole = read_document(path, Selection())
    corner = Mask(Size(2, 2), (0b00, 0b10))  # the lower right quarter
    part = read_document(path, Selection(regions=(REGION,), mask=corner))
    texts = {line.text for line in part.lines}
    assert middle_in(whole, Box(1100, 850, 2000, 1500)) <= texts
    assert middle_in(whole, Box(400, 300, 800, 600)) <= texts
    assert texts == middle_in(part, REGION) | middle_in(part, Box(1000, 750, 2000, 1500))


def test_all_of_a_page_as_a_region_is_all_of_it(tmp_path: Path) -> None:
    path = sheet(tmp_path / "x.tif", 3)
    region = Box(0, 0, 10**6, 10**6)
    whole, part = read_document(path, Selection()), read_document(path, Selection(regions=(region,)))
    assert part.pages == whole.pages
    assert part.pages[0].coverage.excluded == ()


def test_pages_keep_their_numbers(tmp_path: Path) -> None:
    path = sheet(tmp_path / "x.tif", 1, 2, 3)
    whole, part = read_document(path, Selection()), read_document(path, Selection(parse_page_ranges("2-3")))
    assert part.page_numbers == (1, 2)
    assert [page.lines for page in part.pages] == [page.lines for page in whole.pages[1:]]
    assert whole.page_numbers == (0, 1, 2)
    assert document_from_json(document_to_json(part)).page_numbers == (1, 2)
    with pytest.raises(InputError, match="has 3 pages"):
        read_document(path, Selection(parse_page_ranges("4")))


def test_a_page_that_no_region_touches_is_left_out_as_a_whole(tmp_path: Path) -> None:
    small = Image.fromarray(np.full((100, 100), 255, np.uint8))
    large = Image.fromarray(make_synthetic_page(PAGE, seed=1, lines=40)[0])
    small.save(tmp_path / "x.tif", save_all=True, append_images=[large])
    document = read_document(tmp_path / "x.tif", Selection(regions=(REGION,)))
    assert document.is_complete
    assert document.pages[0].coverage.excluded == (Box(0, 0, 100, 100),)
    assert document.pages[0].coverage.fraction_read == 0
    assert document.pages[1].lines
    with pytest.raises(InputError, match="the regions or the mask lie outside all pages"):
        read_document(tmp_path / "x.tif", Selection(regions=(Box(5000, 5000, 6000, 6000),)))
