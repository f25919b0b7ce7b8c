"""`ocrfarm view`: show results over their images in a browser."""

import os
import re
import time
import webbrowser
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from ocrfarm.cli.main import echo, exit_on_sigterm
from ocrfarm.cli.sources import find_image
from ocrfarm.errors import InvalidResult
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.printable import printable
from ocrfarm.result import document_from_json
from ocrfarm.settings import Settings
from ocrfarm.viewer import ViewerItem, write_viewer
from ocrfarm.viewer.server import reply_with_file, serve

_RESULT_START = re.compile(rb'\s*\{\s*"format"\s*:\s*"ocrfarm/')
"""Beginning of a result; other JSON files in the folder are skipped."""

_HEAD_BYTES = 256
"""Bytes of a file in which `_RESULT_START` must match."""


@click.command(short_help="Show results over their images in a browser.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="The image, or the folder with the images.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the viewer into this folder instead of serving it.")
@click.option("--port", default=0, metavar="PORT", show_default="any free port", help="Port to serve on.")
@click.option("--browser/--no-browser", default=True, help="Open a browser, or print the address only.")
def view(result: Path, image: Path | None, *, out: Path | None, port: int, browser: bool) -> None:
    """Show RESULT over its image: a .json file from `ocrfarm read`, or the folder with all results.

    Images are found by the outcomes.csv beside the results; otherwise by their names beside the result, in the folder
    above and in the current folder.

    The viewer is served to this machine only, until Ctrl-C. With --out it is written as static files for any web server
    or bucket.

    \f
    Args:
        result: A result, or a folder with results.
        image: The image, or a folder with images; None searches for it.
        out: Folder to write the viewer into; None serves it.
        port: Port to serve on; 0 takes any free one.
        browser: Whether to open a browser.
    """
    items = [_load_page(path, image) for path in _find_results(result)]
    if out:
        _write_pages(items, out)
        echo(f"{out}: publish this folder on a web server or in a bucket; its first page is index.html")
        return
    exit_on_sigterm()
    with scratch_dir("view") as folder:
        _write_pages(items, folder)
        with serve(partial(reply_with_file, folder), port=port) as address:
            echo(address, "# press Ctrl-C to stop")
            if browser:
                _open_browser(address)
            while True:
                time.sleep(1)


def _write_pages(items: list[ViewerItem], folder: Path) -> None:
    limits, console = Settings.from_env(os.environ).limits.overrides, Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("preparing", total=None)
        on_page = partial(_on_page, bar, task)
        write_viewer(items, folder, limits=limits, on_page=on_page)


def _on_page(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _find_results(path: Path) -> list[Path]:
    """Return the result, or all results in a folder and its sub-folders; `InvalidResult` if there is none."""
    if not path.is_dir():
        return [path]
    found = [each for each in sorted(path.rglob("*.json")) if _is_result(each)]
    if not found:
        raise InvalidResult(f"{path}: holds no result in JSON; `ocrfarm read ... --out {path}` writes one")
    return found


def _is_result(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(_RESULT_START.match(file.read(_HEAD_BYTES)))
    except IsADirectoryError:
        return False
    except OSError:
        return True  # reading it raises an error that says why


def _load_page(path: Path, image: Path | None) -> ViewerItem:
    try:
        document = document_from_json(path.read_bytes())
    except OSError as error:
        raise InvalidResult(f"{path}: cannot be read ({error.strerror}); name a .json that ocrfarm wrote") from error
    except ValueError as error:
        raise InvalidResult(f"{path}: is no result of ocrfarm ({error}); name a .json that it wrote") from error
    file = image if image and not image.is_dir() else find_image(path, image)
    return ViewerItem(printable(file.name), document, file)


def _open_browser(address: str) -> None:
    """Open a graphical browser; a text browser would take over the terminal."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(found, webbrowser.GenericBrowser) or isinstance(found, webbrowser.BackgroundBrowser):
        found.open(address)
