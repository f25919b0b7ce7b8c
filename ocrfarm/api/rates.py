"""How much one owner may do: requests a minute, long requests at the same time, and jobs that have not ended."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import HTTPException

_AGAIN_SECONDS = 5
"""When an owner with too many long requests may look again."""

_ENDED_SECONDS = 15
"""When one of an owner's many jobs may have ended."""


class Rates:
    """A bucket of requests an owner, which fills up again by the minute; counted in this process, as uploads are."""

    def __init__(self, per_minute: int, at_once: int) -> None:
        self._per_minute, self._at_once = per_minute, at_once
        self._left: dict[str, tuple[float, float]] = {}
        self._open: Counter[str] = Counter()

    def take(self, owner: str) -> None:
        """Count a request; HTTPException 429 where the bucket is empty."""
        now, each = time.monotonic(), 60 / self._per_minute
        left, since = self._left.get(owner, (float(self._per_minute), now))
        left = min(left + (now - since) / each, float(self._per_minute))
        if left < 1:
            wait = (1 - left) * each
            raise _too_many(f"{self._per_minute} requests a minute are allowed", wait)
        self._left[owner] = (left - 1, now)

    @contextmanager
    def hold(self, owner: str) -> Iterator[None]:
        """Count an upload or a stream for as long as it lasts; HTTPException 429 where there are too many."""
        if self._open[owner] >= self._at_once:
            raise _too_many(f"{self._at_once} uploads and streams at the same time are allowed", _AGAIN_SECONDS)
        self._open[owner] += 1
        try:
            yield
        finally:
            self._open[owner] -= 1


class Quota:
    """Unfinished jobs of an owner, in the whole farm; those that are on their way through this process count."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._coming: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, owner: str, unfinished: Callable[[str], Awaitable[int]]) -> AsyncIterator[None]:
        """Keep a place for one more job until it is handed in; HTTPException 429 where there is none."""
        self._coming[owner] += 1
        try:
            coming = self._coming[owner]  # before anything is waited for: who comes later counts this one
            if await unfinished(owner) + coming > self._most:
                raise _too_many(f"{self._most} unfinished jobs are allowed; wait for one or cancel one", _ENDED_SECONDS)
            yield
        finally:
            self._coming[owner] -= 1


def _too_many(detail: str, seconds: float) -> HTTPException:
    return HTTPException(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})
