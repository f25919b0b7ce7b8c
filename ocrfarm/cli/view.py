"""`ocrfarm view`: shows what was read over the picture, in a browser."""

import os
import re
import tempfile
import time
import webbrowser
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from ocrfarm.cli.beside import picture_of
from ocrfarm.errors import NotAResult
from ocrfarm.result import document_from_json
from ocrfarm.settings import Settings
from ocrfarm.viewer import Sheet, write_viewer
from ocrfarm.viewer.site import in_folder, served

_RESULT = re.compile(rb'\s*\{\s*"format"\s*:\s*"ocrfarm/')
"""How a result begins; other JSON files may lie beside it."""

_HEAD = 256


@click.command(short_help="Show results over their pictures, in a browser.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--picture", type=click.Path(path_type=Path), help="The picture, or the folder where pictures lie.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the viewer into this folder, and serve nothing.")
@click.option("--port", default=0, help="Where to serve; any free port unless given.")
@click.option("--browser/--no-browser", default=True, help="Open a browser, or only say the address.")
def view(result: Path, picture: Path | None, *, out: Path | None, port: int, browser: bool) -> None:
    """Show RESULT, a .json that `ocrfarm read` wrote or the folder that it wrote into, over its picture.

    OUT/outcomes.csv tells where the pictures are; else they are looked for beside the result, one folder above and
    where you are. With --out the viewer is a folder for any web server or bucket; without it, it is served to you alone
    until Ctrl-C.
    """
    sheets = [_sheet(path, picture) for path in _results(result)]
    if out:
        _write(sheets, out)
        click.echo(f"{out}: put this folder on a web server or into a bucket; its first page is index.html")
        return
    with tempfile.TemporaryDirectory(prefix="ocrfarm-view-") as name:
        _write(sheets, Path(name))
        with served(partial(in_folder, Path(name)), port=port) as address:
            click.echo(f"{address}\n# Ctrl-C ends it")
            if browser:
                _open(address)
            while True:
                time.sleep(1)


def _write(sheets: list[Sheet], folder: Path) -> None:
    limits, console = Settings.from_env(os.environ).limits.given, Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("preparing", total=None)
        on_page = partial(_on_page, bar, task)
        write_viewer(sheets, folder, limits=limits, on_page=on_page)


def _on_page(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _results(path: Path) -> list[Path]:
    """Give the result, or the results in the folder and its sub-folders; `NotAResult` where there is none."""
    if not path.is_dir():
        return [path]
    found = [each for each in sorted(path.rglob("*.json")) if _is_result(each)]
    if not found:
        raise NotAResult(f"{path}: holds no result in JSON; `ocrfarm read ... --out {path}` writes one")
    return found


def _is_result(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(_RESULT.match(file.read(_HEAD)))
    except IsADirectoryError:
        return False
    except OSError:
        return True  # and whoever reads it says why it cannot be read


def _sheet(path: Path, picture: Path | None) -> Sheet:
    try:
        document = document_from_json(path.read_bytes())
    except OSError as error:
        raise NotAResult(f"{path}: cannot be read ({error.strerror}); name a .json that ocrfarm wrote") from error
    except ValueError as error:
        raise NotAResult(f"{path}: is no result of ocrfarm ({error}); name a .json that it wrote") from error
    file = picture if picture and not picture.is_dir() else picture_of(path, picture)
    return Sheet(file.name, document, file)


def _open(address: str) -> None:
    """Open a browser that has a window; one that draws in the terminal would take it away."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(found, webbrowser.GenericBrowser) or isinstance(found, webbrowser.BackgroundBrowser):
        found.open(address)
