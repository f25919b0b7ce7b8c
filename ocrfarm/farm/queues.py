"""What lies in Celery's queues, how long it has waited, and whether any worker reads them."""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from ocrfarm.farm import protocol
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys

HEARTBEAT_INTERVAL = 15.0
"""Seconds between two heartbeats of a worker."""

_HEARTBEAT_TTL = 60
"""Seconds until a worker without a heartbeat counts as gone: three heartbeats may be missing."""

_CHUNK_SIZE = 500
"""Messages that are read at once: less than a megabyte."""

_LEASE_ENDED = 1
"""When a message counts as renewed whose worker is gone, in seconds since 1970."""

_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What is raised while a text in a queue is parsed that is no message of ours."""

_MESSAGE_JOB_ID = re.compile(r'"id": ?"([0-9A-HJKMNP-TV-Z]{26})\.')


class Queues:
    """The queues of one farm.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys

    def send_heartbeat(self, model: str) -> None:
        """Record that this worker reads the queue of a recognizer, or the queue of this name."""
        with self._broker.pipeline() as pipe:
            pipe.set(self._keys.consumer(model), 1, ex=_HEARTBEAT_TTL)

    def find_models_without_worker(self, models: Iterable[str]) -> set[str]:
        """Return those recognizers, or queues of other stages, that no worker has read for a minute."""
        wanted = sorted({model for model in models if model})
        with self._broker.pipeline() as pipe:
            for model in wanted:
                pipe.exists(self._keys.consumer(model))
            return {model for model, alive in zip(wanted, pipe.execute(), strict=True) if not alive}

    def has_higher_priority(self, queue: str, priority: int) -> bool:
        """Return whether a message of a higher priority is waiting.

        Args:
            queue: The queue.
            priority: One of `protocol.PRIORITIES`.
        """
        steps = [step for step in protocol.PRIORITIES if step < priority]
        with self._broker.pipeline() as pipe:
            for step in steps:
                pipe.llen(self._keys.queue(queue, step))
            return any(pipe.execute())

    def find_jobs(self, models: Iterable[str]) -> set[str]:
        """Return the jobs with any message, waiting or taken, in the queues of all stages and these recognizers."""
        # Taken messages are read before and after: meanwhile one may be put back, or taken.
        models = list(models)
        groups = [protocol.worker_group(), *map(protocol.worker_group, models)]
        messages = list(self._iter_unacked(groups))
        messages += [message for name in self._list_keys(models) for message in self._iter_messages(name)]
        messages += self._iter_unacked(groups)
        return {job for message in messages if (job := _parse_job_id(message))}

    def has_batches(self, job: str, model: str) -> bool:
        """Return whether a message of a job, waiting or taken, lets tiles be read.

        Args:
            job: The job's id.
            model: The job's recognizer.
        """
        if not model:
            return False
        lists = [self._keys.queue(protocol.recognize_queue(model), step) for step in protocol.PRIORITIES]
        messages = chain(self._iter_unacked([protocol.worker_group(model)]), *map(self._iter_messages, lists))
        return any(_parse_job_id(message) == job for message in messages)

    def purge_job(self, job: str, model: str) -> None:
        """Remove the waiting messages of a job; a worker that has taken one finds that the job has ended.

        A worker would drop the waiting ones too, but takes 10 ms for each.

        Args:
            job: The job's id.
            model: The job's recognizer; "" if it is unknown.
        """
        for name in self._list_keys([model] if model else []):
            mine = [message for message in self._iter_messages(name) if _parse_job_id(message) == job]
            with self._broker.pipeline() as pipe:
                for message in mine:  # in the order of the list, so that each is found at once
                    pipe.lrem(name, 1, message)

    def extend_visibility(self, group: str, tags: Iterable[str]) -> float:
        """Renew the messages that this worker has taken, so that no other worker gets them.

        Args:
            group: The worker's group, as `protocol.worker_group` returns it.
            tags: Celery's tags of the messages.

        Returns:
            The time by the broker's clock, in seconds since 1970.
        """
        with self._broker.translate_errors():
            seconds, micros = self._broker.redis.time()
            now = seconds + micros / 1e6
            if leases := dict.fromkeys(tags, now):
                self._broker.redis.zadd(self._keys.unacked_index(group), leases, xx=True)
            return now

    def _iter_unacked(self, groups: Iterable[str]) -> Iterator[str]:
        with self._broker.translate_errors():
            for group in groups:
                yield from map(str, self._broker.redis.hvals(self._keys.unacked(group)))

    def _iter_messages(self, name: str) -> Iterator[str]:
        """Return the messages of a list, newest first: one that moves meanwhile is seen twice, never missed."""
        start = 0
        with self._broker.translate_errors():
            while chunk := self._broker.redis.lrange(name, start, start + _CHUNK_SIZE - 1):
                yield from map(str, chunk)
                start += _CHUNK_SIZE

    def _list_keys(self, models: Iterable[str]) -> list[str]:
        queues = [protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, *map(protocol.recognize_queue, models)]
        return [self._keys.queue(queue, step) for queue in queues for step in protocol.PRIORITIES]


