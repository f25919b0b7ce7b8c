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

from ocrfarm.farm import wire
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Load, Places, Settings, Work
from ocrfarm.storage.s3 import S3Store
from tests.integration.farmyard import CONTROL, PROFILE, READER, Yard, yard
from tests.integration.line import Line, line_to
from tests.integration.s3proxy import Mood, moody_proxy
from tests.integration.servers import S3Server, ValkeyServer, seaweedfs, valkey

LEASE = 10
"""Seconds after which a dead worker's message comes back, instead of 300: else a night would not be enough."""

SMALL_TILES = replace(PROFILE, tiling=Tiling(320, 96, levels=False))
WORKERS = {"control": CONTROL, "one": READER, "two": READER}
TILE_SECONDS = 0.06
"""What reading a tile takes: long enough that a worker mostly has one in hand when it is killed."""


@dataclass
class Arena:
    """A farm, the servers under it, and what lies between them; `special` workers have variables of their own.

    `complaints`: what went wrong besides the jobs.
    """

    farm: Yard
    broker: ValkeyServer
    store: S3Server
    mood: Mood
    line: Line
    special: dict[str, dict[str, str]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def start(self, name: str) -> None:
        """Start a worker again where it is not running."""
        if name not in self.farm.running:
            self.farm.start(name, WORKERS[name], **self.special.get(name, {}))

    def kill(self, *names: str) -> None:
        """Kill workers with all they have, and start new ones in their place."""
        for name in names:
            self.farm.end(name, signal.SIGKILL)
        for name in names:
            self.start(name)

    def tidy(self) -> None:
        """Make ready for the next round."""
        for mark in self.farm.folder.glob("died-*"):
            mark.unlink()
        for name in WORKERS:
            self.start(name)
        self.farm.ready(*WORKERS)

    @contextmanager
    def admin(self) -> Iterator[redis.Redis]:
        """Give a connection that may do all."""
        with redis.Redis.from_url(self.broker.url, decode_responses=True) as server:
            yield server


Act = Callable[[Arena], None]


@dataclass(frozen=True)
class Setting:
    """How an arena differs from a plain one: variables of these workers, and what lies between them and the servers."""

    variables: tuple[tuple[str, str], ...] = ()
    workers: tuple[str, ...] = tuple(WORKERS)
    moody_store: bool = False
    on_the_line: tuple[str, ...] = ()
    lease: int = LEASE


PLAIN = Setting()


@dataclass(frozen=True)
class Fault:
    """What is done to a farm at work, and how its jobs may end; `word` is written on one tile of their first page."""

    name: str
    act: Act
    ends: tuple[str, ...] = ("complete",)
    word: str = ""
    setting: Setting = PLAIN
    slow: bool = False


def _nothing(arena: Arena) -> None:
    pass


def _kill_children(arena: Arena) -> None:
    for child in arena.farm.children("one") + arena.farm.children("two"):
        os.kill(child, signal.SIGKILL)


def _broker_away(seconds: float) -> Act:
    def act(arena: Arena) -> None:
        arena.broker.kill()
        time.sleep(seconds)
        arena.broker.start()

    return act


def _store_away(seconds: float) -> Act:
    def act(arena: Arena) -> None:
        arena.store.kill()
        time.sleep(seconds)
        arena.store.start()

    return act


def _empty_broker(arena: Arena) -> None:
    with arena.admin() as server:
        server.flushall()


def _fill_broker(arena: Arena) -> None:
    with arena.admin() as server:
        server.config_set("maxmemory", "1mb")
        time.sleep(6)
        server.config_set("maxmemory", "0")


def _stall_line(arena: Arena) -> None:
    arena.line.stall(10)


def _cut_line(arena: Arena) -> None:
    arena.line.cut(3)


def _slow_store(arena: Arena) -> None:
    arena.mood.seconds = 0.5
    time.sleep(3)
    arena.mood.seconds = 0.0


def _faulty_store(arena: Arena) -> None:
    arena.mood.every = 3
    time.sleep(3)
    arena.mood.every = 0


def _repeat_messages(arena: Arena) -> None:
    """Deliver every waiting message once more."""
    queue = f"{arena.farm.settings.places.prefix}{wire.recognize_queue('planted')}"
    with arena.admin() as server:
        for message in server.lrange(queue, 0, -1):
            data = json.loads(message)
            data["properties"]["delivery_tag"] = f"{random.getrandbits(64):x}"
            server.lpush(queue, json.dumps(data))


def _rolling_restart(arena: Arena) -> None:
    for name, command in WORKERS.items():
        arena.farm.start(f"new-{name}", command)
        arena.farm.ready(f"new-{name}")
        _leave(arena, name)
        arena.start(name)
        arena.farm.ready(name)
        _leave(arena, f"new-{name}")


def _leave(arena: Arena, name: str) -> None:
    """Tell a worker to end, which must say that all is well."""
    try:
        code: object = arena.farm.end(name)
    except subprocess.TimeoutExpired as error:
        code = error
    if code:
        arena.complaints.append(f"{name} ended with {code}\n{arena.farm.log(name)[-5000:]}")


def _dies(where: str) -> Setting:
    return Setting((("STANDIN_DIE", where),))


PARTIAL = ("complete", "partial")
_MOODY = Setting(moody_store=True)
_LINE = Setting(on_the_line=tuple(WORKERS))
_ONE_ON_THE_LINE = Setting(on_the_line=("one",))
_AHEAD = Setting((("STANDIN_SKEW", "300"),), workers=("two",))
_BEHIND = Setting((("STANDIN_SKEW", "-300"),), workers=("control", "two"))
_FULL = Setting((("STANDIN_FILE_BYTES", "15000"),), workers=("control",))
FAULTS = (
    Fault("none", _nothing),
    Fault("child SIGKILL", _kill_children),
    Fault("worker SIGKILL", lambda arena: arena.kill("one")),
    Fault("every worker SIGKILL", lambda arena: arena.kill(*WORKERS), slow=True),
    Fault("poison tile", _nothing, PARTIAL, "CRASH"),
    Fault("tile hangs, soft limit ends it", _nothing, PARTIAL, "HANG", slow=True),
    Fault("tile hangs, hard limit ends it", _nothing, PARTIAL, "STICK", slow=True),
    Fault("tile hangs when whole", _nothing, word="HANGW"),
    Fault("tile exhausts memory", _nothing, PARTIAL, "GORGE"),
    Fault("tile exhausts memory when whole", _nothing, word="GORGEW"),
    Fault("engine gives rubbish", _nothing, word="RUBBISH"),
    Fault("every message twice", _repeat_messages),
    Fault("broker killed for 3 s", _broker_away(3)),
    Fault("broker killed for 15 s", _broker_away(15), slow=True),
    Fault("broker emptied", _empty_broker),
    Fault("broker full for 6 s", _fill_broker, slow=True),
    Fault("store down for 3 s", _store_away(3)),
    Fault("store down for 15 s", _store_away(15), slow=True),
    Fault("rolling restart", _rolling_restart, slow=True),
    Fault("store slow for 3 s", _slow_store, setting=_MOODY),
    Fault("store: every third answer 500, 3 s", _faulty_store, setting=_MOODY),
    Fault("broker cut off for 3 s", _cut_line, setting=_LINE, slow=True),
    Fault("broker silent for 10 s", _stall_line, setting=_LINE, slow=True),
    Fault("one worker cut off for 3 s", _cut_line, setting=_ONE_ON_THE_LINE, slow=True),
    Fault("one worker unheard for 10 s", _stall_line, setting=_ONE_ON_THE_LINE, slow=True),
    Fault("splitter killed half way", _nothing, setting=_dies("split")),
    Fault("stitcher killed half way", _nothing, setting=_dies("stitch")),
    Fault("killed between storing, counting", _nothing, setting=_dies("store")),
    Fault("killed before the answer", _nothing, setting=_dies("count")),
    Fault("one clock 5 minutes ahead", _nothing, setting=_AHEAD),
    Fault("two clocks 5 minutes behind", _nothing, setting=_BEHIND),
    Fault("disk full", _nothing, ("failed",), setting=_FULL),
)
DEFAULT_LEASE = Fault(
    "worker SIGKILL, default lease", lambda arena: arena.kill("one"), setting=Setting(lease=300), slow=True
)


@contextmanager
def arena_for(setting: Setting = PLAIN) -> Iterator[Arena]:
    """Give a farm at work on servers of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocrfarm-chaos-")))
        for name in ("broker", "store", "farm"):
            (folder / name).mkdir()
        broker = stack.enter_context(valkey(folder / "broker"))
        store = stack.enter_context(seaweedfs(folder / "store"))
        stack.enter_context(patch.dict(os.environ, store.environment | {"AWS_EC2_METADATA_DISABLED": "true"}))
        S3Store(store.url("chaos")).create_bucket()
        endpoint, mood = stack.enter_context(moody_proxy(store.endpoint))
        line = stack.enter_context(line_to(broker.port))
        settings = Settings(
            Places(broker.url, f"s3://chaos/?endpoint={endpoint if setting.moody_store else store.endpoint}"),
            work=Work(recognize_seconds=4, split_seconds=60, shutdown_seconds=2),
            load=Load(reconcile_seconds=1, stuck_seconds=3),
        )
        always = {"STANDIN_SECONDS": str(TILE_SECONDS), "STANDIN_VISIBILITY": str(setting.lease)}
        farm = stack.enter_context(yard(settings, folder / "farm", **always))
        arena = Arena(farm, broker, store, mood, line, {name: _variables(setting, name, line) for name in WORKERS})
        arena.tidy()
        yield arena


def _variables(setting: Setting, name: str, line: Line) -> dict[str, str]:
    """Give what a worker's environment has besides that of all."""
    own = dict(setting.variables) if name in setting.workers else {}
    return own | ({"OCRFARM_BROKER": f"redis://127.0.0.1:{line.port}/0"} if name in setting.on_the_line else {})
