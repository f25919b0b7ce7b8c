"""EXIF orientation as arithmetic on boxes: upright page <-> raster as stored in the file.

Each box is rotated after it has been cut, instead of the whole page before. Every orientation can then be streamed,
without random access and without a temporary file.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.geometry import Box, Size
from ocrfarm.image.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored raster becomes upright: rows and columns are swapped first, then the mirrors are applied.

    Attributes:
        swap: Whether rows and columns are swapped.
        mirror_x: Whether left and right are swapped.
        mirror_y: Whether top and bottom are swapped.

    Examples:
        >>> rotated = Orientation.from_exif(6)  # a phone in portrait mode
        >>> rotated.size(Size(4000, 3000))
        Size(width=3000, height=4000)
        >>> rotated.stored_box(Box(0, 0, 100, 200), page=Size(3000, 4000))
        Box(x0=0, y0=2900, x1=200, y1=3000)
    """

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_exif(cls, code: int) -> "Orientation":
        """Return the orientation of an EXIF code (1 to 8); any other number means upright, as in other readers."""
        return _CODES.get(code, _CODES[1])

    def size(self, stored: Size) -> Size:
        """Return the size of the upright page for that of the stored raster, or the other way round."""
        return Size(stored.height, stored.width) if self.swap else stored

    def stored_box(self, box: Box, page: Size) -> Box:
        """Return where a box of the upright page is in the stored raster.

        Args:
            box: Box of the upright page, in pixels.
            page: Size of the upright page, in pixels.
        """
        x0, x1 = (page.width - box.x1, page.width - box.x0) if self.mirror_x else (box.x0, box.x1)
        y0, y1 = (page.height - box.y1, page.height - box.y0) if self.mirror_y else (box.y0, box.y1)
        return Box(y0, x0, y1, x1) if self.swap else Box(x0, y0, x1, y1)

    def to_upright(self, stored: Pixels) -> Pixels:
        """Return stored pixels as a contiguous, upright array."""
        upright = stored.swapaxes(0, 1) if self.swap else stored
        return np.ascontiguousarray(upright[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1])


_CODES = {
    1: Orientation(),
    2: Orientation(mirror_x=True),
    3: Orientation(mirror_x=True, mirror_y=True),
    4: Orientation(mirror_y=True),
    5: Orientation(swap=True),
    6: Orientation(swap=True, mirror_x=True),
    7: Orientation(swap=True, mirror_x=True, mirror_y=True),
    8: Orientation(swap=True, mirror_y=True),
}
