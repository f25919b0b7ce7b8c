"""Lines -> what a browser holds of them without unpacking anything: typed arrays one behind the other, and texts.

`lines.bin`, little-endian, n lines in the order of the pages:

float32[8 n]  corners (x, y) in page pixels, clockwise from the start of the text
uint16[n]     confidence in 1/10000
uint8[n]      recognizer: its place in the viewer's list of models
uint8[n]      second look: its place in `LOOKS`

`texts.json` is an array of n strings.
"""

import json
from collections.abc import Sequence
from typing import get_args

import numpy as np

from ocrfarm.document import Line, Look

LOOKS: tuple[Look, ...] = get_args(Look)

_SURE = 10_000
"""What a confidence of 1 is written as: as many places as the result's JSON has."""

_MOST_MODELS = 256
"""What a byte can tell apart."""


def models_of(lines: Sequence[Line]) -> list[str]:
    """Give the recognizers that read the lines, in the order in which they come; the 256th stands for the rest."""
    return list(dict.fromkeys(line.model for line in lines))[:_MOST_MODELS]


def packed(lines: Sequence[Line], models: Sequence[str]) -> bytes:
    """Give `lines.bin`."""
    place = {model: number for number, model in enumerate(models)}
    quads = np.array([line.quad.points for line in lines], "<f4")
    confidence = np.array([line.confidence for line in lines], "f8")
    model = np.array([place.get(line.model, _MOST_MODELS - 1) for line in lines], "u1")
    look = np.array([LOOKS.index(line.look) for line in lines], "u1")
    sure = np.clip(np.rint(confidence * _SURE), 0, _SURE).astype("<u2")
    return b"".join(column.tobytes() for column in (quads, sure, model, look))


def to_json(data: object) -> bytes:
    """Give JSON in UTF-8; half of a surrogate pair, which JSON can spell and UTF-8 cannot, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
