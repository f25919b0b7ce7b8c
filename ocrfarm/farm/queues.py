"""What lies in Celery's queues, how long it has waited, and whether any worker reads them."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys

HEARTBEAT_INTERVAL = 15.0
"""How often a worker says that it reads a queue."""

_HEARTBEAT_TTL = 60
"""How long that is believed: three announcements may be late."""

_CHUNK_SIZE = 500
"""Messages that are fetched at once: less than a megabyte."""

_MESSAGE_JOB_ID = re.compile(r'"id": ?"([0-9A-HJKMNP-TV-Z]{26})\.')


class Queues:
    """The queues of one farm; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, keys: Keys) -> None:
        self._broker, self._keys = broker, keys

    def send_heartbeat(self, model: str) -> None:
        """Say that this worker reads the queue of a recognizer."""
        with self._broker.pipeline() as pipe:
            pipe.set(self._keys.consumer(model), 1, ex=_HEARTBEAT_TTL)

    def find_models_without_worker(self, models: Iterable[str]) -> set[str]:
        """Give those recognizers whose queue no worker has read for a minute."""
        wanted = sorted({model for model in models if model})
        with self._broker.pipeline() as pipe:
            for model in wanted:
                pipe.exists(self._keys.consumer(model))
            return {model for model, alive in zip(wanted, pipe.execute(), strict=True) if not alive}

    def has_higher_priority(self, queue: str, priority: int) -> bool:
        """Say whether a message of a higher priority waits."""
        steps = [step for step in protocol.PRIORITIES if step < priority]
        with self._broker.pipeline() as pipe:
            for step in steps:
                pipe.llen(self._keys.queue(queue, step))
            return any(pipe.execute())

    def find_jobs(self, models: Iterable[str]) -> set[str]:
        """Give the jobs that have any message, waiting or in hand, in the queues of all stages and these models."""
        # In hand before and after: a message may be put back meanwhile, or taken.
        models = list(models)
        messages = list(self._iter_unacked(models))
        messages += [message for name in self._list_keys(models) for message in self._iter_messages(name)]
        messages += self._iter_unacked(models)
        return {job for message in messages if (job := _parse_job_id(message))}

    def purge_job(self, job: str, model: str) -> None:
        """Take the waiting messages of a job out of the queues; those in hand find out for themselves.

        A worker would throw each of them away too, but needs 10 milliseconds for that.
        """
        for name in self._list_keys([model] if model else []):
            mine = [message for message in self._iter_messages(name) if _parse_job_id(message) == job]
            with self._broker.pipeline() as pipe:
                for message in mine:  # in the order of the list, so that each is found at once
                    pipe.lrem(name, 1, message)

    def extend_visibility(self, group: str, tags: Iterable[str]) -> float:
        """Extend the leases of messages that this worker has in hand; give the time by the broker's clock."""
        with self._broker.translate_errors():
            seconds, micros = self._broker.redis.time()
            now = seconds + micros / 1e6
            if leases := dict.fromkeys(tags, now):
                self._broker.redis.zadd(self._keys.unacked_index(group), leases, xx=True)
            return now

    def _iter_unacked(self, models: Iterable[str]) -> Iterator[str]:
        with self._broker.translate_errors():
            for group in (protocol.worker_group(), *map(protocol.worker_group, models)):
                yield from map(str, self._broker.redis.hvals(self._keys.unacked(group)))

    def _iter_messages(self, name: str) -> Iterator[str]:
        """Give the messages of one list from where they come in, so that one that moves is seen twice, never missed."""
        start = 0
        with self._broker.translate_errors():
            while chunk := self._broker.redis.lrange(name, start, start + _CHUNK_SIZE - 1):
                yield from map(str, chunk)
                start += _CHUNK_SIZE

    def _list_keys(self, models: Iterable[str]) -> list[str]:
        queues = [protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, *map(protocol.recognize_queue, models)]
        return [self._keys.queue(queue, step) for queue in queues for step in protocol.PRIORITIES]


def _parse_job_id(message: str) -> str:
    found = _MESSAGE_JOB_ID.search(message)
    return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One list: how many messages wait, and when the one that is served next was sent (seconds since 1970, 0: none)."""

    queue: str
    priority: int
    messages: int
    oldest_sent_at: float


class QueueDepths:
    """Numbers of messages; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, keys: Keys) -> None:
        self._broker, self._keys = broker, keys

    def read_depths(self, models: Iterable[str]) -> list[QueueDepth]:
        """Look into every list of all stages and of these recognizers."""
        queues = [protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, *map(protocol.recognize_queue, sorted(models))]
        lists = [(queue, step) for queue in queues for step in protocol.PRIORITIES]
        with self._broker.pipeline() as pipe:
            for queue, step in lists:
                name = self._keys.queue(queue, step)
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
                pipe.zrange(self._keys.unacked_index(group), 0, -1)  # which clients may do too, unlike ZCARD
            return {group: len(tags) for group, tags in zip(names, pipe.execute(), strict=True)}


def _oldest_sent_at(messages: list[str]) -> float:
    return float(json.loads(messages[0])["headers"].get(protocol.SENT_HEADER, 0)) if messages else 0.0
