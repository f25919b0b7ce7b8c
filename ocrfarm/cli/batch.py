"""Many images, a few at a time: skip what is done, read and write the rest, and record each image in the journal."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import NamedTuple

from ocrfarm.cli.backends import Backend, ProgressListener, ReadResult
from ocrfarm.cli.display import Display, Totals, describe_written_files, format_summary
from ocrfarm.cli.journal import Journal, JournalEntry
from ocrfarm.cli.main import describe_bug, echo, print_error
from ocrfarm.cli.options import ReadOptions
from ocrfarm.cli.sources import InputImage, content_key
from ocrfarm.client.batch import run_concurrently
from ocrfarm.errors import (
    InputError,
    JobError,
    MissingPackage,
    ObjectNotFound,
    OcrfarmError,
    PartialResult,
    StoreError,
)
from ocrfarm.export import Target, export
from ocrfarm.pdf_image_tiles import ImageTileCutter
from ocrfarm.printable import printable
from ocrfarm.result import SourceInfo

IMAGE_ERRORS = (InputError, JobError, MissingPackage, ObjectNotFound)
"""Errors that concern one image."""


def concerns_one_image(error: Exception) -> bool:
    """Return whether an error may be that of one image: the others are read, and the image gets a row with its error.

    Any other error, such as that of a store or a broker, would affect the next image as well, and ends the batch. A
    plain `StoreError` is that of one file, whose name may be too long. What is no error of ours is a bug that an image
    has met.

    >>> [concerns_one_image(error) for error in (InputError("is empty"), OcrfarmError("no broker"), ValueError())]
    [True, False, True]
    """
    return isinstance(error, IMAGE_ERRORS) or type(error) is StoreError or not isinstance(error, OcrfarmError)


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What all images of a batch have in common, and which of them are done.

    Attributes:
        journal: The record of earlier runs, and of this one.
        target: Folder and formats of the results.
        options: Profile and selection.
        limits: Limits of `ocrfarm.image.Limits` that the settings override.
        max_concurrent: Largest number of images that are read at a time.
        force: Read images that are done as well.
    """

    journal: Journal
    target: Target
    options: ReadOptions
    limits: dict[str, int]
    max_concurrent: int = 1
    force: bool = False

    def iter_pending(self, images: Iterable[InputImage]) -> Iterator[InputImage]:
        """Yield each image that would be read, and each that does not exist."""
        for image in images:
            with suppress(*IMAGE_ERRORS):
                if self.find_done(self.start_row(image)):
                    continue
            yield image

    def new_row(self, image: InputImage) -> JournalEntry:
        """Return a row that names the image, the profile and the results only."""
        profile = self.options.profile.name
        return JournalEntry(file=str(image.path), state="submitted", profile=profile, result=image.stem)

    def start_row(self, image: InputImage) -> JournalEntry:
        """Return the first row of an image, with the job of an earlier run that was interrupted.

        `ImageNotFound` or `UnidentifiedImage` if there is no file that can be read.
        """
        options = {**self.options.to_json(), "formats": sorted(form.name for form in self.target.formats)}
        options |= {"raw_cells": True} if self.target.raw_cells else {}
        row = replace(self.new_row(image), key=content_key(image.path, options))
        before = self.journal.find(row.result)
        return replace(row, job=before.job) if before and (before.key, before.state) == (row.key, row.state) else row

    def find_done(self, row: JournalEntry) -> JournalEntry | None:
        """Return the row of an earlier run that read the same bytes in the same way, if its results still exist."""
        before = self.journal.find(row.result)
        same = before and (before.key, before.state) == (row.key, "complete") and not self.force
        return before if same and self.target.has_results(row.result) else None


class _ImageOutcome(NamedTuple):
    """The journal's row of an image, and its exit code."""

    row: JournalEntry
    code: int = 0


