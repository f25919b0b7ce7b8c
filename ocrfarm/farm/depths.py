"""How much waits in each of Celery's queues and since when, and how much the workers have in hand."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.task_repr import SENT_HEADER


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One list: how many messages wait, and when the one that is served next was sent (seconds since 1970, 0: none)."""

    queue: str
    priority: int
    messages: int
    oldest_sent_at: float


class QueueDepths:
    """Numbers of messages; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix

    def read_depths(self, models: Iterable[str]) -> list[QueueDepth]:
        """Look into every list of all stages and of these recognizers."""
        queues = [protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, *map(protocol.recognize_queue, sorted(models))]
        lists = [(queue, step) for queue in queues for step in protocol.PRIORITIES]
        with self._broker.pipeline() as pipe:
            for queue, step in lists:
                name = f"{self._prefix}{protocol.redis_list_name(queue, step)}"
                pipe.llen(name)
                pipe.lrange(name, -1, -1)
            found = pipe.execute()
        rows = zip(lists, found[::2], found[1::2], strict=True)
        return [QueueDepth(queue, step, count, _oldest_sent_at(following)) for (queue, step), count, following in rows]

    def count_unacked(self, groups: Iterable[str]) -> dict[str, int]:
        """Give how many messages the workers of each group have in hand."""
        names = list(groups)
        with self._broker.pipeline() as pipe:
            for group in names:
                pipe.zrange(f"{self._prefix}unacked_{group}_index", 0, -1)  # which clients may do too, unlike ZCARD
            return {group: len(tags) for group, tags in zip(names, pipe.execute(), strict=True)}


def _oldest_sent_at(messages: list[str]) -> float:
    return float(json.loads(messages[0])["headers"].get(SENT_HEADER, 0)) if messages else 0.0
