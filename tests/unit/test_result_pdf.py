"""Searchable PDF: pdfium finds every word in its place and draws the image as it was; qpdf finds no fault."""

import ctypes
import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pypdfium2
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps

from ocrfarm import pdf_image_tiles
from ocrfarm.document import Document, Line, Page
from ocrfarm.errors import InputError, MissingPackage
from ocrfarm.geometry import Quad, Size
from ocrfarm.result.pdf.font import PdfFont
from ocrfarm.result.pdf.text import iter_text_layer
from tests.support.sample_documents import DOCUMENTS, draw_origin, make_line, make_origin, make_page, write_format

every_document = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS.keys())

_FINE = 1_000_000
"""Steps into which pdfium is made to divide a page."""


def make_pdf(document: Document, path: Path) -> bytes:
    return write_format("pdf", document, make_origin(path, document))


def find_text(page: Any, text: str) -> Iterator[tuple[float, float]]:
    """Give the middle of every place where pdfium finds the text, as shares of the page, y down."""
    reader = page.get_textpage()
    units, wanted = (each.encode("utf-16-le") for each in (reader.get_text_range(), text))  # as pdfium counts them
    starts = (at for at in range(0, len(units), 2) if units.startswith(wanted, at))
    for start in starts:
        indices = range(start // 2, (start + len(wanted)) // 2)
        boxes = np.array([reader.get_charbox(index) for index in indices])
        corners = [to_pixels(page, *boxes[:, :2].min(axis=0)), to_pixels(page, *boxes[:, 2:].max(axis=0))]
        yield (corners[0][0] + corners[1][0]) / 2, (corners[0][1] + corners[1][1]) / 2


def to_pixels(page: Any, x: float, y: float) -> tuple[float, float]:
    """Give a point of the page as written as shares of the page as seen, y down."""
    across, down = ctypes.c_int(), ctypes.c_int()
    pypdfium2.raw.FPDF_PageToDevice(page, 0, 0, _FINE, _FINE, 0, x, y, across, down)
    return across.value / _FINE, down.value / _FINE


def is_text_at(shown: Any, page: Page, text: str, quad: Quad) -> bool:
    """Say whether the text is found within half a line height of the quad's middle."""
    x, y = (sum(values) / 4 for values in zip(*quad.points, strict=True))
    places = [(across * page.size.width, down * page.size.height) for across, down in find_text(shown, text)]
    return any(max(abs(u - x), abs(v - y)) <= quad.height / 2 for u, v in places)


def render_page(data: bytes, size: Size, page: int = 0) -> Image.Image:
    with closing(pypdfium2.PdfDocument(data)) as pdf:
        shown = pdf[page]
        scale = (size.width - 1e-3) / shown.get_size()[0]  # pdfium rounds up
        image: Image.Image = shown.render(scale=scale).to_pil()
    assert image.size == (size.width, size.height)
    return image


def looks_similar(one: Image.Image, other: Image.Image, max_difference: float = 3.0) -> bool:
    difference = np.asarray(ImageChops.difference(one.convert("RGB"), other.convert("RGB")), np.float64)
    return float(difference.mean()) <= max_difference


@every_document
def test_pdfium_finds_every_word_in_its_place(document: Document, tmp_path: Path) -> None:
    data = write_format("pdf", document, draw_origin(document, tmp_path))
    with closing(pypdfium2.PdfDocument(data)) as pdf:
        assert len(pdf) == len(document.pages)
        for shown, page in zip(pdf, document.pages, strict=True):
            words = [word for line in page.lines for word in line.words if word.text.isprintable()]
            assert [word.text for word in words if not is_text_at(shown, page, word.text, word.quad)] == []
            assert bool(words) is bool(shown.get_textpage().count_chars())


@every_document
def test_qpdf_finds_no_fault(document: Document, tmp_path: Path) -> None:
    data = write_format("pdf", document, draw_origin(document, tmp_path))
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert pdf.check_pdf_syntax() == []
        assert len(pdf.pages) == len(document.pages)


@every_document
def test_the_image_is_seen_and_the_text_is_not(document: Document, tmp_path: Path) -> None:
    origin = draw_origin(document, tmp_path)
    data = write_format("pdf", document, origin)
    with Image.open(origin.image_path()) as source:
        for number, page in enumerate(document.pages):
            source.seek(number)
            assert looks_similar(render_page(data, page.size, number), source, 0.01)


SOURCE = Size(300, 200)


def coloured() -> Image.Image:
    """Draw an image that looks different in every corner, with soft colours and a hard edge."""
    across, down = np.meshgrid(np.linspace(0, 200, SOURCE.width), np.linspace(0, 200, SOURCE.height))
    image = Image.fromarray(np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8))
    ImageDraw.Draw(image).rectangle([20, 10, 120, 40], (255, 255, 255), (200, 0, 0), 3)
    return image


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(coloured().convert("L"), np.uint16) * 257)