@dataclass(slots=True)
class BatchRun:
    """One run over the images of a plan."""

    plan: BatchPlan
    display: Display
    _stop: Event = field(default_factory=Event)
    _outcomes: list[_ImageOutcome] = field(default_factory=list)
    _skipped: int = 0
    _is_single: bool = True

    def run(self, images: list[InputImage], open_backend: Callable[[], AbstractContextManager[Backend]]) -> int:
        """Read the images that are not done.

        An error that does not concern a single image is raised; the journal then holds what was done before.

        Args:
            images: All images of the batch.
            open_backend: Opens what reads them; called only if there is anything to read.

        Returns:
            The exit code of the image that failed first, or 0.
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
        """Yield each image that is not done, with its first row."""
        for image in images:
            try:
                row = self.plan.start_row(image)
            except Exception as error:
                if not concerns_one_image(error):
                    raise
                self._outcomes.append(self._record_failure(self.plan.new_row(image), error))
                continue
            if done := self.plan.find_done(row):
                self._skipped += 1
                self.display.show_skipped(done)
            else:
                yield image, row

    def _read_image(self, backend: Backend, item: tuple[InputImage, JournalEntry]) -> _ImageOutcome:
        """Read an image, write its results, and only then its row."""
        image, row = item
        try:
            with self.display.image(image.path.name) as on_progress:
                listener = ProgressListener(on_progress, partial(self._record_job, backend, row), self._stop, row.job)
                read = backend.read(image.path, listener)
            self._export_result(image, read)
        except Exception as error:
            if not concerns_one_image(error):
                raise
            return self._record_failure(row, error)
        return self._record_success(image, row, read)

    def _record_job(self, backend: Backend, row: JournalEntry, job: str) -> None:
        """Record the id of a job that survives this process."""
        if backend.is_durable:
            self.plan.journal.add(replace(row, job=job))

    def _export_result(self, image: InputImage, read: ReadResult) -> None:
        target, path, name = self.plan.target, image.path, printable(image.path.name)
        cut_tiles = ImageTileCutter(lambda: path, limits=self.plan.limits)
        overviews = dict(zip(read.document.page_numbers, read.overviews, strict=True))
        source = SourceInfo(
            name,
            lambda: path,
            overviews.__getitem__,
            cut_tiles,
            base_url=target.base_url,
            stem=image.stem,
        )
        export(read.document, target, source=source)

    def _record_success(self, image: InputImage, row: JournalEntry, read: ReadResult) -> _ImageOutcome:
        row, document = _complete_row(row, read), read.document
        written = f"{image.path} -> {describe_written_files(self.plan.target, image.stem)}"
        short = [f"{written}  ({row.lines} lines, {row.seconds:.1f} s)"]
        results = [str(path) for path in self.plan.target.result_paths(image.stem, document.page_numbers)]
        self.plan.journal.add(row)
        self.display.show_ended(
            row, results=results, text=[written, *format_summary(document)] if self._is_single else short
        )
        if document.is_complete:
            return _ImageOutcome(row)
        advice = "`coverage` in its JSON (--formats json) lists the parts and the reasons"
        error = PartialResult(f"{image.path}: a part of it was not read; {advice}")
        print_error(error)
        return _ImageOutcome(row, error.exit_code)

    def _record_failure(self, row: JournalEntry, error: Exception) -> _ImageOutcome:
        reason = describe_failure(error, row.file)
        row = replace(row, state="failed", reason=reason, ended=time.time(), job="")
        self.plan.journal.add(row)
        echo(f"ocrfarm: {reason}", err=True)
        self.display.show_ended(row, results=[], text=[])
        return _ImageOutcome(row, exit_code_of(error))

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


def _complete_row(row: JournalEntry, read: ReadResult) -> JournalEntry:
    """Return the final row of an image that was read."""
    document = read.document
    gaps = dict.fromkeys(gap.reason for page in document.pages for gap in page.coverage.gaps)
    return replace(
        row,
        state="complete" if document.is_complete else "partial",
        lines=len(document.lines),
        seconds=read.seconds,
        reason="" if document.is_complete else "; ".join(gaps) or "more contours than the detector lists",
        megapixels=sum(page.size.area for page in document.pages) / 1e6,
        ended=time.time(),
        job="",
    )


def describe_failure(error: Exception, file: str) -> str:
    """Return why an image failed, as its row in the journal says it.

    Args:
        error: The error.
        file: Path of the image.
    """
    if isinstance(error, OcrfarmError):
        return f"{type(error).__name__}: {_error_text(error, file)}"
    return f"{file}: {describe_bug(error)}"


def exit_code_of(error: Exception) -> int:
    """Return the exit code of an error of one image; 1 for a bug."""
    return error.exit_code if isinstance(error, OcrfarmError) else 1


def _error_text(error: OcrfarmError, file: str) -> str:
    """Return the error's message with the path as the user wrote it; a farm knows only the file's name.

    >>> _error_text(InputError("sheet.png: is empty"), "scans/sheet.png")
    'scans/sheet.png: is empty'

    Args:
        error: The error.
        file: Path of the image.
    """
    name, _, what = str(error).partition(": ")
    return f"{file}: {what}" if what and name in (Path(file).name, printable(Path(file).name)) else str(error)
