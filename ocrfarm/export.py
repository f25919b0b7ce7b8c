"""A document -> its files: the formats that were asked for, beside one another in a folder, each whole or not there."""

import errno
import importlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ocrfarm.document import Document
from ocrfarm.errors import MissingPackage, SettingsError, StoreDenied, StoreFull
from ocrfarm.geometry import Box, Size
from ocrfarm.result import Format, Origin, Pieces
from ocrfarm.result.tiff import first_directory

if TYPE_CHECKING:  # numpy and libvips are needed for few pictures only
    from ocrfarm.image import Pixels

_SIDE = 2048
"""Pixels of a piece: 12 MB of RGB, and a band of them is what the decoder holds."""

_SHARED = 1
"""Pixels that a piece reaches into the next one, so that no viewer shows the paper between them."""

_QUALITY = 90
"""Of a piece of a picture that was lossy before: what is lost now is less than what was."""

_COMPRESSION = 259
_LOSSY = (6, 7, 33003, 33005, 34712, 50001)
"""The tag of TIFF, and its values for JPEG, JPEG-2000 and WebP."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go, in which formats, and the URL (ending in `/`) under which the folder will be found."""

    folder: Path
    formats: tuple[Format, ...]
    base: str = ""

    def files(self, stem: str, pages: int = 1) -> list[Path]:
        """Name the files that a document of so many pages becomes."""
        each = [form.file_name(stem, page) for form in self.formats for page in range(pages if form.each_page else 1)]
        return [self.folder / name for name in each]

    def check(self, stem: str, pictures: Sequence[Path]) -> None:
        """`SettingsError` where a result would take the place of a picture."""
        sources = {path.resolve() for path in pictures}
        for path in self.files(stem):
            if path.resolve() in sources:
                raise SettingsError(f"{path}: is one of the pictures and would be replaced; name another folder")


def export(document: Document, target: Target, *, origin: Origin) -> None:
    """Write the document; `StoreDenied` and `StoreFull` where a file cannot be written.

    A format that needs the picture may raise what opening it raises, and `MissingPackage`.
    """
    for form in target.formats:
        if form.each_page:
            for number, page in enumerate(document.pages):
                single, place = replace(document, pages=(page,)), replace(origin, first=number)
                _write(target.folder / form.file_name(origin.stem, number), form, single, place)
        else:
            _write(target.folder / form.file_name(origin.stem), form, document, origin)


def _write(path: Path, form: Format, document: Document, origin: Origin) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                form.write(document, file, origin=origin)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate what can go wrong while a file is written: `StoreDenied`, `StoreFull`."""
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreDenied
        raise kind(f"{path}: cannot be written ({error.strerror}); make room or name another place") from error


def pieces(picture: Callable[[], Path], page: int, *, limits: Mapping[str, int]) -> Pieces:
    """Cut a page (0 = first) into squares as fax TIFF, PNG or, where the picture was lossy before, JPEG.

    `InputError` where it cannot be decoded, `MissingPackage` where nothing is installed that could.
    """
    path = picture()
    if not find_spec("pyvips"):
        advice = "a PDF of it needs pyvips; pip install 'ocrfarm[pdf]'"
        raise MissingPackage(f"{path.name}: cannot go into a PDF as it is; {advice}")
    image = importlib.import_module("ocrfarm.image")
    raster = image.open_source(path, image.Limits(**limits)).page(page)
    encode = partial(_encoded, lossy=_is_lossy(path))
    for box, pixels in raster.cut(_squares(raster.size)):
        yield box, encode(pixels)


def _squares(page: Size) -> list[Box]:
    sides = [range(0, length, _SIDE) for length in (page.width, page.height)]
    reach = _SIDE + _SHARED
    return [Box(x, y, min(x + reach, page.width), min(y + reach, page.height)) for y in sides[1] for x in sides[0]]


def _encoded(pixels: "Pixels", *, lossy: bool) -> bytes:
    picture, encoded = Image.fromarray(pixels), io.BytesIO()
    if lossy:
        picture.save(encoded, "JPEG", quality=_QUALITY)
    elif picture.mode == "L" and sum(picture.histogram()[1:255]) == 0:
        picture.convert("1").save(encoded, "TIFF", compression="group4", strip_size=picture.width * picture.height)
    else:
        picture.save(encoded, "PNG")
    return encoded.getvalue()


def _is_lossy(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    if head[:4] == b"RIFF":
        return head[12:16] == b"VP8 "
    jpegs = head.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51")) or head[4:8] == b"jP  "
    return jpegs or first_directory(path).get(_COMPRESSION) in _LOSSY
