"""The outbox of webhooks: jobs whose end has to be reported, and which of them are reported at the same time.

`Outbox` is a transactional outbox: a sorted set in Redis, by the time of the next delivery. A dispatcher claims a job
by moving that time `CLAIM_TTL` seconds ahead, so another dispatcher takes the job over if this one dies.

`DeliverySlots` decides which due jobs a dispatcher takes. A receiver that does not answer holds a slot for
many seconds, so no owner gets more than a part of all slots, and no host more than a part of its owner's:

```
 slots      |  max_total                                                          |
 Alice      |  max_per_owner          |
   silent   | max_per_host |                500 due jobs of this host wait here
   other    |              | free       |    and here none does
 Bob                                  | free ...
```

Owners take turns. The cost is linear in the number of due jobs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, zip_longest
from threading import Lock
from typing import Any, Literal, NamedTuple

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys

CLAIM_TTL = 120
"""Seconds after which the claim of a dispatcher that died expires: three times what an attempt takes."""

_MAX_KNOWN_HOSTS = 100_000
"""Jobs whose host is remembered, with 200 bytes each; the host of another one has to be read from the store."""


class DueJob(NamedTuple):
    """A job whose end has to be reported now.

    Attributes:
        id: Id of the job.
        due_at: The time from which on it is due, in milliseconds, as a string.
        owner: Whose job it is.
    """

    id: str
    due_at: str
    owner: str


class Claim(NamedTuple):
    """The right of one dispatcher to report the end of a job, until the claim expires.

    Attributes:
        job: Id of the job.
        token: The time at which the claim expires, in milliseconds, as a string. If the broker holds another value for
            the job, another dispatcher has claimed it, or the job has ended once more.
    """

    job: str
    token: str


class Outbox:
    """Ended jobs whose end has to be reported; safe for threads.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        self._broker, self._keys = broker, keys
        self._claim, self._complete = broker.load_script("claim_webhook"), broker.load_script("complete_webhook")
        self._owners: dict[str, str] = {}

    def list_due(self) -> list[DueJob]:
        """Return the jobs that are due, those first that have been due for the longest time."""
        with self._broker.translate_errors():
            seconds, micros = self._broker.redis.time()
            now = seconds * 1000 + micros // 1000
            found: list[Any] = self._broker.redis.zrangebyscore(self._keys.webhooks, "-inf", now, withscores=True)
        self._owners = self._get_owners([str(job) for job, _ in found])
        return [DueJob(str(job), f"{due_at:.0f}", self._owners[str(job)]) for job, due_at in found]

    def _get_owners(self, jobs: list[str]) -> dict[str, str]:
        """Return the owner of each job; the broker is asked for those that were not due the last time."""
        unknown = [job for job in jobs if job not in self._owners]
        with self._broker.pipeline() as pipe:
            for job in unknown:
                pipe.hget(self._keys.job(job).record, "owner")
            answers = pipe.execute()
        known = self._owners | {job: str(owner or "") for job, owner in zip(unknown, answers, strict=True)}
        return {job: known[job] for job in jobs}

    def claim(self, due: DueJob) -> Claim | None:
        """Claim a job; return None if another dispatcher has claimed it, or if the job has ended once more."""
        with self._broker.translate_errors():
            token = self._claim(keys=[self._keys.webhooks], args=[due.id, due.due_at, CLAIM_TTL])
        return Claim(due.id, str(token)) if token else None

    def finish(self, claim: Claim, state: Literal["delivered", "failed"], *, error: str = "") -> None:
        """Remove the job and record how its webhook ended, unless the claim has expired.

        Args:
            claim: The claim.
            state: How the webhook ended.
            error: Why the last delivery failed.
        """
        self._end_claim(claim, "", state=state, error=error)

    def reschedule(self, claim: Claim, delay: float, *, error: str) -> None:
        """Make the job due again after a failed delivery, unless the claim has expired.

        Args:
            claim: The claim.
            delay: Seconds until the next attempt.
            error: Why the last delivery failed.
        """
        self._end_claim(claim, delay, state="pending", error=error)

    def postpone(self, claim: Claim, delay: float) -> None:
        """Make the job due again, as if it had not been claimed.

        Args:
            claim: The claim.
            delay: Seconds until the job is due.
        """
        self._end_claim(claim, delay)

    def discard(self, claim: Claim) -> None:
        """Remove the job without a report, unless the claim has expired."""
        self._end_claim(claim, "")

    def _end_claim(self, claim: Claim, delay: float | Literal[""], *, state: str = "", error: str = "") -> None:
        keys = [self._keys.webhooks, self._keys.job(claim.job).record]
        with self._broker.translate_errors():
            self._complete(keys=keys, args=[claim.job, claim.token, delay, state, error])


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How many deliveries there may be at the same time: in all, of one owner, and to one host of an owner."""

    max_total: int = 64
    max_per_owner: int = 8
    max_per_host: int = 4


class DeliverySlots:
    """The deliveries of one dispatcher; safe for threads.

    >>> slots = DeliverySlots(SlotLimits(max_total=8, max_per_owner=2))
    >>> due = [DueJob(f"a{number}", "0", "alice") for number in range(9)] + [DueJob("b", "1", "bob")]
    >>> [job.id for job in slots.select(due)]
    ['a0', 'b', 'a1']
    >>> slots.select(due)
    []
    """

    def __init__(self, limits: SlotLimits | None = None) -> None:
        self._limits, self._lock = limits or SlotLimits(), Lock()
        self._running: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        self._deliveries: Counter[tuple[str, str]] = Counter()

    def select(self, due: Iterable[DueJob]) -> list[DueJob]:
        """Return the jobs to deliver now, of one owner after the other; each holds a slot until `release`."""
        with self._lock:
            groups = self._group_candidates(due)
            rounds = chain.from_iterable(zip_longest(*groups.values()))
            chosen = [job for job in rounds if job][: self._limits.max_total - len(self._running)]
            self._running |= {job.id: job.owner for job in chosen}
            return chosen

    def _group_candidates(self, due: Iterable[DueJob]) -> Mapping[str, list[DueJob]]:
        """Return for each owner the jobs for which the owner and the host have slots left."""
        by_owner, groups = Counter(self._running.values()), dict[str, list[DueJob]]()
        by_host = Counter(self._deliveries)
        for job in due:
            place = (job.owner, self._hosts.get(job.id, ""))
            is_full = by_owner[job.owner] >= self._limits.max_per_owner
            if job.id in self._running or is_full or by_host[place] >= self._limits.max_per_host:
                continue
            groups.setdefault(job.owner, []).append(job)
            by_owner[job.owner] += 1
            by_host[place] += bool(place[1])
        return groups

    @contextmanager
    def host(self, job: DueJob, host: str) -> Iterator[bool]:
        """Hold a slot of a host while the block runs; the value is False if the host has none left.

        Args:
            job: A job that was selected.
            host: The host to which its webhook goes.
        """
        place = (job.owner, host)
        with self._lock:
            if len(self._hosts) >= _MAX_KNOWN_HOSTS:
                self._hosts.clear()  # they are learned again
            self._hosts[job.id] = host
            is_free = self._deliveries[place] < self._limits.max_per_host
            self._deliveries[place] += is_free
        try:
            yield is_free
        finally:
            with self._lock:
                self._deliveries[place] -= is_free
                if not self._deliveries[place]:
                    del self._deliveries[place]

    def release(self, job: DueJob) -> None:
        """End what `select` began."""
        with self._lock:
            self._running.pop(job.id, None)
