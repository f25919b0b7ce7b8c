"""A table of what became of every image, row by row, so that a batch that was killed goes on where it stopped."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

from ocrfarm.errors import SettingsError
from ocrfarm.storage.atomic import atomic_write, translate_os_errors

JOURNAL_NAME = "outcomes.csv"
"""The table of every image, in the folder for results."""

BOM = "\ufeff"
"""By it spreadsheets know UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A row: the image, what became of it and why, lines, seconds, megapixels, and when (seconds since 1970).

    `state` is complete, partial, failed, or submitted for what a farm has been handed but not yet given back. `result`
    is what the names of its results begin with, `job` its id in the farm; `key` tells the same image read in the
    same way.
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


_OPEN_OPTIONS: Any = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
"""How the table is opened; a file's name may be any bytes."""

_COLUMNS = [item.name for item in fields(JournalEntry)]
_COLUMN_TYPES: dict[str, Any] = {item.name: item.type for item in fields(JournalEntry)}


class Journal:
    """The table at a path; a context manager, safe for threads. Nothing is made before the first row is added.

    The last row of an image counts; at the end there is one an image. `SettingsError` where another process keeps it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._folder: int | None = None
        self._file: IO[str] | None = None
        self._rows: dict[str, JournalEntry] = {}

    def __enter__(self) -> Self:
        """Read what is there."""
        if self.path.parent.is_dir():
            self._lock_folder()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave one row an image."""
        try:
            if self._file:
                self._file.close()
                self._rewrite()
        finally:
            if self._folder is not None:
                os.close(self._folder)

    @property
    def entries(self) -> list[JournalEntry]:
        """The rows, one an image."""
        return list(self._rows.values())

    def find(self, result: str) -> JournalEntry | None:
        """Give the row of the image whose results have this name."""
        return self._rows.get(result)

    def add(self, entry: JournalEntry) -> None:
        """Write a row; it is there whatever happens to this process afterwards."""
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
        self._rewrite()  # a row that was cut off in the middle must not have another one behind it
        self._file = self.path.open("a", encoding="utf-8", errors="surrogateescape", newline="")

    def _lock_folder(self) -> None:
        """Keep others out, by a lock on the folder: the table itself is replaced now and then."""
        self._folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            advice = "wait for its end, or name another folder"
            raise SettingsError(f"{self.path.parent}: another ocrfarm works in this folder; {advice}") from error
        self._rows = {entry.result: entry for entry in read_entries(self.path)}

    def _rewrite(self) -> None:
        table = BOM + _format_csv(_COLUMNS) + "".join(map(_format_row, self._rows.values()))
        with atomic_write(self.path) as unfinished:
            unfinished.write_bytes(table.encode("utf-8", "surrogateescape"))


def read_entries(path: Path) -> Iterator[JournalEntry]:
    """Give the rows that are whole; none where there is no table."""
    with suppress(FileNotFoundError, csv.Error), path.open(**_OPEN_OPTIONS) as file:
        for row in csv.DictReader(file):
            whole = row.keys() >= set(_COLUMNS) and None not in row.values()  # else cut off, or somebody else's
            with suppress(ValueError):
                if whole:
                    yield JournalEntry(**{name: _COLUMN_TYPES[name](row[name]) for name in _COLUMNS})


@cache
def read_image_paths(table: Path) -> dict[str, str]:
    """Give the image of each result, as the table has it when it is first asked for."""
    return {row.result: row.file for row in read_entries(table)}


def _format_row(entry: JournalEntry) -> str:
    values: dict[str, Any] = asdict(entry)
    return _format_csv([f"{value:.3f}" if isinstance(value, float) else value for value in values.values()])


def _format_csv(values: list[Any]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(values)
    return written.getvalue()
