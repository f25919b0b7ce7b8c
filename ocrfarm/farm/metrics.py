"""What the farm has done, counted in Redis by the processes that did it.

A worker's child, a worker or a whole machine may vanish at any moment, and whatever it counted for itself with it. So
every process adds to one hash in Redis, next to what it writes there anyway, and one exporter shows the sums. They go
back to zero only if the broker is emptied, and nothing has to be collected from forked children.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple
from urllib.parse import unquote

from ocrfarm.document import Line
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys
from ocrfarm.tile import TileResult

TileOutcome = Literal["read", "failed", "blank"]

BUCKET_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds: a tile takes 0.1 s on a GPU and 10 s on a slow core, splitting a page of 2 gigapixels some minutes."""

JOB_BUCKET_BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0)
"""Seconds from the submission of a job to its end: a page takes seconds, and an archive waits for hours."""

MAX_USAGE_PAIRS = 200
"""Pairs of owner and profile with counters of their own, of which each has 20; clients may invent names."""

_USAGE_TTL = 400 * 86_400
"""Seconds for which the counters of a month are kept: a year and a month."""

_STATES_WITH_RESULT = ("complete", "partial")

_MILLISECONDS = 1000
"""Sums of seconds are kept as whole milliseconds, since Redis adds integers exactly."""

NO_COUNTS: Mapping[str, int] = MappingProxyType({})
"""No counts."""


@dataclass(slots=True)
class Histogram:
    """How long something took, and how often.

    Attributes:
        counts: How often it took at most each of `BUCKET_BOUNDS`, or `JOB_BUCKET_BOUNDS`, and more than the one before;
            last, how often longer.
        seconds: The sum of all times.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKET_BOUNDS) + 1))
    seconds: float = 0.0


class MetricsStore:
    """The counters of a farm. Safe for threads.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._key = broker, keys.metrics

    def increment(self, name: str, *labels: str) -> None:
        """Add one to a counter.

        Args:
            name: The counter's name.
            labels: The values of its labels.
        """
        self.add({_counter_field(name, *labels): 1})

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to several counters, given by their names and labels as `count_results` returns them."""
        with self._broker.pipeline() as pipe:
            for name, more in counts.items():
                pipe.hincrby(self._key, name, more)

    def record_split(self, *, blank: int, seconds: float) -> None:
        """Count that an image was split.

        Args:
            blank: Tiles with nothing to read.
            seconds: How long it took.
        """
        self.add(_histogram_counts("stage split -", seconds) | {_counter_field("tiles", "blank"): blank})

    def record_stitch(self, *, lines: Iterable[Line], seconds: float) -> None:
        """Count that a job was stitched, and its lines by the model that read each.

        Args:
            lines: The lines of all its pages.
            seconds: How long it took.
        """
        by_model = Counter(line.model for line in lines)
        self.add(
            _histogram_counts("stage stitch -", seconds)
            | {_counter_field("lines", model): more for model, more in by_model.items()}
        )

    def record_model_load(self, model: str, *, seconds: float) -> None:
        """Count that a process has loaded a recognizer and its detector.

        Args:
            model: The recognizer.
            seconds: How long it took.
        """
        self.add(_histogram_counts(f"load {model}", seconds))

    def read_all(self) -> dict[str, int]:
        """Return every counter by its name and labels, separated by spaces."""
        with self._broker.translate_errors():
            return {str(name): int(value) for name, value in self._broker.redis.hgetall(self._key).items()}


class UsageStore:
    """What the jobs of each owner and profile have used, in all and by month. Safe for threads.

    The counters of the whole time are in the hash of the metrics, so that the exporter shows them.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys
        self._account = broker.load_script("account_job")

    def account_job(self, job: str) -> None:
        """Add what a job has used, now that it has ended; a job that was resumed adds only what it used since."""
        month = time.strftime("%Y-%m", time.gmtime(self._broker.read_time()))
        keys = [self._keys.job(job).record, self._keys.metrics, self._keys.usage(month)]
        bounds = " ".join(map(str, JOB_BUCKET_BOUNDS))
        with self._broker.translate_errors():
            self._account(keys=keys, args=[bounds, MAX_USAGE_PAIRS, " ".join(_STATES_WITH_RESULT), _USAGE_TTL])

    def read_month(self, month: str) -> list["Usage"]:
        """Return what was used by the jobs that ended in a month, such as 2026-11, by owner and profile."""
        with self._broker.translate_errors():
            values = self._broker.redis.hgetall(self._keys.usage(month))
        return select_usage({str(name): int(value) for name, value in values.items()})


