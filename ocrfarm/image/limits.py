"""Limits on the size that an image may claim in its header, checked before anything is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrfarm.errors import TooLarge
from ocrfarm.geometry import Size

_PIXELS_PER_BYTE = 10_000
"""Pixels of all pages that are accepted for each byte of the file, in addition to `Limits.total_pixels`."""

_RESAVE = {
    "progressive JPEG": "save it as a baseline (not progressive) JPEG or as PNG",
    "interlaced PNG": "save it without interlacing",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest source that is accepted; every check raises `TooLarge` and names the setting to change.

    Examples:
        >>> Limits(pixels=1_000_000).check_raster(Size(2000, 2000), location="plan.png")
        Traceback (most recent call last):
        ocrfarm.errors.TooLarge: plan.png: the header claims 2,000 x 2,000 pixels (4,000,000 in all); the limit is ...
    """

    pixels: int = 2_000_000_000
    """Maximum number of pixels of one page: 44,721 x 44,721, half a minute of decoding."""

    side: int = 100_000
    """Maximum width and height in pixels. Unfinished rows are in the folder for temporary files: 614 MB for RGB."""

    bytes: int = 16 * 2**30
    """Maximum size of the file in bytes: 2 gigapixels of raw 16-bit RGB are 12 GB."""

    pages: int = 2_000
    """Maximum number of pages of one file: a scanned book has fewer; a file that claims more is likely malicious."""

    buffered_pixels: int = 64_000_000
    """Maximum number of pixels of one page (in a TIFF: of one strip or row of tiles) that must be decoded as a whole.

    Peak of a process that cuts 64 megapixels of RGB: interlaced PNG 400 MB, progressive JPEG 460, BMP 500, GIF 520,
    WebP 570, a TIFF of one JPEG strip 590, JPEG-2000 1250. A streamed page of four times the pixels takes 300 to 430.
    """

    total_pixels: int = 400_000_000
    """Maximum number of pixels of all selected pages together; 10,000 more for each byte of the file.

    A file of 400 bytes can claim a page of 2 gigapixels, which takes a minute, and one of 5 KB 2,000 large pages. 400
    megapixels take 10 s: 46 pages of A4 at 300 dpi. A scanned page has a few hundred pixels for each byte, a page of
    text 3,000, and a blank image of one bit per pixel 8,000.
    """

    def check_bytes(self, count: int, *, location: str) -> None:
        """Check the size of a file.

        Args:
            count: Size of the file, in bytes.
            location: Path of the file, for the message.

        Raises:
            TooLarge: The file is too large.
        """
        _check(count, self.bytes, setting="bytes", claim=f"{location}: the file has {count:,} bytes")

    def check_pages(self, count: int, *, location: str) -> None:
        """Check the number of pages of a file.

        Args:
            count: Number of pages.
            location: Path of the file, for the message.

        Raises:
            TooLarge: The file has too many pages.
        """
        _check(count, self.pages, setting="pages", claim=f"{location}: the file has {count:,} pages or more")

    def check_total(self, sizes: Sequence[Size], file_bytes: int, *, location: str) -> None:
        """Check the size of all pages together, by the size of the file; see `check_raster` for that of each page.

        Args:
            sizes: Width and height of every selected page, in pixels.
            file_bytes: Size of the file, in bytes.
            location: Path of the file, for the message.

        Raises:
            TooLarge: The pages have too many pixels for the size of the file.
        """
        total, limit = sum(size.area for size in sizes), self.total_pixels + _PIXELS_PER_BYTE * file_bytes
        if total > limit:
            one = len(sizes) == 1
            pages, advice = ("the page has", "") if one else (f"{len(sizes):,} pages have", "select fewer pages, or ")
            raise TooLarge(
                f"{location}: {pages} {total:,} pixels, the file has {file_bytes:,} bytes; the limit for such a file "
                f"is {limit:,}; {advice}raise the setting `total_pixels` if you trust the file"
            )

    def check_raster(self, size: Size, *, location: str, advice: str = "") -> None:
        """Check the size of a page.

        Args:
            size: Width and height, in pixels.
            location: File and page, for the message.
            advice: What else the user can do; ends with ", or ".

        Raises:
            TooLarge: The page is too wide or too high, or has too many pixels.
        """
        claim = f"{location}: the header claims {size.width:,} x {size.height:,} pixels"
        _check(max(size.width, size.height), self.side, setting="side", claim=claim, advice=advice)
        claim = f"{claim} ({size.area:,} in all)"
        _check(size.area, self.pixels, setting="pixels", claim=claim, advice=advice)

    def check_buffered(self, size: Size, *, kind: str, location: str) -> None:
        """Check the size of a page that cannot be decoded row by row.

        Args:
            size: Width and height, in pixels.
            kind: Why it cannot be streamed: a format, or a kind of it such as "progressive JPEG".
            location: File and page, for the message.

        Raises:
            TooLarge: The page has too many pixels.
        """
        claim = f"{location}: a {kind} of {size.area:,} pixels must be held in memory as a whole"
        advice = _RESAVE.get(kind, "save it as PNG, baseline JPEG or TIFF")
        _check(size.area, self.buffered_pixels, setting="buffered_pixels", claim=claim, advice=f"{advice}, or ")


def _check(value: int, limit: int, *, setting: str, claim: str, advice: str = "") -> None:
    if value > limit:
        raise TooLarge(f"{claim}; the limit is {limit:,}; {advice}raise the setting `{setting}` if you trust the file")
