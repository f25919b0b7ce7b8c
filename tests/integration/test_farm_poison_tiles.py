"""Tiles that hang, crash or use up memory: the rest of their page is read, and the job says what is missing."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.geometry import Box
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from ocrfarm.storage import layout
from tests.support.farm_fixture import (
    CONTROL,
    RECOGNIZER,
    STRIDE,
    ProcessFarm,
    draw_page,
    find_lost_and_duplicated,
    run_farm,
)
from tests.support.servers import ValkeyServer


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    work = TaskLimits(batch_time_limit=3, shutdown_timeout=1)
    with run_farm(Settings(places, task_limits=work, admission=Admission(reconcile_interval=2)), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", f"{RECOGNIZER} --processes 2")
        farm.wait_ready()
        yield farm


def test_what_only_a_whole_tile_does_costs_nothing_but_time(farm: ProcessFarm) -> None:
    page = draw_page(4, 3, {(0, 0): "HANGW", (1, 1): "STICKW", (1, 3): "GORGEW", (2, 2): "CRASHW"})
    job = farm.submit(page.png)
    assert farm.wait(job).state == "complete", farm.logs()
    document = farm.document(job)
    assert find_lost_and_duplicated(document, [*page.lines, "HANGW", "STICKW", "GORGEW", "CRASHW"]) == ([], [])
    assert document.pages[0].coverage.read == 12


def test_what_a_quarter_does_too_costs_that_quarter(farm: ProcessFarm) -> None:
    bad = {(0, 1): "HANG", (1, 0): "GORGE", (1, 2): "CRASH"}
    page = draw_page(4, 2, bad)
    job = farm.submit(page.png)
    status = farm.wait(job)
    assert (status.state, status.failed) == ("partial", 3)
    document = farm.document(job)
    gaps = document.pages[0].coverage.gaps
    corners = [Box(STRIDE * col, STRIDE * row, STRIDE * col + 320, STRIDE * row + 320) for row, col in bad]
    assert all(any(corner.contains(gap.box) for corner in corners) for gap in gaps), gaps
    lost, doubled = find_lost_and_duplicated(document, page.lines)
    assert not doubled
    assert all(any(page.lines[text].intersection(gap.box) for gap in gaps) for text in lost)
    letters = [json.loads(farm.store.get(name)) for name in farm.store.list(f"{layout.job_prefix(job)}dead_letters/")]
    assert len(letters) == 3 * 2
    assert all(
        letter["attempts"] == 3 and letter["worker"] and farm.store.exists(letter["pixels"]) for letter in letters
    )


def test_rubbish_from_an_engine_is_dropped(farm: ProcessFarm) -> None:
    page = draw_page(3, 2, {(0, 1): "RUBBISH"})
    job = farm.submit(page.png)
    assert farm.wait(job).state == "complete"
    assert find_lost_and_duplicated(farm.document(job), page.lines) == ([], [])
