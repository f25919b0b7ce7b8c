"""The journal: a CSV file with a row for each image, so that a batch that was killed continues where it stopped.

What is not printable in a name is escaped, with backslashes doubled, and a cell that a spreadsheet would run as a
formula begins with an apostrophe; reading a row restores the names.

A row is appended whenever an image changes its state, and the last row of an image counts. The file is rewritten with
one row per image when it is opened and closed.
"""

import csv
import fcntl
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

from ocrfarm.errors import SettingsError
from ocrfarm.printable import escape, guard_formula, unescape, unguard_formula
from ocrfarm.storage.atomic import atomic_write, translate_os_errors

JOURNAL_NAME = "outcomes.csv"
"""Name of the journal of `ocrfarm read`, in the folder for results."""

BOM = "\ufeff"
"""Tells spreadsheets that the file is UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One row of the journal.

    >>> print(_format_row(JournalEntry(file="a.png", state="complete", lines=12, seconds=1.5, result="a")), end="")
    a.png,complete,12,1.500,,,0.000,0.000,a,,

    Attributes:
        file: Path or URL of the image, as it was named.
        state: complete, partial or failed; or submitted, if the farm has the image but its result was not fetched; or
            submitting, if the command was interrupted while it submitted the image.
        lines: Lines that were read.
        seconds: Time that reading took, without waiting for a worker.
        reason: Why the image failed, or what was not read.
        profile: Name of the profile.
        megapixels: Size of all pages.
        ended: When the row was written, in seconds since 1970.
        result: First part of the results' names.
        job: Id of the job on the farm, while it is unfinished.
        key: Equal for the same image, read in the same way; see `content_key`.
    """

    file: str
    state: str
    lines: int = 0
    seconds: float = 0.0
    reason: str = ""
    profile: str = ""
    megapixels: float = 0.0
    ended: float = 0.0
    result: str = ""
    job: str = ""
    key: str = ""


_OPEN_OPTIONS: Any = {"encoding": "utf-8-sig", "errors": "replace", "newline": ""}
"""Arguments of `open`."""

_COLUMNS = [item.name for item in fields(JournalEntry)]
_COLUMN_TYPES: dict[str, Any] = {item.name: item.type for item in fields(JournalEntry)}


class Journal:
    """The journal at a path, as a context manager. Threads may share it.

    The file is created when the first row is added.

    Raises:
        SettingsError: Another process has the journal open.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, Journal(Path(folder, "outcomes.csv")) as journal:
    ...     journal.add(JournalEntry(file="a.png", state="submitted", result="a"))
    ...     journal.add(JournalEntry(file="a.png", state="complete", result="a"))
    ...     [entry.state for entry in journal.entries]
    ['complete']
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._folder: int | None = None
        self._file: IO[str] | None = None
        self._rows: dict[str, JournalEntry] = {}

    def __enter__(self) -> Self:
        """Lock the folder, if it exists, and read the rows."""
        if self.path.parent.is_dir():
            self._lock_folder()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Rewrite the file with one row per image, and unlock the folder."""
        try:
            if self._file:
                self._file.close()
                self._rewrite()
        finally:
            if self._folder is not None:
                os.close(self._folder)

    @property
    def entries(self) -> list[JournalEntry]:
        """The last row of each image."""
        return list(self._rows.values())

    def find(self, result: str) -> JournalEntry | None:
        """Return the row of the image whose results have this name."""
        return self._rows.get(result)

    def add(self, entry: JournalEntry) -> None:
        """Append a row; it survives if this process is killed afterwards."""
        with self._lock, translate_os_errors(f"cannot write {self.path}"):
            if not self._file:
                self._open()
            assert self._file
            self._rows[entry.result] = entry
            self._file.write(_format_row(entry))
            self._file.flush()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._folder is None:
            self._lock_folder()
        self._rewrite()  # a row that was cut off in the middle must not be continued by the next one
        self._file = self.path.open("a", encoding="utf-8", newline="")

    def _lock_folder(self) -> None:
        """Lock the folder, not the file, which is replaced whenever it is rewritten."""
        self._folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            advice = "wait until it has ended, or use another folder"
            raise SettingsError(f"{self.path.parent}: another ocrfarm is using this folder; {advice}") from error
        self._rows = {entry.result: entry for entry in read_entries(self.path)}

    def _rewrite(self) -> None:
        table = BOM + _format_csv(_COLUMNS) + "".join(map(_format_row, self._rows.values()))
        with atomic_write(self.path) as unfinished:
            unfinished.write_text(table, encoding="utf-8", newline="")


def read_entries(path: Path) -> Iterator[JournalEntry]:
    """Yield the complete rows of a journal; none if there is no such file."""
    with suppress(csv.Error), _open_table(path) as file:
        for row in csv.DictReader(file):
            whole = (
                row.keys() >= set(_COLUMNS) and None not in row.values()
            )  # else it was cut off, or this is another CSV file
            with suppress(ValueError):
                if whole:
                    yield JournalEntry(**{name: _parse_cell(row[name], _COLUMN_TYPES[name]) for name in _COLUMNS})


@contextmanager
def _open_table(path: Path) -> Iterator[Iterable[str]]:
    """Yield the lines of a file; none if it does not exist. `StoreError` if it cannot be read."""
    with translate_os_errors(f"cannot read {path}"):
        try:
            file = path.open(**_OPEN_OPTIONS)
        except (FileNotFoundError, NotADirectoryError):
            yield ()
            return
        with file:
            yield file


@cache
def read_image_paths(table: Path) -> dict[str, str]:
    """Return the image of each result; the file is read once per process."""
    return {row.result: row.file for row in read_entries(table)}


def _parse_cell(cell: str, kind: type[Any]) -> Any:  # noqa: ANN401 - a value of that type
    return unescape(unguard_formula(cell)) if kind is str else kind(cell)


def _format_row(entry: JournalEntry) -> str:
    return _format_csv([_format_cell(value) for value in asdict(entry).values()])


def _format_cell(value: Any) -> str:  # noqa: ANN401 - of any column
    match value:
        case float():
            return f"{value:.3f}"
        case str():
            return guard_formula(escape(value))
    return str(value)


def _format_csv(values: list[Any]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(values)
    return written.getvalue()
