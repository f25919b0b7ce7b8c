"""The embedded farm: broker, store and workers of one machine, which live no longer than the process that uses them.

`EmbeddedFarm` prepares the folders and starts a supervisor, which starts everything else; see
`ocrfarm.farm.embedded.supervisor` for the tree of processes and for what ends with what. The two talk through files in
a private folder:

```
 EmbeddedFarm --- spec.json, NAME.toml (profiles) ---> supervisor, workers
              <-- NAME.ready, NAME.PID.loaded -------- workers that are ready
              <-- NAME.broken ------------------------ workers that cannot work, with the error
              <-- NAME.failed ------------------------ supervisor: a process that it does not restart
```
"""

import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ocrfarm.cpu import usable_cpus
from ocrfarm.errors import FarmError, find_error
from ocrfarm.farm.embedded.processes import make_locked_dir
from ocrfarm.farm.embedded.specs import LOCK_NAME, FarmFolders, FarmSpec, ProcessSpec, broker_spec, worker_spec
from ocrfarm.recognize import Profile, Runtime, find_profile
from ocrfarm.settings import Settings

RECOGNIZER_MEMORY_BYTES = 1_500_000_000
"""Bytes that one recognizer may take on a CPU; no more of them are started than fit into the machine's memory."""

START_TIMEOUT = 60.0
"""Seconds until jobs can be split: 2 to 4 on an idle machine of 2 cores."""

STOP_TIMEOUT = 10.0
"""Seconds that workers get to return their work to its queue if the farm keeps its data."""

_MAX_SOCKET_PATH = 100
"""Bytes in the path of a Unix socket; Linux allows 108."""

_MAX_LOG_LINES = 5
"""Last lines of a log that an error shows."""

_NOWHERE = Path(os.devnull)
"""The folder of a farm that has not started: it holds nothing, and nothing in it can be removed."""


@dataclass(frozen=True, slots=True)
class WorkerLayout:
    """How an embedded farm uses its machine.

    Attributes:
        recognizers: The number of processes that recognize tiles.
        threads: Threads of each of them, on a CPU.
        flower_port: The port at which Flower listens; 0: no Flower.
    """

    recognizers: int
    threads: int = 1
    flower_port: int = 0