def two_colours() -> Image.Image:
    return coloured().convert("L").point(lambda grey: 255 * (grey > 99)).convert("1")


def half_transparent() -> Image.Image:
    image = coloured().convert("RGBA")
    image.putalpha(coloured().convert("L"))
    return image


EMBEDDED_AS_IS: dict[str, tuple[str, Image.Image, dict[str, Any]]] = {
    "grey JPEG": ("jpg", coloured().convert("L"), {}),
    "JPEG": ("jpg", coloured(), {"quality": 95}),
    "progressive JPEG": ("jpg", coloured(), {"quality": 95, "progressive": True}),
    "CMYK JPEG": ("jpg", coloured().convert("CMYK"), {"quality": 95}),
    "grey PNG": ("png", coloured().convert("L"), {}),
    "PNG": ("png", coloured(), {}),
    "PNG of 2 colours": ("png", coloured().convert("1"), {}),
    "PNG of 13 colours": ("png", coloured().quantize(13), {}),
    "PNG of 256 colours": ("png", coloured().quantize(256), {}),
    "PNG of 16 bits": ("png", sixteen_bits(), {}),
    "JPEG-2000": ("jp2", coloured(), {}),
    "fax TIFF": ("tif", coloured().convert("1"), {"compression": "group4", "strip_size": 1 << 20}),
}
EMBEDDED_IN_TILES: dict[str, tuple[str, Image.Image, dict[str, Any]]] = {
    "PNG with alpha": ("png", half_transparent(), {}),
    "LZW TIFF": ("tif", coloured(), {"compression": "tiff_lzw"}),
    "grey TIFF": ("tif", coloured().convert("L"), {}),
    "JPEG TIFF": ("tif", coloured(), {"compression": "jpeg", "quality": 95}),
    "fax TIFF of strips": ("tif", two_colours(), {"compression": "group4", "strip_size": 1 << 10}),
    "WebP": ("webp", coloured(), {"quality": 95}),
    "lossless WebP": ("webp", coloured(), {"lossless": True}),
    "GIF": ("gif", coloured().quantize(256), {}),
    "BMP": ("bmp", coloured(), {}),
}
_MAX_JPEG_DIFFERENCE = 6.0
"""Grey levels that a lossy image may be off, on average."""


def source(folder: Path, form: str, image: Image.Image, options: dict[str, Any]) -> tuple[Path, Image.Image]:
    """Write the image; give its path, and how it looks on white paper."""
    path = folder / f"source.{form}"
    image.save(path, **options)
    with Image.open(path) as seen:
        if seen.mode == "I;16":
            return path, coloured().convert("L")
        if seen.mode != "RGBA":
            return path, seen.convert("RGB")
        return path, Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")


@pytest.mark.parametrize(("form", "image", "options"), EMBEDDED_AS_IS.values(), ids=EMBEDDED_AS_IS.keys())
def test_images_that_go_in_as_they_are(form: str, image: Image.Image, options: dict[str, Any], tmp_path: Path) -> None:
    path, seen = source(tmp_path, form, image, options)
    document = Document((make_page(make_line("word", x=20), size=SOURCE),))
    data = write_format(
        "pdf", document, replace(make_origin(path, document), image_tiles=lambda page: [].__getitem__(0))
    )
    lossy = 20.0 if image.mode == "CMYK" else _MAX_JPEG_DIFFERENCE  # each program has inks of its own
    assert looks_similar(render_page(data, SOURCE), seen, lossy if form in ("jpg", "jp2") else 0.02)
    if form in ("jpg", "jp2"):
        assert path.read_bytes() in data
    assert len(data) < path.stat().st_size + 5000


