"""Many pictures, a few at a time: what is done is skipped, the rest is read and written, and each gets a row."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import NamedTuple, TypeVar

from ocrfarm.cli.ledger import Entry
from ocrfarm.cli.main import complain, say
from ocrfarm.cli.output import left_behind, summary
from ocrfarm.cli.plan import Plan
from ocrfarm.cli.reading import Read, Reader, Watch
from ocrfarm.cli.screen import Screen, Totals
from ocrfarm.cli.sources import Picture
from ocrfarm.document import Document
from ocrfarm.errors import InputError, JobError, MissingPackage, ObjectNotFound, OcrfarmError, PartialResult
from ocrfarm.export import export
from ocrfarm.pieces import pieces
from ocrfarm.result import Origin

ITS_OWN = (InputError, JobError, MissingPackage, ObjectNotFound)
"""Errors of one picture; any other would meet the next picture as well, and ends the batch."""

T = TypeVar("T")
R = TypeVar("R")


class _Ended(NamedTuple):
    """What became of a picture, and its exit code."""

    row: Entry
    code: int = 0


@dataclass(slots=True)
class Batch:
    """A batch that is read: its plan, and who is shown what."""

    plan: Plan
    screen: Screen
    _stop: Event = field(default_factory=Event)
    _ended: list[_Ended] = field(default_factory=list)
    _before: int = 0
    _alone: bool = True

    def run(self, pictures: list[Picture], open_reader: Callable[[], AbstractContextManager[Reader]]) -> int:
        """Read what is not done; give the exit code of the first picture, in the order of ending, that has one.

        The reader is opened where there is anything to read. An error that is not of one picture passes through: what
        is in the table by then is done.
        """
        begun, self._alone = time.monotonic(), len(pictures) == 1
        with self.screen.batch(len(pictures)):
            left = self._left(pictures)
            if first := next(left, None):
                with open_reader() as reader:
                    work = partial(self._read, reader)
                    for ended in concurrently(work, chain([first], left), count=self.plan.jobs, stop=self._stop):
                        self._ended.append(ended)
        self._total(time.monotonic() - begun)
        return next((ended.code for ended in self._ended if ended.code), 0)

    def _left(self, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Entry]]:
        """Give each picture that is not done, and the row that it begins with."""
        for picture in pictures:
            try:
                row = self.plan.begun(picture)
            except InputError as error:
                self._ended.append(self._failed(self.plan.row(picture), error))
                continue
            if done := self.plan.done(row):
                self._before += 1
                self.screen.skipped(done)
            else:
                yield picture, row

    def _read(self, reader: Reader, item: tuple[Picture, Entry]) -> _Ended:
        """Read a picture, write its results, then its row."""
        picture, row = item
        try:
            with self.screen.picture(picture.path.name) as hear:
                watch = Watch(hear, partial(self._submitted, reader, row), self._stop, row.job)
                read = reader.read(picture.path, watch)
            self._export(picture, read)
        except ITS_OWN as error:
            return self._failed(row, error)
        return self._done(picture, row, read.document)

    def _submitted(self, reader: Reader, row: Entry, job: str) -> None:
        """Remember a job that outlives this process."""
        if reader.lasting:
            self.plan.ledger.add(replace(row, job=job))

    def _export(self, picture: Picture, read: Read) -> None:
        target, path = self.plan.target, picture.path
        cut = partial(pieces, lambda: path, limits=self.plan.limits)
        overviews = dict(zip(read.document.numbers, read.overviews, strict=True))
        origin = Origin(path.name, lambda: path, overviews.__getitem__, cut, base=target.base, stem=picture.stem)
        export(read.document, target, origin=origin)

    def _done(self, picture: Picture, row: Entry, document: Document) -> _Ended:
        row = _filled(row, document)
        written = f"{picture.path} -> {left_behind(self.plan.target, picture.stem)}"
        short = f"{written}  ({row.lines} lines, {row.seconds:.1f} s)"
        results = [str(path) for path in self.plan.target.files(picture.stem, document.numbers)]
        self.plan.ledger.add(row)
        self.screen.ended(row, results=results, text=f"{written}\n{summary(document)}" if self._alone else short)
        if document.complete:
            return _Ended(row)
        where = "`coverage` in its JSON (--formats json)"
        error = PartialResult(f"{picture.path}: a part of it was not read; {where} says which and why")
        complain(error)
        return _Ended(row, error.exit_code)

    def _failed(self, row: Entry, error: OcrfarmError) -> _Ended:
        reason = f"{type(error).__name__}: {_placed(error, row.file)}"
        row = replace(row, state="failed", reason=reason, ended=time.time(), job="")
        self.plan.ledger.add(row)
        say(f"ocrfarm: {reason}", err=True)
        self.screen.ended(row, results=[], text="")
        return _Ended(row, error.exit_code)

    def _total(self, seconds: float) -> None:
        rows = [ended.row for ended in self._ended]
        states = Counter(row.state for row in rows)
        totals = Totals(
            complete=states["complete"],
            partial=states["partial"],
            failed=states["failed"],
            skipped=self._before,
            lines=sum(row.lines for row in rows),
            megapixels=round(sum(row.megapixels for row in rows), 1),
            seconds=round(seconds, 1),
        )
        self.screen.total(totals, str(self.plan.ledger.path))


def _filled(row: Entry, document: Document) -> Entry:
    """Give the row of a picture that was read."""
    gaps = dict.fromkeys(gap.reason for page in document.pages for gap in page.coverage.gaps)
    return replace(
        row,
        state="complete" if document.complete else "partial",
        lines=len(document.lines),
        seconds=document.timing.get("wall", 0.0),
        reason="" if document.complete else "; ".join(gaps) or "more contours than the detector lists",
        megapixels=sum(page.size.area for page in document.pages) / 1e6,
        ended=time.time(),
        job="",
    )


def _placed(error: OcrfarmError, file: str) -> str:
    """Say it of the file as it was named: a farm knows no more than the end of that."""
    name, _, what = str(error).partition(": ")
    return f"{file}: {what}" if what and name == Path(file).name else str(error)


def concurrently(work: Callable[[T], R], items: Iterable[T], *, count: int, stop: Event) -> Iterator[R]:
    """Give `work(item)` for every item as it ends, at most `count` at a time; the items are drawn when there is room.

    The first error passes through once `stop` is set and every thread has ended.
    """
    if count == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="picture") as pool:
        waiting: set[Future[R]] = set()
        try:
            for item in items:
                waiting.add(pool.submit(work, item))
                if len(waiting) == count:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            yield from (each.result() for each in as_completed(waiting))
        finally:
            stop.set()
