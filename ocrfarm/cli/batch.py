"""Many images, a few at a time: what is done is skipped, the rest is read and written, and each gets a row."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import NamedTuple

from ocrfarm.cli.backends import Backend, ProgressListener, ReadResult
from ocrfarm.cli.batch_plan import BatchPlan
from ocrfarm.cli.display import Display, Totals
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import echo, print_error
from ocrfarm.cli.output import describe_written_files, format_summary
from ocrfarm.cli.sources import InputImage
from ocrfarm.client.batch import run_concurrently
from ocrfarm.document import Document
from ocrfarm.errors import InputError, JobError, MissingPackage, ObjectNotFound, OcrfarmError, PartialResult
from ocrfarm.export import export
from ocrfarm.pdf_image_tiles import iter_image_tiles
from ocrfarm.result import SourceInfo

IMAGE_ERRORS = (InputError, JobError, MissingPackage, ObjectNotFound)
"""Errors of one image; any other would meet the next image as well, and ends the batch."""


class _ImageOutcome(NamedTuple):
    """What became of an image, and its exit code."""

    row: JournalEntry
    code: int = 0


@dataclass(slots=True)
class BatchRun:
    """A batch that is read: its plan, and who is shown what."""

    plan: BatchPlan
    display: Display
    _stop: Event = field(default_factory=Event)
    _outcomes: list[_ImageOutcome] = field(default_factory=list)
    _skipped: int = 0
    _is_single: bool = True

    def run(self, images: list[InputImage], open_backend: Callable[[], AbstractContextManager[Backend]]) -> int:
        """Read what is not done; give the exit code of the first image, in the order of ending, that has one.

        The backend is opened where there is anything to read. An error that is not of one image passes through: what
        is in the table by then is done.
        """
        started_at, self._is_single = time.monotonic(), len(images) == 1
        with self.display.batch(len(images)):
            pending = self._pending_images(images)
            if first := next(pending, None):
                with open_backend() as backend:
                    work = partial(self._read_image, backend)
                    for outcome in run_concurrently(
                        work, chain([first], pending), max_concurrent=self.plan.max_concurrent, stop=self._stop
                    ):
                        self._outcomes.append(outcome)
        self._show_totals(time.monotonic() - started_at)
        return next((outcome.code for outcome in self._outcomes if outcome.code), 0)

    def _pending_images(self, images: Iterable[InputImage]) -> Iterator[tuple[InputImage, JournalEntry]]:
        """Give each image that is not done, and the row that it begins with."""
        for image in images:
            try:
                row = self.plan.start_row(image)
            except InputError as error:
                self._outcomes.append(self._record_failure(self.plan.new_row(image), error))
                continue
            if done := self.plan.find_done(row):
                self._skipped += 1
                self.display.show_skipped(done)
            else:
                yield image, row

    def _read_image(self, backend: Backend, item: tuple[InputImage, JournalEntry]) -> _ImageOutcome:
        """Read an image, write its results, then its row."""
        image, row = item
        try:
            with self.display.image(image.path.name) as on_progress:
                listener = ProgressListener(on_progress, partial(self._record_job, backend, row), self._stop, row.job)
                read = backend.read(image.path, listener)
            self._export_result(image, read)
        except IMAGE_ERRORS as error:
            return self._record_failure(row, error)
        return self._record_success(image, row, read.document)

    def _record_job(self, backend: Backend, row: JournalEntry, job: str) -> None:
        """Remember a job that outlives this process."""
        if backend.is_durable:
            self.plan.journal.add(replace(row, job=job))

    def _export_result(self, image: InputImage, read: ReadResult) -> None:
        target, path = self.plan.target, image.path
        cut_tiles = partial(iter_image_tiles, lambda: path, limits=self.plan.limits)
        overviews = dict(zip(read.document.page_numbers, read.overviews, strict=True))
        source = SourceInfo(
            path.name, lambda: path, overviews.__getitem__, cut_tiles, base_url=target.base_url, stem=image.stem
        )
        export(read.document, target, source=source)

    def _record_success(self, image: InputImage, row: JournalEntry, document: Document) -> _ImageOutcome:
        row = _complete_row(row, document)
        written = f"{image.path} -> {describe_written_files(self.plan.target, image.stem)}"
        short = f"{written}  ({row.lines} lines, {row.seconds:.1f} s)"
        results = [str(path) for path in self.plan.target.result_paths(image.stem, document.page_numbers)]
        self.plan.journal.add(row)
        self.display.show_ended(
            row, results=results, text=f"{written}\n{format_summary(document)}" if self._is_single else short
        )
        if document.is_complete:
            return _ImageOutcome(row)
        where = "`coverage` in its JSON (--formats json)"
        error = PartialResult(f"{image.path}: a part of it was not read; {where} says which and why")
        print_error(error)
        return _ImageOutcome(row, error.exit_code)

    def _record_failure(self, row: JournalEntry, error: OcrfarmError) -> _ImageOutcome:
        reason = f"{type(error).__name__}: {_error_text(error, row.file)}"
        row = replace(row, state="failed", reason=reason, ended=time.time(), job="")
        self.plan.journal.add(row)
        echo(f"ocrfarm: {reason}", err=True)
        self.display.show_ended(row, results=[], text="")
        return _ImageOutcome(row, error.exit_code)

    def _show_totals(self, seconds: float) -> None:
        rows = [outcome.row for outcome in self._outcomes]
        states = Counter(row.state for row in rows)
        totals = Totals(
            complete=states["complete"],
            partial=states["partial"],
            failed=states["failed"],
            skipped=self._skipped,
            lines=sum(row.lines for row in rows),
            megapixels=round(sum(row.megapixels for row in rows), 1),
            seconds=round(seconds, 1),
        )
        self.display.show_totals(totals, str(self.plan.journal.path))


def _complete_row(row: JournalEntry, document: Document) -> JournalEntry:
    """Give the row of an image that was read."""
    gaps = dict.fromkeys(gap.reason for page in document.pages for gap in page.coverage.gaps)
    return replace(
        row,
        state="complete" if document.is_complete else "partial",
        lines=len(document.lines),
        seconds=document.timing.get("wall", 0.0),
        reason="" if document.is_complete else "; ".join(gaps) or "more contours than the detector lists",
        megapixels=sum(page.size.area for page in document.pages) / 1e6,
        ended=time.time(),
        job="",
    )


def _error_text(error: OcrfarmError, file: str) -> str:
    """Say it of the file as it was named: a farm knows no more than the end of that."""
    name, _, what = str(error).partition(": ")
    return f"{file}: {what}" if what and name == Path(file).name else str(error)
