"""The pictures of the documentation, taken of a real farm at work: python -m tests.browser.pictures FOLDER."""

import io
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from selenium.webdriver.common.by import By

from ocrfarm.cli.output import tasks_url
from ocrfarm.cli.top import page
from ocrfarm.client import Client
from ocrfarm.farm.census import census_taker
from ocrfarm.farm.local import EmbeddedFarm, machine_shape
from ocrfarm.geometry import Size
from ocrfarm.sample import write_sample
from ocrfarm.settings import Settings
from tests.browser.chromium import Browser, chromium
from tests.integration.servers import free_ports

SIDE = 5120
"""Pixels: some seconds of work for each sheet, so that all is in full swing when the pictures are taken."""

_HTML = """<html><meta charset="UTF-8"><body style="margin: 0">
<pre style="margin: 0; padding: 1em; display: inline-block; font: 15px/1.3 monospace; color: {foreground};
background: {background}"><code style="font-family: inherit">{code}</code></pre></body></html>"""


def main(folder: Path) -> None:
    """Read sheets and take pictures meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as scratch:
        sheet = Path(scratch) / "pump-house.png"
        write_sample(sheet, Size(SIDE, SIDE), seed=1, font=None)
        base = Settings.from_env(os.environ)
        with EmbeddedFarm("fast", shape=machine_shape(port), base=base) as farm, chromium() as browser:
            farm.wait_ready()
            _take(farm.settings, f"http://127.0.0.1:{port}", browser, sheet=sheet, folder=folder)


def _take(settings: Settings, flower: str, browser: Browser, *, sheet: Path, folder: Path) -> None:
    client = Client(settings=settings)
    browser.driver.set_window_size(1900, 800)
    browser.log_in(flower, settings.access.flower_password, names=("recognize@", "split-stitch@"))
    client.submit(sheet, name="pump-house.png").wait()
    jobs = [client.submit(sheet, name=name) for name in ("site-plan-west.png", "site-plan-east.png")]
    while jobs[0].status().done < 3:
        time.sleep(0.2)
    _picture_of_top(settings, browser, folder / "top.png")
    client.submit(b"no picture", name="minutes.docx")
    jobs[0].wait()
    browser.open(f"{flower}/workers")
    browser.wait_for("recognize@", "Showing 1 to 2")
    browser.driver.save_screenshot(str(folder / "flower-workers.png"))
    browser.open(tasks_url(flower, jobs[0].id))
    browser.wait_for("of ", "filtered from")
    browser.driver.save_screenshot(str(folder / "flower-search.png"))


def _picture_of_top(settings: Settings, browser: Browser, path: Path) -> None:
    """Draw what `ocrfarm top` shows in a terminal of 130 columns."""
    take = census_taker(settings)
    before = take()
    while (now := take()).meters == before.meters:
        time.sleep(0.2)
    console = Console(record=True, width=130, file=io.StringIO(), force_terminal=True)
    console.print(page(now, before=before))
    html = path.with_suffix(".html")
    html.write_text(console.export_html(theme=MONOKAI, code_format=_HTML, inline_styles=True), encoding="utf-8")
    browser.open(html.absolute().as_uri())
    browser.driver.find_element(By.TAG_NAME, "pre").screenshot(str(path))
    html.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
