"""The tags of a TIFF file's first picture, read without a look at its pixels."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

_CLASSIC, _BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")


def first_directory(path: Path) -> Mapping[int, Any]:
    """Give values by tag; nothing for a file that is no TIFF or has a broken directory."""
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] not in _CLASSIC + _BIG:
            return {}
        try:
            directory = ImageFileDirectory_v2(head[: 8 if head[:4] in _CLASSIC else 16])
            file.seek(directory.next)
            directory.load(file)
            return dict(directory)
        except (OSError, SyntaxError, ValueError, struct.error):
            return {}