class Usage(NamedTuple):
    """What the jobs of an owner with a profile have used.

    Attributes:
        owner: The owner; "" for jobs without one.
        profile: The name of the profile.
        jobs: Jobs that ended.
        tiles: Tiles that were read or given up.
        pixels: Pixels of all their pages.
        engine_seconds: Seconds that the engine took in all processes together.
    """

    owner: str
    profile: str
    jobs: int
    tiles: int
    pixels: int
    engine_seconds: float


def select_usage(values: Mapping[str, int]) -> list[Usage]:
    """Return what was used by owner and profile, in their order.

    >>> select_usage({"usage_jobs maps fast": 2, "usage_tiles maps fast": 9, "usage_milliseconds maps fast": 1500})
    [Usage(owner='maps', profile='fast', jobs=2, tiles=9, pixels=0, engine_seconds=1.5)]
    """
    jobs, tiles, pixels, milliseconds = (
        select_counter(values, f"usage_{name}") for name in ("jobs", "tiles", "pixels", "milliseconds")
    )
    used = []
    for pair in sorted(jobs):
        owner, profile = map(parse_label, pair.split(" "))
        seconds = milliseconds.get(pair, 0) / _MILLISECONDS
        used.append(Usage(owner, profile, jobs[pair], tiles.get(pair, 0), pixels.get(pair, 0), seconds))
    return used


def parse_label(label: str) -> str:
    """Return the owner or the profile that a counter's name holds; "-" stands for none.

    >>> parse_label("my%20maps"), parse_label("-")
    ('my maps', '')
    """
    return "" if label == "-" else unquote(label)


def engine_milliseconds(counts: Mapping[str, int]) -> int:
    """Return the time that the engine took, in what `count_results` returned.

    >>> engine_milliseconds({"stage recognize tiny 3": 1, "stage recognize tiny sum": 700, "pixels tiny": 9})
    700
    """
    return sum(value for name, value in counts.items() if name.startswith("stage ") and name.endswith(" sum"))


def count_results(readings: Sequence[TileResult]) -> dict[str, int]:
    """Return the counters of the results of one tile or quarter, and what is added to each."""
    if not readings:
        return {}
    model, seconds = readings[0].model, sum(reading.seconds for reading in readings)
    pixels = sum(reading.tile.box.area for reading in readings)
    columns, padding = (sum(each.input_columns for each in readings), sum(each.padding_columns for each in readings))
    counts = {"pixels": pixels, "input_columns": columns, "padding_columns": padding}
    return _histogram_counts(f"stage recognize {model}", seconds) | {
        _counter_field(name, model): more for name, more in counts.items()
    }


def _histogram_counts(name: str, seconds: float) -> dict[str, int]:
    return {f"{name} {bisect_left(BUCKET_BOUNDS, seconds)}": 1, f"{name} sum": round(seconds * _MILLISECONDS)}


def _counter_field(name: str, *labels: str) -> str:
    return " ".join((name, *labels))


def select_counter(values: Mapping[str, int], name: str) -> dict[str, int]:
    """Return one counter by its label, which is "" if it has none.

    Args:
        values: All counters, as `MetricsStore.read_all` returns them.
        name: The counter's name.

    >>> select_counter({"tiles read": 7, "tiles failed": 1, "failures": 2}, "tiles")
    {'read': 7, 'failed': 1}
    """
    found = (key.partition(" ") for key in values)
    return {label: values[f"{head}{gap}{label}"] for head, gap, label in found if head == name}


def select_histogram(values: Mapping[str, int], name: str) -> dict[tuple[str, ...], Histogram]:
    """Return one histogram by its labels.

    Args:
        values: All counters, as `MetricsStore.read_all` returns them.
        name: The histogram's name.

    >>> select_histogram({"load small 0": 2, "load small sum": 150}, "load")[("small",)].seconds
    0.15
    """
    picked: dict[tuple[str, ...], Histogram] = {}
    for labels, place, value in _iter_fields(values, name):
        timing = picked.setdefault(labels, Histogram())
        if place == "sum":
            timing.seconds = value / _MILLISECONDS
        else:
            timing.counts[int(place)] = value
    return picked


def _iter_fields(values: Mapping[str, int], name: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
    for key, value in values.items():
        head, *labels = key.split(" ")
        if head == name:
            yield tuple(labels[:-1]), labels[-1], value
