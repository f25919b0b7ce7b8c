"""How much one owner may do: requests a minute, long requests at the same time, and jobs that have not ended."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import HTTPException

_SLOT_RETRY_AFTER = 5
"""When an owner with too many long requests may look again."""

_QUOTA_RETRY_AFTER = 15
"""When one of an owner's many jobs may have ended."""


class RateLimiter:
    """A bucket of requests an owner, which fills up again by the minute; counted in this process, as uploads are."""

    def __init__(self, per_minute: int, max_concurrent: int) -> None:
        self._per_minute, self._max_concurrent = per_minute, max_concurrent
        self._tokens: dict[str, tuple[float, float]] = {}
        self._in_flight: Counter[str] = Counter()

    def acquire(self, owner: str) -> None:
        """Count a request; HTTPException 429 where the bucket is empty."""
        now, each = time.monotonic(), 60 / self._per_minute
        left, since = self._tokens.get(owner, (float(self._per_minute), now))
        left = min(left + (now - since) / each, float(self._per_minute))
        if left < 1:
            wait = (1 - left) * each
            raise _too_many_requests(f"{self._per_minute} requests a minute are allowed", wait)
        self._tokens[owner] = (left - 1, now)

    @contextmanager
    def slot(self, owner: str) -> Iterator[None]:
        """Count an upload or a stream for as long as it lasts; HTTPException 429 where there are too many."""
        if self._in_flight[owner] >= self._max_concurrent:
            raise _too_many_requests(
                f"{self._max_concurrent} uploads and streams at the same time are allowed", _SLOT_RETRY_AFTER
            )
        self._in_flight[owner] += 1
        try:
            yield
        finally:
            self._in_flight[owner] -= 1


class JobQuota:
    """Unfinished jobs of an owner, in the whole farm; those that are on their way through this process count."""

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._pending: Counter[str] = Counter()

    @asynccontextmanager
    async def reserve(self, owner: str, count_active: Callable[[str], Awaitable[int]]) -> AsyncIterator[None]:
        """Keep a place for one more job until it is handed in; HTTPException 429 where there is none."""
        self._pending[owner] += 1
        try:
            coming = self._pending[owner]  # before anything is waited for: who comes later counts this one
            if await count_active(owner) + coming > self._max_jobs:
                raise _too_many_requests(
                    f"{self._max_jobs} unfinished jobs are allowed; wait for one or cancel one", _QUOTA_RETRY_AFTER
                )
            yield
        finally:
            self._pending[owner] -= 1


def _too_many_requests(detail: str, seconds: float) -> HTTPException:
    return HTTPException(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})
