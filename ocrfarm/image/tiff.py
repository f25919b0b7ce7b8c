"""The directories of a TIFF file: which of them are pages, and which are thumbnails, pyramid levels or masks.

libvips lists every directory as a page; without this, each level of a pyramid would be read as a page of its own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ocrfarm.errors import DamagedImage
from ocrfarm.image.limits import Limits

_NEW_SUBFILE_TYPE = 254
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_LONG = 4  # field type: unsigned, 32 bits
_MOST_ENTRIES = 4096
"""Fields of one directory; real ones have some dozens."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a file spells its numbers: `struct` formats of an offset, a count of entries and one entry."""

    first: str
    first_at: int
    count: str
    entry: str


def _layout(head: bytes) -> _Layout:
    order = "<" if head[:2] == b"II" else ">"
    if b"+" in head[2:4]:
        return _Layout(f"{order}Q", 8, f"{order}Q", f"{order}HHQ8s")
    return _Layout(f"{order}I", 4, f"{order}H", f"{order}HHI4s")


def pages(path: Path, limits: Limits) -> tuple[int, ...]:
    """Give the numbers of the directories that are pages of their own; all of them if none is.

    `DamagedImage` for a chain that is broken or runs in a circle, `TooLarge` for one that is too long.
    """
    kinds = []
    with path.open("rb") as file:
        try:
            for kind in _subfile_types(file):
                kinds.append(kind)
                limits.check_pages(len(kinds), where=str(path))
        except (struct.error, OverflowError) as error:
            raise _damaged(path, "the list of pages is broken") from error
    if not kinds:
        raise _damaged(path, "it holds no page")
    full = tuple(index for index, kind in enumerate(kinds) if not kind & (_REDUCED | _MASK))
    return full or tuple(range(len(kinds)))


def _damaged(path: Path, what: str) -> DamagedImage:
    return DamagedImage(f"{path}: {what}; the TIFF is truncated or damaged, copy or export it again")


def _subfile_types(file: BinaryIO) -> Iterator[int]:
    """Walk the chain of directories and give NewSubfileType of each (0 where it is not set)."""
    layout = _layout(file.read(4))
    file.seek(layout.first_at)
    seen: set[int] = set()
    while offset := _read(file, layout.first)[0]:
        if offset in seen:
            raise struct.error("the chain runs in a circle")
        seen.add(offset)
        file.seek(offset)
        yield _subfile_type(file, layout)


def _subfile_type(file: BinaryIO, layout: _Layout) -> int:
    """Read one directory; the file stands at the next one's offset afterwards."""
    count = _read(file, layout.count)[0]
    if count > _MOST_ENTRIES:
        raise struct.error("a directory claims too many fields")
    found = 0
    for _ in range(count):
        tag, kind, _, value = _read(file, layout.entry)
        if tag == _NEW_SUBFILE_TYPE and kind == _LONG:
            found = struct.unpack(f"{layout.entry[0]}I", value[:4])[0]
    return found


def _read(file: BinaryIO, layout: str) -> tuple[int, int, int, bytes]:
    data: tuple[int, int, int, bytes] = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return data
