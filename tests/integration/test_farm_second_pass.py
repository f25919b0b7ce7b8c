"""The second pass in the farm: what happens to it when something goes wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ocrfarm.errors import EngineFailed
from ocrfarm.farm import handlers
from ocrfarm.farm.recovery import clear_dead_letters
from ocrfarm.farm.second_pass import recognize_regions
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Cascade, Engine, EngineOutput, Profile, RgbPixels, find_profile
from ocrfarm.recognize.engine import LineFilter, accept_all
from ocrfarm.recognize.synthetic_engine import SyntheticEngine, draw_synthetic_line, make_synthetic_page
from ocrfarm.storage import layout
from ocrfarm.tile import TileId
from tests.support.engines import CountingEngine, UncertainEngine
from tests.support.farm_fixture import (
    CONTROL,
    FARM_PROFILE,
    RECOGNIZER,
    find_lost_and_duplicated,
    make_reconciling_settings,
    run_farm,
)
from tests.support.in_process_farm import InProcessFarm, repeat
from tests.support.servers import ValkeyServer

TEXT = "".join(chr(0x4E00 + k) for k in range(120))
PROFILE = replace(find_profile("synthetic").with_tiling(side=640, overlap=160), name="blind")


class BlindEngine(CountingEngine):
    """Does not see lines that run through a whole tile of 640 pixels."""

    def read(self, pixels: RgbPixels, *, accept: LineFilter = accept_all) -> EngineOutput:
        found = super().read(pixels, accept=accept)
        seen = [each for each in found.fragments if pixels.shape[1] != 640 or each.quad.length < 600]
        return replace(found, fragments=tuple(seen))


@pytest.fixture
def blind_farm(in_process_farm: InProcessFarm) -> InProcessFarm:
    engine = BlindEngine()
    return InProcessFarm(replace(in_process_farm.services, load_engine=lambda _: engine), engine)


def submit_for_second_pass(blind_farm: InProcessFarm) -> tuple[str, tuple[tuple[TileId, ...], ...]]:
    """Bring a page to its second pass."""
    pixels = np.full((600, 1600), 255, np.uint8)
    draw_synthetic_line(pixels, TEXT, x=100, y=300, height=24)
    job = blind_farm.submit(encode_tile(pixels), profile=PROFILE)
    for batch in handlers.split(blind_farm.services, job):
        handlers.recognize(blind_farm.services, job, batch=batch)
    return job, handlers.stitch(blind_farm.services, job)


def test_what_one_tile_missed_is_found(blind_farm: InProcessFarm) -> None:
    job, batches = submit_for_second_pass(blind_farm)
    assert [len(batch) for batch in batches] == [2]
    assert blind_farm.status(job).state == "recognizing"
    document = blind_farm.stitch(job)
    assert [line.text for line in document.lines] == [TEXT]
    assert document.pages[0].coverage.second_pass_count == 2
    status = blind_farm.status(job)
    assert (status.state, status.done) == ("complete", status.tiles - status.blank)


def test_regions_that_are_read_are_not_read_again(blind_farm: InProcessFarm) -> None:
    job, (batch,) = submit_for_second_pass(blind_farm)
    assert recognize_regions(blind_farm.services, job, batch=batch[:1]) == (1, True)
    assert handlers.stitch(blind_farm.services, job) == (batch[1:],)
    reads = blind_farm.engine.reads
    assert recognize_regions(blind_farm.services, job, batch=batch) == (1, True)
    assert blind_farm.engine.reads == reads + 1
    assert handlers.stitch(blind_farm.services, job) == ()


def test_a_region_that_breaks_the_engine_costs_nothing_but_itself(blind_farm: InProcessFarm) -> None:
    def breaks(read: int) -> None:
        raise EngineFailed("on purpose")

    job, batches = submit_for_second_pass(blind_farm)
    assert handlers.stitch(blind_farm.services, job) == batches
    blind_farm.engine.before_read = breaks
    document = blind_farm.stitch(job)
    assert len(document.lines) == 2
    assert document.is_complete
    assert blind_farm.status(job).state == "complete"
    assert len(list(blind_farm.services.store.list(f"{layout.job_prefix(job)}dead_letters/"))) == 2


def test_a_region_that_takes_its_workers_down_is_given_up(blind_farm: InProcessFarm) -> None:
    job, (batch,) = submit_for_second_pass(blind_farm)
    for name in batch:
        for _ in range(blind_farm.services.settings.task_limits.max_attempts):
            blind_farm.services.jobs.attempts.start(job, str(name))
    assert recognize_regions(blind_farm.services, job, batch=batch) == (0, True)
    assert handlers.stitch(blind_farm.services, job) == ()


def test_tiles_that_are_gone_are_no_crash(blind_farm: InProcessFarm) -> None:
    job, (batch,) = submit_for_second_pass(blind_farm)
    blind_farm.services.store.delete(list(blind_farm.services.store.list(f"{layout.job_prefix(job)}tiles/")))
    assert repeat(lambda: recognize_regions(blind_farm.services, job, batch=batch)) == (0, True)
    assert blind_farm.stitch(job).is_complete


def test_regions_of_a_job_that_has_ended_are_not_read(blind_farm: InProcessFarm) -> None:
    job, (batch,) = submit_for_second_pass(blind_farm)
    blind_farm.services.jobs.update(job, state="cancelled")
    assert recognize_regions(blind_farm.services, job, batch=batch) == (0, True)
    assert not [key for key in blind_farm.services.store.list(f"{layout.job_prefix(job)}fragments/") if "-qx" in key]


def test_a_cascade_sends_doubtful_lines_to_the_stronger_model(in_process_farm: InProcessFarm) -> None:
    light, strong = UncertainEngine(), SyntheticEngine("strong")
    asked: list[str] = []

    def engine(profile: Profile) -> Engine:
        asked.append(profile.recognizer)
        return strong if profile.recognizer == "strong" else light

    farm = InProcessFarm(replace(in_process_farm.services, load_engine=engine), in_process_farm.engine)
    pixels = np.full((600, 1600), 255, np.uint8)
    for y, text in ((100, "doubtful"), (160, "plain"), (220, "doubtful"), (400, "plain")):
        draw_synthetic_line(pixels, text, x=100, y=y, height=24)
    job = farm.submit(encode_tile(pixels), profile=replace(PROFILE, cascade=Cascade("strong", min_confidence=0.6)))
    for batch in handlers.split(farm.services, job):
        handlers.recognize(farm.services, job, batch=batch)
    (batch,) = handlers.stitch(farm.services, job)
    assert len(batch) == 1  # both lines are one place
    assert recognize_regions(farm.services, job, batch=batch) == (1, True)
    assert handlers.stitch(farm.services, job) == ()
    document = farm.stitch(job)
    assert [(line.text, line.model) for line in document.lines] == [
        ("doubtful", "strong"),
        ("plain", "synthetic"),
        ("doubtful", "strong"),
        ("plain", "synthetic"),
    ]
    assert set(asked) == {"synthetic", "strong"}


def test_processes_that_die_during_a_second_pass_cost_time_only(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    pixels, lines = make_synthetic_page(Size(512 + 4 * 448, 512 + 2 * 448), seed=5, lines=25)
    with run_farm(
        make_reconciling_settings(valkey_server, tmp_path), tmp_path, FAKE_WORKER_KILL_AT="doubt,region"
    ) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        job = farm.submit(encode_tile(pixels), profile=FARM_PROFILE.with_tiling(overlap=64))
        assert farm.wait(job).state == "complete"
        document = farm.document(job)
    assert {path.name for path in tmp_path.glob("died-*")} == {"died-doubt", "died-region"}
    assert document.pages[0].coverage.second_pass_count == 2
    assert find_lost_and_duplicated(document, [line.text for line in lines]) == ([], [])


def test_a_resumed_job_selects_its_regions_anew(blind_farm: InProcessFarm) -> None:
    job, (batch,) = submit_for_second_pass(blind_farm)
    recognize_regions(blind_farm.services, job, batch=batch)
    clear_dead_letters(blind_farm.services.store, job)
    assert not blind_farm.services.store.exists(layout.second_pass(job))
    assert handlers.stitch(blind_farm.services, job) == (batch,)
