"""Networks that lose everything or break every connection: time is lost, and nothing else."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.recognize import Tiling
from ocrfarm.settings import Load, Places, Settings, Work
from tests.integration.farmyard import CONTROL, PROFILE, READER, Yard, lost_and_doubled, sheet, yard
from tests.integration.line import Line, line_to
from tests.integration.namespace import namespace
from tests.integration.servers import ValkeyServer

SMALL_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
PAGE = sheet(4, 3)


@pytest.fixture
def place(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Yard]:
    places = Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")
    work, load = Work(recognize_seconds=20, shutdown_seconds=1), Load(reconcile_seconds=1, stuck_seconds=3)
    with yard(Settings(places, work=work, load=load), tmp_path, STANDIN_SECONDS="0.1", STANDIN_VISIBILITY="4") as farm:
        yield farm


def _reading(place: Yard) -> str:
    job = place.submit(PAGE.png, profile=SMALL_TILES)
    place.wait(job, lambda status: status.done > 2)
    return job


def _reading_behind(line: Line, place: Yard) -> str:
    """Start workers that reach the broker by this line only, and let them read a job."""
    for name, command in (("control", CONTROL), ("reader", READER)):
        place.start(name, command, OCRFARM_BROKER=f"redis://127.0.0.1:{line.port}/0")
    place.ready()
    return _reading(place)


def _assert_whole(place: Yard, job: str) -> None:
    assert place.wait(job, seconds=90).state == "complete", place.logs()
    assert lost_and_doubled(place.document(job), PAGE.lines) == ([], [])


@pytest.mark.parametrize("harm", [Line.cut, Line.stall], ids=["cut", "silent"])
def test_workers_outlast_a_bad_line_to_the_broker(
    place: Yard, valkey_server: ValkeyServer, harm: Callable[[Line, float], None]
) -> None:
    with line_to(valkey_server.port) as line:
        job = _reading_behind(line, place)
        children = place.children("reader")
        harm(line, 5)
        _assert_whole(place, job)
        assert place.children("reader") == children  # with the models that they have loaded
        assert place.end("reader") == 0


@pytest.mark.parametrize(("harm", "codes"), [(Line.cut, {0}), (Line.stall, {0, 1})], ids=["cut", "silent"])
def test_workers_leave_in_time_though_the_broker_is_away(
    place: Yard, valkey_server: ValkeyServer, harm: Callable[[Line, float], None], codes: set[int]
) -> None:
    """To one that is silent they cannot give back what they have, and say by their exit code that they did not."""
    with line_to(valkey_server.port) as line:
        job = _reading_behind(line, place)
        away = threading.Thread(target=harm, args=(line, 25))
        away.start()
        time.sleep(1)
        assert {place.end(name, seconds=15) for name in ("reader", "control")} <= codes
        line.mend()
        away.join()
    for name, command in (("control-2", CONTROL), ("reader-2", READER)):
        place.start(name, command)
    _assert_whole(place, job)


def test_a_worker_without_a_network_is_done_without_and_comes_back(place: Yard, valkey_server: ValkeyServer) -> None:
    with namespace() as away, line_to(valkey_server.port, host=away.host) as line:
        place.start("control", CONTROL)
        place.start("near", READER)
        place.start_inside(away.inside, "far", READER, OCRFARM_BROKER=f"redis://{away.host}:{line.port}/0")
        place.ready()
        children = place.children("far")
        job = _reading(place)
        away.unplug()
        unplugged = time.monotonic()
        _assert_whole(place, job)
        time.sleep(max(0.0, unplugged + 12 - time.monotonic()))
        place.end("near")
        other = place.submit(PAGE.png, profile=SMALL_TILES)
        away.plug_in()
        _assert_whole(place, other)
        assert place.children("far") == children
