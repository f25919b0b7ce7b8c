"""PDF pages as rasters: the resolution that suits them, every pixel in its place, and what is wrong with files."""

import os
import resource
import signal
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pypdfium2
import pytest

from ocrfarm.document import PageSource
from ocrfarm.errors import DamagedImage, EncryptedFile, InputError, JobCancelled, TooLarge
from ocrfarm.geometry import Box, Size
from ocrfarm.image import Limits, open_source, pdf, pdfium_process
from ocrfarm.selection import Selection, parse_page_ranges
from tests.support.image_files import Array, make_noise
from tests.support.pdf_files import (
    LETTER_SIZE,
    PdfBuilder,
    make_encrypted_pdf,
    make_endless_form,
    make_nested_forms,
    make_pdf,
    make_slow_pdf,
    make_stream,
)


def whole(path: Path, page: int = 0, scope: Selection | None = None) -> Array:
    raster = open_source(path, selection=scope or Selection()).page(page)
    ((_, pixels),) = raster.cut([Box(0, 0, raster.size.width, raster.size.height)])
    return np.array(pixels)


def smooth(width: int, height: int) -> Array:
    y, x = np.mgrid[:height, :width]
    pixels: Array = ((np.sin(x / 9) + np.sin(y / 7)) * 60 + 128).astype(np.uint8)
    return pixels


def test_a_page_is_drawn_at_a_dpi_that_suits_it(tmp_path: Path) -> None:
    maker = PdfBuilder()
    maker.add_page(content=maker.text_content("vector"))
    maker.add_image(smooth(850, 1100), LETTER_SIZE)  # 100 dpi
    maker.add_image(smooth(8500, 11000), LETTER_SIZE)  # 1000 dpi
    scan = maker.add_image(smooth(850, 1100), LETTER_SIZE)
    scan.contents_add(maker.text_content("hidden", mode=3))
    drawn = maker.add_image(smooth(850, 1100), LETTER_SIZE)
    drawn.contents_add(maker.text_content("seen"))
    maker.add_page((792, 612), Rotate=90)
    pages = open_source(maker.save(tmp_path / "x.pdf"))
    assert pages.page_sources == (
        PageSource(None, 300.0, True),
        PageSource(None, 100.0, False),
        PageSource(None, 600.0, False),
        PageSource(None, 100.0, True),
        PageSource(None, 300.0, True),
        PageSource(None, 300.0, False),
    )
    letter = Size(2550, 3300)
    assert pages.page_sizes == (letter, Size(850, 1100), Size(5100, 6600), Size(850, 1100), letter, letter)
    coarse = open_source(tmp_path / "x.pdf", selection=Selection(dpi=72))
    assert set(coarse.page_sizes) == {Size(612, 792)}
    assert {leaf.dpi for leaf in coarse.page_sources} == {72.0}


@pytest.mark.parametrize("kind", ["png", "jpg", "jp2"])
def test_a_scan_comes_out_pixel_by_pixel(kind: str, tmp_path: Path) -> None:
    pixels = make_noise(301, 203) if kind == "png" else np.repeat(smooth(301, 203)[..., None], 3, axis=2)
    maker = PdfBuilder()
    maker.add_image(pixels, (301 / 150 * 72, 203 / 150 * 72), kind=kind)
    found = whole(maker.save(tmp_path / "x.pdf"))
    assert found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).max() <= (0 if kind == "png" else 12)


def test_bands_are_the_page_as_pdfium_draws_it_at_once(tmp_path: Path) -> None:
    maker = PdfBuilder()
    lines = b"".join(maker.text_content(f"Line {n} of the page", y=20 + 23 * n, size=17) for n in range(33))
    maker.add_page(content=lines + b"1 0 0 RG 3 w 10 10 m 600 780 l S\n", Rotate=90)
    path = maker.save(tmp_path / "x.pdf")
    found = whole(path, scope=Selection(dpi=576))
    with pypdfium2.PdfDocument(path) as document:
        drawn = document[0].render(scale=8, rev_byteorder=True, bitmap_maker=pypdfium2.PdfBitmap.new_native)
        expected = drawn.to_numpy()
    assert found.shape == expected.shape == (4896, 6336, 3)  # 93 MB: several bands
    assert np.abs(found.astype(int) - expected).max() <= 4  # pdfium rounds places to no whole pixels


