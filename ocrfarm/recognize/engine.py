"""The Engine protocol: pixels of one tile -> the lines of text on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from ocrfarm.geometry import Quad
from ocrfarm.tile import Fragment

if TYPE_CHECKING:  # the client knows profiles, not pixels: it starts without numpy
    import numpy as np
    from numpy.typing import NDArray

RgbPixels: TypeAlias = "NDArray[np.uint8]"
"""Height x width x 3, RGB, uint8, C-contiguous."""


LineFilter = Callable[[Quad], bool]
"""Returns whether a detected line is to be recognized; its quad is in pixels of the array."""


def accept_all(_: Quad) -> bool:
    """Return True for every line."""
    return True


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """The result of `Engine.read`.

    Attributes:
        fragments: The lines; their quads are in pixels of the array that was read.
        overlong_lines: Number of lines that were longer than the recognizer's widest input, even in chunks.
        detector_overflow: Whether the detector reached its contour limit, so that text may be missing.
        input_columns: Total width of the recognizer's inputs, in pixels.
        padding_columns: How many of these columns were padding.
    """

    fragments: tuple[Fragment, ...]
    overlong_lines: int = 0
    detector_overflow: bool = False
    input_columns: int = 0
    padding_columns: int = 0


class EnginePair(NamedTuple):
    """The engines of a profile with a cascade.

    Attributes:
        first_pass: The engine of the profile.
        second_pass: The engine of its `second_pass_profile`, which reads lines of low confidence again.
    """

    first_pass: "Engine"
    second_pass: "Engine"


class Engine(Protocol):
    """Detects and recognizes text with one recognizer model; an engine must not be used by two threads at once.

    An engine may raise any exception; `tile_reader` translates it to `EngineFailed`.

    Attributes:
        model: Official PaddleOCR name of the recognizer.
    """

    model: str

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        """Detect the lines on an image and recognize the accepted ones.

        Args:
            pixels: Height x width x 3, RGB, uint8.
            accept: Called with the quad of each detected line; only accepted lines are recognized.
        """
        ...

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        """Recognize lines whose places are known, without detection.

        Args:
            pixels: Height x width x 3, RGB, uint8.
            lines: Quads of the lines, in pixels of the array.

        Returns:
            One fragment for each line, with the same quad.
        """
        ...