@pytest.mark.parametrize("side", [2048, 128], ids=["one piece", "six pieces"])
@pytest.mark.parametrize(("form", "image", "options"), EMBEDDED_IN_TILES.values(), ids=EMBEDDED_IN_TILES.keys())
def test_images_that_are_cut(
    form: str, image: Image.Image, options: dict[str, Any], side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_image_tiles, "_TILE_SIDE", side)
    path, seen = source(tmp_path, form, image, options)
    data = make_pdf(Document((make_page(make_line("word", x=20), size=SOURCE),)), path)
    lossy = form == "webp" or options.get("compression") == "jpeg"
    assert looks_similar(render_page(data, SOURCE), seen, _MAX_JPEG_DIFFERENCE if lossy else 0.6)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert len(pdf.pages[0].Resources.XObject.keys()) == (1 if side == 2048 else 6)
        assert pdf.check_pdf_syntax() == []


@pytest.mark.parametrize("white", [0, 255], ids=["white is zero", "black is zero"])
def test_a_fax_is_not_turned_into_its_negative(white: int, tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    image = coloured().convert("1")
    photometric = 0 if white == 0 else 1
    image.save(path, compression="group4", strip_size=1 << 20, tiffinfo={262: photometric})
    data = make_pdf(Document((make_page(size=SOURCE),)), path)
    assert b"/CCITTFaxDecode" in data
    assert looks_similar(render_page(data, SOURCE), image, 0.01)


@pytest.mark.parametrize("form", ["jpg", "tif"])
@pytest.mark.parametrize("code", range(1, 9))
def test_an_image_that_is_stored_turned_is_seen_upright(code: int, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"turned.{form}"
    exif = Image.Exif()
    exif[274] = code
    coloured().save(path, exif=exif, quality=95)
    with Image.open(path) as stored:
        upright = ImageOps.exif_transpose(stored)
    size = Size(*upright.size)
    document = Document((make_page(make_line("word", x=20, y=120, angle=10), size=size),))
    data = make_pdf(document, path)
    assert looks_similar(render_page(data, size), upright, _MAX_JPEG_DIFFERENCE if form == "jpg" else 0.6)
    with closing(pypdfium2.PdfDocument(data)) as pdf:
        assert is_text_at(pdf[0], document.pages[0], "word", document.lines[0].quad)


def test_a_colour_profile_goes_along(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for form in ("png", "jpg"):
        coloured().save(tmp_path / f"colour.{form}", icc_profile=profile)
        data = make_pdf(Document((make_page(size=SOURCE),)), tmp_path / f"colour.{form}")
        with pikepdf.open(io.BytesIO(data)) as pdf:
            (name,) = pdf.pages[0].Resources.XObject.keys()
            kind, stream = pdf.pages[0].Resources.XObject[name].ColorSpace
            assert (str(kind), stream.read_bytes()) == ("/ICCBased", profile)
        assert looks_similar(render_page(data, SOURCE), coloured(), _MAX_JPEG_DIFFERENCE)


@pytest.mark.parametrize(
    ("dpi", "points"), [(150, 144.0), (None, 72.0), (1, 72.0)], ids=["told", "not told", "senseless"]
)
def test_the_page_is_as_large_as_the_image_says(dpi: int | None, points: float, tmp_path: Path) -> None:
    path = tmp_path / "sized.png"
    options: dict[str, Any] = {"dpi": (dpi, dpi)} if dpi else {}
    coloured().save(path, **options)
    with closing(pypdfium2.PdfDocument(make_pdf(Document((make_page(size=SOURCE),)), path))) as pdf:
        assert pdf[0].get_width() == pytest.approx(points, abs=0.05)


def test_no_page_is_larger_than_viewers_know(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    Image.new("1", (60_000, 20), 1).save(path, dpi=(72, 72))
    with closing(pypdfium2.PdfDocument(make_pdf(Document((make_page(size=Size(60_000, 20)),)), path))) as pdf:
        assert pdf[0].get_width() == pytest.approx(14_400)


def test_what_has_to_be_decoded_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_image_tiles, "find_spec", lambda name: None)
    path, _ = source(tmp_path, *EMBEDDED_IN_TILES["GIF"])
    with pytest.raises(MissingPackage, match=r"source\.gif: .*pyvips"):
        make_pdf(Document((make_page(size=SOURCE),)), path)


def test_the_font_is_one_that_other_programs_read(tmp_path: Path) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 450))) + "\U00020bb7"
    document = Document((make_page(make_line(many, x=0, height=1)),))
    data = write_format("pdf", document, draw_origin(document, tmp_path))
    with pikepdf.open(io.BytesIO(data)) as pdf:
        font = pdf.pages[0].Resources.Font.OcrfarmText
        program = font.DescendantFonts[0].FontDescriptor.FontFile2.read_bytes()
        assert len(program) < 400
        assert TTFont(io.BytesIO(program)).getGlyphOrder() == [".notdef", "glyph00001"]
        assert len(font.DescendantFonts[0].CIDToGIDMap.read_bytes()) == 2 * (len(many) + 1)
    with closing(pypdfium2.PdfDocument(data)) as pdf:
        assert pdf[0].get_textpage().get_text_bounded() == many


