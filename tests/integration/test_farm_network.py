"""Networks that lose everything or break every connection: time is lost, and nothing else."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.recognize import Tiling
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import (
    CONTROL,
    FARM_PROFILE,
    RECOGNIZER,
    ProcessFarm,
    draw_page,
    find_lost_and_duplicated,
    run_farm,
)
from tests.support.network_namespace import create_namespace
from tests.support.servers import ValkeyServer
from tests.support.tcp_proxy import TcpProxy, run_tcp_proxy

SMALL_TILES = replace(FARM_PROFILE, tiling=Tiling(256, 96, levels=False))
PAGE = draw_page(4, 3)


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    work, load = TaskLimits(batch_time_limit=20, shutdown_timeout=1), Admission(reconcile_interval=1, stalled_timeout=3)
    with run_farm(
        Settings(places, task_limits=work, admission=load),
        tmp_path,
        FAKE_WORKER_TILE_SECONDS="0.1",
        FAKE_WORKER_VISIBILITY_TIMEOUT="4",
    ) as farm:
        yield farm


def _reading(farm: ProcessFarm) -> str:
    """Submit a job and return when it is split, so that only the reader is at work, and some of its tiles are read."""
    job = farm.submit(PAGE.png, profile=SMALL_TILES)
    farm.wait(job, lambda status: status.done > 2 and "split_seconds" in farm.submitter.jobs.read_record(job)[0])
    return job


def _reading_behind(proxy: TcpProxy, farm: ProcessFarm) -> str:
    """Start workers that reach the broker by this proxy only, and let them read a job."""
    for name, command in (("control", CONTROL), ("reader", RECOGNIZER)):
        farm.start(name, command, OCRFARM_BROKER=f"redis://127.0.0.1:{proxy.port}/0")
    farm.wait_ready()
    return _reading(farm)


def _assert_whole(farm: ProcessFarm, job: str) -> None:
    assert farm.wait(job, seconds=90).state == "complete", farm.logs()
    assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])


@pytest.mark.parametrize("harm", [TcpProxy.cut, TcpProxy.stall], ids=["cut", "silent"])
def test_workers_outlast_a_bad_connection_to_the_broker(
    farm: ProcessFarm, valkey_server: ValkeyServer, harm: Callable[[TcpProxy, float], None]
) -> None:
    with run_tcp_proxy(valkey_server.port) as proxy:
        job = _reading_behind(proxy, farm)
        children = farm.children("reader")
        harm(proxy, 5)
        _assert_whole(farm, job)
        assert farm.children("reader") == children  # with the models that they have loaded
        assert farm.stop("reader") == 0


@pytest.mark.parametrize(
    ("begin_harm", "codes"), [(TcpProxy.begin_cut, {0}), (TcpProxy.begin_stall, {0, 1})], ids=["cut", "silent"]
)
def test_workers_leave_in_time_though_the_broker_is_away(
    farm: ProcessFarm, valkey_server: ValkeyServer, begin_harm: Callable[[TcpProxy], None], codes: set[int]
) -> None:
    """To one that is silent they cannot give back what they have, and say by their exit code that they did not."""
    with run_tcp_proxy(valkey_server.port) as proxy:
        job = _reading_behind(proxy, farm)
        begin_harm(proxy)
        assert {farm.stop(name, seconds=15) for name in ("reader", "control")} <= codes
        proxy.restore()
    for name, command in (("control-2", CONTROL), ("reader-2", RECOGNIZER)):
        farm.start(name, command)
    _assert_whole(farm, job)


def test_a_worker_without_a_network_is_done_without_and_comes_back(
    farm: ProcessFarm, valkey_server: ValkeyServer
) -> None:
    with create_namespace() as away, run_tcp_proxy(valkey_server.port, host=away.host) as proxy:
        farm.start("control", CONTROL)
        farm.start("near", RECOGNIZER)
        farm.start_inside(away.command_prefix, "far", RECOGNIZER, OCRFARM_BROKER=f"redis://{away.host}:{proxy.port}/0")
        farm.wait_ready()
        children = farm.children("far")
        job = _reading(farm)
        away.unplug()
        unplugged = time.monotonic()
        _assert_whole(farm, job)
        time.sleep(max(0.0, unplugged + 12 - time.monotonic()))
        farm.stop("near")
        other = farm.submit(PAGE.png, profile=SMALL_TILES)
        away.plug_in()
        _assert_whole(farm, other)
        assert farm.children("far") == children
