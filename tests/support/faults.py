"""Everything that `scripts/bench chaos` does to a farm, and the farm that it is done to."""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import redis

from ocrfarm.farm import protocol
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, FARM_PROFILE, RECOGNIZER, ProcessFarm, run_farm
from tests.support.s3_proxy import S3Faults, run_faulty_s3_proxy
from tests.support.servers import S3Server, ValkeyServer, create_bucket, run_seaweedfs, run_valkey
from tests.support.tcp_proxy import TcpProxy, run_tcp_proxy

VISIBILITY_TIMEOUT = 10
"""Seconds after which a dead worker's message comes back, instead of 300: else a night would not be enough."""

SMALL_TILES = replace(FARM_PROFILE, tiling=Tiling(320, 96, levels=False))
WORKERS = {"control": CONTROL, "one": RECOGNIZER, "two": RECOGNIZER}
TILE_SECONDS = 0.06
"""What reading a tile takes: long enough that a worker mostly has one in hand when it is killed."""


@dataclass
class FaultRig:
    """A farm, the servers under it, and what lies between them; `worker_variables` are those that workers have besides.

    `problems`: what went wrong besides the jobs.
    """

    farm: ProcessFarm
    broker: ValkeyServer
    store: S3Server
    s3_faults: S3Faults
    proxy: TcpProxy
    worker_variables: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def start(self, name: str) -> None:
        """Start a worker again where it is not running."""
        if name not in self.farm.running:
            self.farm.start(name, WORKERS[name], **self.worker_variables.get(name, {}))

    def kill(self, *names: str) -> None:
        """Kill workers with all they have, and start new ones in their place."""
        for name in names:
            self.farm.stop(name, signal.SIGKILL)
        for name in names:
            self.start(name)

    def reset(self) -> None:
        """Make ready for the next round."""
        for mark in self.farm.folder.glob("died-*"):
            mark.unlink()
        for name in WORKERS:
            self.start(name)
        self.farm.wait_ready(*WORKERS)

    @contextmanager
    def admin(self) -> Iterator[redis.Redis]:
        """Give a connection that may do all."""
        with redis.Redis.from_url(self.broker.url, decode_responses=True) as server:
            yield server


Inject = Callable[[FaultRig], None]


@dataclass(frozen=True)
class RigSetup:
    """How an rig differs from a plain one: variables of these workers, and what lies between them and the servers."""

    variables: tuple[tuple[str, str], ...] = ()
    workers: tuple[str, ...] = tuple(WORKERS)
    is_store_faulty: bool = False
    workers_behind_proxy: tuple[str, ...] = ()
    visibility_timeout: int = VISIBILITY_TIMEOUT


PLAIN = RigSetup()


@dataclass(frozen=True)
class Fault:
    """What is done to a farm at work, and how its jobs may end; `word` is written on one tile of their first page."""

    name: str
    inject: Inject
    allowed_states: tuple[str, ...] = ("complete",)
    poison_word: str = ""
    setting: RigSetup = PLAIN
    is_slow: bool = False


def _do_nothing(rig: FaultRig) -> None:
    pass


def _kill_children(rig: FaultRig) -> None:
    for child in rig.farm.children("one") + rig.farm.children("two"):
        os.kill(child, signal.SIGKILL)


def _stop_broker(seconds: float) -> Inject:
    def act(rig: FaultRig) -> None:
        rig.broker.kill()
        time.sleep(seconds)
        rig.broker.start()

    return act


def _stop_store(seconds: float) -> Inject:
    def act(rig: FaultRig) -> None:
        rig.store.kill()
        time.sleep(seconds)
        rig.store.start()

    return act


def _empty_broker(rig: FaultRig) -> None:
    with rig.admin() as server:
        server.flushall()


def _empty_broker_without_store(rig: FaultRig) -> None:
    """Empty the broker while the store, which knows the jobs, is away."""
    rig.store.kill()
    _empty_broker(rig)
    time.sleep(12)
    rig.store.start()


def _set_broker_back(rig: FaultRig) -> None:
    """Restore the broker from a backup that is a second old, as a replica that lags does."""
    with redis.Redis.from_url(rig.broker.url) as server:
        keys = list(server.scan_iter())
        backup = [(key, max(server.pttl(key), 0), server.dump(key)) for key in keys]
        time.sleep(1)
        server.flushall()
        for key, milliseconds, value in backup:
            if value is not None:
                server.restore(key, milliseconds, value, replace=True)


