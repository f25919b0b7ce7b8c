"""Many images with a bounded number of them on the farm at a time; each outcome is given when it is there."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar

from ocrfarm.client.job import Job
from ocrfarm.client.polling import Backoff, Poller
from ocrfarm.client.sources import ImageInput, JobMetadata
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.recognize.profiles import Profile
from ocrfarm.selection import Selection

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_J = TypeVar("_J")
_T = TypeVar("_T")

SubmitFunction = Callable[[ImageInput], Job]
"""Hands one image in."""


class SubmitOptions(TypedDict, total=False):
    """What can be said of an image that is handed in; see `Client.submit`."""

    profile: str | Profile
    priority: int | None
    name: str
    selection: Selection
    metadata: JobMetadata


@dataclass(frozen=True, slots=True)
class JobOutcome(Generic[_J]):
    """What became of one of many: its job and last status, and the error that left it without a result, if any."""

    source: ImageInput
    job: _J | None = None
    status: "JobStatus | None" = None
    error: OcrfarmError | None = None

    @classmethod
    def of(cls, source: ImageInput, job: _J, *, status: "JobStatus") -> "JobOutcome[_J]":
        """Give the outcome of a job that has ended."""
        error = status.make_error() if status.state in ("failed", "cancelled") else None
        return cls(source, job, status, error)


def submit_many(
    submit: SubmitFunction, sources: Iterable[ImageInput], *, max_concurrent: int
) -> Iterator[JobOutcome[Job]]:
    """Give each outcome when it is there; an image that fails stops none of the others.

    Whoever stops listening leaves the jobs that were handed in to the farm.
    """
    stop, coming = Event(), iter(sources)
    waiting: set[Future[JobOutcome[Job]]] = set()
    with ThreadPoolExecutor(check_max_concurrent(max_concurrent), "ocrfarm-submit") as threads:
        try:
            while waiting := waiting | {
                threads.submit(_submit_and_wait, submit, source, stop)
                for source in islice(coming, max_concurrent - len(waiting))
            }:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in ended)
        finally:
            stop.set()


def check_max_concurrent(max_concurrent: int) -> int:
    """Give the number back; `SettingsError` where it is less than 1."""
    if max_concurrent < 1:
        raise SettingsError(f"max_concurrent={max_concurrent}: at least one image has to be read at a time")
    return max_concurrent


def _submit_and_wait(submit: SubmitFunction, source: ImageInput, stop: Event) -> JobOutcome[Job]:
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
