"""What lies in Celery's queues, and whether anybody reads them.

{prefix}{queue}, {prefix}{queue}:5, {prefix}{queue}:9    lists of messages, by priority (Celery's own)
{prefix}unacked_{lane}                                   hash: messages that a worker has in hand (Celery's own)
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
        queues = [wire.SPLIT_QUEUE, wire.STITCH_QUEUE, *(wire.recognize_queue(model) for model in models)]
        # In hand before and after: a message may be put back meanwhile, or taken.
        messages = list(self._in_hand())
        messages += [message for queue in queues for step in wire.PRIORITIES for message in self._messages(queue, step)]
        messages += self._in_hand()
        return {found.group(1) for message in messages if (found := _ID.search(message))}

    def _in_hand(self) -> Iterator[str]:
        with self._broker.translated():
            for lane in wire.LANES:
                yield from map(str, self._broker.redis.hvals(f"{self._prefix}unacked_{lane}"))

    def _messages(self, queue: str, step: int) -> Iterator[str]:
        """Give the messages of one list from where they come in, so that one that moves is seen twice, never missed."""
        name, start = self._list(queue, step), 0
        with self._broker.translated():
            while chunk := self._broker.redis.lrange(name, start, start + _CHUNK - 1):
                yield from map(str, chunk)
                start += _CHUNK

    def _list(self, queue: str, step: int) -> str:
        return f"{self._prefix}{queue}:{step}" if step else f"{self._prefix}{queue}"
