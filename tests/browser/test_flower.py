"""Flower in a browser: the password, the workers, the search for one job, and no button that changes anything."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from ocrfarm.cli.display import flower_tasks_url
from ocrfarm.farm import protocol
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.chromium import Browser, run_chromium
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer, find_free_ports

PASSWORD = "to-look-only"


@pytest.fixture(scope="module")
def farm(
    valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProcessFarm, str, str]]:
    """Give a farm that has read two jobs, the address of its Flower, and the first job."""
    folder, (port,) = tmp_path_factory.mktemp("flower"), find_free_ports(1)
    url = f"http://127.0.0.1:{port}"
    places = Endpoints(valkey_server.url, f"{folder}/store", key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(places, task_limits=TaskLimits(shutdown_timeout=1))
    with run_farm(settings, folder) as place:
        place.settings = replace(place.settings, security=replace(settings.security, flower_password=PASSWORD))
        place.start("flower", f"flower --port {port}")
        place.start("control", CONTROL)
        place.start("reader", RECOGNIZER)
        place.wait_ready("control", "reader")
        with run_chromium() as browser:
            browser.log_in(url, PASSWORD, names=("control@", "reader@"))
        jobs = [place.submit(draw_page(2, 1).png) for _ in range(2)]
        assert {place.wait(job).state for job in jobs} == {"complete"}
        yield place, url, jobs[0]


@pytest.fixture
def browser() -> Iterator[Browser]:
    with run_chromium() as window:
        yield window


def test_people_find_a_job_and_its_tiles(farm: tuple[ProcessFarm, str, str], browser: Browser, tmp_path: Path) -> None:
    _, url, job = farm
    browser.open(f"{url}/workers")
    assert "control@" not in browser.text, "nothing is shown without the password"
    assert ["401" in complaint for complaint in browser.console_errors()] == [True]
    browser.open(f"{url}/workers", user="ocrfarm", password=PASSWORD)
    browser.wait_for("control@", "reader@")
    browser.open(f"{url}/tasks")
    browser.wait_for("ocrfarm.split", "Showing 1 to ")
    browser.type_into("#tasks-table_filter input", f"args:{job}")
    _lists_one_job(browser, job)
    assert not browser.console_errors()
    assert browser.driver.save_screenshot(str(tmp_path / "tasks.png"))


def _lists_one_job(browser: Browser, job: str) -> None:
    """One row for each message, with the job, the page, the tile and the model."""
    browser.wait_for("of 4 tasks (filtered from")
    rows = browser.rows("#tasks-table")
    assert all(job in row and "SUCCESS" in row for row in rows), rows
    assert sorted(row.split()[1] for row in rows) == [*["ocrfarm.recognize"] * 2, "ocrfarm.split", "ocrfarm.stitch"]
    for tile in ("page 1, tile r00c00", "page 1, tile r00c01"):
        assert [row for row in rows if tile in row and "model=synthetic" in row], rows


def test_the_link_of_a_job_leads_to_its_messages(farm: tuple[ProcessFarm, str, str], browser: Browser) -> None:
    _, url, job = farm
    browser.open(url, user="ocrfarm", password=PASSWORD)
    browser.open(flower_tasks_url(url, job))
    _lists_one_job(browser, job)


def test_a_message_has_a_page_of_its_own_without_buttons(farm: tuple[ProcessFarm, str, str], browser: Browser) -> None:
    _, url, job = farm
    browser.open(url, user="ocrfarm", password=PASSWORD)
    browser.open(f"{url}/task/{protocol.batch_id(job, 1, generation=protocol.Generation())}")
    browser.wait_for("ocrfarm.recognize", f"page 1, tile r00c01, job {job}", "model=synthetic")
    shown = [button.text for button in browser.driver.find_elements(By.TAG_NAME, "button") if button.is_displayed()]
    assert not [text for text in shown if text.lower() in ("revoke", "terminate", "retry", "abort")]
