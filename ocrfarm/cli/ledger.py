"""A table of what became of every picture, row by row, so that a batch that was killed goes on where it stopped."""

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
from ocrfarm.storage.files import translated, whole_file

OUTCOMES = "outcomes.csv"
"""The table of every picture, in the folder for results."""

MARK = "\ufeff"
"""By it spreadsheets know UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row: the picture, what became of it and why, lines, seconds, megapixels, and when (seconds since 1970).

    `state` is complete, partial, failed, or submitted for what a farm has been handed but not yet given back. `result`
    is what the names of its results begin with, `job` its id in the farm; `key` tells the same picture read in the
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


_TEXT: Any = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
"""How the table is opened; a file's name may be any bytes."""

_COLUMNS = [item.name for item in fields(Entry)]
_KINDS: dict[str, Any] = {item.name: item.type for item in fields(Entry)}


class Ledger:
    """The table at a path; a context manager, safe for threads. Nothing is made before the first row is added.

    The last row of a picture counts; at the end there is one a picture. `SettingsError` where another process keeps it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._folder: int | None = None
        self._file: IO[str] | None = None
        self._rows: dict[str, Entry] = {}

    def __enter__(self) -> Self:
        """Read what is there."""
        if self.path.parent.is_dir():
            self._hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave one row a picture."""
        try:
            if self._file:
                self._file.close()
                self._rewrite()
        finally:
            if self._folder is not None:
                os.close(self._folder)

    @property
    def entries(self) -> list[Entry]:
        """The rows, one a picture."""
        return list(self._rows.values())

    def find(self, result: str) -> Entry | None:
        """Give the row of the picture whose results have this name."""
        return self._rows.get(result)

    def add(self, entry: Entry) -> None:
        """Write a row; it is there whatever happens to this process afterwards."""
        with self._lock, translated(f"cannot write {self.path}"):
            if not self._file:
                self._open()
            assert self._file
            self._rows[entry.result] = entry
            self._file.write(_row(entry))
            self._file.flush()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._folder is None:
            self._hold()
        self._rewrite()  # a row that was cut off in the middle must not have another one behind it
        self._file = self.path.open("a", encoding="utf-8", errors="surrogateescape", newline="")

    def _hold(self) -> None:
        """Keep others out, by a lock on the folder: the table itself is replaced now and then."""
        self._folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            advice = "wait for its end, or name another folder"
            raise SettingsError(f"{self.path.parent}: another ocrfarm works in this folder; {advice}") from error
        self._rows = {entry.result: entry for entry in rows(self.path)}

    def _rewrite(self) -> None:
        table = MARK + _line(_COLUMNS) + "".join(map(_row, self._rows.values()))
        with whole_file(self.path) as unfinished:
            unfinished.write_bytes(table.encode("utf-8", "surrogateescape"))


def rows(path: Path) -> Iterator[Entry]:
    """Give the rows that are whole; none where there is no table."""
    with suppress(FileNotFoundError, csv.Error), path.open(**_TEXT) as file:
        for row in csv.DictReader(file):
            whole = row.keys() >= set(_COLUMNS) and None not in row.values()  # else cut off, or somebody else's
            with suppress(ValueError):
                if whole:
                    yield Entry(**{name: _KINDS[name](row[name]) for name in _COLUMNS})


@cache
def files_of(table: Path) -> dict[str, str]:
    """Give the picture of each result, as the table has it when it is first asked for."""
    return {row.result: row.file for row in rows(table)}


def _row(entry: Entry) -> str:
    values: dict[str, Any] = asdict(entry)
    return _line([f"{value:.3f}" if isinstance(value, float) else value for value in values.values()])


def _line(values: list[Any]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(values)
    return written.getvalue()
