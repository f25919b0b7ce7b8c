"""What the farm has done, counted in Redis by whoever did it.

{prefix}meters    hash: a meter's name and its labels -> a whole number

A child of a worker, a worker and a whole machine may vanish at any moment, and with them whatever they counted for
themselves. So every process adds to one hash, next to what it writes there anyway, and one exporter shows the sums:
they go back to zero only where the broker is emptied, and nothing has to be collected from forked children.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ocrfarm.document import Line
from ocrfarm.farm.broker import Broker
from ocrfarm.tile import Reading

Outcome = Literal["read", "dead", "blank"]

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds: a tile takes 0.1 on a GPU and 10 on a slow core, splitting a 2-gigapixel page some minutes."""

_MILLI = 1000
"""Sums are whole milliseconds."""

NOTHING: Mapping[str, int] = MappingProxyType({})
"""No counts."""


@dataclass(slots=True)
class Timing:
    """How often something took how long: one count for each of `BOUNDS` and one for what is longer, and all seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class Meters:
    """Counters; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self.key = broker, f"{prefix}meters"

    def count(self, name: str, *labels: str) -> None:
        """Add one to a counter."""
        self.add({_field(name, *labels): 1})

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to several counters, as `of_readings` names them."""
        with self._broker.talk() as pipe:
            for name, more in counts.items():
                pipe.hincrby(self.key, name, more)

    def split(self, *, blank: int, seconds: float) -> None:
        """Count that a picture was cut, and how many of its tiles hold nothing to read."""
        self.add(_timed("stage split -", seconds) | {_field("tiles", "blank"): blank})

    def stitched(self, *, lines: Iterable[Line], seconds: float) -> None:
        """Count that a job's pages were put together, and their lines by the model that read each."""
        by_model = Counter(line.model for line in lines)
        self.add(_timed("stage stitch -", seconds) | {_field("lines", model): more for model, more in by_model.items()})

    def loaded(self, model: str, *, seconds: float) -> None:
        """Count that a process has loaded a recognizer and its detector."""
        self.add(_timed(f"load {model}", seconds))

    def all(self) -> dict[str, int]:
        """Give every counter by its name and labels, with spaces in between."""
        with self._broker.translated():
            return {str(name): int(value) for name, value in self._broker.redis.hgetall(self.key).items()}


def of_readings(readings: Sequence[Reading]) -> dict[str, int]:
    """Give what is counted of one tile, or of a part of one; nothing without readings."""
    if not readings:
        return {}
    model, seconds = readings[0].model, sum(reading.seconds for reading in readings)
    pixels = sum(reading.tile.box.area for reading in readings)
    columns, padding = (sum(getattr(each, name) for each in readings) for name in ("columns", "padding"))
    counts = {"pixels": pixels, "columns": columns, "padding": padding}
    return _timed(f"stage recognize {model}", seconds) | {_field(name, model): more for name, more in counts.items()}


def _timed(what: str, seconds: float) -> dict[str, int]:
    return {f"{what} {bisect_left(BOUNDS, seconds)}": 1, f"{what} sum": round(seconds * _MILLI)}


def _field(name: str, *labels: str) -> str:
    return " ".join((name, *labels))


def counters(values: Mapping[str, int], name: str) -> dict[str, int]:
    """Pick one counter: its label ("" where it has none) -> the number."""
    found = (key.partition(" ") for key in values)
    return {label: values[f"{head}{gap}{label}"] for head, gap, label in found if head == name}


def timings(values: Mapping[str, int], name: str) -> dict[tuple[str, ...], Timing]:
    """Pick one histogram: its labels -> how often it took how long."""
    picked: dict[tuple[str, ...], Timing] = {}
    for labels, place, value in _parts(values, name):
        timing = picked.setdefault(labels, Timing())
        if place == "sum":
            timing.seconds = value / _MILLI
        else:
            timing.counts[int(place)] = value
    return picked


def _parts(values: Mapping[str, int], name: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
    for key, value in values.items():
        head, *labels = key.split(" ")
        if head == name:
            yield tuple(labels[:-1]), labels[-1], value
