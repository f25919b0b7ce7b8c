"""A bar that shows how far a job is, in a terminal or a notebook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus


@contextmanager
def open_progress_bar() -> Iterator[Callable[["JobStatus"], None]]:
    """Give what takes each status of a job and shows it."""
    tiles = (BarColumn(), MofNCompleteColumn(), TextColumn("tiles"))
    with Progress(TextColumn("{task.description}"), *tiles, TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=None)

        def show(status: "JobStatus") -> None:
            name = "".join(char if char.isprintable() else "?" for char in status.name)
            settled = status.done + status.blank + status.failed
            total = status.tiles or None
            progress.update(task, description=f"{name} {status.state}", completed=settled, total=total)

        yield show
