"""`ocrfarm view`: shows what was read over the image, in a browser."""

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

from ocrfarm.cli.find_image import find_image
from ocrfarm.errors import InvalidResult
from ocrfarm.result import document_from_json
from ocrfarm.settings import Settings
from ocrfarm.viewer import ViewerItem, write_viewer
from ocrfarm.viewer.server import reply_with_file, serve

_RESULT_START = re.compile(rb'\s*\{\s*"format"\s*:\s*"ocrfarm/')
"""How a result begins; other JSON files may lie beside it."""

_HEAD_BYTES = 256


@click.command(short_help="Show results over their images, in a browser.")
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(path_type=Path), help="The image, or the folder where images lie.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the viewer into this folder, and serve nothing.")
@click.option("--port", default=0, help="Where to serve; any free port unless given.")
@click.option("--browser/--no-browser", default=True, help="Open a browser, or only say the address.")
def view(result: Path, image: Path | None, *, out: Path | None, port: int, browser: bool) -> None:
    """Show RESULT, a .json that `ocrfarm read` wrote or the folder that it wrote into, over its image.

    OUT/outcomes.csv tells where the images are; else they are looked for beside the result, one folder above and
    where you are. With --out the viewer is a folder for any web server or bucket; without it, it is served to you alone
    until Ctrl-C.
    """
    items = [_load_page(path, image) for path in _find_results(result)]
    if out:
        _write_pages(items, out)
        click.echo(f"{out}: put this folder on a web server or into a bucket; its first page is index.html")
        return
    with tempfile.TemporaryDirectory(prefix="ocrfarm-view-") as name:
        _write_pages(items, Path(name))
        with serve(partial(reply_with_file, Path(name)), port=port) as address:
            click.echo(f"{address}\n# Ctrl-C ends it")
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
    """Give the result, or the results in the folder and its sub-folders; `InvalidResult` where there is none."""
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
        return True  # and whoever reads it says why it cannot be read


def _load_page(path: Path, image: Path | None) -> ViewerItem:
    try:
        document = document_from_json(path.read_bytes())
    except OSError as error:
        raise InvalidResult(f"{path}: cannot be read ({error.strerror}); name a .json that ocrfarm wrote") from error
    except ValueError as error:
        raise InvalidResult(f"{path}: is no result of ocrfarm ({error}); name a .json that it wrote") from error
    file = image if image and not image.is_dir() else find_image(path, image)
    return ViewerItem(file.name, document, file)


def _open_browser(address: str) -> None:
    """Open a browser that has a window; one that draws in the terminal would take it away."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(found, webbrowser.GenericBrowser) or isinstance(found, webbrowser.BackgroundBrowser):
        found.open(address)
