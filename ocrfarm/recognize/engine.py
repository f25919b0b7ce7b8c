"""The Engine protocol: pixels of one tile -> what text is on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from ocrfarm.geometry import Quad
from ocrfarm.tile import Fragment

if TYPE_CHECKING:  # the client knows profiles, not pixels: it starts without numpy
    import numpy as np
    from numpy.typing import NDArray

RgbPixels: TypeAlias = "NDArray[np.uint8]"
"""Height x width x 3, red green blue, 0..255, C-contiguous."""


LineFilter = Callable[[Quad], bool]
"""Says of a line that was found, its quad in pixels of the array, whether it is to be read."""


def accept_all(_: Quad) -> bool:
    """Want every line."""
    return True


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """What an engine found; the fragments' quads are in pixels of the array that it was given.

    `overlong_lines` counts lines that were longer than the recognizer's widest input, even in pieces;
    `detector_overflow` says that the detector reached its contour limit, so text may be missing; `input_columns` is how
    wide the recognizer's inputs were together, and `padding_columns` how much of that was none of a line.
    """

    fragments: tuple[Fragment, ...]
    overlong_lines: int = 0
    detector_overflow: bool = False
    input_columns: int = 0
    padding_columns: int = 0


class EnginePair(NamedTuple):
    """An engine and the stronger one that reads what it doubts: those of a profile and its `second_pass_profile`."""

    first_pass: "Engine"
    second_pass: "Engine"


class Engine(Protocol):
    """Finds and reads text; holds exactly one recognizer model. Not safe for use by two threads at once."""

    model: str
    """The recognizer's official PaddleOCR name."""

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        """Find the lines on one array of pixels and read those that are wanted."""
        ...

    def read_lines(self, pixels: RgbPixels, lines: Sequence[Quad]) -> list[Fragment]:
        """Read lines whose quads, in pixels of the array, are known; the fragments have the same quads."""
        ...
