"""The work on an image ends with its job, and with the process that does it."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.settings import Endpoints, Settings
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.malicious_files import make_tiff_of_pages
from tests.support.pdf_files import make_slow_pdf
from tests.support.servers import ValkeyServer

PAGES = 1_000


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    (tmp_path / "temporary").mkdir()
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(places), tmp_path, TMPDIR=str(tmp_path / "temporary")) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        yield farm


def _find_drawing_process(farm: ProcessFarm) -> Path:
    """Wait for the process of pdfium that works for the farm, and return its folder in /proc."""
    found: list[Path] = []

    def find() -> bool:
        (child,) = farm.children("control")
        pids = Path(f"/proc/{child}/task/{child}/children").read_text().split()
        found[:] = [Path("/proc") / pid for pid in pids]
        return bool(found)

    farm.wait_until(find)
    time.sleep(1)  # it draws
    return found[0]


def test_a_cancelled_job_frees_its_worker_while_pdfium_draws(farm: ProcessFarm) -> None:
    slow = farm.submit(make_slow_pdf())
    process = _find_drawing_process(farm)
    behind = farm.submit(draw_page(1, 1).png)
    farm.client.job(slow).cancel()
    cancelled = time.monotonic()
    assert farm.wait(behind).state == "complete"
    assert time.monotonic() - cancelled < 6
    assert not process.exists()
    assert farm.status(slow).state == "cancelled"


def test_pdfium_ends_with_a_killed_worker(farm: ProcessFarm) -> None:
    slow = farm.submit(make_slow_pdf())
    process = _find_drawing_process(farm)
    (child,) = farm.children("control")
    os.kill(child, signal.SIGKILL)
    farm.wait_until(lambda: not process.exists(), seconds=5)
    farm.client.job(slow).cancel()


def test_a_worker_that_is_told_to_stop_leaves_a_slow_image_to_another_one(farm: ProcessFarm) -> None:
    slow = farm.submit(make_slow_pdf())
    process = _find_drawing_process(farm)
    told = time.monotonic()
    assert farm.stop("control") == 0
    assert time.monotonic() - told < 10
    assert not process.exists()
    assert not farm.status(slow).has_ended
    farm.start("control", CONTROL)
    assert farm.wait(slow).state == "failed"  # after the time that such a file may take


def test_killed_workers_leave_no_folder(farm: ProcessFarm) -> None:
    assert farm.wait(farm.submit(draw_page(1, 1).png)).state == "complete"
    for name in ("control", "reader"):
        farm.stop(name, signal.SIGKILL)
    assert not list((farm.folder / "temporary").iterdir())


def test_the_time_for_many_small_pages_grows_with_their_number(farm: ProcessFarm) -> None:
    started = time.monotonic()
    status = farm.wait(farm.submit(make_tiff_of_pages(PAGES)))
    assert (status.state, status.tiles) == ("complete", PAGES)
    assert time.monotonic() - started < 40
    assert len(farm.document(status.id).pages) == PAGES
