"""Frames of a GIF or WebP, decoded in one pass.

A frame is composed of all frames before it. libvips composes them afresh whenever a frame is opened by its number,
which for all frames together takes a time that grows with the square of their number: minutes for 100 frames of 2,000 x
2,000 pixels. Here a file is opened once:

    GIF     libvips yields all frames as one image, one frame below the other, from top to bottom
    WebP    Pillow yields one frame after the other; libvips would keep all of them in memory

Invariant: no frame is decoded twice if the frames are asked for in order; the last one stays in memory, so that it can
be asked for again. Cost: two frames in memory, that of the decoder and the last one that was returned.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips
from PIL import _webp

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Size
from ocrfarm.image import vips
from ocrfarm.image.decoding import StopCheck, translate_decoder_errors
from ocrfarm.image.formats import Format
from ocrfarm.image.pixels import Pixels

_MAX_ROWS = 100_000_000
"""Maximum height of an image in libvips, in pixels; a file with more rows is opened in several parts."""

_CHUNK_PIXELS = 1 << 20
"""Number of pixels that are decoded between two checks whether they are still needed."""

_OPAQUE = 255


@dataclass(frozen=True, slots=True)
class FrameRows:
    """The rows of one decoded frame; see `StoredRaster`."""

    pixels: Pixels

    @property
    def size(self) -> Size:
        """Width and height, in pixels."""
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    @property
    def bands(self) -> int:
        """Number of channels."""
        return 1 if self.pixels.ndim == 2 else self.pixels.shape[2]

    def strips(self, step: int) -> Iterator[Pixels]:
        """Yield `step` rows at a time."""
        for top in range(0, len(self.pixels), step):
            yield self.pixels[top : top + step]


class Animation:
    """The frames of a file, each of which is decoded when it is asked for."""

    def __init__(self, path: Path, image_format: Format, *, frame_size: Size, count: int, check: StopCheck) -> None:
        """Open nothing yet.

        Args:
            path: The file.
            image_format: GIF or WebP.
            frame_size: Width and height of every frame, in pixels.
            count: Number of frames.
            check: Called while frames are decoded; it raises an exception to stop.
        """
        self._path, self._size, self._count, self._check = path, frame_size, count, check
        self._iter_frames = self._iter_webp if image_format is Format.WEBP else self._iter_gif
        self._frames: Iterator[Pixels] = iter(())
        self._next = count  # number of the frame that `_frames` yields next
        self._last: Pixels | None = None  # the frame before it

    def open_rows(self, number: int, *, location: str) -> FrameRows:
        """Decode a frame and return its rows.

        Args:
            number: Number of the frame (0 = first).
            location: File and frame, for messages.

        Raises:
            DamagedImage: The frame, or one before it, cannot be decoded.
        """
        if self._last is None or number != self._next - 1:
            self._last = None  # frees the memory
            if number < self._next:
                self._frames, self._next = self._iter_frames(), 0
            try:
                with translate_decoder_errors(location):
                    self._last = self._decode(number)
            except BaseException:
                self._next = self._count  # the iterator has ended with the error
                raise
        return FrameRows(self._last)

    def _decode(self, number: int) -> Pixels:
        while True:
            self._check()
            pixels = next(self._frames)
            self._next += 1
            if self._next > number:
                return pixels
            del pixels

    def _iter_gif(self) -> Iterator[Pixels]:
        frames_per_part = max(1, _MAX_ROWS // self._size.height)
        for first in range(0, self._count, frames_per_part):
            count = min(frames_per_part, self._count - first)
            image = vips.load(self._path, Format.GIF, page=first, page_count=count)
            self._check_size(Size(image.width, image.height // count))
            reader = vips.RowReader(vips.normalise(image, location=str(self._path)))
            for number in range(count):
                yield self._read_frame(reader, number * self._size.height)

    def _read_frame(self, reader: vips.RowReader, top: int) -> Pixels:
        step = max(1, _CHUNK_PIXELS // self._size.width)
        parts = []
        for start in range(0, self._size.height, step):
            self._check()
            parts.append(reader.read(top + start, min(step, self._size.height - start)))
        return np.concatenate(parts)

    def _iter_webp(self) -> Iterator[Pixels]:
        decoder = _webp.WebPAnimDecoder(self._path.read_bytes())
        self._check_size(Size(*decoder.get_info()[0]))
        for _ in range(self._count):
            data, _ = decoder.get_next()
            pixels = self._drop_alpha(data)
            del data  # frees the memory while the frame is cut
            yield pixels
            del pixels

    def _drop_alpha(self, data: bytes) -> Pixels:
        """Return RGB pixels of RGBA; what is transparent is put on white."""
        rgba: Pixels = np.frombuffer(data, np.uint8).reshape(self._size.height, self._size.width, 4)
        if (rgba[..., 3] == _OPAQUE).all():
            return np.ascontiguousarray(rgba[..., :3])
        image = pyvips.Image.new_from_memory(rgba.data, self._size.width, self._size.height, 4, "uchar")
        return vips.RowReader(vips.normalise(image, location=str(self._path))).read(0, self._size.height)

    def _check_size(self, size: Size) -> None:
        """Check that frames have the size that was checked before, in case the file has changed."""
        if size != self._size:
            raise DamagedImage(f"{self._path}: its size differs from the size in its header; export it again")
