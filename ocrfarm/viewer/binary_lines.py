"""Encode lines as `lines.bin`, which the browser maps to typed arrays without parsing, and their texts as JSON.

`lines.bin` is little-endian and has n lines in the order of the pages, 36 bytes each:

    float32[8 n]  corners (x, y) in page pixels, clockwise from the start of the text
    uint16[n]     confidence in 1/10000
    uint8[n]      recognizer: index in the viewer's list of models
    uint8[n]      second pass: index in `SECOND_PASS_OUTCOMES`

`texts.json` is an array of n strings.
"""

import json
from collections.abc import Sequence
from typing import get_args

import numpy as np

from ocrfarm.document import Line, SecondPassOutcome

SECOND_PASS_OUTCOMES: tuple[SecondPassOutcome, ...] = get_args(SecondPassOutcome)

_CONFIDENCE_SCALE = 10_000
"""Number for a confidence of 1: four decimal places, as in the JSON of the result."""

_MAX_MODELS = 256
"""Number of models that a byte can distinguish."""


def list_models(lines: Sequence[Line]) -> list[str]:
    """Return the recognizers of the lines in order of appearance; the 256th also stands for all that follow.

    Examples:
        >>> from ocrfarm.geometry import Quad
        >>> quad = Quad.from_bounds(0, 0, 200, 30)
        >>> list_models([Line(model, quad, 0.9, model=model) for model in ("small", "tiny", "small")])
        ['small', 'tiny']
    """
    return list(dict.fromkeys(line.model for line in lines))[:_MAX_MODELS]


def pack_lines(lines: Sequence[Line], models: Sequence[str]) -> bytes:
    """Return the content of `lines.bin`.

    Args:
        lines: The lines of all pages.
        models: The recognizers, as `list_models` returns them.

    Examples:
        >>> from ocrfarm.geometry import Quad
        >>> line = Line("Valve", Quad.from_bounds(0, 0, 200, 30), 0.97, model="small")
        >>> packed = pack_lines([line], ["small"])
        >>> len(packed), int.from_bytes(packed[32:34], "little")
        (36, 9700)
    """
    model_index = {model: number for number, model in enumerate(models)}
    quads = np.array([line.quad.points for line in lines], "<f4")
    confidence = np.array([line.confidence for line in lines], "f8")
    model = np.array([model_index.get(line.model, _MAX_MODELS - 1) for line in lines], "u1")
    second_pass = np.array([SECOND_PASS_OUTCOMES.index(line.second_pass) for line in lines], "u1")
    scaled_confidence = np.clip(np.rint(confidence * _CONFIDENCE_SCALE), 0, _CONFIDENCE_SCALE).astype("<u2")
    return b"".join(column.tobytes() for column in (quads, scaled_confidence, model, second_pass))


def to_json(data: object) -> bytes:
    """Return JSON in UTF-8. Half of a surrogate pair, which UTF-8 cannot encode, becomes a question mark.

    Examples:
        >>> to_json({"text": "DN 80", "broken": chr(0xD800)})
        b'{"text":"DN 80","broken":"?"}'
    """
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
