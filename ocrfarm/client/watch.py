"""How often to look at a job, and what to do where the farm is away or busy: decided here, waited for elsewhere."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocrfarm.errors import FarmBusy, OcrfarmError, TimeoutReached

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus

_POLL_SECONDS = (0.05, 1.0)
"""First and longest pause between two looks at a job."""

_LONGER = 1.05
"""Times the pause before: what is waited for in vain is at most a twentieth of what the job takes."""

_SOON = 0.1
"""Seconds between two looks while a job is stitched, which ends it in most cases."""

_AWAY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Pauses between tries while the broker or the store is away: a batch outlives an outage of two minutes."""


class Watch:
    """Looks at one job, by whoever waits: with `time.sleep`, or with `await`."""

    def __init__(self, timeout: float | None, *, heartbeat: bool = False) -> None:
        """End after `timeout` seconds; with `heartbeat` every look is news."""
        self._timeout, self._heartbeat = timeout, heartbeat
        self._ends = time.monotonic() + timeout if timeout is not None else float("inf")
        self._pause, self._longest = _POLL_SECONDS
        self._last: JobStatus | None = None

    def is_news(self, status: "JobStatus") -> bool:
        """Say whether anything has changed since the last look."""
        before, self._last = self._last, status
        return self._heartbeat or status != before

    def pause(self, status: "JobStatus") -> float:
        """Give the seconds until the next look; `TimeoutReached` where there is none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutReached(f"job {status.id} is still {status.state} after {self._timeout:g} s; it goes on")
        pause, self._pause = self._pause, min(self._pause * _LONGER, self._longest)
        return min(pause, left, _SOON if status.state == "stitching" else pause)


class Patience:
    """How long to wait with the next try."""

    def __init__(self) -> None:
        self._pauses: Iterator[float] = iter(_AWAY_SECONDS)

    def pause(self, error: OcrfarmError) -> float:
        """Give the seconds; the error itself is raised where it does not pass, or has not passed for too long."""
        if isinstance(error, FarmBusy):
            return error.retry_after
        pause = next(self._pauses, None) if error.retryable else None
        if pause is None:
            raise error
        return pause
