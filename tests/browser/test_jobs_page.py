"""The jobs page in a browser: jobs come, are read and end; their results are looked at and saved."""

import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ocrfarm.cli.display import flower_tasks_url
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from ocrfarm.viewer.jobs import JobsPageConfig, open_jobs_page
from ocrfarm.viewer.server import serve
from tests.support.chromium import Browser, run_chromium
from tests.support.farm_fixture import CONTROL, FARM_PROFILE, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer

FLOWER = "http://127.0.0.1:5555"
NASTY = "<b>pump.png"


@pytest.fixture(scope="module")
def farm(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProcessFarm, str]]:
    """Give a farm without a reader, and the address of its jobs page."""
    folder = tmp_path_factory.mktemp("jobs")
    places = Endpoints(valkey_server.url, f"{folder}/store", key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(places, task_limits=TaskLimits(shutdown_timeout=1)), folder) as place:
        place.start("control", CONTROL)
        place.wait_ready()
        shown = JobsPageConfig(place.client, {}, partial(flower_tasks_url, FLOWER))
        with open_jobs_page(shown, folder) as find, serve(find) as address:
            yield place, address
        assert not list(folder.glob("ocrfarm-shown-*")), "nothing is left"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with run_chromium() as window:
        yield window


def _row(browser: Browser, name: str) -> str:
    return next((text for text in browser.texts("#jobs tr") if name in text), "")


def test_jobs_come_are_read_and_end(farm: tuple[ProcessFarm, str], browser: Browser, tmp_path: Path) -> None:
    place, address = farm
    browser.open(address)
    browser.wait_for("No jobs yet", "ocrfarm submit")
    assert "key=" not in browser.driver.current_url
    page = draw_page(2, 1)
    job = place.client.submit(page.png, profile=FARM_PROFILE, name=NASTY)
    place.client.submit(b"no image", profile=FARM_PROFILE, name="minutes.docx")
    browser.wait_until(lambda: "recognizing" in _row(browser, NASTY), "the job")
    browser.wait_until(lambda: "no worker reads" in _row(browser, NASTY), "why it waits")
    browser.wait_until(lambda: "UnidentifiedImage" in _row(browser, "minutes.docx"), "why the other failed")
    assert "View" not in browser.text
    place.start("reader", RECOGNIZER)
    browser.wait_until(lambda: "complete" in _row(browser, NASTY), "the end")
    assert "2 of 2 tiles" in _row(browser, NASTY)
    browser.wait_for("2 jobs, 1 incomplete")
    (link,) = browser.run_script(
        "return [...document.querySelectorAll('a')].map((a) => a.href).filter((a) => a.includes('args'))"
    )[:1]
    assert link.startswith(FLOWER)
    assert job.id in browser.text
    browser.driver.save_screenshot(str(tmp_path / "jobs.png"))
    browser.type_into("#filter", "minutes")
    browser.wait_until(lambda: not _row(browser, NASTY), "the filter")
    browser.type_into("#filter", "pump")
    browser.wait_until(lambda: _row(browser, NASTY), "the other filter")
    assert not browser.console_errors()
    _is_looked_at(browser, address, job.id, lines=len(page.lines))
    _is_saved(browser, job.id, text=next(iter(page.lines)))


def _is_looked_at(browser: Browser, address: str, job: str, *, lines: int) -> None:
    browser.open(f"{address.partition('?')[0]}jobs/{job}/view/")
    browser.wait_until(partial(browser.run_script, "return !!globalThis.viewer"), "the viewer")
    assert browser.texts("#title") == [NASTY]
    assert f"{lines} lines in reading order" in browser.text
    assert not browser.console_errors()


def _is_saved(browser: Browser, job: str, *, text: str) -> None:
    script = """
    const [job, done] = arguments;
    const file = (name) => fetch(`/jobs/${job}/files/${name}`).then(async (answer) =>
      [answer.status, answer.headers.get('content-disposition'), await answer.text()]);
    Promise.all(['txt', 'csv', 'json', 'pdf', 'none'].map(file)).then(done);
    """
    *files, none = browser.driver.execute_async_script(script, job)
    assert [status for status, _, _ in files] == [200] * 4
    assert all(name.startswith("attachment; filename*=UTF-8''") for _, name, _ in files)
    assert all(text in content for _, _, content in files[:3])
    assert files[3][2].startswith("%PDF")
    assert (none[0], none[2].partition(":")[0]) == (409, "UnknownFormat")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("jobs/01M88BHTVQMKJQJTNZEABM3A90/view/", 409, "UnknownJob"),
        ("jobs/../view/", 404, "does not exist"),
        ("jobs/x/files/txt", 409, "UnknownJob"),
        ("jobs/x/other/txt", 404, "does not exist"),
        ("js/../site.py", 404, "does not exist"),
        ("index.html", 404, "does not exist"),
    ],
)
def test_what_is_not_there_is_said(
    farm: tuple[ProcessFarm, str], browser: Browser, path: str, status: int, said: str
) -> None:
    browser.open(farm[1])
    script = """
    const [path, done] = arguments;
    const look = () => fetch(path).then(async (answer) => {
      if (answer.status === 202) setTimeout(look, 200); // it is being prepared
      else done([answer.status, await answer.text()]);
    });
    look();
    """
    found = browser.driver.execute_async_script(script, path)
    assert found[0] == status
    assert said in found[1]


def test_a_farm_that_is_gone_is_missed(farm: tuple[ProcessFarm, str], browser: Browser, tmp_path: Path) -> None:
    with open_jobs_page(JobsPageConfig(farm[0].client, {}), tmp_path) as find, serve(find) as address:
        browser.open(address)
        browser.wait_for("complete")
        assert not browser.run_script("return document.getElementById('flower').offsetParent")
    browser.wait_for("The farm does not respond")