def test_fields_of_a_form_are_read(tmp_path: Path) -> None:
    pikepdf = pytest.importorskip("pikepdf")
    maker = PdfBuilder()
    page = maker.add_page()
    look = pikepdf.Stream(maker.pdf, b"0 0 0 rg 0 0 100 20 re f")
    look.Type, look.Subtype, look.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, pikepdf.Array([0, 0, 100, 20])
    field = pikepdf.Dictionary(
        Type=pikepdf.Name.Annot,
        Subtype=pikepdf.Name.Widget,
        FT=pikepdf.Name.Tx,
        T="name",
        V="value",
        F=4,
        Rect=pikepdf.Array([100, 100, 200, 120]),
        AP=pikepdf.Dictionary(N=look),
    )
    made = maker.pdf.make_indirect(field)
    page.Annots = pikepdf.Array([made])
    maker.pdf.Root.AcroForm = pikepdf.Dictionary(Fields=pikepdf.Array([made]))
    found = whole(maker.save(tmp_path / "x.pdf"), scope=Selection(dpi=72))
    assert found[792 - 110, 150].max() < 128


def test_pages_are_chosen(tmp_path: Path) -> None:
    maker = PdfBuilder()
    for number in range(5):
        maker.add_page((100 + number, 50))
    path = maker.save(tmp_path / "x.pdf")
    source = open_source(path, selection=Selection(parse_page_ranges("4-,2"), dpi=72))
    assert [size.width for size in source.page_sizes] == [101, 103, 104]
    assert [leaf.number for leaf in source.page_sources] == [1, 3, 4]
    with pytest.raises(InputError, match=r"has 5 pages, and none of them is in the selected range 7-"):
        open_source(path, selection=Selection(parse_page_ranges("7-")))
    assert [leaf.number for leaf in open_source(path, selection=Selection(parse_page_ranges("1-9"))).page_sources] == [
        None
    ] * 5


def test_a_pdf_behind_other_bytes_is_one(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\n\n junk\n" + make_pdf(b""))
    assert open_source(tmp_path / "x").page_sizes == (Size(833, 833),)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (make_encrypted_pdf(), EncryptedFile, "password"),
        (b"%PDF-1.7\n", DamagedImage, "cannot be decoded"),
        (make_pdf(b"", kid=b"2 0 R"), DamagedImage, "page 1: cannot be decoded"),
        (make_pdf(b"", box=b"[0 0 99999 10]"), TooLarge, "page 1 at 300 dpi.*use a lower dpi, or raise"),
        (make_pdf(b"", kids=3_000, count=3_000), TooLarge, "3,000 pages"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, error: type[InputError], words: str) -> None:
    path = tmp_path / "x.pdf"
    path.write_bytes(data)
    with pytest.raises(error, match=words) as caught:
        open_source(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_that_must_be_held_in_memory_have_a_limit(tmp_path: Path) -> None:
    claim = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width 90 /Height 90 "
    path = tmp_path / "x.pdf"
    path.write_bytes(make_pdf(b"200 0 0 200 0 0 cm /X Do", make_stream(claim + b"/Filter /JPXDecode", b"x")))
    with pytest.raises(TooLarge, match="an image on it: a JPEG-2000 of 8,100 pixels"):
        open_source(path, Limits(buffered_pixels=8_000))
    open_source(path, Limits(buffered_pixels=8_100))


def test_a_page_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 5))\nwhile True: pass"
    monkeypatch.setattr(pdfium_process, "_PROGRAM", (sys.executable, "-c", slow))
    (tmp_path / "x.pdf").write_bytes(make_pdf(b""))
    with pytest.raises(DamagedImage, match="it takes longer than such a file may take"):
        open_source(tmp_path / "x.pdf")


def test_what_is_not_wanted_any_more_is_not_drawn_to_its_end(tmp_path: Path) -> None:
    maker = PdfBuilder()
    maker.add_page((4000, 4000))
    page = open_source(maker.save(tmp_path / "x.pdf")).page(0)
    assert page.top_rows(10).shape == (10, 16384, 3)


def test_an_error_of_ours_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdfium_process, "_PROGRAM", (sys.executable, "-c", "raise KeyError('oops')"))
    (tmp_path / "x.pdf").write_bytes(make_pdf(b""))
    with pytest.raises(RuntimeError, match="oops"):
        open_source(tmp_path / "x.pdf")


def _helper_processes() -> set[int]:
    """Return the ids of the processes of pdfium that this process has started and that have not ended."""
    own = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in own if b"ocrfarm.image.pdfium" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def _write(folder: Path, data: bytes) -> Path:
    path = folder / "x.pdf"
    path.write_bytes(data)
    return path


def test_one_process_renders_all_pages(tmp_path: Path) -> None:
    maker = PdfBuilder()
    for _ in range(45):  # more than are rendered before the document is opened afresh
        maker.add_page((20, 20), b"0 0 9 9 re f")
    source = open_source(maker.save(tmp_path / "x.pdf"))
    started = _helper_processes()
    assert len(started) == 1
    pages = [source.page(number).overview().sum() for number in range(45)]
    assert len(set(pages)) == 1
    assert _helper_processes() == started
    del source
    assert not _helper_processes()