def _freeze_worker(rig: FaultRig) -> None:
    """Stop a worker for longer than its messages are hidden; then it goes on as if nothing had happened."""
    processes = [rig.farm.running["one"].pid, *rig.farm.children("one")]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for process in processes:
            os.kill(process, number)
        time.sleep(VISIBILITY_TIMEOUT + 5 if number == signal.SIGSTOP else 0)


def _fill_broker(rig: FaultRig) -> None:
    with rig.admin() as server:
        server.config_set("maxmemory", "1mb")
        time.sleep(6)
        server.config_set("maxmemory", "0")


def _stall_proxy(rig: FaultRig) -> None:
    rig.proxy.stall(10)


def _cut_proxy(rig: FaultRig) -> None:
    rig.proxy.cut(3)


def _slow_store(rig: FaultRig) -> None:
    rig.s3_faults.delay = 0.5
    time.sleep(3)
    rig.s3_faults.delay = 0.0


def _faulty_store(rig: FaultRig) -> None:
    rig.s3_faults.error_every = 3
    time.sleep(3)
    rig.s3_faults.error_every = 0


def _repeat_messages(rig: FaultRig) -> None:
    """Deliver every waiting message once more."""
    queue = f"{rig.farm.settings.endpoints.key_prefix}{protocol.recognize_queue('synthetic')}"
    with rig.admin() as server:
        for message in server.lrange(queue, 0, -1):
            data = json.loads(message)
            data["properties"]["delivery_tag"] = f"{random.getrandbits(64):x}"
            server.lpush(queue, json.dumps(data))


def _rolling_restart(rig: FaultRig) -> None:
    for name, command in WORKERS.items():
        rig.farm.start(f"new-{name}", command)
        rig.farm.wait_ready(f"new-{name}")
        _stop_gracefully(rig, name)
        rig.start(name)
        rig.farm.wait_ready(name)
        _stop_gracefully(rig, f"new-{name}")


def _stop_gracefully(rig: FaultRig, name: str) -> None:
    """Tell a worker to end, which must say that all is well."""
    try:
        code: object = rig.farm.stop(name)
    except subprocess.TimeoutExpired as error:
        code = error
    if code:
        rig.problems.append(f"{name} ended with {code}\n{rig.farm.log(name)[-5000:]}")


def _kill_at(where: str) -> RigSetup:
    return RigSetup((("FAKE_WORKER_KILL_AT", where),))


