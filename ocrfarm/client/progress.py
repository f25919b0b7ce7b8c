"""Following a job: how often to poll it, when to retry a call that failed, and a progress bar.

`Poller` and `Backoff` only decide how long to wait; the caller waits, with `time.sleep` or `await`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ocrfarm.errors import FarmBusy, OcrfarmError, WaitTimeout
from ocrfarm.printable import printable

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_POLL_INTERVALS = (0.05, 1.0)
"""First and longest interval between two polls, in seconds."""

_POLL_FACTOR = 1.05
"""Growth of the interval: a client notices the end of a job at most a twentieth of the job's duration too late."""

_STITCHING_POLL_INTERVAL = 0.1
"""Seconds between two polls while a job is being stitched, which is nearly always its last stage."""

_RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds between retries while the broker or the store is unreachable: together an outage of two minutes."""


class Poller:
    """Decides when to poll a job and whether its status has changed.

    >>> from ocrfarm.farm.job_store import JobStatus
    >>> poller = Poller(timeout=None)
    >>> status = JobStatus(id="1", state="queued")
    >>> poller.has_changed(status), poller.has_changed(status)
    (True, False)
    >>> [round(poller.next_delay(status), 4) for _ in range(3)]
    [0.05, 0.0525, 0.0551]
    """

    def __init__(self, timeout: float | None, *, heartbeat: bool = False) -> None:
        """Start the clock.

        Args:
            timeout: Seconds after which `next_delay` raises `WaitTimeout`; None: never.
            heartbeat: Report every status as changed.

        """
        self._timeout, self._heartbeat = timeout, heartbeat
        self._deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        self._delay, self._max_delay = _POLL_INTERVALS
        self._last: JobStatus | None = None

    def has_changed(self, status: "JobStatus") -> bool:
        """Return whether the status differs from the one before; with `heartbeat`, always True."""
        before, self._last = self._last, status
        return self._heartbeat or status != before

    def next_delay(self, status: "JobStatus") -> float:
        """Return the seconds until the next poll; `WaitTimeout` if the time is up."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"job {status.id} is still {status.state} after {self._timeout:g} s; it continues")
        delay, self._delay = self._delay, min(self._delay * _POLL_FACTOR, self._max_delay)
        return min(delay, left, _STITCHING_POLL_INTERVAL if status.state == "stitching" else delay)


class Backoff:
    """Decides how long to wait before the next retry.

    >>> from ocrfarm.errors import BrokerUnreachable, FarmBusy
    >>> backoff = Backoff()
    >>> [backoff.next_delay(BrokerUnreachable("no answer")) for _ in range(4)]
    [1.0, 2.0, 4.0, 8.0]
    >>> backoff.next_delay(FarmBusy("1,000 jobs are active", 12.0))
    12.0
    """

    def __init__(self) -> None:
        self._delays: Iterator[float] = iter(_RETRY_DELAYS)

    def next_delay(self, error: OcrfarmError) -> float:
        """Return the seconds to wait; raise `error` itself if it is not retryable or has persisted for too long."""
        if isinstance(error, FarmBusy):
            return error.retry_after
        delay = next(self._delays, None) if error.retryable else None
        if delay is None:
            raise error
        return delay


@contextmanager
def open_progress_bar() -> Iterator[Callable[["JobStatus"], None]]:
    """Show a progress bar in a terminal or a notebook; yield the function that updates it with a job's status."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    tiles = (BarColumn(), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(TextColumn("{task.description}", markup=False), *tiles, TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=None)

        def show(status: "JobStatus") -> None:
            name = printable(status.name)
            settled = status.done + status.blank + status.failed
            total = status.tiles or None
            progress.update(task, description=f"{name} {status.state}", completed=settled, total=total)

        yield show
