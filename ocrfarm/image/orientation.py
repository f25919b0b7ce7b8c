"""EXIF orientation as arithmetic: where a box of the upright page lies in the raster as stored, and back.

Turning each cut box instead of the whole page lets every orientation stream: no random access, no temporary file.
"""

from dataclasses import dataclass

import numpy as np

from ocrfarm.geometry import Box, Size
from ocrfarm.image.pixels import Pixels


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the stored raster becomes upright: rows and columns are swapped first, then the two mirrors apply."""

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def from_exif(cls, code: int) -> "Orientation":
        """Give the orientation of an EXIF code 1..8; any other number means upright, as other readers do."""
        return _CODES.get(code, _CODES[1])

    def size(self, stored: Size) -> Size:
        """Give the size of the upright page (and, as swapping undoes itself, of the stored raster)."""
        return Size(stored.height, stored.width) if self.swap else stored

    def stored_box(self, box: Box, page: Size) -> Box:
        """Give the place in the stored raster of a box of the upright page."""
        x0, x1 = (page.width - box.x1, page.width - box.x0) if self.mirror_x else (box.x0, box.x1)
        y0, y1 = (page.height - box.y1, page.height - box.y0) if self.mirror_y else (box.y0, box.y1)
        return Box(y0, x0, y1, x1) if self.swap else Box(x0, y0, x1, y1)

    def to_upright(self, stored: Pixels) -> Pixels:
        """Turn pixels as stored upright; what is given is contiguous."""
        turned = stored.swapaxes(0, 1) if self.swap else stored
        return np.ascontiguousarray(turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1])


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
