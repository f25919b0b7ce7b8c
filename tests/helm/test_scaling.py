"""KEDA's view of a pool: what its triggers count on a real broker while a real worker processes tiles."""

import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.helm_chart import Helm, Object, select_kind, with_pool
from tests.support.servers import ValkeyServer
from tests.support.source_tree import ROOT

TYPE_THEN_LENGTH = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 0 end
return redis.call(kind == 'hash' and 'HLEN' or 'LLEN', KEYS[1])
"""
"""How KEDA measures a key: by its type, in a script."""


class Scaler:
    """Sends KEDA's queries, as the broker's user for KEDA."""

    def __init__(self, scaled: Object, server: ValkeyServer) -> None:
        modifiers = scaled["spec"]["advanced"]["scalingModifiers"]
        self.names = [name.strip() for name in modifiers["formula"].split("+")]
        self.keys = {item["name"]: item["metadata"]["listName"] for item in scaled["spec"]["triggers"]}
        host = server.url.partition("//")[2]
        self._redis = redis.Redis.from_url(f"redis://ocrfarm-scaler:scaler@{host}")

    def count(self, name: str) -> int:
        return int(self._redis.eval(TYPE_THEN_LENGTH, 1, self.keys[name]))

    def total(self) -> int:
        return sum(map(self.count, self.names))

    def is_allowed(self, *command: str) -> bool:
        try:
            self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.exceptions.NoPermissionError:
            return False
        return True


def _create_scaler_user(server: ValkeyServer, prefix: str) -> None:
    """Create the user of docs/security/redis.acl, with another prefix."""
    lines = (ROOT / "docs" / "security" / "redis.acl").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("user ocrfarm-scaler ")]
    rules = line.replace("#SCALER_SHA256", ">scaler").replace("~ocrfarm:", f"~{prefix}").split()[1:]
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", *rules)


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    """A farm with a message for each tile, which takes half a second."""
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(places, task_limits=TaskLimits(batch_pixels=1, shutdown_timeout=1))
    with run_farm(settings, tmp_path, FAKE_WORKER_TILE_SECONDS="0.5") as place:
        place.start("control", CONTROL)
        place.wait_ready()
        yield place


def _scaler(helm: Helm, farm: ProcessFarm, server: ValkeyServer, recognizer: str) -> Scaler:
    prefix = farm.settings.endpoints.key_prefix
    values = with_pool(keda={"enabled": True}, recognizer=recognizer)
    values = values | {"broker": {"host": "127.0.0.1", "keyPrefix": prefix}}
    (scaled,) = select_kind(helm.render(values), "ScaledObject")
    return Scaler(scaled, server)


def test_the_formula_counts_waiting_and_running_tiles_of_its_own_model(
    helm: Helm, farm: ProcessFarm, valkey_server: ValkeyServer
) -> None:
    _create_scaler_user(valkey_server, farm.settings.endpoints.key_prefix)
    mine = _scaler(helm, farm, valkey_server, "synthetic")
    other = _scaler(helm, farm, valkey_server, "PP-OCRv6_small_rec")
    assert mine.total() == 0
    for priority in (0, 5, 9):
        farm.submit(draw_page(2, 1).png, priority=priority)
    farm.wait_until(lambda: mine.total() == 6)
    assert [mine.count(name) for name in ("first", "middle", "last", "reading")] == [2, 2, 2, 0]
    farm.start("reader", RECOGNIZER)
    farm.wait_until(lambda: mine.count("reading") == 1)
    assert other.total() == 0
    farm.wait_until(lambda: mine.count("first") + mine.count("middle") + mine.count("last") == 0)
    assert mine.total() == 1  # the last tile is being read, so its worker is still needed
    farm.wait_until(lambda: mine.total() == 0)


def test_unacknowledged_messages_of_a_dead_worker_are_counted(
    helm: Helm, farm: ProcessFarm, valkey_server: ValkeyServer
) -> None:
    """So a pool that has lost its last node grows again although every list is empty."""
    _create_scaler_user(valkey_server, farm.settings.endpoints.key_prefix)
    scaler = _scaler(helm, farm, valkey_server, "synthetic")
    farm.environment["FAKE_WORKER_TILE_SECONDS"] = "600"
    farm.environment["FAKE_WORKER_VISIBILITY_TIMEOUT"] = "4"
    job = farm.submit(draw_page(1, 1).png)
    farm.start("reader", RECOGNIZER)
    farm.wait_until(lambda: scaler.count("reading") == 1)
    farm.stop("reader", signal.SIGKILL)
    assert scaler.total() == 1
    farm.environment["FAKE_WORKER_TILE_SECONDS"] = "0"
    farm.start("reader", RECOGNIZER)
    assert farm.wait(job).state == "complete"
    farm.wait_until(lambda: scaler.total() == 0)


def test_the_scaler_may_only_read_lengths(helm: Helm, farm: ProcessFarm, valkey_server: ValkeyServer) -> None:
    prefix = farm.settings.endpoints.key_prefix
    _create_scaler_user(valkey_server, prefix)
    scaler = _scaler(helm, farm, valkey_server, "synthetic")
    assert scaler.is_allowed("LLEN", f"{prefix}split")
    assert scaler.is_allowed("CLIENT", "SETNAME", "scaler")
    split = f"{prefix}split"
    for command in (
        ("LPUSH", split, "x"),
        ("DEL", split),
        ("GET", split),
        ("KEYS", "*"),
        ("CLIENT", "KILL", "ID", "1"),
    ):
        assert not scaler.is_allowed(*command)
    assert not scaler.is_allowed("LLEN", "other:split")
    with pytest.raises(redis.exceptions.ResponseError, match="permission"):
        scaler._redis.eval("return redis.call('DEL', KEYS[1])", 1, f"{prefix}split")


def test_a_pool_that_is_busy_is_never_scaled_to_zero(helm: Helm) -> None:
    (scaled,) = select_kind(helm.render(with_pool(keda={"enabled": True})), "ScaledObject")
    spec, modifiers = scaled["spec"], scaled["spec"]["advanced"]["scalingModifiers"]
    assert spec["minReplicaCount"] == 0
    assert spec["fallback"]["replicas"] >= 1  # an unreachable broker does not mean empty queues
    assert {trigger["name"] for trigger in spec["triggers"]} == set(re.findall(r"\w+", modifiers["formula"]))
    assert modifiers["activationTarget"] == "0"
