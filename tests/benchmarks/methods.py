"""What others do with the readings of overlapping tiles, and what ocrfarm does: (readings, page's pixels) -> lines."""

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ocrfarm.document import Line
from ocrfarm.geometry import Quad, Size
from ocrfarm.recognize import RgbPixels
from ocrfarm.stitch import stitch
from ocrfarm.tile import Fragment, TileResult

Method = Callable[[Sequence[TileResult], RgbPixels], Sequence[Line]]
"""The pixels are those of the whole page, height x width x 3: a method may read again."""

_OVERLAP = 0.5
"""The usual threshold of NMS (IoU) and SAHI's own one (IoS)."""

_Boxes = NDArray[np.float64]
"""A row a fragment: x0, y0, x1, y1, confidence, category."""


def concatenate(readings: Sequence[TileResult], pixels: RgbPixels) -> Sequence[Line]:
    """Take every fragment as a line."""
    return [_line(fragment) for fragment in _fragments(readings)]


def suppress(readings: Sequence[TileResult], pixels: RgbPixels) -> Sequence[Line]:
    """Of upright boxes that overlap by half (IoU) keep the surest: NMS."""
    fragments = _fragments(readings)
    boxes = _boxes(fragments)
    left = np.argsort(-boxes[:, 4], kind="stable")
    kept = []
    while left.size:
        first, left = left[0], left[1:]
        kept.append(fragments[first])
        left = left[_iou(boxes[first], boxes[left]) < _OVERLAP]
    return [_line(fragment) for fragment in kept]


def merge_as_sahi(readings: Sequence[TileResult], pixels: RgbPixels) -> Sequence[Line]:
    """Let SAHI merge the boxes; as it knows no text, a merged line has that of its surest fragment."""
    from sahi.postprocess.combine import GreedyNMMPostprocess
    from sahi.prediction import ObjectPrediction

    fragments = _fragments(readings)
    height, width = pixels.shape[:2]
    predictions = [
        ObjectPrediction(
            bbox=row[:4].tolist(),
            score=float(row[4]),
            category_id=index,
            category_name=str(index),
            full_shape=[height, width],
        )
        for index, row in enumerate(_boxes(fragments))
    ]
    merged = GreedyNMMPostprocess(match_threshold=_OVERLAP, match_metric="IOS")(predictions)
    lines = []
    for item in merged:
        line, box = _line(fragments[item.category.id]), item.bbox.to_xyxy()
        whole = np.allclose(box, _boxes([fragments[item.category.id]])[0, :4])
        lines.append(line if whole else Line(line.text, Quad.from_bounds(*map(float, box)), line.confidence))
    return lines


def merge_as_sahi_with_text(readings: Sequence[TileResult], pixels: RgbPixels) -> Sequence[Line]:
    """Let SAHI say which boxes belong together, and merge their texts from left to right as docTR merges strings."""
    from sahi.postprocess.combine import greedy_nmm

    fragments = _fragments(readings)
    boxes = _boxes(fragments)
    boxes[:, 5] = 0
    groups = greedy_nmm(boxes, "IOS", _OVERLAP)
    return [_joined([fragments[index] for index in (first, *others)]) for first, others in groups.items()]


def merge_as_ocrfarm(readings: Sequence[TileResult], pixels: RgbPixels) -> Sequence[Line]:
    """Stitch, without a second pass."""
    return stitch(Size(pixels.shape[1], pixels.shape[0]), readings)


def methods() -> dict[str, Method]:
    """Give the methods by name; SAHI's are there where it is installed."""
    sahi: dict[str, Method] = {
        "SAHI GREEDYNMM (IoS .5)": merge_as_sahi,
        "SAHI GREEDYNMM + string merge": merge_as_sahi_with_text,
    }
    return {
        "concatenation": concatenate,
        "NMS (IoU .5)": suppress,
        **(sahi if find_spec("sahi") else {}),
        "ocrfarm": merge_as_ocrfarm,
    }


def merge_strings(first: str, second: str, expected: int) -> str:
    """Join two texts of which about `expected` characters are the same, as docTR does.

    The characters at the seam are not trusted; of all lengths of overlap that one is taken where the fewest differ,
    and among equals the nearest to what is expected.
    """
    one, two = first[:-1], second[1:]
    longest = min(len(one), len(two))
    if not longest:
        return first + second
    scores = [sum(a != b for a, b in zip(one[-n:], two[:n], strict=True)) for n in range(1, longest + 1)]
    exact = [n for n, score in enumerate(scores, 1) if score == 0]
    if exact:
        length = min(exact, key=lambda n: abs(n - expected))
    else:
        length = min(range(1, longest + 1), key=lambda n: scores[n - 1] + abs(n - expected))
    return one[:-length] + two if exact or scores[length - 1] < length else first + second


def _joined(group: Sequence[Fragment]) -> Line:
    if len(group) == 1:
        return _line(group[0])
    ordered = sorted(group, key=lambda fragment: fragment.quad.bounds())
    boxes = _boxes(ordered)
    text, end = ordered[0].text, boxes[0, 2]
    for fragment, box in zip(ordered[1:], boxes[1:], strict=True):
        share = (min(end, box[2]) - box[0]) / max(box[2] - box[0], 1)
        if share < 1:  # else all of it was there before
            text = merge_strings(text, fragment.text, round(max(share, 0) * len(fragment.text)))
        end = max(end, box[2])
    x0, y0 = boxes[:, :2].min(axis=0).tolist()
    x1, y1 = boxes[:, 2:4].max(axis=0).tolist()
    return Line(text, Quad.from_bounds(x0, y0, x1, y1), float(boxes[:, 4].max()))


def _fragments(readings: Iterable[TileResult]) -> list[Fragment]:
    return [fragment for reading in readings for fragment in reading.fragments]


def _line(fragment: Fragment) -> Line:
    return Line(fragment.text, fragment.quad, fragment.confidence)


def _boxes(fragments: Sequence[Fragment]) -> _Boxes:
    rows = []
    for index, fragment in enumerate(fragments):
        box = fragment.quad.bounds()
        rows.append((max(box.x0, 0), max(box.y0, 0), box.x1, box.y1, fragment.confidence, index))
    return np.array(rows, np.float64).reshape(-1, 6)


def _iou(box: _Boxes, others: _Boxes) -> NDArray[np.float64]:
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    share: NDArray[np.float64] = common / ((box[2] - box[0]) * (box[3] - box[1]) + area - common)
    return share