def default_layout(flower_port: int = 0, *, runtime: Runtime | None = None) -> WorkerLayout:
    """Return the processes that a runtime asks for, or else one of one thread per core, as far as memory allows.

    Args:
        flower_port: The port at which Flower listens; 0: no Flower.
        runtime: How a profile's models run.

    >>> default_layout(5555, runtime=Runtime(processes=2, threads=4))
    WorkerLayout(recognizers=2, threads=4, flower_port=5555)
    """
    if runtime and runtime.processes:
        return WorkerLayout(runtime.processes, runtime.threads, flower_port)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return WorkerLayout(max(1, min(usable_cpus(), memory // RECOGNIZER_MEMORY_BYTES)), flower_port=flower_port)


class EmbeddedFarm:
    """A farm on this machine, as a context manager.

    Without `data_dir`, everything is in a temporary folder and is removed at the end. With it, the broker's data, the
    store and the logs are kept, and a later farm continues where this one stopped. When this process ends, for whatever
    reason, all processes of the farm end.
    """

    def __init__(
        self,
        profile: str = "fast",
        *,
        data_dir: Path | None = None,
        layout: WorkerLayout | None = None,
        base_settings: Settings | None = None,
    ) -> None:
        """Describe a farm; nothing starts before the context manager is entered.

        Args:
            profile: The name of a profile, or the path of one.
            data_dir: The folder whose data is kept; None: a temporary folder.
            layout: How many processes recognize tiles; None: as many as the profile or the machine suggests.
            base_settings: Limits, folders and passwords. The farm replaces the endpoints.

        Raises:
            UnknownProfile: There is no such profile.
        """
        self._profile = find_profile(profile)
        self._layout = layout or default_layout(runtime=self._profile.runtime)
        self._kept_data_dir = data_dir.absolute() if data_dir else None
        self._base_settings = base_settings or Settings()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._run_lock: IO[bytes] | None = None
        self._folders = FarmFolders(_NOWHERE, self._kept_data_dir or _NOWHERE)
        self.settings = self._base_settings

    def __enter__(self) -> Self:
        """Start everything and wait until jobs can be submitted and split; recognizers may still load their models."""
        _check_port(self._layout.flower_port)
        run_dir, self._run_lock = _make_run_dir()
        self._folders = FarmFolders(run_dir, self._kept_data_dir or run_dir / "data")
        try:
            self._start()
            self._wait_for_files("split-stitch.ready", 1, START_TIMEOUT)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> None:
        """Stop everything; may be called again."""
        if self._supervisor and self._supervisor.stdin:
            self._supervisor.stdin.close()
            self._supervisor.wait()
            self._supervisor = None
        if self._folders.run_dir.is_dir():
            shutil.rmtree(self._folders.run_dir, ignore_errors=True)
        for lock in (self._lock, self._run_lock):
            if lock:
                lock.close()

    def wait_ready(self, timeout: float = 300.0) -> None:
        """Wait up to `timeout` seconds until every recognizer has loaded its models.

        Raises:
            FarmError: The time is over, or a process has died.
            OcrfarmError: The models cannot be loaded; the error is the worker's.
        """
        for name in self._worker_profiles():
            self._wait_for_files(f"{name}.*.loaded", self._layout.recognizers, timeout)

    def check(self) -> None:
        """Raise an error if the farm is not healthy.

        Raises:
            FarmError: A process has died and is not restarted, or the farm is not running.
            OcrfarmError: A worker cannot work; the error is the worker's.
        """
        for note in self._folders.run_dir.glob("*.broken"):
            problem = json.loads(note.read_text(encoding="utf-8"))
            raise find_error(problem["kind"], FarmError)(problem["message"])
        for note in self._folders.run_dir.glob("*.failed"):
            log = _read_tail(self.logs_dir / f"{note.stem}.log")
            raise FarmError(f"the process {note.stem} of the embedded farm died; its log ends: {log}")
        if self._supervisor is None or self._supervisor.poll() is not None:
            raise FarmError("the embedded farm is not running: its supervisor has ended")

    @property
    def logs_dir(self) -> Path:
        """The folder with one log for each process."""
        return self._folders.logs

    def _start(self) -> None:
        self._folders.create()
        self._lock = _lock_folder(self._folders.data_dir)
        self.settings = self._make_settings()
        for name, profile in self._worker_profiles().items():
            runtime = replace(profile.runtime, threads=self._layout.threads)
            self._folders.profile(name).write_text(profile.with_runtime(runtime).to_toml(), encoding="utf-8")
        locks = [lock.fileno() for lock in (self._lock, self._run_lock) if lock]
        self._supervisor = _start_supervisor(self._make_spec(), self._folders, locks=locks, settings=self.settings)

    def _make_settings(self) -> Settings:
        security = self._base_settings.security
        if self._layout.flower_port and not security.flower_password:
            security = replace(security, flower_password=_ensure_password(self._folders.data_dir))
        endpoints = replace(
            self._base_settings.endpoints,
            broker=f"redis+socket://{self._folders.socket}",
            store=self._folders.store.as_uri(),
            health_dir=str(self._folders.run_dir),
        )
        return replace(self._base_settings, endpoints=endpoints, security=security)

    def _worker_profiles(self) -> dict[str, Profile]:
        """Return the profile of each recognizing worker. A cascade has two workers, of which one is idle at a time."""
        profiles = {"recognize": self._profile}
        if self._profile.cascade.recognizer:
            profiles["recognize-strong"] = self._profile.second_pass_profile
        return profiles

    def _make_spec(self) -> FarmSpec:
        is_kept = self._kept_data_dir is not None
        return FarmSpec(
            run_dir=str(self._folders.run_dir),
            logs_dir=str(self._folders.logs),
            socket_path=str(self._folders.socket),
            broker=broker_spec(self._folders, is_persistent=is_kept),
            workers=self._worker_specs(),
            stop_timeout=STOP_TIMEOUT if is_kept else 0.0,
        )

    def _worker_specs(self) -> list[ProcessSpec]:
        workers = [worker_spec("split-stitch", "split", "stitch")]
        concurrency = str(self._layout.recognizers)
        for name in self._worker_profiles():
            profile = str(self._folders.profile(name))
            workers.append(worker_spec(name, "recognize", "--profile", profile, "--processes", concurrency))
        if self._layout.flower_port:
            workers.append(worker_spec("flower", "flower", "--port", str(self._layout.flower_port)))
        if self._base_settings.security.webhook_secret:
            workers.append(worker_spec("webhooks", "webhooks"))
        return workers

    def _wait_for_files(self, pattern: str, count: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while len(list(self._folders.run_dir.glob(pattern))) < count:
            self.check()
            if time.monotonic() > deadline:
                log = _read_tail(self.logs_dir / "recognize.log")
                raise FarmError(f"the embedded farm was not ready in {timeout:.0f} s; its recognizers' log ends: {log}")
            time.sleep(0.02)


def _start_supervisor(
    spec: FarmSpec, folders: FarmFolders, *, locks: list[int], settings: Settings
) -> subprocess.Popen[bytes]:
    path = folders.run_dir / "spec.json"
    path.write_text(spec.to_json(), encoding="utf-8")
    with (folders.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ocrfarm.farm.embedded.supervisor", str(path)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings.to_env(), "TMPDIR": str(folders.temporary)},
            start_new_session=True,  # Ctrl-C in a terminal reaches this process alone, which then stops the farm
            pass_fds=locks,  # keeps the folders locked until the supervisor has ended
        )


def _ensure_password(folder: Path) -> str:
    """Return the password in the folder, which only its owner can read; make a random one if there is none."""
    path = folder / "flower-password"
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(16))
    return path.read_text(encoding="utf-8").strip()


def _make_run_dir() -> tuple[Path, IO[bytes]]:
    """Make a private folder whose path is short enough for Unix sockets; return it and its lock file."""
    longest = Path(tempfile.gettempdir(), "ocrfarm-run-12345678", "broker.sock")
    is_short = len(bytes(longest)) <= _MAX_SOCKET_PATH
    return make_locked_dir("run", None if is_short else Path("/tmp"))


def _lock_folder(folder: Path) -> IO[bytes]:
    lock = (folder / LOCK_NAME).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise FarmError(f"{folder}: another farm runs in this folder; end it or name another folder") from error
    return lock


def _check_port(port: int) -> None:
    if not port:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise FarmError(f"port {port} cannot be used ({error.strerror}); choose another for Flower") from error


def _read_tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return " | ".join(lines[-_MAX_LOG_LINES:]) or "(nothing)"
