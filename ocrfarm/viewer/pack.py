"""Lines -> what a browser holds of them without unpacking anything: typed arrays one behind the other, and texts.

`lines.bin`, little-endian, n lines in the order of the pages:

float32[8 n]  corners (x, y) in page pixels, clockwise from the start of the text
uint16[n]     confidence in 1/10000
uint8[n]      recognizer: its place in the viewer's list of models
uint8[n]      second pass: its place in `SECOND_PASS_OUTCOMES`

`texts.json` is an array of n strings.
"""

import json
from collections.abc import Sequence
from typing import get_args

import numpy as np

from ocrfarm.document import Line, SecondPassOutcome

SECOND_PASS_OUTCOMES: tuple[SecondPassOutcome, ...] = get_args(SecondPassOutcome)

_CONFIDENCE_SCALE = 10_000
"""What a confidence of 1 is written as: as many places as the result's JSON has."""

_MAX_MODELS = 256
"""What a byte can tell apart."""


def list_models(lines: Sequence[Line]) -> list[str]:
    """Give the recognizers that read the lines, in the order in which they come; the 256th stands for the rest."""
    return list(dict.fromkeys(line.model for line in lines))[:_MAX_MODELS]


def pack_lines(lines: Sequence[Line], models: Sequence[str]) -> bytes:
    """Give `lines.bin`."""
    place = {model: number for number, model in enumerate(models)}
    quads = np.array([line.quad.points for line in lines], "<f4")
    confidence = np.array([line.confidence for line in lines], "f8")
    model = np.array([place.get(line.model, _MAX_MODELS - 1) for line in lines], "u1")
    second_pass = np.array([SECOND_PASS_OUTCOMES.index(line.second_pass) for line in lines], "u1")
    sure = np.clip(np.rint(confidence * _CONFIDENCE_SCALE), 0, _CONFIDENCE_SCALE).astype("<u2")
    return b"".join(column.tobytes() for column in (quads, sure, model, second_pass))


def to_json(data: object) -> bytes:
    """Give JSON in UTF-8; half of a surrogate pair, which JSON can spell and UTF-8 cannot, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
