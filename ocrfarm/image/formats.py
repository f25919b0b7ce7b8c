"""Which format a file has, told by its first bytes: a name proves nothing."""

from enum import Enum
from pathlib import Path

from ocrfarm.errors import NotAnImage

_LONGEST = 16
"""Bytes that are enough to tell every format below."""


class Format(Enum):
    """A format that ocrfarm reads; the value is its name in messages."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    WEBP = "WebP"
    GIF = "GIF"
    JPEG2000 = "JPEG-2000"
    BMP = "BMP"


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"\xff\xd8\xff", Format.JPEG),
    (b"II*\x00", Format.TIFF),
    (b"MM\x00*", Format.TIFF),
    (b"II+\x00", Format.TIFF),
    (b"MM\x00+", Format.TIFF),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Format.JPEG2000),
    (b"\xff\x4f\xff\x51", Format.JPEG2000),
    (b"BM", Format.BMP),
)


def detect(path: Path) -> Format:
    """Tell the format of a file; `NotAnImage` where it is missing, a folder, empty, unreadable or something else."""
    head = _head(path)
    if not head:
        raise NotAnImage(f"{path}: the file is empty; copy it again")
    if (found := _by_magic(head)) is None:
        names = ", ".join(each.value for each in Format)
        raise NotAnImage(f"{path}: its first bytes are of no format that ocrfarm reads; give one of {names}")
    return found


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except IsADirectoryError as error:
        raise NotAnImage(f"{path}: this is a folder; give the image files in it") from error
    except FileNotFoundError as error:
        raise NotAnImage(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise NotAnImage(f"{path}: the file cannot be opened ({error.strerror}); check its permissions") from error


def _by_magic(head: bytes) -> Format | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    return next((form for magic, form in _MAGIC if head.startswith(magic)), None)
