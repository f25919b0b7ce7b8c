"""The tags of the first image in a TIFF file, read without decoding its pixels."""

import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_CLASSIC, _BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")

_DIRECTORY_ERRORS = (OSError, SyntaxError, ValueError, UserWarning, struct.error)
"""What Pillow raises, or warns of, if the directory is damaged."""


def read_first_directory(path: Path) -> Mapping[int, Any]:
    """Return the values by tag; none if the file is no TIFF or its directory is damaged."""
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] not in _CLASSIC + _BIG:
            return {}
        with suppress(*_DIRECTORY_ERRORS), catch_warnings():
            simplefilter("error")
            directory = ImageFileDirectory_v2(head[: 8 if head[:4] in _CLASSIC else 16])
            file.seek(directory.next)
            directory.load(file)
            return dict(directory)
    return {}
