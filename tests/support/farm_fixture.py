"""A farm of real worker processes whose engine, servers and processes a test can break."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ocrfarm.client import Client
from ocrfarm.document import Document
from ocrfarm.errors import BrokerUnreachable
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.submit import Submitter, open_submitter, submit
from ocrfarm.geometry import Box, Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Profile, Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import draw_synthetic_line
from ocrfarm.result import document_from_json
from ocrfarm.settings import Admission, Endpoints, Retention, Settings, TaskLimits
from ocrfarm.storage import layout, open_store
from tests.support.fake_worker import list_reads
from tests.support.servers import ValkeyServer

SIDE, OVERLAP = 512, 128
STRIDE = SIDE - OVERLAP
FARM_PROFILE = replace(find_profile("synthetic"), tiling=Tiling(SIDE, OVERLAP, levels=False))
CONTROL, RECOGNIZER = "split stitch", "recognize --profile synthetic"
_READY_TIMEOUT = 60

SKEWED_WORKER_SCRIPT = """
import runpy, sys, time
skew, real = float(sys.argv.pop(1)), time.time
if skew:
    time.time = lambda: real() + skew
runpy.run_module("tests.support.fake_worker", run_name="__main__", alter_sys=True)
"""
"""Starts a worker whose clock is wrong by so many seconds."""


@dataclass(frozen=True)
class SyntheticPage:
    """A page whose every line is different, and what is written on it."""

    png: bytes
    lines: dict[str, Box]


def draw_page(
    columns: int, rows: int, words: dict[tuple[int, int], str] | None = None, *, prefix: str = ""
) -> SyntheticPage:
    """Draw a page of so many tiles; `words` go where only one tile (row, column), and its first quarter, sees them.

    Lines begin with the prefix, of at most three characters, so that pages differ.
    """
    size = Size(SIDE + STRIDE * (columns - 1), SIDE + STRIDE * (rows - 1))
    pixels, lines = np.full((size.height, size.width), 255, np.uint8), dict[str, Box]()
    taken = {
        Box(150 + STRIDE * col, 150 + STRIDE * row, 192 + STRIDE * col, 162 + STRIDE * row): word
        for (row, col), word in (words or {}).items()
    }
    for box, word in taken.items():
        draw_synthetic_line(pixels, word, x=box.x0, y=box.y0, height=12)
    for y in range(20, size.height - 30, 60):
        for x in range(20 + y % 37, size.width - 110, 120):
            box = Box(x, y, x + 90, y + 16)
            if not any(box.intersection(other) for other in taken):
                text = f"{prefix}{x:04d}.{y:04d}"
                draw_synthetic_line(pixels, text, x=x, y=y, height=16)
                lines[text] = box
    return SyntheticPage(encode_tile(pixels), lines)


@dataclass
class ProcessFarm:
    """One farm's workers, by name, and what its clients need."""

    settings: Settings
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.health = self.folder / "health"
        self.settings = replace(self.settings, endpoints=replace(self.settings.endpoints, health_dir=str(self.health)))
        self.client = Client(settings=self.settings)
        self.store = open_store(self.settings.endpoints.store)
        self.submitter: Submitter = open_submitter(self.settings, make_app(self.settings), store=self.store)

    def close(self) -> None:
        """Close the connections of its clients."""
        self.submitter.close()
        self.store.close()
        self.client.close()

    def start(self, name: str, arguments: str, **environment: str) -> None:
        """Start a worker; `ready` waits for it."""
        self.start_inside((), name, arguments, **environment)

    def start_inside(self, prefix: tuple[str, ...], name: str, arguments: str, **environment: str) -> None:
        """Start a worker by a command that leads to another place, such as a network of its own."""
        command = [*prefix, sys.executable, "-c", SKEWED_WORKER_SCRIPT, environment.get("FAKE_WORKER_CLOCK_SKEW", "0")]
        command += [*arguments.split(), "--name", name]
        variables = os.environ | self.settings.to_env() | {"FAKE_WORKER_FOLDER": str(self.folder)}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=variables | self.environment | environment, stdout=log, stderr=log, process_group=0
            )

    def wait_ready(self, *names: str) -> None:
        """Wait until these workers consume (all of them without names)."""
        self.wait_until(lambda: all((self.health / f"{name}.ready").exists() for name in names or self.running))

    def wait_until(self, done: Callable[[], object], seconds: float = _READY_TIMEOUT) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def stop(self, name: str, signal_number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send a signal to a worker's parent process, wait for its end and give its exit code."""
        process = self.running.pop(name)
        process.send_signal(signal_number)
        (self.health / f"{name}.ready").unlink(missing_ok=True)
        try:
            return process.wait(seconds)
        finally:
            _kill_group(process)

    def children(self, name: str) -> list[int]:
        """Give the process ids of a worker's children."""
        parent = str(self.running[name].pid)
        return [int(farm.name) for farm in Path("/proc").glob("[0-9]*") if _parent_pid(farm) == parent]

    def submit(self, source: bytes, *, profile: Profile = FARM_PROFILE, priority: int | None = None) -> str:
        return submit(self.submitter, Request("page.png", profile, time.time(), priority), source=source)

    def status(self, job: str) -> JobStatus:
        return self.submitter.jobs.get_status(job)

    def wait(
        self, job: str, until: Callable[[JobStatus], bool] = lambda status: status.has_ended, seconds: float = 60
    ) -> JobStatus:
        """Wait for a job, through outages of the broker."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                status = self.client.job(job).status()
            except BrokerUnreachable:
                time.sleep(0.2)
            else:
                if until(status):
                    return status
                assert time.monotonic() < deadline, f"{status}\n{self.logs()}"
            time.sleep(0.05)

    def document(self, job: str) -> Document:
        return document_from_json(self.store.get(layout.result(job)))

    def list_reads(self) -> list[str]:
        return list_reads(self.folder)

    def logs(self) -> str:
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log")
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")


def find_lost_and_duplicated(document: Document, lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give the lines that are missing, and those that are there more than once (or were never written)."""
    found, wanted = Counter(line.text for line in document.lines), set(lines)
    return sorted(wanted - found.keys()), sorted(text for text, times in found.items() if times > 1)


FAST_RECONCILE = Admission(reconcile_interval=1, stalled_timeout=2, no_worker_timeout=6)


def make_reconciling_settings(server: ValkeyServer, folder: Path, *, keep: Retention | None = None) -> Settings:
    """Return the settings of a farm that looks for stalled jobs every second.

    Args:
        server: The broker; the keys get a prefix of their own.
        folder: The store lies in it.
        keep: How long jobs are kept.
    """
    places = Endpoints(server.url, f"{folder}/store", key_prefix=f"{uuid.uuid4().hex}:")
    return Settings(
        places,
        task_limits=TaskLimits(batch_time_limit=20, shutdown_timeout=1),
        admission=FAST_RECONCILE,
        retention=keep or Retention(),
    )


@contextmanager
def run_farm(settings: Settings, folder: Path, **environment: str) -> Iterator[ProcessFarm]:
    """Give a farm without workers; those that are started are gone afterwards."""
    farm = ProcessFarm(settings, folder, environment)
    try:
        yield farm
    finally:
        for process in farm.running.values():
            _kill_group(process)
        farm.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _parent_pid(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""
