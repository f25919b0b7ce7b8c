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

from ocrfarm.cli.gathered import gathered
from ocrfarm.cli.ledger import Entry
from ocrfarm.cli.main import SPEAKING, say
from ocrfarm.cli.reading import Step

_LABELS = {"skipped": "read before"}
"""What a person reads instead of a field's name."""

_EVERY_SECONDS = 1.0
"""Between two progress events of one picture."""


_FRAME_SECONDS = 0.1
"""Between two looks of the bars."""


class Totals(NamedTuple):
    """How many pictures are complete, partial, failed or were read before; how much was read now."""

    complete: int
    partial: int
    failed: int
    skipped: int
    lines: int
    megapixels: float
    seconds: float

    @property
    def pace(self) -> float:
        """Megapixels a second."""
        return self.megapixels / max(self.seconds, 1e-9)


class Screen:
    """Hears what happens, from several threads, and shows nothing; what goes wrong is told on stderr by others."""

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Be there while so many pictures are read."""
        yield

    @contextmanager
    def picture(self, name: str) -> Iterator[Callable[[Step], None]]:
        """Give what hears the steps of one picture."""
        yield lambda step: None

    def ended(self, entry: Entry, *, results: list[str], text: str) -> None:
        """Hear what became of a picture; `text` says it in words."""

    def skipped(self, entry: Entry) -> None:
        """Hear that a picture had been read before."""

    def total(self, totals: Totals, outcomes: str) -> None:
        """Hear what became of all of them, and where the table of them is."""


class Lines(Screen):
    """Prints a JSON object a row for each event."""

    @contextmanager
    def batch(self, count: int) -> Iterator[None]:
        """Say how many there are."""
        _event("start", files=count)
        yield

    @contextmanager
    def picture(self, name: str) -> Iterator[Callable[[Step], None]]:
        """Give what prints a step where the stage is a new one or the last event is a while ago."""
        last, when = "", 0.0

        def hear(step: Step) -> None:
            nonlocal last, when
            if step.stage != last or time.monotonic() - when >= _EVERY_SECONDS:
                last, when = step.stage, time.monotonic()
                _event("progress", file=name, **step._asdict())

        yield hear

    def ended(self, entry: Entry, *, results: list[str], text: str) -> None:
        """Print the row of the table, and where the results are."""
        _event("file", **_told(entry), results=results)

    def skipped(self, entry: Entry) -> None:
        """Print the row of the table as it was."""
        _event("skipped", **_told(entry))

    def total(self, totals: Totals, outcomes: str) -> None:
        """Print the counts."""
        _event("end", **totals._asdict(), outcomes=outcomes)


class Person(Screen):
    """Shows bars where a person looks (on stderr), prints lines for what has ended, and a table at the end."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[told]}", markup=False),
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
        """Show a bar for all pictures where there are several."""
        self._count = count
        with self._bars, _drawn(self._bars):
            if count > 1:
                self._all = self._bars.add_task("all", total=count, told=f"0/{count} files")
            yield

    @contextmanager
    def picture(self, name: str) -> Iterator[Callable[[Step], None]]:
        """Show a bar of the picture's tiles, with the stage that it is in and its pace."""
        with SPEAKING:  # a new bar is drawn at once
            bar, begun = self._bars.add_task(_short(name), total=None, told="wait"), time.monotonic()

        def hear(step: Step) -> None:
            told = _pace(step, time.monotonic() - begun)
            self._bars.update(bar, completed=step.done, total=step.tiles or None, told=told)

        try:
            yield hear
        finally:
            self._bars.remove_task(bar)

    def ended(self, entry: Entry, *, results: list[str], text: str) -> None:
        """Print it, and move the bar of all on."""
        if text:
            say(text)
        self._advance()

    def skipped(self, entry: Entry) -> None:
        """Print it where there is but one; a batch counts them."""
        if self._count == 1:
            say(f"{entry.file}: was read before; --again reads it anew")
        self._advance()

    def total(self, totals: Totals, outcomes: str) -> None:
        """Print a table where there were several pictures."""
        if self._count <= 1:
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for name, value in totals._asdict().items():
            table.add_row(_LABELS.get(name, name), f"{value:,}")
        table.add_row("MP/s", f"{totals.pace:,.1f}")
        Console(highlight=False).print(table)
        click.echo(f"-> {outcomes}")

    def _advance(self) -> None:
        if self._all is not None:
            done = self._bars.tasks[0].completed + 1
            self._bars.update(self._all, completed=done, told=f"{done:.0f}/{self._count} files")


@contextmanager
def _drawn(bars: Progress) -> Iterator[None]:
    """Draw the bars again and again, but never while a row is printed: left to itself, rich writes over the row."""
    over = Event()

    def draw() -> None:
        while not over.wait(_FRAME_SECONDS):
            with SPEAKING:
                bars.refresh()

    thread = Thread(target=draw, name="bars")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _screen(*, as_json: bool, quiet: bool) -> Screen:
    return Lines() if as_json else Screen() if quiet else Person()


screen_options = gathered(
    "screen",
    _screen,
    click.option("--json", "as_json", is_flag=True, help="One JSON object a row for each event, for machines."),
    click.option("--quiet", is_flag=True, help="Nothing but what goes wrong."),
)
"""Gives a command --json and --quiet, and hands it its argument `screen`."""


def _event(kind: str, **values: object) -> None:
    click.echo(json.dumps({"event": kind, **values}, ensure_ascii=False))


def _told(entry: Entry) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(entry).items()}


def _pace(step: Step, seconds: float) -> str:
    """Say the stage, the tiles, and megapixels a second as far as the tiles tell them."""
    if not step.tiles:
        return step.stage
    share = step.done / step.tiles
    pace = f"  {step.pixels * share / 1e6 / max(seconds, 1e-3):.1f} MP/s" if step.pixels and step.done else ""
    return f"{step.stage}  {step.done}/{step.tiles} tiles{pace}"


def _short(name: str, most: int = 40) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name)  # a name must not steer the terminal
    return shown if len(shown) <= most else f"...{shown[3 - most :]}"
