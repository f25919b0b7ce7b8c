"""Hypothesis strategies of pages with synthetic lines and of grids of tiles, and counts of what is on them."""

import random
from collections import Counter
from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ocrfarm.document import Line
from ocrfarm.geometry import Size
from tests.support.synthetic_lines import SyntheticLine, make_grid, make_lines

PAGE = Size(1500, 1100)
STYLES = st.sampled_from(["words", "numbers", "han"])
ANGLES = st.one_of(st.sampled_from([0.0, 90.0, -90.0, 180.0]), st.floats(-40.0, 40.0))
SEEDS = st.integers(0, 10**6)
SHIFTS = st.tuples(st.sampled_from([0, 64, 160, 320]), st.sampled_from([0, 32, 256]))
GRIDS = st.builds(make_grid, st.just(PAGE), st.sampled_from([640, 1024]), st.sampled_from([160, 192]), SHIFTS)
PAGES = st.builds(lambda seed, style, angle: make_lines(PAGE, random.Random(seed), style, angle), SEEDS, STYLES, ANGLES)

fewer_examples = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def count_texts(lines: Iterable[Line] | Iterable[SyntheticLine]) -> Counter[str]:
    return Counter(line.text for line in lines)


def count_words(lines: Iterable[Line] | Iterable[SyntheticLine]) -> Counter[str]:
    return Counter(word for line in lines for word in line.text.split())
