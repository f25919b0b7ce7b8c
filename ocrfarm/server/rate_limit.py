r"""How much one owner may do: requests per minute, simultaneous uploads and streams, and unfinished jobs.

`RateLimiter` is a token bucket (https://en.wikipedia.org/wiki/Token_bucket) for each owner: a request takes one token,
and tokens return at a constant rate up to `per_minute` of them.

```
 tokens
 per_minute |\          /----   a burst of per_minute requests is allowed,
            | \        /        then one request every 60 / per_minute seconds
          0 |  \______/
            +-----------------> time
```

Requests, uploads and streams are counted in this process alone; unfinished jobs are counted in the whole farm.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import HTTPException

_SLOT_RETRY_AFTER = 5
"""Seconds after which an owner with too many uploads and streams may try again."""

_QUOTA_RETRY_AFTER = 15
"""Seconds after which one of an owner's unfinished jobs may have ended."""


class RateLimiter:
    """Limits an owner's requests, and the owner's uploads and streams at the same time.

    >>> limiter = RateLimiter(per_minute=2, max_concurrent=1)
    >>> limiter.acquire("alice")
    >>> limiter.acquire("alice")
    >>> limiter.acquire("bob")
    >>> limiter.acquire("alice")
    Traceback (most recent call last):
    fastapi.exceptions.HTTPException: 429: an owner may send at most 2 requests per minute
    """

    def __init__(self, per_minute: int, max_concurrent: int) -> None:
        """Count for all owners.

        Args:
            per_minute: Requests per minute, which is also the size of a burst.
            max_concurrent: Uploads and event streams at the same time.
        """
        self._per_minute, self._max_concurrent = per_minute, max_concurrent
        self._tokens: dict[str, tuple[float, float]] = {}
        self._in_flight: Counter[str] = Counter()

    def acquire(self, owner: str) -> None:
        """Count a request; raise `HTTPException` (429) if the owner has no token left."""
        now, seconds_per_token = time.monotonic(), 60 / self._per_minute
        tokens, since = self._tokens.get(owner, (float(self._per_minute), now))
        tokens = min(tokens + (now - since) / seconds_per_token, float(self._per_minute))
        if tokens < 1:
            wait = (1 - tokens) * seconds_per_token
            raise _too_many_requests(f"an owner may send at most {self._per_minute} requests per minute", wait)
        self._tokens[owner] = (tokens - 1, now)

    @contextmanager
    def slot(self, owner: str) -> Iterator[None]:
        """Count an upload or a stream while it lasts; raise `HTTPException` (429) if the owner has too many.

        >>> limiter = RateLimiter(per_minute=600, max_concurrent=1)
        >>> with limiter.slot("alice"), limiter.slot("alice"):
        ...     pass
        Traceback (most recent call last):
        fastapi.exceptions.HTTPException: 429: an owner may have at most 1 uploads and event streams at the same time
        """
        if self._in_flight[owner] >= self._max_concurrent:
            limit = f"an owner may have at most {self._max_concurrent} uploads and event streams at the same time"
            raise _too_many_requests(limit, _SLOT_RETRY_AFTER)
        self._in_flight[owner] += 1
        try:
            yield
        finally:
            self._in_flight[owner] -= 1


class JobQuota:
    """Limits an owner's unfinished jobs in the whole farm, including those that this process is just submitting."""

    def __init__(self, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._pending: Counter[str] = Counter()

    @asynccontextmanager
    async def reserve(self, owner: str, count_active: Callable[[str], Awaitable[int]]) -> AsyncIterator[None]:
        """Reserve a place for one more job while it is submitted.

        Args:
            owner: The owner's name.
            count_active: Returns the number of the owner's unfinished jobs in the farm.

        Raises:
            HTTPException: 429, since the owner has too many unfinished jobs.
        """
        self._pending[owner] += 1
        try:
            pending = self._pending[owner]  # read before the await, so that later requests count this one
            if await count_active(owner) + pending > self._max_jobs:
                limit = f"an owner may have at most {self._max_jobs} unfinished jobs; wait for one or cancel one"
                raise _too_many_requests(limit, _QUOTA_RETRY_AFTER)
            yield
        finally:
            self._pending[owner] -= 1


def _too_many_requests(detail: str, seconds: float) -> HTTPException:
    """Return the error 429 with a `Retry-After` of at least one second.

    >>> _too_many_requests("", 0.1).headers
    {'Retry-After': '1'}
    """
    return HTTPException(429, detail, headers={"Retry-After": str(max(1, round(seconds)))})
