"""The resolution of an image in pixels per inch, if its file states it."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from PIL import JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from ocrfarm.result.pdf.image import UNSUPPORTED_IMAGE_ERRORS

_PLAUSIBLE_DPI = (20, 10_000)
"""Pixels per inch, smallest and largest. Programs that do not know the resolution write 1 or 72, but 72 may be true."""

_PLUGINS: dict[bytes, Callable[[BinaryIO], ImageFile]] = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
}


def read_dpi(path: Path) -> float | None:
    """Return the resolution in pixels per inch, or None if the file states none or an implausible one."""
    with path.open("rb") as file:
        head = file.read(12)
        opened = next((plugin for magic, plugin in _PLUGINS.items() if head.startswith(magic)), None)
        if not opened:
            return None
        file.seek(0)
        with suppress(*UNSUPPORTED_IMAGE_ERRORS):
            dpi = float(opened(file).info.get("dpi", (0, 0))[0])
            return dpi if _PLAUSIBLE_DPI[0] <= dpi <= _PLAUSIBLE_DPI[1] else None
    return None
