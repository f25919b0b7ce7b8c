"""The probes' commands, against real workers and their health files."""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, run_farm
from tests.support.helm_chart import MINIMAL_VALUES, Helm, find_object
from tests.support.servers import ValkeyServer


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(places, task_limits=TaskLimits(shutdown_timeout=1)), tmp_path) as place:
        place.health.mkdir()
        yield place


class Probes:
    """The probes of one worker, which read a farm's folder instead of the pod's."""

    def __init__(self, helm: Helm, component: str, health: Path) -> None:
        deployment = find_object(helm.render(MINIMAL_VALUES), "Deployment", f"-{component}")
        (self._container,) = deployment["spec"]["template"]["spec"]["containers"]
        self._health = health

    def passes(self, probe: str) -> bool:
        command = [
            word.replace("/run/ocrfarm", str(self._health)) for word in self._container[probe]["exec"]["command"]
        ]
        return subprocess.run(command, check=False, timeout=10).returncode == 0


@pytest.mark.parametrize(
    ("component", "arguments"), [("split", CONTROL), ("stitch", CONTROL), ("recognize-fast", RECOGNIZER)]
)
def test_a_worker_is_ready_when_it_can_work(helm: Helm, farm: ProcessFarm, component: str, arguments: str) -> None:
    probes = Probes(helm, component, farm.health)
    assert not probes.passes("startupProbe")
    assert not probes.passes("livenessProbe")
    farm.start("worker", arguments)
    farm.wait_until(lambda: probes.passes("startupProbe"))
    assert probes.passes("livenessProbe")


def test_a_worker_without_a_heartbeat_is_dead(helm: Helm, farm: ProcessFarm) -> None:
    probes = Probes(helm, "split", farm.health)
    heartbeat = farm.health / "split.alive"
    heartbeat.touch()
    for age, lives in ((800, True), (1000, False)):
        os.utime(heartbeat, (time.time() - age,) * 2)
        assert probes.passes("livenessProbe") == lives
