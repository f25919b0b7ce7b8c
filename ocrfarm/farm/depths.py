"""How much waits in each of Celery's queues and since when, and how much the workers have in hand."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ocrfarm.farm import wire
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.labels import SENT


@dataclass(frozen=True, slots=True)
class Depth:
    """One list: how many messages wait, and when the one that is served next was sent (seconds since 1970, 0: none)."""

    queue: str
    priority: int
    messages: int
    sent: float


class Depths:
    """Numbers of messages; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix

    def waiting(self, models: Iterable[str]) -> list[Depth]:
        """Look into every list of all stages and of these recognizers."""
        queues = [wire.SPLIT_QUEUE, wire.STITCH_QUEUE, *map(wire.recognize_queue, sorted(models))]
        lists = [(queue, step) for queue in queues for step in wire.PRIORITIES]
        with self._broker.talk() as pipe:
            for queue, step in lists:
                name = f"{self._prefix}{wire.list_name(queue, step)}"
                pipe.llen(name)
                pipe.lrange(name, -1, -1)
            found = pipe.execute()
        rows = zip(lists, found[::2], found[1::2], strict=True)
        return [Depth(queue, step, count, _sent(following)) for (queue, step), count, following in rows]

    def in_hand(self, lanes: Iterable[str]) -> dict[str, int]:
        """Give how many messages the workers of each lane have in hand."""
        names = list(lanes)
        with self._broker.talk() as pipe:
            for lane in names:
                pipe.zrange(f"{self._prefix}unacked_{lane}_index", 0, -1)  # which clients may do too, unlike ZCARD
            return {lane: len(tags) for lane, tags in zip(names, pipe.execute(), strict=True)}


def _sent(messages: list[str]) -> float:
    return float(json.loads(messages[0])["headers"].get(SENT, 0)) if messages else 0.0
