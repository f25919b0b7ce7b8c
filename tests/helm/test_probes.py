"""The probes' commands, beside real workers and the files that they write."""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.settings import Places, Settings, Work
from tests.helm.chart import LEAST, Helm, named
from tests.integration.farmyard import CONTROL, READER, Yard, yard
from tests.integration.servers import ValkeyServer


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Yard]:
    places = Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")
    with yard(Settings(places, work=Work(shutdown_seconds=1)), tmp_path) as place:
        place.health.mkdir()
        yield place


class Probes:
    """The probes of one worker, which look into a farm's folder instead of the pod's."""

    def __init__(self, helm: Helm, component: str, health: Path) -> None:
        deployment = named(helm.render(LEAST), "Deployment", f"-{component}")
        (self._container,) = deployment["spec"]["template"]["spec"]["containers"]
        self._health = health

    def passes(self, probe: str) -> bool:
        command = [
            word.replace("/run/ocrfarm", str(self._health)) for word in self._container[probe]["exec"]["command"]
        ]
        return subprocess.run(command, check=False, timeout=10).returncode == 0


@pytest.mark.parametrize(
    ("component", "arguments"), [("split", CONTROL), ("stitch", CONTROL), ("recognize-fast", READER)]
)
def test_a_worker_is_ready_when_it_can_work(helm: Helm, farm: Yard, component: str, arguments: str) -> None:
    probes = Probes(helm, component, farm.health)
    assert not probes.passes("startupProbe")
    assert not probes.passes("livenessProbe")
    farm.start("worker", arguments)
    farm.until(lambda: probes.passes("startupProbe"))
    assert probes.passes("livenessProbe")


def test_a_worker_without_a_heartbeat_is_dead(helm: Helm, farm: Yard) -> None:
    probes = Probes(helm, "split", farm.health)
    heartbeat = farm.health / "split.alive"
    heartbeat.touch()
    for age, lives in ((800, True), (1000, False)):
        os.utime(heartbeat, (time.time() - age,) * 2)
        assert probes.passes("livenessProbe") == lives
