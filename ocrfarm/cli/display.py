"""What is shown of a batch while it is read: bars and lines for a person, JSON for a machine, or nothing."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Thread
from typing import NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from ocrfarm.cli.backends import ProgressEvent
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import OUTPUT_LOCK, echo
from ocrfarm.cli.option_group import group_options

_LABELS = {"skipped": "read before"}
"""What a person reads instead of a field's name."""

_EVENT_INTERVAL = 1.0
"""Between two progress events of one image."""


_FRAME_INTERVAL = 0.1
"""Between two looks of the bars."""


class Totals(NamedTuple):
    """How many images are complete, partial, failed or were read before; how much was read now."""

    complete: int
    partial: int
    failed: int
    skipped: int
    lines: int
    megapixels: float
    seconds: float

    @property
    def throughput(self) -> float:
        """Megapixels a second."""
        return self.megapixels / max(self.seconds, 1e-9)


class Display:
    """Hears what happens, from several threads, and shows nothing; what goes wrong is told on stderr by others."""

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Be there while so many images are read."""
        yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Give what hears the steps of one image."""
        yield lambda event: None

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: str) -> None:
        """Hear what became of an image; `text` says it in words."""

    def show_skipped(self, entry: JournalEntry) -> None:
        """Hear that an image had been read before."""

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Hear what became of all of them, and where the table of them is."""


class JsonLinesDisplay(Display):
    """Prints a JSON object a row for each event."""

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Say how many there are."""
        _print_event("start", files=count)
        yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Give what prints a step where the stage is a new one or the last event is a while ago."""
        last_stage, printed_at = "", 0.0

        def on_progress(event: ProgressEvent) -> None:
            nonlocal last_stage, printed_at
            if event.stage != last_stage or time.monotonic() - printed_at >= _EVENT_INTERVAL:
                last_stage, printed_at = event.stage, time.monotonic()
                _print_event("progress", file=name, **event._asdict())

        yield on_progress

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: str) -> None:
        """Print the row of the table, and where the results are."""
        _print_event("file", **_entry_json(entry), results=results)

    def show_skipped(self, entry: JournalEntry) -> None:
        """Print the row of the table as it was."""
        _print_event("skipped", **_entry_json(entry))

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Print the counts."""
        _print_event("end", **totals._asdict(), outcomes=outcomes)


class TerminalDisplay(Display):
    """Shows bars where a person looks (on stderr), prints lines for what has ended, and a table at the end."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bars = Progress(
            *columns,
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # what goes into a file must not go to the terminal instead
        )
        self._all: TaskID | None = None
        self._count = 0

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Show a bar for all images where there are several."""
        self._count = count
        with self._bars, _refresh_bars(self._bars):
            if count > 1:
                self._all = self._bars.add_task("all", total=count, detail=f"0/{count} files")
            yield

    @contextmanager
    def image(self, name: str) -> Iterator[Callable[[ProgressEvent], None]]:
        """Show a bar of the image's tiles, with the stage that it is in and its throughput."""
        with OUTPUT_LOCK:  # a new bar is drawn at once
            bar, started_at = self._bars.add_task(_shorten(name), total=None, detail="wait"), time.monotonic()

        def on_progress(event: ProgressEvent) -> None:
            detail = _format_progress(event, time.monotonic() - started_at)
            self._bars.update(bar, completed=event.done, total=event.tiles or None, detail=detail)

        try:
            yield on_progress
        finally:
            self._bars.remove_task(bar)

    def show_ended(self, entry: JournalEntry, *, results: list[str], text: str) -> None:
        """Print it, and move the bar of all on."""
        if text:
            echo(text)
        self._advance()

    def show_skipped(self, entry: JournalEntry) -> None:
        """Print it where there is but one; a batch counts them."""
        if self._count == 1:
            echo(f"{entry.file}: was read before; --force reads it anew")
        self._advance()

    def show_totals(self, totals: Totals, outcomes: str) -> None:
        """Print a table where there were several images."""
        if self._count <= 1:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for name, value in totals._asdict().items():
            table.add_row(_LABELS.get(name, name), f"{value:,}")
        table.add_row("MP/s", f"{totals.throughput:,.1f}")
        Console(highlight=False).print(table)
        click.echo(f"-> {outcomes}")

    def _advance(self) -> None:
        if self._all is not None:
            done = self._bars.tasks[0].completed + 1
            self._bars.update(self._all, completed=done, detail=f"{done:.0f}/{self._count} files")


@contextmanager
def _refresh_bars(bars: Progress) -> Iterator[None]:
    """Draw the bars again and again, but never while a row is printed: left to itself, rich writes over the row."""
    over = Event()

    def draw() -> None:
        while not over.wait(_FRAME_INTERVAL):
            with OUTPUT_LOCK:
                bars.refresh()

    thread = Thread(target=draw, name="bars")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _make_display(*, as_json: bool, quiet: bool) -> Display:
    return JsonLinesDisplay() if as_json else Display() if quiet else TerminalDisplay()


display_options = group_options(
    "display",
    _make_display,
    click.option("--json", "as_json", is_flag=True, help="One JSON object a row for each event, for machines."),
    click.option("--quiet", is_flag=True, help="Nothing but what goes wrong."),
)
"""Gives a command --json and --quiet, and hands it its argument `display`."""


def _print_event(kind: str, **values: object) -> None:
    click.echo(json.dumps({"event": kind, **values}, ensure_ascii=False))


def _entry_json(entry: JournalEntry) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(entry).items()}


def _format_progress(event: ProgressEvent, seconds: float) -> str:
    """Say the stage, the tiles, and megapixels a second as far as the tiles tell them."""
    if not event.tiles:
        return event.stage
    share = event.done / event.tiles
    throughput = f"  {event.pixels * share / 1e6 / max(seconds, 1e-3):.1f} MP/s" if event.pixels and event.done else ""
    return f"{event.stage}  {event.done}/{event.tiles} tiles{throughput}"


def _shorten(name: str, max_length: int = 40) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name)  # a name must not steer the terminal
    return shown if len(shown) <= max_length else f"...{shown[3 - max_length :]}"
