"""`scripts/bench chaos`: a farm of real processes meets every fault there is; what becomes of its jobs."""

import json
import os
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
import redis

from ocrfarm.farm import wire
from ocrfarm.recognize import Tiling
from ocrfarm.settings import Load, Places, Settings, Work
from ocrfarm.storage.s3 import S3Store
from tests.integration.farmyard import CONTROL, PROFILE, READER, Sheet, Yard, lost_and_doubled, sheet, yard
from tests.integration.s3proxy import Mood, moody_proxy
from tests.integration.servers import S3Server, ValkeyServer, seaweedfs, valkey

LEASE = 20
"""Seconds after which a dead worker's message comes back, instead of 300: else a night would not be enough."""

SMALL_TILES = replace(PROFILE, tiling=Tiling(256, 96, levels=False))
WORKERS = {"control": CONTROL, "one": READER, "two": READER}
JOBS = 3
PATIENCE = 240
"""Seconds after which a job counts as stuck."""


@dataclass
class Arena:
    """A farm, the servers under it, and what a fault may want to know."""

    farm: Yard
    broker: ValkeyServer
    store: S3Server
    mood: Mood
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a worker again where it is not running."""
        if name not in self.farm.running:
            self.farm.start(name, WORKERS[name], **self.variables)

    def kill(self, *names: str) -> None:
        """Kill workers with all they have, and start new ones in their place."""
        for name in names:
            self.farm.end(name, signal.SIGKILL)
        for name in names:
            self.start(name)

    @contextmanager
    def admin(self) -> Iterator[redis.Redis]:
        """Give a connection that may do all."""
        with redis.Redis.from_url(self.broker.url, decode_responses=True) as server:
            yield server


Act = Callable[[Arena], None]


@dataclass(frozen=True)
class Fault:
    """What is done to a farm at work, and how its jobs may end; `word` is written on one tile of their first page."""

    name: str
    act: Act
    ends: tuple[str, ...] = ("complete",)
    word: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    lease: int = LEASE


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


def _slow_store(arena: Arena) -> None:
    arena.mood.seconds = 0.5
    time.sleep(10)
    arena.mood.seconds = 0.0


def _faulty_store(arena: Arena) -> None:
    arena.mood.every = 3
    time.sleep(10)
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
        arena.farm.start(f"new-{name}", command, **arena.variables)
        arena.farm.ready(f"new-{name}")
        assert arena.farm.end(name) == 0, "a worker that is told to leave says that all is well"
        arena.start(name)
        arena.farm.ready(name)
        assert arena.farm.end(f"new-{name}") == 0


def _dies(where: str) -> tuple[tuple[str, str], ...]:
    return (("STANDIN_DIE", where),)


PARTIAL = ("complete", "partial")
FAULTS = (
    Fault("none", _nothing),
    Fault("child SIGKILL", _kill_children),
    Fault("worker SIGKILL", lambda arena: arena.kill("one")),
    Fault("every worker SIGKILL", lambda arena: arena.kill(*WORKERS)),
    Fault("poison tile", _nothing, PARTIAL, "CRASH"),
    Fault("tile hangs, soft limit ends it", _nothing, PARTIAL, "HANG"),
    Fault("tile hangs, hard limit ends it", _nothing, PARTIAL, "STICK"),
    Fault("tile hangs when whole", _nothing, word="HANGW"),
    Fault("tile exhausts memory", _nothing, PARTIAL, "GORGE"),
    Fault("tile exhausts memory when whole", _nothing, word="GORGEW"),
    Fault("engine gives rubbish", _nothing, word="RUBBISH"),
    Fault("broker killed for 3 s", _broker_away(3)),
    Fault("broker killed for 15 s", _broker_away(15)),
    Fault("broker emptied", _empty_broker),
    Fault("broker full for 6 s", _fill_broker),
    Fault("store down for 3 s", _store_away(3)),
    Fault("store down for 15 s", _store_away(15)),
    Fault("store slow", _slow_store),
    Fault("store: every third answer 500", _faulty_store),
    Fault("splitter killed half way", _nothing, variables=_dies("split")),
    Fault("stitcher killed half way", _nothing, variables=_dies("stitch")),
    Fault("killed between storing, counting", _nothing, variables=_dies("store")),
    Fault("killed before the answer", _nothing, variables=_dies("count")),
    Fault("every message twice", _repeat_messages),
    Fault("clock 5 minutes ahead", _nothing, variables=(("STANDIN_SKEW", "300"),)),
    Fault("disk full", _nothing, ("failed",), variables=(("STANDIN_FILE_BYTES", "30000"),)),
    Fault("rolling restart", _rolling_restart),
)
DEFAULT_LEASE = Fault("worker SIGKILL, default lease", lambda arena: arena.kill("one"), lease=300)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds of each fault.")
@click.option("--only", default="", help="Faults whose name holds this text.")
@click.option("--default-lease", is_flag=True, help="One more: a killed worker with nothing made quicker (6 minutes).")
def chaos(rounds: int, only: str, default_lease: bool) -> None:
    """Run three jobs a round against each fault and say how they ended."""
    columns = (
        f"{'fault':34}{'rounds':>7}{'jobs':>6}  {'ended':34}{'recovery s':>12}{'again':>7}{'lost':>6}{'doubled':>8}"
    )
    click.echo(columns)
    for fault in (*FAULTS, *((DEFAULT_LEASE,) if default_lease else ())):
        if only in fault.name:
            click.echo(_row(fault, [outcome for outcome in _play(fault, rounds)]))


@dataclass(frozen=True)
class Outcome:
    """What became of one round."""

    states: list[str]
    seconds: float
    again: int
    lost: int
    doubled: int


def _row(fault: Fault, outcomes: list[Outcome]) -> str:
    states = Counter(state for outcome in outcomes for state in outcome.states)
    ended = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    ended += "" if states.keys() <= set(fault.ends) else " !"
    seconds = [outcome.seconds for outcome in outcomes]
    recovery = f"{statistics.median(seconds):.1f}/{max(seconds):.1f}"
    again, lost, doubled = (sum(getattr(each, name) for each in outcomes) for name in ("again", "lost", "doubled"))
    jobs = states.total()
    return f"{fault.name:34}{len(outcomes):>7}{jobs:>6}  {ended:34}{recovery:>12}{again:>7}{lost:>6}{doubled:>8}"


def _play(fault: Fault, rounds: int) -> Iterator[Outcome]:
    with arena_for(fault) as arena:
        for _ in range(rounds):
            for mark in arena.farm.folder.glob("died-*"):
                mark.unlink()
            yield _round(fault, arena)
            for name in WORKERS:
                arena.start(name)


@contextmanager
def arena_for(fault: Fault) -> Iterator[Arena]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocrfarm-chaos-")))
        for name in ("broker", "store", "farm"):
            (folder / name).mkdir()
        broker = stack.enter_context(valkey(folder / "broker"))
        store = stack.enter_context(seaweedfs(folder / "store"))
        os.environ |= store.environment | {"AWS_EC2_METADATA_DISABLED": "true"}
        S3Store(store.url("chaos")).create_bucket()
        endpoint, mood = stack.enter_context(moody_proxy(store.endpoint))
        settings = Settings(
            Places(broker.url, f"s3://chaos/?endpoint={endpoint}"),
            work=Work(recognize_seconds=6, shutdown_seconds=2),
            load=Load(reconcile_seconds=2, stuck_seconds=5),
        )
        always = {"STANDIN_SECONDS": "0.03", "STANDIN_VISIBILITY": str(fault.lease)}
        farm = stack.enter_context(yard(settings, folder / "farm", **always))
        arena = Arena(farm, broker, store, mood, dict(fault.variables))
        for name in WORKERS:
            skewed = name == "two" or "STANDIN_SKEW" not in arena.variables
            farm.start(name, WORKERS[name], **(arena.variables if skewed else {}))
        farm.ready()
        yield arena


def _round(fault: Fault, arena: Arena) -> Outcome:
    farm, before = arena.farm, len(arena.farm.reads())
    words = {(1, 1): fault.word} if fault.word else {}
    sheets = [sheet(4, 3, words if not number else None, mark=_mark()) for number in range(JOBS)]
    jobs = [
        farm.submit(page.png, profile=SMALL_TILES if number == 1 else PROFILE) for number, page in enumerate(sheets)
    ]
    farm.wait(jobs[0], lambda status: status.done > 1 or status.ended, seconds=PATIENCE)
    started = time.monotonic()
    fault.act(arena)
    states = [_state(fault, farm, job) for job in jobs]
    seconds = time.monotonic() - started
    again = Counter(farm.reads()[before:])
    losses = [_losses(farm, job, page) for job, page, state in zip(jobs, sheets, states, strict=True) if state in _READ]
    lost, doubled = (sum(each) for each in zip(*losses, strict=True)) if losses else (0, 0)
    return Outcome(states, seconds, sum(count - 1 for count in again.values()), lost, doubled)


_READ = ("complete", "partial")


def _state(fault: Fault, farm: Yard, job: str) -> str:
    try:
        status = farm.wait(job, seconds=PATIENCE + fault.lease)
    except AssertionError as error:
        click.echo(f"! {fault.name}: {error}", err=True)
        return "STUCK"
    if status.state not in fault.ends:
        click.echo(f"! {fault.name}: {status}\n{farm.logs()}", err=True)
    return status.state


def _losses(farm: Yard, job: str, page: Sheet) -> tuple[int, int]:
    """Count the lines that are missing although nothing says that their place was not read, and those found twice."""
    document = farm.document(job)
    gaps = [gap.box for each in document.pages for gap in each.coverage.gaps]
    lost, doubled = lost_and_doubled(document, page.lines)
    return sum(not any(page.lines[text].intersection(gap) for gap in gaps) for text in lost), len(doubled)


def _mark() -> str:
    return "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=3))
