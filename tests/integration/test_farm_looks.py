"""The second look in the farm: what happens to it when something goes wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ocrfarm.errors import EngineBroke
from ocrfarm.farm import steps
from ocrfarm.farm.looks import read_looks
from ocrfarm.farm.revive import drop_dead
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Cascade, Engine, Found, Pixels, Profile, find_profile
from ocrfarm.recognize.engine import Wanted, every
from ocrfarm.recognize.planted import PlantedEngine, plant, planted_page
from ocrfarm.storage import keys
from ocrfarm.tile import TileId
from tests.integration.farmyard import CONTROL, READER, lost_and_doubled, yard
from tests.integration.farmyard import PROFILE as YARD_PROFILE
from tests.integration.servers import ValkeyServer
from tests.integration.test_farm_reconcile import settings_of
from tests.integration.test_farm_steps import Bench, CountingEngine, bench
from tests.unit.test_pipeline import Unsure

__all__ = ["bench"]  # the fixture

TEXT = "".join(chr(0x4E00 + k) for k in range(120))
PROFILE = replace(find_profile("planted").tiled(side=640, overlap=160), name="blind")


class Blind(CountingEngine):
    """Does not see lines that run through a whole tile of 640 pixels."""

    def read(self, pixels: Pixels, *, wanted: Wanted = every) -> Found:
        found = super().read(pixels, wanted=wanted)
        seen = [each for each in found.fragments if pixels.shape[1] != 640 or each.quad.length < 600]
        return replace(found, fragments=tuple(seen))


@pytest.fixture
def blind(bench: Bench) -> Iterator[Bench]:
    engine = Blind()
    yield Bench(replace(bench.services, engine=lambda _: engine), engine)


def doubted(blind: Bench) -> tuple[str, tuple[tuple[TileId, ...], ...]]:
    """Bring a page to its second look."""
    pixels = np.full((600, 1600), 255, np.uint8)
    plant(pixels, TEXT, x=100, y=300, height=24)
    job = blind.submit(encode_tile(pixels), profile=PROFILE)
    for batch in steps.split(blind.services, job):
        steps.recognize(blind.services, job, batch=batch)
    return job, steps.stitch(blind.services, job)


def test_what_one_tile_missed_is_found(blind: Bench) -> None:
    job, batches = doubted(blind)
    assert [len(batch) for batch in batches] == [2]
    assert blind.status(job).state == "recognizing"
    document = blind.stitch(job)
    assert [line.text for line in document.lines] == [TEXT]
    assert document.pages[0].coverage.looks == 2
    status = blind.status(job)
    assert (status.state, status.done) == ("complete", status.tiles - status.blank)


def test_looks_that_are_read_are_not_read_again(blind: Bench) -> None:
    job, (batch,) = doubted(blind)
    assert read_looks(blind.services, job, batch=batch[:1]) == 1
    assert steps.stitch(blind.services, job) == (batch[1:],)
    reads = blind.engine.reads
    assert read_looks(blind.services, job, batch=batch) == 1
    assert blind.engine.reads == reads + 1
    assert steps.stitch(blind.services, job) == ()


def test_a_look_that_breaks_the_engine_costs_nothing_but_itself(blind: Bench) -> None:
    def breaks(read: int) -> None:
        raise EngineBroke("on purpose")

    job, batches = doubted(blind)
    first = [reading for reading in steps.stitch(blind.services, job)]
    assert first == list(batches)
    blind.engine.before = breaks
    document = blind.stitch(job)
    assert len(document.lines) == 2
    assert document.complete
    assert blind.status(job).state == "complete"
    assert len(list(blind.services.store.list(f"{keys.job(job)}dead/"))) == 2


def test_a_look_that_takes_its_workers_down_is_given_up(blind: Bench) -> None:
    job, (batch,) = doubted(blind)
    for name in batch:
        for _ in range(blind.services.settings.work.attempts):
            blind.services.progress.attempts.begin(job, str(name))
    assert read_looks(blind.services, job, batch=batch) == 0
    assert steps.stitch(blind.services, job) == ()


def test_tiles_that_are_gone_are_no_crash(blind: Bench) -> None:
    job, (batch,) = doubted(blind)
    blind.services.store.delete(list(blind.services.store.list(f"{keys.job(job)}tiles/")))
    assert read_looks(blind.services, job, batch=batch) == 0
    assert blind.stitch(job).complete


def test_a_job_that_has_ended_is_looked_at_no_more(blind: Bench) -> None:
    job, (batch,) = doubted(blind)
    blind.services.progress.change(job, state="cancelled")
    assert read_looks(blind.services, job, batch=batch) == 0
    assert not [key for key in blind.services.store.list(f"{keys.job(job)}fragments/") if "-qx" in key]


def test_a_cascade_sends_doubtful_lines_to_the_stronger_model(bench: Bench) -> None:
    light, strong = Unsure(), PlantedEngine("strong")
    asked: list[str] = []

    def engine(profile: Profile) -> Engine:
        asked.append(profile.recognizer)
        return strong if profile.recognizer == "strong" else light

    farm = Bench(replace(bench.services, engine=engine), bench.engine)
    pixels = np.full((600, 1600), 255, np.uint8)
    for y, text in ((100, "doubtful"), (160, "plain"), (220, "doubtful"), (400, "plain")):
        plant(pixels, text, x=100, y=y, height=24)
    job = farm.submit(encode_tile(pixels), profile=replace(PROFILE, cascade=Cascade("strong", doubt=0.6)))
    for batch in steps.split(farm.services, job):
        steps.recognize(farm.services, job, batch=batch)
    (batch,) = steps.stitch(farm.services, job)
    assert len(batch) == 1  # both lines are one place
    assert read_looks(farm.services, job, batch=batch) == 1
    assert steps.stitch(farm.services, job) == ()
    document = farm.stitch(job)
    assert [(line.text, line.model) for line in document.lines] == [
        ("doubtful", "strong"),
        ("plain", "planted"),
        ("doubtful", "strong"),
        ("plain", "planted"),
    ]
    assert set(asked) == {"planted", "strong"}


def test_processes_that_die_during_a_second_look_cost_time_only(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    pixels, lines = planted_page(Size(512 + 4 * 448, 512 + 2 * 448), seed=5, lines=25)
    with yard(settings_of(valkey_server, tmp_path), tmp_path, STANDIN_DIE="doubt,look") as farm:
        farm.start("control", CONTROL)
        farm.start("reader", READER)
        farm.ready()
        job = farm.submit(encode_tile(pixels), profile=YARD_PROFILE.tiled(overlap=64))
        assert farm.wait(job).state == "complete"
        document = farm.document(job)
    assert {path.name for path in tmp_path.glob("died-*")} == {"died-doubt", "died-look"}
    assert document.pages[0].coverage.looks == 2
    assert lost_and_doubled(document, [line.text for line in lines]) == ([], [])


def test_a_resumed_job_decides_anew_where_to_look(blind: Bench) -> None:
    job, (batch,) = doubted(blind)
    read_looks(blind.services, job, batch=batch)
    drop_dead(blind.services.store, job)
    assert not blind.services.store.exists(keys.looks(job))
    assert steps.stitch(blind.services, job) == (batch,)
