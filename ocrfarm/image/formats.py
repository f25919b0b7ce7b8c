"""Detection of a file's format by its first bytes; its name is ignored."""

from enum import Enum
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ocrfarm.errors import ImageNotFound, UnidentifiedImage

_MAX_HEAD_BYTES = 1024
"""Bytes that suffice to detect every format below; the signature of a PDF need not be at the start of the file."""


class Format(Enum):
    """A format that ocrfarm reads; the value is its name in messages."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    WEBP = "WebP"
    GIF = "GIF"
    JPEG2000 = "JPEG-2000"
    BMP = "BMP"
    PDF = "PDF"
    HEIC = "HEIC"


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

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def detect_format(path: Path) -> Format:
    """Return the format of a file.

    Raises:
        ImageNotFound: The file does not exist.
        UnidentifiedImage: The file is empty, cannot be read, is not a regular file, or has another format.
    """
    head = _read_head(path)
    if not head:
        raise UnidentifiedImage(f"{path}: the file is empty; copy it again")
    if (detected := _match_magic(head)) is None:
        names = ", ".join(each.value for each in Format)
        raise UnidentifiedImage(f"{path}: its first bytes are of no format that ocrfarm reads; it reads {names}")
    return detected


def _read_head(path: Path) -> bytes:
    try:
        _check_kind(path, path.stat().st_mode)
        with path.open("rb") as file:
            return file.read(_MAX_HEAD_BYTES)
    except FileNotFoundError as error:
        raise ImageNotFound(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise UnidentifiedImage(
            f"{path}: the file cannot be opened ({error.strerror}); check its permissions"
        ) from error


def _check_kind(path: Path, mode: int) -> None:
    """Raise `UnidentifiedImage` unless the path is a regular file; opening a pipe would wait for its writer."""
    if S_ISDIR(mode):
        raise UnidentifiedImage(f"{path}: this is a folder; name the image files in it")
    if not S_ISREG(mode):
        raise UnidentifiedImage(f"{path}: this is a pipe, a socket or a device; save its content to a file first")


def _match_magic(head: bytes) -> Format | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Format.WEBP
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return Format.HEIC
    detected = next((form for magic, form in _MAGIC if head.startswith(magic)), None)
    return detected or (Format.PDF if b"%PDF-" in head else None)
