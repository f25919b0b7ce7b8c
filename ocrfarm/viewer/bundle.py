"""Documents and their images -> a self-contained folder that any web server or bucket can serve.

index.html, js/, *.css                 the viewer, the same in every folder
openseadragon.min.js, .LICENSE.txt     the library that shows the images
viewer.json                            the pages (`pages.page_entry`), the models and the number of lines
lines.bin, texts.json                  the lines of all pages, see `pack`
pages/0/image_files/LEVEL/X_Y.jpg      each page as a Deep Zoom pyramid
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ocrfarm.document import Document, Page
from ocrfarm.errors import DamagedImage, ImageNotFound, MissingPackage
from ocrfarm.storage.atomic import atomic_write, temporary_path, translate_os_errors
from ocrfarm.viewer.binary_lines import list_models, pack_lines, to_json
from ocrfarm.viewer.pages import page_entry

if TYPE_CHECKING:  # libvips is loaded when an image is cut
    from ocrfarm.image import Raster

VIEWER_DIR = Path(__file__).parent

STATIC_DIR = VIEWER_DIR / "static"
"""Files that a browser gets unchanged."""

BUNDLE_FILES = ("index.html", "viewer.css", "theme.css", "js")
"""The files in it that the viewer needs."""

_OPENSEADRAGON_DIR = VIEWER_DIR / "node_modules" / "openseadragon"
_OPENSEADRAGON_FILES = {
    "build/openseadragon/openseadragon.min.js": "openseadragon.min.js",
    "LICENSE.txt": "openseadragon.LICENSE.txt",
}
"""Files of OpenSeadragon -> their names in the folder."""

FORMAT = "ocrfarm-viewer/1"

_PROBE_BYTES = 1 << 20
"""Bytes; a disk that cannot store so many had no room for the image that failed."""


@dataclass(frozen=True, slots=True)
class ViewerItem:
    """A document to show.

    Attributes:
        name: Name that is shown, usually the file name of the image.
        document: The result of reading the image.
        image: Path of the image.
    """

    name: str
    document: Document
    image: Path


def _ignore_progress(done: int, total: int) -> None:
    """Do nothing."""


def write_viewer(
    items: Sequence[ViewerItem],
    folder: Path,
    *,
    limits: Mapping[str, int],
    on_page: Callable[[int, int], None] = _ignore_progress,
) -> None:
    """Write a viewer of all pages of the items, and replace a viewer that the folder contains.

    Args:
        items: The documents, whose pages are shown one after the other.
        folder: The folder to write to; it is created if it does not exist.
        limits: Limits of the images, by the names of `ocrfarm.image.Limits`.
        on_page: Called after each page with the number of pages that are done and the number of all.

    Raises:
        ImageNotFound: The pages of an image have other sizes than those of its document.
        InputError: An image cannot be opened or decoded.
        MissingPackage: OpenSeadragon is missing.
        StoreDenied: The folder cannot be written to.
        StoreFull: The disk is full.
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
            advice = "install a wheel of ocrfarm, which contains it, or run scripts/install in a checkout"
            raise MissingPackage(
                f"the viewer needs OpenSeadragon, but {_OPENSEADRAGON_DIR / name} is missing; {advice}"
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
    """Return each page with its item and its number there (0 = first)."""
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
    except DamagedImage:  # a full disk looks like one, too
        with translate_os_errors(f"cannot write {target}"), temporary_path(target) as probe:
            probe.write_bytes(bytes(_PROBE_BYTES))
        raise


def _open_pages(item: ViewerItem, limits: Mapping[str, int]) -> "Iterator[Raster]":
    """Open the pages of an item's image; raise `ImageNotFound` if their sizes differ from the document's."""
    from ocrfarm.image import Limits, open_source

    source = open_source(item.image, Limits(**limits))
    if source.page_sizes != tuple(page.size for page in item.document.pages):
        raise ImageNotFound(f"{item.image}: {item.name} was not read from this image, since its pages have other sizes")
    return map(source.page, range(len(source.page_sizes)))