PARTIAL = ("complete", "partial")
_FAULTY_STORE = RigSetup(is_store_faulty=True)
_BEHIND_PROXY = RigSetup(workers_behind_proxy=tuple(WORKERS))
_ONE_BEHIND_PROXY = RigSetup(workers_behind_proxy=("one",))
_CLOCK_AHEAD = RigSetup((("FAKE_WORKER_CLOCK_SKEW", "300"),), workers=("two",))
_CLOCK_BEHIND = RigSetup((("FAKE_WORKER_CLOCK_SKEW", "-300"),), workers=("control", "two"))
_DISK_FULL = RigSetup((("FAKE_WORKER_MAX_FILE_BYTES", "15000"),), workers=("control",))
FAULTS = (
    Fault("none", _do_nothing),
    Fault("child SIGKILL", _kill_children),
    Fault("worker SIGKILL", lambda rig: rig.kill("one")),
    Fault("every worker SIGKILL", lambda rig: rig.kill(*WORKERS), is_slow=True),
    Fault("poison tile", _do_nothing, PARTIAL, "CRASH"),
    Fault("tile hangs, soft limit ends it", _do_nothing, PARTIAL, "HANG", is_slow=True),
    Fault("tile hangs, hard limit ends it", _do_nothing, PARTIAL, "STICK", is_slow=True),
    Fault("tile hangs when whole", _do_nothing, poison_word="HANGW"),
    Fault("tile exhausts memory", _do_nothing, PARTIAL, "GORGE"),
    Fault("tile exhausts memory when whole", _do_nothing, poison_word="GORGEW"),
    Fault("engine gives rubbish", _do_nothing, poison_word="RUBBISH"),
    Fault("every message twice", _repeat_messages),
    Fault("broker killed for 3 s", _stop_broker(3)),
    Fault("broker killed for 15 s", _stop_broker(15), is_slow=True),
    Fault("broker emptied", _empty_broker),
    Fault("broker emptied, store down for 12 s", _empty_broker_without_store),
    Fault("broker of an older state", _set_broker_back),
    Fault("broker full for 6 s", _fill_broker, is_slow=True),
    Fault("store down for 3 s", _stop_store(3)),
    Fault("store down for 15 s", _stop_store(15), is_slow=True),
    Fault("rolling restart", _rolling_restart, is_slow=True),
    Fault("store slow for 3 s", _slow_store, setting=_FAULTY_STORE),
    Fault("store: every third answer 500, 3 s", _faulty_store, setting=_FAULTY_STORE),
    Fault("broker cut off for 3 s", _cut_proxy, setting=_BEHIND_PROXY, is_slow=True),
    Fault("broker silent for 10 s", _stall_proxy, setting=_BEHIND_PROXY, is_slow=True),
    Fault("one worker cut off for 3 s", _cut_proxy, setting=_ONE_BEHIND_PROXY, is_slow=True),
    Fault("one worker unheard for 10 s", _stall_proxy, setting=_ONE_BEHIND_PROXY, is_slow=True),
    Fault("splitter killed half way", _do_nothing, setting=_kill_at("split")),
    Fault("stitcher killed half way", _do_nothing, setting=_kill_at("stitch")),
    Fault("killed between storing, counting", _do_nothing, setting=_kill_at("store")),
    Fault("killed before the answer", _do_nothing, setting=_kill_at("count")),
    Fault("one clock 5 minutes ahead", _do_nothing, setting=_CLOCK_AHEAD),
    Fault("two clocks 5 minutes behind", _do_nothing, setting=_CLOCK_BEHIND),
    Fault("one worker stands still for 15 s", _freeze_worker, is_slow=True),
    Fault("disk full", _do_nothing, ("failed",), setting=_DISK_FULL),
)
DEFAULT_VISIBILITY = Fault(
    "worker SIGKILL, default lease",
    lambda rig: rig.kill("one"),
    setting=RigSetup(visibility_timeout=300),
    is_slow=True,
)


@contextmanager
def run_rig(setting: RigSetup = PLAIN) -> Iterator[FaultRig]:
    """Give a farm at work on servers of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocrfarm-chaos-")))
        for name in ("broker", "store", "farm"):
            (folder / name).mkdir()
        broker = stack.enter_context(run_valkey(folder / "broker"))
        store = stack.enter_context(run_seaweedfs(folder / "store"))
        stack.enter_context(patch.dict(os.environ, store.environment | {"AWS_EC2_METADATA_DISABLED": "true"}))
        create_bucket(store.url("chaos"))
        endpoint, s3_faults = stack.enter_context(run_faulty_s3_proxy(store.endpoint))
        proxy = stack.enter_context(run_tcp_proxy(broker.port))
        settings = Settings(
            Endpoints(broker.url, f"s3://chaos/?endpoint={endpoint if setting.is_store_faulty else store.endpoint}"),
            task_limits=TaskLimits(batch_time_limit=4, job_time_limit=60, shutdown_timeout=2),
            admission=Admission(reconcile_interval=1, stalled_timeout=3),
        )
        always = {
            "FAKE_WORKER_TILE_SECONDS": str(TILE_SECONDS),
            "FAKE_WORKER_VISIBILITY_TIMEOUT": str(setting.visibility_timeout),
        }
        farm = stack.enter_context(run_farm(settings, folder / "farm", **always))
        rig = FaultRig(
            farm, broker, store, s3_faults, proxy, {name: _variables(setting, name, proxy) for name in WORKERS}
        )
        rig.reset()
        yield rig


def _variables(setting: RigSetup, name: str, proxy: TcpProxy) -> dict[str, str]:
    """Give what a worker's environment has besides that of all."""
    own = dict(setting.variables) if name in setting.workers else {}
    return own | (
        {"OCRFARM_BROKER": f"redis://127.0.0.1:{proxy.port}/0"} if name in setting.workers_behind_proxy else {}
    )
