"""Limits: what a header may claim before anything is decoded."""

from dataclasses import dataclass

from ocrfarm.errors import TooLarge
from ocrfarm.geometry import Size

_RESAVE = {
    "progressive JPEG": "save it as a baseline (not progressive) JPEG or as PNG",
    "interlaced PNG": "save it without interlacing",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest source that is let in; every check raises `TooLarge` and names the setting to change."""

    pixels: int = 2_000_000_000
    """Pixels of one page: 44,721 x 44,721, half a minute of decoding."""

    side: int = 100_000
    """Pixels of one side: rows that wait lie in the folder for temporary files, 614 MB for RGB at this width."""

    bytes: int = 16 * 2**30
    """Bytes of the file: 2 gigapixels of raw 16-bit RGB are 12 GB."""

    pages: int = 2_000
    """Pages of one file: a scanned book has fewer, a file that claims more is most likely a trap."""

    buffered_pixels: int = 64_000_000
    """Pixels of one page (of one strip or row of tiles in a TIFF) where the decoder must hold all of them.

    Peak of a process that cuts 64 megapixels of RGB: interlaced PNG 400 MB, progressive JPEG 460, BMP 500, GIF 520,
    WebP 570, a TIFF of one JPEG strip 590, JPEG-2000 1250. A streamed page of four times the pixels takes 300 to 430.
    """

    def check_bytes(self, count: int, *, location: str) -> None:
        """Refuse a file of too many bytes."""
        _check(count, self.bytes, setting="bytes", claim=f"{location}: the file has {count:,} bytes")

    def check_pages(self, count: int, *, location: str) -> None:
        """Refuse a file of too many pages."""
        _check(count, self.pages, setting="pages", claim=f"{location}: the file has {count:,} pages or more")

    def check_raster(self, size: Size, *, location: str, advice: str = "") -> None:
        """Refuse a page that is too wide, too high or has too many pixels."""
        claim = f"{location}: the header claims {size.width:,} x {size.height:,} pixels"
        _check(max(size.width, size.height), self.side, setting="side", claim=claim, advice=advice)
        claim = f"{claim} ({size.area:,} in all)"
        _check(size.area, self.pixels, setting="pixels", claim=claim, advice=advice)

    def check_buffered(self, size: Size, *, kind: str, location: str) -> None:
        """Refuse a page too large for a format that cannot be decoded row by row."""
        claim = f"{location}: a {kind} of {size.area:,} pixels must be held in memory as a whole"
        advice = _RESAVE.get(kind, "save it as PNG, baseline JPEG or TIFF")
        _check(size.area, self.buffered_pixels, setting="buffered_pixels", claim=claim, advice=f"{advice}, or ")


def _check(value: int, limit: int, *, setting: str, claim: str, advice: str = "") -> None:
    if value > limit:
        raise TooLarge(f"{claim}; the limit is {limit:,}; {advice}raise the setting `{setting}` if you trust the file")
