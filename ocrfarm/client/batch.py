"""Submit many images with a bounded number of unfinished jobs; outcomes come in the order in which jobs end."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar

from ocrfarm.client.job import Job
from ocrfarm.client.progress import Backoff, Poller
from ocrfarm.client.sources import ImageInput, JobMetadata
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.recognize.profiles import Profile
from ocrfarm.selection import Selection

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_J = TypeVar("_J")
_T = TypeVar("_T")
_R = TypeVar("_R")

SubmitFunction = Callable[[ImageInput], Job]
"""Submits one image."""


class SubmitOptions(TypedDict, total=False):
    """The keyword arguments of `Client.submit`, all of them optional.

    >>> options: SubmitOptions = {"profile": "accurate", "priority": 9}
    """

    profile: str | Profile
    priority: int | None
    name: str
    selection: Selection
    metadata: JobMetadata


@dataclass(frozen=True, slots=True)
class JobOutcome(Generic[_J]):
    """What became of one of many images.

    Args:
        source: The image, as it was passed in.
        job: Its job; None if the image could not be submitted.
        status: The job's last status; None if it is not known.
        error: Why there is no result; None if the job is complete or partial.

    """

    source: ImageInput
    job: _J | None = None
    status: "JobStatus | None" = None
    error: OcrfarmError | None = None

    @classmethod
    def of(cls, source: ImageInput, job: _J, *, status: "JobStatus") -> "JobOutcome[_J]":
        """Return the outcome of a job that has ended.

        >>> from ocrfarm.farm.job_store import JobStatus
        >>> cancelled = JobStatus(id="7", state="cancelled")
        >>> JobOutcome.of("sheet.png", "a job", status=cancelled).error
        JobCancelled('job 7 was cancelled')

        Args:
            source: The image, as it was passed in.
            job: Its job.
            status: The job's final status.

        """
        error = status.make_error() if status.state in ("failed", "cancelled") else None
        return cls(source, job, status, error)


def submit_many(
    submit: SubmitFunction, sources: Iterable[ImageInput], *, max_concurrent: int
) -> Iterator[JobOutcome[Job]]:
    """Submit every source and yield each outcome when its job has ended; a failed image does not stop the others.

    If the caller stops iterating, jobs that were already submitted continue on the farm.

    Args:
        submit: Submits one image.
        sources: Images; the iterator may be endless.
        max_concurrent: Largest number of unfinished jobs.

    Raises:
        SettingsError: `max_concurrent` is less than 1.

    """
    stop = Event()
    work = partial(_submit_and_wait, submit, stop)
    yield from run_concurrently(work, sources, max_concurrent=check_max_concurrent(max_concurrent), stop=stop)


def run_concurrently(
    work: Callable[[_T], _R], items: Iterable[_T], *, max_concurrent: int, stop: Event
) -> Iterator[_R]:
    """Call `work` for every item in threads and yield the results in the order in which they are ready.

    >>> list(run_concurrently(len, ["one", "three"], max_concurrent=1, stop=Event()))
    [3, 5]

    Args:
        work: Called with one item; an exception that it raises ends the iteration.
        items: Drawn one by one, only when a thread is free; the iterator may be endless.
        max_concurrent: Largest number of calls at a time. With 1, `work` runs in the caller's thread.
        stop: Set when the iteration ends early. `work` should watch it and return, because all threads are awaited.

    """
    if max_concurrent == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(max_concurrent, thread_name_prefix="ocrfarm-batch") as pool:
        pending: set[Future[_R]] = set()
        try:
            for item in items:
                pending.add(pool.submit(work, item))
                if len(pending) == max_concurrent:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            yield from (each.result() for each in as_completed(pending))
        finally:
            stop.set()


def check_max_concurrent(max_concurrent: int) -> int:
    """Return the number; raise `SettingsError` if it is less than 1."""
    if max_concurrent < 1:
        raise SettingsError(f"max_concurrent={max_concurrent} must be at least 1")
    return max_concurrent


def _submit_and_wait(submit: SubmitFunction, stop: Event, source: ImageInput) -> JobOutcome[Job]:
    job = None
    try:
        job = _call_with_retries(lambda: submit(source), stop)
        poller = Poller(None)
        while not (status := _call_with_retries(job.status, stop)).has_ended and not stop.wait(
            poller.next_delay(status)
        ):
            pass
        return JobOutcome.of(source, job, status=status)
    except OcrfarmError as error:
        return JobOutcome(source, job, error=error)


def _call_with_retries(call: Callable[[], _T], stop: Event) -> _T:
    backoff = Backoff()
    while True:
        try:
            return call()
        except OcrfarmError as error:
            if stop.wait(backoff.next_delay(error)):
                raise
