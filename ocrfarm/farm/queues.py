"""What lies in Celery's queues, and whether anybody reads them.

{prefix}{queue}, {prefix}{queue}:5, {prefix}{queue}:9    lists of messages, by priority (Celery's own)
{prefix}unacked_control, unacked_recognize.{recognizer}  hash: messages that a worker has in hand (Celery's own)
{prefix}unacked_..._index                                sorted set: when each of them was taken (Celery's own)
{prefix}reads:{recognizer}                               there while a worker with this recognizer lives
"""

import re
from collections.abc import Iterable, Iterator

from ocrfarm.farm import wire
from ocrfarm.farm.broker import Broker

ANNOUNCE_SECONDS = 15.0
"""How often a worker says that it reads a queue."""

_FORGET_SECONDS = 60
"""How long that is believed: three announcements may be late."""

_CHUNK = 500
"""Messages that are fetched at once: less than a megabyte."""

_ID = re.compile(r'"id": ?"([0-9A-HJKMNP-TV-Z]{26})\.')


class Queues:
    """The queues of one farm; every method raises `BrokerUnreachable` or `BrokerError`."""

    def __init__(self, broker: Broker, *, prefix: str) -> None:
        self._broker, self._prefix = broker, prefix

    def announce(self, model: str) -> None:
        """Say that this worker reads the queue of a recognizer."""
        with self._broker.talk() as pipe:
            pipe.set(f"{self._prefix}reads:{model}", 1, ex=_FORGET_SECONDS)

    def unread(self, models: Iterable[str]) -> set[str]:
        """Give those recognizers whose queue no worker has read for a minute."""
        wanted = sorted({model for model in models if model})
        with self._broker.talk() as pipe:
            for model in wanted:
                pipe.exists(f"{self._prefix}reads:{model}")
            return {model for model, alive in zip(wanted, pipe.execute(), strict=True) if not alive}

    def waiting(self, queue: str, before: int) -> bool:
        """Say whether a message of a higher priority than `before` waits."""
        steps = [step for step in wire.PRIORITIES if step < before]
        with self._broker.talk() as pipe:
            for step in steps:
                pipe.llen(self._list(queue, step))
            return any(pipe.execute())

    def jobs(self, models: Iterable[str]) -> set[str]:
        """Give the jobs that have any message, waiting or in hand, in the queues of all stages and these models."""
        # In hand before and after: a message may be put back meanwhile, or taken.
        models = list(models)
        messages = list(self._in_hand(models))
        messages += [message for name in self._lists(models) for message in self._messages(name)]
        messages += self._in_hand(models)
        return {job for message in messages if (job := _job(message))}

    def drop(self, job: str, model: str) -> None:
        """Take the waiting messages of a job out of the queues; those in hand find out for themselves.

        A worker would throw each of them away too, but needs 10 milliseconds for that.
        """
        for name in self._lists([model] if model else []):
            mine = [message for message in self._messages(name) if _job(message) == job]
            with self._broker.talk() as pipe:
                for message in mine:  # in the order of the list, so that each is found at once
                    pipe.lrem(name, 1, message)

    def renew(self, lane: str, tags: Iterable[str]) -> float:
        """Extend the leases of messages that this worker has in hand; give the time by the broker's clock."""
        with self._broker.translated():
            seconds, micros = self._broker.redis.time()
            now = seconds + micros / 1e6
            if leases := dict.fromkeys(tags, now):
                self._broker.redis.zadd(f"{self._prefix}unacked_{lane}_index", leases, xx=True)
            return now

    def _in_hand(self, models: Iterable[str]) -> Iterator[str]:
        with self._broker.translated():
            for lane in (wire.lane(), *map(wire.lane, models)):
                yield from map(str, self._broker.redis.hvals(f"{self._prefix}unacked_{lane}"))

    def _messages(self, name: str) -> Iterator[str]:
        """Give the messages of one list from where they come in, so that one that moves is seen twice, never missed."""
        start = 0
        with self._broker.translated():
            while chunk := self._broker.redis.lrange(name, start, start + _CHUNK - 1):
                yield from map(str, chunk)
                start += _CHUNK

    def _lists(self, models: Iterable[str]) -> list[str]:
        queues = [wire.SPLIT_QUEUE, wire.STITCH_QUEUE, *map(wire.recognize_queue, models)]
        return [self._list(queue, step) for queue in queues for step in wire.PRIORITIES]

    def _list(self, queue: str, step: int) -> str:
        return f"{self._prefix}{wire.list_name(queue, step)}"


def _job(message: str) -> str:
    found = _ID.search(message)
    return found.group(1) if found else ""
