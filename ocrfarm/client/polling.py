"""How often to look at a job, and what to do where the farm is away or busy: decided here, waited for elsewhere."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ocrfarm.errors import FarmBusy, OcrfarmError, WaitTimeout

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_POLL_INTERVALS = (0.05, 1.0)
"""First and longest pause between two looks at a job."""

_POLL_FACTOR = 1.05
"""Times the pause before: what is waited for in vain is at most a twentieth of what the job takes."""

_STITCHING_POLL_INTERVAL = 0.1
"""Seconds between two looks while a job is stitched, which ends it in most cases."""

_RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Pauses between tries while the broker or the store is away: a batch outlives an outage of two minutes."""


class Poller:
    """Looks at one job, by whoever waits: with `time.sleep`, or with `await`."""

    def __init__(self, timeout: float | None, *, heartbeat: bool = False) -> None:
        """End after `timeout` seconds; with `heartbeat` every look is news."""
        self._timeout, self._heartbeat = timeout, heartbeat
        self._deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        self._delay, self._max_delay = _POLL_INTERVALS
        self._last: JobStatus | None = None

    def has_changed(self, status: "JobStatus") -> bool:
        """Say whether anything has changed since the last look."""
        before, self._last = self._last, status
        return self._heartbeat or status != before

    def next_delay(self, status: "JobStatus") -> float:
        """Give the seconds until the next look; `WaitTimeout` where there is none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"job {status.id} is still {status.state} after {self._timeout:g} s; it goes on")
        pause, self._delay = self._delay, min(self._delay * _POLL_FACTOR, self._max_delay)
        return min(pause, left, _STITCHING_POLL_INTERVAL if status.state == "stitching" else pause)


class Backoff:
    """How long to wait with the next try."""

    def __init__(self) -> None:
        self._delays: Iterator[float] = iter(_RETRY_DELAYS)

    def next_delay(self, error: OcrfarmError) -> float:
        """Give the seconds; the error itself is raised where it does not pass, or has not passed for too long."""
        if isinstance(error, FarmBusy):
            return error.retry_after
        pause = next(self._delays, None) if error.retryable else None
        if pause is None:
            raise error
        return pause