@dataclass(frozen=True, slots=True)
class TakenMessage:
    """A message that a worker has taken and not acknowledged.

    Attributes:
        tag: Celery's tag of it.
        group: The group of the worker.
        job: Its job's id; "" if it is of no job.
        task_id: The id of its task.
        tiles: How many tiles it names.
        worker: The worker's name; "" if it is unknown.
        silent_seconds: When the worker last renewed it, in seconds before now.
    """

    tag: str
    group: str
    job: str
    task_id: str = ""
    tiles: int = 0
    worker: str = ""
    silent_seconds: float = 0.0


class TakenMessages:
    """Messages that workers have taken, and the leases on them.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys

    def list_taken(self, models: Iterable[str]) -> list[TakenMessage]:
        """Return the messages that workers have taken from the queues of all stages and of these recognizers.

        Those whose leases were ended are left out.
        """
        now, groups = self._broker.read_time(), [protocol.worker_group(), *map(protocol.worker_group, sorted(models))]
        with self._broker.pipeline() as pipe:
            for group in groups:
                pipe.hgetall(self._keys.unacked(group))
                pipe.zrange(self._keys.unacked_index(group), 0, -1, withscores=True)
            answers = pipe.execute()
        taken = [
            _parse_taken(group, str(tag), str(message), now - renewed_at)
            for group, messages, renewals in zip(groups, answers[::2], answers[1::2], strict=True)
            for tag, renewed_at in renewals
            if (message := messages.get(tag)) and renewed_at > _LEASE_ENDED
        ]
        with self._broker.pipeline() as pipe:
            for each in taken:
                pipe.hget(self._keys.job(each.job).readers, each.task_id)
            return [replace(each, worker=worker or "") for each, worker in zip(taken, pipe.execute(), strict=True)]

    def end_leases(self, messages: Iterable[TakenMessage]) -> None:
        """Let the other workers of their groups take these messages, within ten seconds."""
        with self._broker.pipeline() as pipe:
            for each in messages:
                pipe.zadd(self._keys.unacked_index(each.group), {each.tag: _LEASE_ENDED}, xx=True)


def _parse_taken(group: str, tag: str, text: str, silent_seconds: float) -> TakenMessage:
    """Return what a taken message says; little of one that this version does not understand."""
    try:
        raw = json.loads(text)[0]
        args = json.loads(base64.b64decode(raw["body"]))[0]
        tiles = len(args[1]) if len(args) > 1 else 0
        task_id = str(raw["headers"]["id"])
    except _MALFORMED:
        task_id, tiles = "", 0
    return TakenMessage(tag, group, _parse_job_id(text), task_id, tiles, silent_seconds=silent_seconds)


def _parse_job_id(message: str) -> str:
    found = _MESSAGE_JOB_ID.search(message)
    return found.group(1) if found else ""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One list of messages.

    Attributes:
        queue: The queue.
        priority: The priority of its messages.
        messages: How many are waiting.
        oldest_sent_at: When the one that is served next was sent, in seconds since 1970; 0 if there is none.
    """

    queue: str
    priority: int
    messages: int
    oldest_sent_at: float


class QueueDepths:
    """How many messages are waiting, and how many are taken.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys

    def read_depths(self, models: Iterable[str]) -> list[QueueDepth]:
        """Return the depth of every list of all stages and of these recognizers."""
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
        """Return how many messages the workers of each group have taken."""
        names = list(groups)
        with self._broker.pipeline() as pipe:
            for group in names:
                pipe.zrange(self._keys.unacked_index(group), 0, -1)  # which clients are allowed to, unlike ZCARD
            return {group: len(tags) for group, tags in zip(names, pipe.execute(), strict=True)}


def _oldest_sent_at(messages: list[str]) -> float:
    try:
        sent_at = float(json.loads(messages[0])["headers"].get(protocol.SENT_HEADER, 0)) if messages else 0.0
    except _MALFORMED:
        return 0.0
    return sent_at if math.isfinite(sent_at) else 0.0
