"""Starts the servers of an embedded farm, and ends them when the process that asked for them is gone.

python -m ocrfarm.farm.watchdog SPEC: standard input is a pipe from that process, and its end means: it has left, by
itself, by a signal or by a crash. Nothing else needs to be told. Every server has a process group of its own, so that
none of its children stays behind.
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

from ocrfarm.farm.orphans import adopt_orphans, die_with_parent

POLL_SECONDS = 0.25
"""How often dead servers are looked for."""

RESTARTS = 3
"""A server that dies more often than this is left dead, and the farm is reported as broken."""

LASTING_SECONDS = 5.0
"""A server that dies younger than this would die again."""

_SOCKET_SECONDS = 10.0
"""The broker's socket is there after 0.1 s on an idle machine."""


_KILL_SECONDS = 2.0
"""What a killed process takes to go, at most."""


@dataclass(frozen=True, slots=True)
class Server:
    """One process of the farm: how it is called, and whether another may take its place when it dies."""

    name: str
    command: list[str]
    again: bool = True


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run; `broker` first and last.

    run: private folder, removed at the end. logs: folder of one log a server. socket: the broker's. grace_seconds:
    what the workers get to put their work back; 0 where nobody will come back for it.
    """

    run: str
    logs: str
    socket: str
    broker: Server
    workers: list[Server]
    grace_seconds: float = 0.0

    def to_json(self) -> str:
        """Give JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Read what `to_json` gave."""
        data: dict[str, Any] = json.loads(text)
        workers = [Server(**server) for server in data["workers"]]
        return cls(**{**data, "broker": Server(**data["broker"]), "workers": workers})


@dataclass(slots=True)
class Running:
    """A server's current process."""

    server: Server
    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    restarts: int = 0


def main(spec_path: str) -> int:
    """Run the servers until standard input ends or SIGTERM comes."""
    spec = Spec.from_json(Path(spec_path).read_text(encoding="utf-8"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    adopt_orphans()
    running: list[Running] = []
    try:
        running.append(Running(spec.broker, _start(spec, spec.broker)))
        _wait_for_socket(Path(spec.socket), running[0].process)
        running += [Running(server, _start(spec, server)) for server in spec.workers]
        while not _parent_is_gone():
            for one in running:
                _look_after(spec, one)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(running, spec.grace_seconds)
        shutil.rmtree(spec.run, ignore_errors=True)
    return 0


def _leave(*_: object) -> None:
    sys.exit(0)


def _parent_is_gone() -> bool:
    """Wait a moment; True once the pipe has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _start(spec: Spec, server: Server) -> subprocess.Popen[bytes]:
    with (Path(spec.logs) / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            server.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=die_with_parent,  # this process has one thread, so that running Python in between is safe
        )


def _wait_for_socket(socket: Path, broker: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SOCKET_SECONDS
    while not socket.exists() and broker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _look_after(spec: Spec, one: Running) -> None:
    """Start a server again that has died; report the farm as broken where that is no use."""
    if one.process.poll() is None:
        return
    note = Path(spec.run) / f"{one.server.name}.dead"
    lasted = time.monotonic() - one.since
    if not one.server.again or one.restarts >= RESTARTS or lasted < LASTING_SECONDS:
        note.write_text(str(one.process.returncode), encoding="utf-8")
        return
    _kill(one)
    one.process, one.since, one.restarts = _start(spec, one.server), time.monotonic(), one.restarts + 1


def _end(running: list[Running], grace_seconds: float) -> None:
    """End the workers, then the broker that they give their work back to, then whatever is left."""
    broker, workers = running[:1], running[1:]
    if grace_seconds:
        for group in (workers, broker):
            _ask(group, grace_seconds)
    for one in running:
        _kill(one)


def _ask(group: list[Running], grace_seconds: float) -> None:
    for one in group:
        one.process.terminate()
    deadline = time.monotonic() + grace_seconds
    for one in group:
        with suppress(subprocess.TimeoutExpired):
            one.process.wait(max(0.0, deadline - time.monotonic()))


def _kill(one: Running) -> None:
    """Kill the server with all its children, and wait until they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid, signal.SIGKILL)
    one.process.wait()
    deadline = time.monotonic() + _KILL_SECONDS
    with suppress(ChildProcessError):  # no orphan of the group is left
        while time.monotonic() < deadline:
            os.waitpid(-one.process.pid, os.WNOHANG)
            time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
