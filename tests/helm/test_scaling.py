"""KEDA's view of a pool: what its triggers count on a real broker while a real worker has tiles in hand."""

import re
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ocrfarm.settings import Places, Settings, Work
from tests.architecture.source import ROOT
from tests.helm.chart import Helm, Object, of_kind, with_pool
from tests.integration.farmyard import CONTROL, READER, Yard, sheet, yard
from tests.integration.servers import ValkeyServer

TYPE_THEN_LENGTH = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return 0 end
return redis.call(kind == 'hash' and 'HLEN' or 'LLEN', KEYS[1])
"""
"""How KEDA measures a key: by its type, in a script."""


class Scaler:
    """Asks what KEDA would ask, as the user that KEDA is given."""

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

    def may(self, *command: str) -> bool:
        try:
            self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.exceptions.NoPermissionError:
            return False
        return True


def _admit_scaler(server: ValkeyServer, prefix: str) -> None:
    """Make the user of docs/security/redis.acl, for another prefix."""
    lines = (ROOT / "docs" / "security" / "redis.acl").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("user ocrfarm-scaler ")]
    rules = line.replace("#SCALER_SHA256", ">scaler").replace("~ocrfarm:", f"~{prefix}").split()[1:]
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", *rules)


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[Yard]:
    """A message for each tile, and half a second for each."""
    places = Places(valkey_server.url, f"{tmp_path}/store", prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(places, work=Work(batch_pixels=1, shutdown_seconds=1))
    with yard(settings, tmp_path, STANDIN_SECONDS="0.5") as place:
        place.start("control", CONTROL)
        place.ready()
        yield place


def _scaler(helm: Helm, farm: Yard, server: ValkeyServer, recognizer: str) -> Scaler:
    prefix = farm.settings.places.prefix
    values = with_pool(keda={"enabled": True}, recognizer=recognizer)
    values = values | {"broker": {"host": "127.0.0.1", "prefix": prefix}}
    (scaled,) = of_kind(helm.render(values), "ScaledObject")
    return Scaler(scaled, server)


def test_the_formula_counts_waiting_and_running_tiles_of_its_own_model(
    helm: Helm, farm: Yard, valkey_server: ValkeyServer
) -> None:
    _admit_scaler(valkey_server, farm.settings.places.prefix)
    mine = _scaler(helm, farm, valkey_server, "planted")
    other = _scaler(helm, farm, valkey_server, "PP-OCRv6_small_rec")
    assert mine.total() == 0
    for priority in (0, 5, 9):
        farm.submit(sheet(2, 1).png, priority=priority)
    farm.until(lambda: mine.total() == 6)
    assert [mine.count(name) for name in ("first", "middle", "last", "reading")] == [2, 2, 2, 0]
    farm.start("reader", READER)
    farm.until(lambda: mine.count("reading") == 1)
    assert other.total() == 0
    farm.until(lambda: mine.count("first") + mine.count("middle") + mine.count("last") == 0)
    assert mine.total() == 1  # the last one is being read: its worker is still wanted
    farm.until(lambda: mine.total() == 0)


def test_what_a_vanished_worker_had_in_hand_is_counted(helm: Helm, farm: Yard, valkey_server: ValkeyServer) -> None:
    """So that a pool whose last node is gone grows again, though every list is empty."""
    _admit_scaler(valkey_server, farm.settings.places.prefix)
    scaler = _scaler(helm, farm, valkey_server, "planted")
    farm.environment["STANDIN_SECONDS"] = "600"
    farm.environment["STANDIN_VISIBILITY"] = "4"
    job = farm.submit(sheet(1, 1).png)
    farm.start("reader", READER)
    farm.until(lambda: scaler.count("reading") == 1)
    farm.end("reader", signal.SIGKILL)
    assert scaler.total() == 1
    farm.environment["STANDIN_SECONDS"] = "0"
    farm.start("reader", READER)
    assert farm.wait(job).state == "complete"
    farm.until(lambda: scaler.total() == 0)


def test_the_scaler_may_look_and_nothing_else(helm: Helm, farm: Yard, valkey_server: ValkeyServer) -> None:
    prefix = farm.settings.places.prefix
    _admit_scaler(valkey_server, prefix)
    scaler = _scaler(helm, farm, valkey_server, "planted")
    assert scaler.may("LLEN", f"{prefix}split")
    assert scaler.may("CLIENT", "SETNAME", "scaler")
    split = f"{prefix}split"
    for command in (
        ("LPUSH", split, "x"),
        ("DEL", split),
        ("GET", split),
        ("KEYS", "*"),
        ("CLIENT", "KILL", "ID", "1"),
    ):
        assert not scaler.may(*command)
    assert not scaler.may("LLEN", "other:split")
    with pytest.raises(redis.exceptions.ResponseError, match="permission"):
        scaler._redis.eval("return redis.call('DEL', KEYS[1])", 1, f"{prefix}split")


def test_a_pool_that_is_busy_is_never_scaled_to_zero(helm: Helm) -> None:
    (scaled,) = of_kind(helm.render(with_pool(keda={"enabled": True})), "ScaledObject")
    spec, modifiers = scaled["spec"], scaled["spec"]["advanced"]["scalingModifiers"]
    assert spec["minReplicaCount"] == 0
    assert spec["fallback"]["replicas"] >= 1  # a broker that does not answer says nothing of its queues
    assert {trigger["name"] for trigger in spec["triggers"]} == set(re.findall(r"\w+", modifiers["formula"]))
    assert modifiers["activationTarget"] == "0"
