"""Documents and their pictures -> a folder that any web server or bucket can offer to browsers, complete in itself.

index.html, *.js, *.css               the viewer, the same for every folder
openseadragon.min.js, .LICENSE.txt    what shows the pictures
viewer.json                           the pages (`pages.page_row`), the models, and how many lines there are
lines.bin, texts.json                 the lines of all pages, see `arrays`
pages/0/picture_files/LEVEL/X_Y.jpg   the pages in the layout of Deep Zoom
"""

import importlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.document import Document, Page
from ocrfarm.errors import DamagedImage, MissingPackage, NoPicture
from ocrfarm.storage.files import scratch, translated, whole_file
from ocrfarm.viewer.arrays import models_of, packed, to_json
from ocrfarm.viewer.pages import page_row

if TYPE_CHECKING:  # libvips is loaded when there is a picture to be cut
    from ocrfarm.image import Raster

HERE = Path(__file__).parent

STATIC = HERE / "static"
"""What a browser gets as it is."""

SHARED = ("index.html", "viewer.css", "theme.css", "js")
"""What of it the viewer needs."""

_LIBRARY = HERE / "node_modules" / "openseadragon"
_TAKEN = {
    "build/openseadragon/openseadragon.min.js": "openseadragon.min.js",
    "LICENSE.txt": "openseadragon.LICENSE.txt",
}
"""What is taken of OpenSeadragon, and its name in the folder."""

FORMAT = "ocrfarm-viewer/1"

_ROOM = 1 << 20
"""Bytes that a disk has no room for where it had none for the next picture."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document, the name that people know it by, and the file of the picture that it was read from."""

    name: str
    document: Document
    picture: Path


def _nothing(done: int, total: int) -> None:
    """Nobody wants to know."""


def write_viewer(
    sheets: Sequence[Sheet],
    folder: Path,
    *,
    limits: Mapping[str, int],
    on_page: Callable[[int, int], None] = _nothing,
) -> None:
    """Write a viewer of all pages of the sheets, one behind the other, into the folder; what lies there is replaced.

    `limits`: what a picture may claim, as `ocrfarm.image.Limits` names it. `on_page` hears how many pages are done and
    how many there are. `NoPicture` where a picture has other pages than its document, what opening and decoding it
    raises, `MissingPackage` without OpenSeadragon, `StoreDenied` or `StoreFull` where nothing can be written.
    """
    with translated(f"cannot write {folder}"):
        shutil.rmtree(folder / "pages", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _copy_static(folder)
    _write_lines(sheets, folder)
    _write_pictures(sheets, folder, limits=limits, on_page=on_page)


def _copy_static(folder: Path) -> None:
    for source in (STATIC / name for name in SHARED):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, folder / source.name)
    for name, target in _TAKEN.items():
        if not (_LIBRARY / name).is_file():
            advice = "take a wheel of ocrfarm, which brings it, or in a checkout type scripts/install"
            raise MissingPackage(f"the viewer needs OpenSeadragon, and {_LIBRARY / name} is not there; {advice}")
        shutil.copyfile(_LIBRARY / name, folder / target)


def _write_lines(sheets: Sequence[Sheet], folder: Path) -> None:
    lines = [line for sheet in sheets for line in sheet.document.lines]
    models = models_of(lines)
    pyramid = importlib.import_module("ocrfarm.image.pyramid")
    cut = {"tile": pyramid.TILE, "overlap": pyramid.OVERLAP}
    head = {"format": FORMAT, "title": _title(sheets), "models": models, "lines": len(lines), **cut}
    files = {
        "lines.bin": packed(lines, models),
        "texts.json": to_json([line.text for line in lines]),
        "viewer.json": to_json({**head, "pages": list(_page_rows(sheets))}),
    }
    for name, content in files.items():
        with whole_file(folder / name) as unfinished:
            unfinished.write_bytes(content)


def _title(sheets: Sequence[Sheet]) -> str:
    return sheets[0].name if len(sheets) == 1 else f"{len(sheets)} documents"


def _pages(sheets: Sequence[Sheet]) -> Iterator[tuple[Sheet, int, Page]]:
    """Give each page with its sheet and its number there (0 = first)."""
    for sheet in sheets:
        for number, page in enumerate(sheet.document.pages):
            yield sheet, number, page


def _page_rows(sheets: Sequence[Sheet]) -> Iterator[dict[str, object]]:
    first = 0
    for place, (sheet, number, page) in enumerate(_pages(sheets)):
        name = sheet.name if len(sheet.document.pages) == 1 else f"{sheet.name}, page {number + 1}"
        yield {"name": name, "folder": f"pages/{place}/", "first": first, **page_row(page)}
        first += len(page.lines)


def _write_pictures(
    sheets: Sequence[Sheet], folder: Path, *, limits: Mapping[str, int], on_page: Callable[[int, int], None]
) -> None:
    total = sum(len(sheet.document.pages) for sheet in sheets)
    rasters = (raster for sheet in sheets for raster in _rasters(sheet, limits))
    for place, raster in enumerate(rasters):
        target = folder / "pages" / str(place)
        with translated(f"cannot write {target}"):
            target.mkdir(parents=True, exist_ok=True)
        _save(raster, target)
        on_page(place + 1, total)


def _save(raster: "Raster", target: Path) -> None:
    try:
        raster.save_pyramid(target / "picture")
    except DamagedImage:  # which a disk without room looks like, too
        with translated(f"cannot write {target}"), scratch(target) as probe:
            probe.write_bytes(bytes(_ROOM))
        raise


def _rasters(sheet: Sheet, limits: Mapping[str, int]) -> "Iterator[Raster]":
    """Open the pages of a sheet's picture; `NoPicture` where they are not those of its document."""
    image = importlib.import_module("ocrfarm.image")
    source = image.open_source(sheet.picture, image.Limits(**limits))
    if source.pages != tuple(page.size for page in sheet.document.pages):
        raise NoPicture(f"{sheet.picture}: is not what {sheet.name} was read from, its pages have other sizes")
    return map(source.page, range(len(source.pages)))
