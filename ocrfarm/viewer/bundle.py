"""Documents and their images -> a folder that any web server or bucket can offer to browsers, complete in itself.

index.html, *.js, *.css               the viewer, the same for every folder
openseadragon.min.js, .LICENSE.txt    what shows the images
viewer.json                           the pages (`pages.page_entry`), the models, and how many lines there are
lines.bin, texts.json                 the lines of all pages, see `pack`
pages/0/image_files/LEVEL/X_Y.jpg     the pages in the layout of Deep Zoom
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.document import Document, Page
from ocrfarm.errors import DamagedImage, ImageNotFound, MissingPackage
from ocrfarm.storage.atomic import atomic_write, temporary_path, translate_os_errors
from ocrfarm.viewer.pack import list_models, pack_lines, to_json
from ocrfarm.viewer.pages import page_entry

if TYPE_CHECKING:  # libvips is loaded when there is an image to be cut
    from ocrfarm.image import Raster

VIEWER_DIR = Path(__file__).parent

STATIC_DIR = VIEWER_DIR / "static"
"""What a browser gets as it is."""

BUNDLE_FILES = ("index.html", "viewer.css", "theme.css", "js")
"""What of it the viewer needs."""

_OPENSEADRAGON_DIR = VIEWER_DIR / "node_modules" / "openseadragon"
_OPENSEADRAGON_FILES = {
    "build/openseadragon/openseadragon.min.js": "openseadragon.min.js",
    "LICENSE.txt": "openseadragon.LICENSE.txt",
}
"""What is taken of OpenSeadragon, and its name in the folder."""

FORMAT = "ocrfarm-viewer/1"

_PROBE_BYTES = 1 << 20
"""Bytes that a disk has no room for where it had none for the next image."""


@dataclass(frozen=True, slots=True)
class ViewerItem:
    """A document, the name that people know it by, and the file of the image that it was read from."""

    name: str
    document: Document
    image: Path


def _ignore_progress(done: int, total: int) -> None:
    """Nobody wants to know."""


def write_viewer(
    items: Sequence[ViewerItem],
    folder: Path,
    *,
    limits: Mapping[str, int],
    on_page: Callable[[int, int], None] = _ignore_progress,
) -> None:
    """Write a viewer of all pages of the items, one behind the other, into the folder; what lies there is replaced.

    `limits`: what an image may claim, as `ocrfarm.image.Limits` names it. `on_page` hears how many pages are done and
    how many there are. `ImageNotFound` where an image has other pages than its document, what opening and decoding it
    raises, `MissingPackage` without OpenSeadragon, `StoreDenied` or `StoreFull` where nothing can be written.
    """
    with translate_os_errors(f"cannot write {folder}"):
        shutil.rmtree(folder / "pages", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _copy_static(folder)
    _write_lines(items, folder)
    _write_images(items, folder, limits=limits, on_page=on_page)


def _copy_static(folder: Path) -> None:
    for source in (STATIC_DIR / name for name in BUNDLE_FILES):
        if source.is_dir():
            shutil.copytree(source, folder / source.name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, folder / source.name)
    for name, target in _OPENSEADRAGON_FILES.items():
        if not (_OPENSEADRAGON_DIR / name).is_file():
            advice = "take a wheel of ocrfarm, which brings it, or in a checkout type scripts/install"
            raise MissingPackage(
                f"the viewer needs OpenSeadragon, and {_OPENSEADRAGON_DIR / name} is not there; {advice}"
            )
        shutil.copyfile(_OPENSEADRAGON_DIR / name, folder / target)


def _write_lines(items: Sequence[ViewerItem], folder: Path) -> None:
    from ocrfarm.image.pyramid import TILE_OVERLAP, TILE_SIZE

    lines = [line for item in items for line in item.document.lines]
    models = list_models(lines)
    cut = {"tile": TILE_SIZE, "overlap": TILE_OVERLAP}
    head = {"format": FORMAT, "title": _bundle_title(items), "models": models, "lines": len(lines), **cut}
    files = {
        "lines.bin": pack_lines(lines, models),
        "texts.json": to_json([line.text for line in lines]),
        "viewer.json": to_json({**head, "pages": list(_iter_page_entries(items))}),
    }
    for name, content in files.items():
        with atomic_write(folder / name) as unfinished:
            unfinished.write_bytes(content)


def _bundle_title(items: Sequence[ViewerItem]) -> str:
    return items[0].name if len(items) == 1 else f"{len(items)} documents"


def _iter_pages(items: Sequence[ViewerItem]) -> Iterator[tuple[ViewerItem, int, Page]]:
    """Give each page with its item and its number there (0 = first)."""
    for item in items:
        for number, page in enumerate(item.document.pages):
            yield item, number, page


def _iter_page_entries(items: Sequence[ViewerItem]) -> Iterator[dict[str, object]]:
    first = 0
    for place, (item, number, page) in enumerate(_iter_pages(items)):
        name = item.name if len(item.document.pages) == 1 else f"{item.name}, page {number + 1}"
        yield {"name": name, "folder": f"pages/{place}/", "first": first, **page_entry(page)}
        first += len(page.lines)


def _write_images(
    items: Sequence[ViewerItem], folder: Path, *, limits: Mapping[str, int], on_page: Callable[[int, int], None]
) -> None:
    total = sum(len(item.document.pages) for item in items)
    rasters = (raster for item in items for raster in _open_pages(item, limits))
    for place, raster in enumerate(rasters):
        target = folder / "pages" / str(place)
        with translate_os_errors(f"cannot write {target}"):
            target.mkdir(parents=True, exist_ok=True)
        _save_pyramid(raster, target)
        on_page(place + 1, total)


def _save_pyramid(raster: "Raster", target: Path) -> None:
    try:
        raster.save_pyramid(target / "image")
    except DamagedImage:  # which a disk without room looks like, too
        with translate_os_errors(f"cannot write {target}"), temporary_path(target) as probe:
            probe.write_bytes(bytes(_PROBE_BYTES))
        raise


def _open_pages(item: ViewerItem, limits: Mapping[str, int]) -> "Iterator[Raster]":
    """Open the pages of an item's image; `ImageNotFound` where they are not those of its document."""
    from ocrfarm.image import Limits, open_source

    source = open_source(item.image, Limits(**limits))
    if source.page_sizes != tuple(page.size for page in item.document.pages):
        raise ImageNotFound(f"{item.image}: is not what {item.name} was read from, its pages have other sizes")
    return map(source.page, range(len(source.page_sizes)))
