"""TIFF file -> its directories that are pages, as opposed to thumbnails, pyramid levels and masks.

libvips lists every directory as a page, so that each level of a pyramid would be read as a separate page. It also walks
the whole chain of directories for every page that it opens: listing 1,000 pages takes 10 s with libvips and 0.1 s here
(`tiff_page.py` opens a page alone).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, BinaryIO

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Size
from ocrfarm.image.limits import Limits


class _Tag(IntEnum):
    """The fields that are read here."""

    NEW_SUBFILE_TYPE = 254
    WIDTH = 256
    LENGTH = 257
    COMPRESSION = 259
    ORIENTATION = 274
    ROWS_PER_STRIP = 278
    PLANAR_CONFIGURATION = 284
    TILE_WIDTH = 322
    TILE_LENGTH = 323
    EXTRA_SAMPLES = 338


_READ_TAGS = frozenset(_Tag)
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_JPEG = (6, 7)  # values of Compression
_SEPARATE = 2  # value of PlanarConfiguration: each colour is stored separately
_UNSPECIFIED = 0  # value of ExtraSamples: an additional channel that is not alpha
_NUMBER_TYPES = {3: "H", 4: "I", 16: "Q"}  # field types that contain an unsigned integer
_MAX_ENTRIES = 4096
"""Maximum number of fields of one directory; real directories have a few dozen."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One page as stored.

    Attributes:
        size: Width and height, in pixels.
        orientation: EXIF orientation, 1 to 8.
        decode_unit: Size of the part that is decoded as a whole: a strip or a row of tiles.
        has_alpha: False if the first channel after the colours has an unspecified meaning.
        links: Where the file must be changed, and to which bytes, so that it consists of this page alone; empty if it
            does so anyway.
    """

    size: Size
    orientation: int
    decode_unit: Size
    has_alpha: bool
    links: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class _StoredDirectory:
    """The fields of a directory that are read here, with its `links`."""

    fields: dict[int, int]
    links: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a file stores numbers: byte order, and the `struct` formats of an offset, an entry count and one entry."""

    order: str
    offset: str
    count: str
    entry: str


_CLASSIC = ("I", "H", "HHI4s")
_BIG = ("Q", "Q", "HHQ8s")


def list_pages(path: Path, limits: Limits) -> tuple[Directory, ...]:
    """Return the directories that are pages, or all directories if none is marked as a page.

    Args:
        path: The file.
        limits: Limits on the number of pages.

    Raises:
        DamagedImage: The chain of directories is broken or circular.
        TooLarge: The file has too many directories.
    """
    directories: list[_StoredDirectory] = []
    try:
        with path.open("rb") as file:
            for directory in _iter_directories(file):
                directories.append(directory)
                limits.check_pages(len(directories), location=str(path))
    except (struct.error, OSError, ValueError) as error:
        raise _damage_error(path, "the list of its pages is broken") from error
    if not directories or not all(_has_size(directory.fields) for directory in directories):
        raise _damage_error(path, "it has no page, or a page without a size")
    pages = [directory for directory in directories if not _is_auxiliary(directory.fields)]
    is_alone = len(directories) == 1
    return tuple(_to_directory(page.fields, () if is_alone else page.links) for page in pages or directories)


def _has_size(fields: dict[int, int]) -> bool:
    return bool(fields.get(_Tag.WIDTH) and fields.get(_Tag.LENGTH))


def _is_auxiliary(fields: dict[int, int]) -> bool:
    return bool(fields.get(_Tag.NEW_SUBFILE_TYPE, 0) & (_REDUCED | _MASK))


def _to_directory(fields: dict[int, int], links: tuple[tuple[int, bytes], ...]) -> Directory:
    size = Size(fields[_Tag.WIDTH], fields[_Tag.LENGTH])
    alpha = fields.get(_Tag.EXTRA_SAMPLES) != _UNSPECIFIED
    return Directory(size, fields.get(_Tag.ORIENTATION, 1), _decode_unit(size, fields), alpha, links)


def _decode_unit(size: Size, fields: dict[int, int]) -> Size:
    """Return the size of the part that is decoded as a whole.

    libvips decodes a long strip row by row, unless it is JPEG or its colours are stored separately.
    """
    if _Tag.TILE_LENGTH in fields:
        return Size(max(size.width, fields.get(_Tag.TILE_WIDTH, 0)), fields[_Tag.TILE_LENGTH])
    whole = fields.get(_Tag.COMPRESSION) in _JPEG or fields.get(_Tag.PLANAR_CONFIGURATION) == _SEPARATE
    return Size(size.width, min(size.height, fields.get(_Tag.ROWS_PER_STRIP, size.height)) if whole else 1)


def _damage_error(path: Path, what: str) -> DamagedImage:
    return DamagedImage(f"{path}: {what}; the TIFF is truncated or damaged, copy or export it again")


def _iter_directories(file: BinaryIO) -> Iterator[_StoredDirectory]:
    """Walk the chain of directories and yield each."""
    head = file.read(8)
    order = "<" if head[:2] == b"II" else ">"
    big = b"+" in head[2:4]
    layout = _Layout(order, *(order + code for code in (_BIG if big else _CLASSIC)))
    first_link = 8 if big else 4
    file.seek(first_link)
    seen: set[int] = set()
    while offset := _unpack(file, layout.offset)[0]:
        if offset in seen:
            raise struct.error("the chain is circular")
        seen.add(offset)
        file.seek(offset)
        fields = _read_fields(file, layout)
        yield _StoredDirectory(
            fields, ((first_link, struct.pack(layout.offset, offset)), (file.tell(), struct.pack(layout.offset, 0)))
        )


def _read_fields(file: BinaryIO, layout: _Layout) -> dict[int, int]:
    """Read the first number of each field of one directory; afterwards the file is at the next directory's offset."""
    count = _unpack(file, layout.count)[0]
    if count > _MAX_ENTRIES:
        raise struct.error("a directory claims too many fields")
    entries = [_unpack(file, layout.entry) for _ in range(count)]
    end = file.tell()
    fields = {
        tag: _read_first_number(file, layout, kind=layout.order + _NUMBER_TYPES[kind], count=count, value=value)
        for tag, kind, count, value in entries
        if tag in _READ_TAGS and kind in _NUMBER_TYPES
    }
    file.seek(end)
    return fields


def _read_first_number(file: BinaryIO, layout: _Layout, *, kind: str, count: int, value: bytes) -> int:
    """Return the first number of a field; if the numbers do not fit into the entry, it contains their offset."""
    if count * struct.calcsize(kind) <= len(value):
        return int(struct.unpack_from(kind, value)[0])
    file.seek(struct.unpack(layout.offset, value)[0])
    return int(_unpack(file, kind)[0])


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
