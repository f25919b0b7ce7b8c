"""The screenshots of the documentation, taken of a real farm at work: python -m tests.browser.screenshots FOLDER."""

import io
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI
from selenium.webdriver.common.by import By

from ocrfarm.cli.display import flower_tasks_url
from ocrfarm.cli.top import render_page
from ocrfarm.client import Client
from ocrfarm.farm.embedded.farm import EmbeddedFarm, default_layout
from ocrfarm.farm.snapshot import make_snapshot_reader
from ocrfarm.geometry import Size
from ocrfarm.sample import write_sample
from ocrfarm.settings import Settings
from ocrfarm.viewer.jobs import JobsPageConfig, open_jobs_page
from ocrfarm.viewer.server import serve
from tests.support.chromium import Browser, run_chromium
from tests.support.servers import find_free_ports

LARGE_SIDE = 16384
"""Pixels of the sheet that opens the README."""

SIDE = 5120
"""Pixels: some seconds of work for each sheet, so that everything is busy when the screenshots are taken."""

_VIEWS = {
    "page": "",
    "search": "viewer.state.set({words: 'pump'}); viewer.step(1); viewer.step(1); viewer.step(1)",
    "layers": """
        viewer.state.set({words: '', current: -1, layers: new Set(['boxes', 'tiles', 'seams', 'secondPass', 'map'])});
        viewer.imageView.home();
        viewer.imageView.zoom(2);
        for (const id of ['theme', 'open-panel']) document.getElementById(id).click();
    """,
}
"""What is done before each screenshot of the viewer."""

_HTML = """<html><meta charset="UTF-8"><body style="margin: 0">
<pre style="margin: 0; padding: 1em; display: inline-block; font: 15px/1.3 monospace; color: {foreground};
background: {background}"><code style="font-family: inherit">{code}</code></pre></body></html>"""


def main(folder: Path) -> None:
    """Read sheets and take screenshots meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = find_free_ports(1)
    with tempfile.TemporaryDirectory() as scratch:
        sheet = Path(scratch) / "pump-house.png"
        write_sample(sheet, Size(SIDE, SIDE), seed=1, font=None)
        base = Settings.from_env(os.environ)
        with EmbeddedFarm("fast", layout=default_layout(port), base_settings=base) as farm, run_chromium() as browser:
            farm.wait_ready()
            _capture_large_sheet(farm.settings, browser, folder)
            _take_screenshots(farm.settings, f"http://127.0.0.1:{port}", browser, sheet=sheet, folder=folder)


def _take_screenshots(settings: Settings, flower: str, browser: Browser, *, sheet: Path, folder: Path) -> None:
    client = Client(settings=settings)
    browser.driver.set_window_size(1900, 800)
    browser.log_in(flower, settings.security.flower_password, names=("recognize@", "split-stitch@"))
    client.submit(sheet, name="pump-house.png").wait()
    jobs = [client.submit(sheet, name=name) for name in ("site-plan-west.png", "site-plan-east.png")]
    while jobs[0].status().done < 3:
        time.sleep(0.2)
    _capture_top(settings, browser, folder / "top.png")
    client.submit(b"no image", name="minutes.docx")
    jobs[0].wait()
    browser.open(f"{flower}/workers")
    browser.wait_for("recognize@", "Showing 1 to 2")
    browser.driver.save_screenshot(str(folder / "flower-workers.png"))
    browser.open(flower_tasks_url(flower, jobs[0].id))
    browser.wait_for("of ", "filtered from")
    browser.driver.save_screenshot(str(folder / "flower-search.png"))
    farm = JobsPageConfig(client, settings.limits.overrides, partial(flower_tasks_url, flower))
    with tempfile.TemporaryDirectory() as scratch, open_jobs_page(farm, Path(scratch)) as find, serve(find) as address:
        _capture_jobs(browser, address, folder)
        _capture_viewer(browser, f"{address.partition('?')[0]}jobs/{jobs[0].id}/view/", folder)


def _capture_large_sheet(settings: Settings, browser: Browser, folder: Path) -> None:
    """Take the viewer with a whole large sheet and a search."""
    client = Client(settings=settings)
    farm = JobsPageConfig(client, settings.limits.overrides)
    browser.driver.set_window_size(1400, 940)
    with tempfile.TemporaryDirectory() as scratch:
        sheet = Path(scratch) / "pumping-station.png"
        write_sample(sheet, Size(LARGE_SIDE, LARGE_SIDE), seed=1, font=None)
        job = client.submit(sheet)
        job.wait()
        with open_jobs_page(farm, Path(scratch)) as find, serve(find) as address:
            browser.open(address)  # sets the cookie with the key
            browser.open(f"{address.partition('?')[0]}jobs/{job.id}/view/")
            browser.wait_until(partial(browser.run_script, "return !!globalThis.viewer"), "the viewer")
            browser.run_script("viewer.state.set({words: 'pump'})")
            time.sleep(4)  # tiles are on their way
            _save(browser, folder / "sheet.webp")


def _capture_jobs(browser: Browser, address: str, folder: Path) -> None:
    browser.driver.set_window_size(1280, 620)
    browser.open(address)
    browser.wait_for("pump-house.png", "complete", "UnidentifiedImage")
    _save(browser, folder / "jobs.webp")


def _capture_viewer(browser: Browser, address: str, folder: Path) -> None:
    """Take the viewer with the whole page, at a hit, and with its layers in the dark."""
    browser.driver.set_window_size(1400, 940)
    browser.open(address)
    browser.wait_until(partial(browser.run_script, "return !!globalThis.viewer"), "the viewer")
    for name, script in _VIEWS.items():
        browser.run_script(script)
        browser.wait_until(partial(browser.run_script, "return !viewer.imageView.moving"), "rest")
        time.sleep(2)  # tiles are on their way
        _save(browser, folder / f"viewer-{name}.webp")


def _save(browser: Browser, path: Path) -> None:
    """Keep what is shown: as WebP it takes a fifth of the bytes."""
    with Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())) as image:
        image.convert("RGB").save(path, quality=88, method=6)


def _capture_top(settings: Settings, browser: Browser, path: Path) -> None:
    """Draw what `ocrfarm top` shows in a terminal of 130 columns."""
    take = make_snapshot_reader(settings)
    before = take()
    while (now := take()).counters == before.counters:
        time.sleep(0.2)
    console = Console(record=True, width=130, file=io.StringIO(), force_terminal=True)
    console.print(render_page(now, before=before))
    html = path.with_suffix(".html")
    html.write_text(console.export_html(theme=MONOKAI, code_format=_HTML, inline_styles=True), encoding="utf-8")
    browser.open(html.absolute().as_uri())
    browser.driver.find_element(By.TAG_NAME, "pre").screenshot(str(path))
    html.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
