"""Starts the servers of an embedded farm, and ends them when the process that asked for them is gone.

python -m ocrfarm.farm.embedded.supervisor SPEC: standard input is a pipe from that process, and its end means: it
has left, by itself, by a signal or by a crash. Nothing else needs to be told. Every server has a process group of its
own, so that none of its children stays behind.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ocrfarm.farm.embedded.processes import become_subreaper, die_with_parent

POLL_INTERVAL = 0.25
"""How often dead servers are looked for."""

MAX_RESTARTS = 3
"""A server that dies more often than this is left dead, and the farm is reported as broken."""

MIN_UPTIME = 5.0
"""A server that dies younger than this would die again."""

_SOCKET_TIMEOUT = 10.0
"""The broker's socket is there after 0.1 s on an idle machine."""


_KILL_TIMEOUT = 2.0
"""What a killed process takes to go, at most."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the farm: how it is called, and whether another may take its place when it dies."""

    name: str
    command: list[str]
    restart: bool = True


@dataclass(frozen=True, slots=True)
class FarmSpec:
    """What to run; `broker` first and last.

    run_dir: private folder, removed at the end. logs_dir: folder of one log a server. socket_path: the broker's.
    stop_timeout: what the workers get to put their work back; 0 where nobody will come back for it.
    """

    run_dir: str
    logs_dir: str
    socket_path: str
    broker: ProcessSpec
    workers: list[ProcessSpec]
    stop_timeout: float = 0.0

    def to_json(self) -> str:
        """Give JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "FarmSpec":
        """Read what `to_json` gave."""
        data: dict[str, Any] = json.loads(text)
        workers = [ProcessSpec(**server) for server in data["workers"]]
        return cls(**{**data, "broker": ProcessSpec(**data["broker"]), "workers": workers})


@dataclass(slots=True)
class ManagedProcess:
    """A server's current process."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    restarts: int = 0


def main(spec_path: str) -> int:
    """Run the servers until standard input ends or SIGTERM comes."""
    spec = FarmSpec.from_json(Path(spec_path).read_text(encoding="utf-8"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    become_subreaper()
    running: list[ManagedProcess] = []
    try:
        running.append(ManagedProcess(spec.broker, _start(spec, spec.broker)))
        _wait_for_socket(Path(spec.socket_path), running[0].process)
        running += [ManagedProcess(server, _start(spec, server)) for server in spec.workers]
        while not _wait_for_parent_exit():
            for one in running:
                _check_and_restart(spec, one)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop_all(running, spec.stop_timeout)
        shutil.rmtree(spec.run_dir, ignore_errors=True)
    return 0


def _exit(*_: object) -> None:
    sys.exit(0)


def _wait_for_parent_exit() -> bool:
    """Wait a moment; True once the pipe has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL_INTERVAL)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _start(spec: FarmSpec, process_spec: ProcessSpec) -> subprocess.Popen[bytes]:
    with (Path(spec.logs_dir) / f"{process_spec.name}.log").open("ab") as log:
        return subprocess.Popen(
            process_spec.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent,  # this process has one thread, so that running Python in between is safe
        )


def _wait_for_socket(socket: Path, broker: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SOCKET_TIMEOUT
    while not socket.exists() and broker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _check_and_restart(spec: FarmSpec, managed: ManagedProcess) -> None:
    """Start a server again that has died; report the farm as broken where that is no use."""
    if managed.process.poll() is None:
        return
    note = Path(spec.run_dir) / f"{managed.spec.name}.failed"
    lasted = time.monotonic() - managed.started_at
    if not managed.spec.restart or managed.restarts >= MAX_RESTARTS or lasted < MIN_UPTIME:
        note.write_text(str(managed.process.returncode), encoding="utf-8")
        return
    _kill(managed)
    managed.process, managed.started_at, managed.restarts = (
        _start(spec, managed.spec),
        time.monotonic(),
        managed.restarts + 1,
    )


def _stop_all(running: list[ManagedProcess], stop_timeout: float) -> None:
    """End the workers, then the broker that they give their work back to, then whatever is left."""
    broker, workers = running[:1], running[1:]
    if stop_timeout:
        for group in (workers, broker):
            _terminate(group, stop_timeout)
    for one in running:
        _kill(one)


def _terminate(group: list[ManagedProcess], stop_timeout: float) -> None:
    for one in group:
        one.process.terminate()
    deadline = time.monotonic() + stop_timeout
    for one in group:
        with suppress(subprocess.TimeoutExpired):
            one.process.wait(max(0.0, deadline - time.monotonic()))


def _kill(managed: ManagedProcess) -> None:
    """Kill the server with all its children, and wait until they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(managed.process.pid, signal.SIGKILL)
    managed.process.wait()
    deadline = time.monotonic() + _KILL_TIMEOUT
    with suppress(ChildProcessError):  # no orphan of the group is left
        while time.monotonic() < deadline:
            os.waitpid(-managed.process.pid, os.WNOHANG)
            time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