@given(st.lists(st.text("AZaz09.,äß中文字あ\U00020bb7<&>()\\", min_size=1, max_size=8), min_size=1, max_size=4))
def test_text_is_read_back(words: list[str]) -> None:
    line = make_line(" ".join(words), x=10)
    document = Document((make_page(line, size=Size(5000, 200)),))
    origin = replace(make_origin(Path(__file__), document), image_tiles=lambda page: [])
    with closing(pypdfium2.PdfDocument(write_format("pdf", document, origin))) as pdf:
        assert pdf[0].get_textpage().get_text_bounded() == line.text


@pytest.mark.parametrize(
    "quad", [Quad.from_bounds(5, 5, 5, 5), Quad.from_bounds(5, 5, 90, 5), Quad.from_bounds(5, 5, 5, 40)]
)
def test_a_word_without_extent_is_left_out(quad: Quad) -> None:
    page = make_page(Line("nothing", quad, 1.0))
    assert b"Tj" not in b"".join(iter_text_layer(page, PdfFont()))


def write_pdf(path: Path, rotate: int, crop: list[float]) -> Path:
    """Write a PDF of one page of 400 x 300 points that is turned and cropped."""
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(400, 300))
        page.Contents = pdf.make_stream(b"2 0 0 2 0 0 cm 1 0 0 rg 25 25 50 10 re f")  # and the matrix stays as it is
        page.obj.Rotate = rotate
        page.obj.CropBox = pikepdf.Array(crop)
        pdf.save(path)
    return path


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [[0, 0, 400, 300], [30, 20, 330, 220]], ids=["whole", "cropped"])
def test_a_pdf_keeps_its_pages_and_gets_the_text(rotate: int, crop: list[float], tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "source.pdf", rotate, crop)
    with closing(pypdfium2.PdfDocument(path)) as before:
        width, height = (round(side) for side in before[0].get_size())
        size = Size(2 * width, 2 * height)
        image = before[0].render(scale=2).to_pil()
    document = Document(
        (make_page(make_line("PUMP", x=60, y=80), make_line("slanted", x=90, y=250, angle=30), size=size),)
    )
    data = make_pdf(document, path)
    assert looks_similar(render_page(data, size), image, 0.01)
    with closing(pypdfium2.PdfDocument(data)) as after:
        assert [round(side) for side in after[0].get_size()] == [width, height]
        for line in document.lines:
            assert is_text_at(after[0], document.pages[0], line.text, line.quad)


def test_a_pdf_that_is_broken_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing\n")
    with pytest.raises(InputError, match=r"bad\.pdf: no text can be added"):
        make_pdf(Document((make_page(),)), tmp_path / "bad.pdf")


def test_resources_that_a_page_inherits_stay(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "source.pdf", 0, [0, 0, 400, 300])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].obj.Parent.Resources = pikepdf.Dictionary(
            ExtGState=pikepdf.Dictionary(Old=pikepdf.Dictionary(LW=3))
        )
        del pdf.pages[0].obj.Resources
        pdf.save(path)
    data = make_pdf(Document((make_page(make_line("word")),)), path)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert pdf.pages[0].resources.ExtGState.Old.LW == 3
        assert "/OcrfarmText" in pdf.pages[0].resources.Font


def test_text_does_not_land_on_another_page(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "source.pdf", 0, [0, 0, 400, 300])
    with pytest.raises(InputError, match="page 3 was read, and the PDF has 1"):
        make_pdf(DOCUMENTS["several"], path)