def test_pages_that_are_read_at_the_same_time(tmp_path: Path) -> None:
    maker = PdfBuilder()
    for size in (200, 300):
        maker.add_page((size, size), b"0 0 99 99 re f")
    path = maker.save(tmp_path / "x.pdf")
    source = open_source(path)
    source.top_rows(1, row_count=64)
    first = source.page(0).overview()
    assert np.array_equal(source.page(1).overview(), open_source(path).page(1).overview())
    assert np.array_equal(first, open_source(path).page(0).overview())


def test_a_process_that_died_between_two_pages_is_replaced(tmp_path: Path) -> None:
    maker = PdfBuilder()
    maker.add_page((20, 20), b"0 0 9 9 re f")
    source = open_source(maker.save(tmp_path / "x.pdf"))
    (process,) = _helper_processes()
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert source.page(0).overview().min() == 0


@pytest.mark.parametrize("is_drawing", [True, False])
def test_work_that_is_not_needed_any_more_stops_while_pdfium_draws(is_drawing: bool, tmp_path: Path) -> None:
    started: list[float] = []

    def stop_after_a_second() -> None:
        if started and time.monotonic() > started[0] + 1:
            raise JobCancelled("it has ended")

    path = _write(tmp_path, make_slow_pdf())
    if is_drawing:
        source = open_source(path, check=stop_after_a_second)
        started.append(time.monotonic())
        with pytest.raises(JobCancelled):
            source.page(0).overview()
    else:
        started.append(-9e9)
        with pytest.raises(JobCancelled):
            open_source(path, check=stop_after_a_second)
    assert time.monotonic() - max(started[0], 0) < 5 or not is_drawing
    assert not _helper_processes()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pdfium_ends_with_a_process_that_is_killed_while_it_draws(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from ocrfarm.image import open_source; "
    script += "source = open_source(Path(sys.argv[1])); print('opened', flush=True); source.page(0).overview()"
    command = [sys.executable, "-c", script, str(_write(tmp_path, make_slow_pdf()))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline()
        helpers = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        (helper,) = map(int, helpers.read_text().split())
        time.sleep(0.5)  # it draws
        process.kill()
    end = time.monotonic() + 5
    while Path(f"/proc/{helper}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{helper}").exists()


def test_a_small_file_gets_little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "_BASE_SECONDS", 1.0)
    source = open_source(_write(tmp_path, make_slow_pdf()))
    with pytest.raises(DamagedImage, match=r"longer than such a file may take\); print it to a new PDF"):
        source.page(0).overview()


_MEMORY_BOMBS = {
    "a form that draws itself": make_endless_form(),
    "forms in forms": make_nested_forms(12, 12),
    "a content of 100 million lines": make_pdf(zlib.compress(b"0 0 m 9 9 l S " * 10_000_000, 9), is_compressed=True),
    "a content of 500 MB of blanks": make_pdf(zlib.compress(bytes(500_000_000), 9), is_compressed=True),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", _MEMORY_BOMBS)
def test_a_small_file_gets_little_memory(kind: str, tmp_path: Path) -> None:
    peak = 0

    def measure() -> None:
        nonlocal peak
        for process in _helper_processes():
            with suppress(OSError):
                peak = max(peak, int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize())

    with pytest.raises(DamagedImage, match=r"more memory than such a file may take|cannot be decoded"):
        open_source(_write(tmp_path, _MEMORY_BOMBS[kind]), check=measure).page(0).overview()
    assert peak < 700 << 20


def test_a_filter_whose_name_is_not_utf8(tmp_path: Path) -> None:
    image = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width 9 /Height 9 "
    path = _write(tmp_path, make_pdf(b"99 0 0 99 0 0 cm /X Do", make_stream(image + b"/Filter /Fl#ff#fe ", bytes(81))))
    with pytest.raises(DamagedImage, match="page 1: cannot be decoded"):
        open_source(path)


def test_any_number_of_regions(tmp_path: Path) -> None:
    regions = tuple(Box(x, y, x + 1, y + 1) for x in range(200) for y in range(200))
    source = open_source(_write(tmp_path, make_pdf(b"")), selection=Selection(regions=regions))
    assert source.page_sizes == (Size(833, 833),)


def test_any_number_of_page_ranges(tmp_path: Path) -> None:
    ranges = ",".join(str(number) for number in range(1, 60_000, 2))
    assert (
        len(open_source(_write(tmp_path, make_pdf(b"")), selection=Selection(parse_page_ranges(ranges))).page_sizes)
        == 1
    )
