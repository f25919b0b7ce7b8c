"""Many pictures with a bounded number of them on the farm at a time; each outcome is given when it is there."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar

from ocrfarm.client.job import Job
from ocrfarm.client.sources import Source, Ticket
from ocrfarm.client.watch import Patience, Watch
from ocrfarm.errors import OcrfarmError, SettingsError
from ocrfarm.recognize.profiles import Profile
from ocrfarm.scope import Scope

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus

_J = TypeVar("_J")
_T = TypeVar("_T")

Submit = Callable[[Source], Job]
"""Hands one picture in."""


class Options(TypedDict, total=False):
    """What can be said of a picture that is handed in; see `Client.submit`."""

    profile: str | Profile
    priority: int | None
    name: str
    scope: Scope
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_J]):
    """What became of one of many: its job and last status, and the error that left it without a result, if any."""

    source: Source
    job: _J | None = None
    status: "JobStatus | None" = None
    error: OcrfarmError | None = None

    @classmethod
    def of(cls, source: Source, job: _J, *, status: "JobStatus") -> "Outcome[_J]":
        """Give the outcome of a job that has ended."""
        error = status.failure() if status.state in ("failed", "cancelled") else None
        return cls(source, job, status, error)


def submit_many(submit: Submit, sources: Iterable[Source], *, at_once: int) -> Iterator[Outcome[Job]]:
    """Give each outcome when it is there; a picture that fails stops none of the others.

    Whoever stops listening leaves the jobs that were handed in to the farm.
    """
    stop, coming = Event(), iter(sources)
    waiting: set[Future[Outcome[Job]]] = set()
    with ThreadPoolExecutor(checked_count(at_once), "ocrfarm-submit") as threads:
        try:
            while waiting := waiting | {
                threads.submit(_see_through, submit, source, stop) for source in islice(coming, at_once - len(waiting))
            }:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in ended)
        finally:
            stop.set()


def checked_count(at_once: int) -> int:
    """Give the number back; `SettingsError` where it is less than 1."""
    if at_once < 1:
        raise SettingsError(f"at_once={at_once}: at least one picture has to be read at a time")
    return at_once


def _see_through(submit: Submit, source: Source, stop: Event) -> Outcome[Job]:
    job = None
    try:
        job = _patiently(lambda: submit(source), stop)
        watch = Watch(None)
        while not (status := _patiently(job.status, stop)).ended and not stop.wait(watch.pause(status)):
            pass
        return Outcome.of(source, job, status=status)
    except OcrfarmError as error:
        return Outcome(source, job, error=error)


def _patiently(call: Callable[[], _T], stop: Event) -> _T:
    patience = Patience()
    while True:
        try:
            return call()
        except OcrfarmError as error:
            if stop.wait(patience.pause(error)):
                raise
