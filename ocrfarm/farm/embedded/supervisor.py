"""The supervisor of an embedded farm: starts its processes, restarts those that die, and ends them with their owner.

`python -m ocrfarm.farm.embedded.supervisor SPEC` is started by `EmbeddedFarm`. Its standard input is a pipe from the
owner, the process that uses the farm; nothing is ever written to it. It ends when the owner ends, for whatever reason.

```
 owner (client, ocrfarm up, a test)
   | pipe                                   a session of its own: Ctrl-C in a terminal reaches the owner alone
 supervisor
   |-- broker                               each process leads a process group, and gets SIGKILL from the
   |-- worker split stitch                  system (PR_SET_PDEATHSIG) if its parent dies
   |     '-- children
   |-- worker recognize
   |     '-- children, one for each loaded model
   '-- flower, webhooks (optional)

 event                     effect
 ------------------------  ----------------------------------------------------------------------------------
 the owner ends or stops   the pipe ends; the supervisor stops everything and removes the folder run_dir
 SIGTERM to the supervisor the same
 SIGINT to the supervisor  ignored: the owner decides
 SIGKILL to the supervisor the system kills the broker and the workers, and then the workers' children
 a process dies            SIGKILL to its group, then a new process; NAME.failed in run_dir if that is no use
 stop, data is kept        SIGTERM to the workers, wait; SIGTERM to the broker, wait; SIGKILL to all groups
 stop, data is temporary   SIGKILL to all groups
```

Invariant: no process of the farm outlives the supervisor. The supervisor is also the subreaper of its descendants, so
it can wait for children whose own parent has died.
"""

import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ocrfarm.farm.embedded.processes import become_subreaper
from ocrfarm.farm.embedded.specs import FarmSpec, ProcessSpec
from ocrfarm.log_output import configure_logging
from ocrfarm.parent_process import die_with_parent
from ocrfarm.settings import Settings

_log = logging.getLogger(__name__)

POLL_INTERVAL = 0.25
"""Seconds between two checks for processes that have died."""

MAX_RESTARTS = 3
"""A process that dies more often stays dead, and the farm is reported as broken."""

MIN_UPTIME = 5.0
"""Seconds. A process that dies sooner after its start would die again, so it is not restarted."""

_SOCKET_TIMEOUT = 10.0
"""Seconds to wait for the broker's socket, which appears after 0.1 s on an idle machine."""

_KILL_TIMEOUT = 2.0
"""Seconds to wait for the children of a killed process."""


def main(spec_path: str) -> int:
    """Run the farm that a file describes until the owner ends or SIGTERM arrives; return the exit code, 0."""
    spec = FarmSpec.from_json(Path(spec_path).read_text(encoding="utf-8"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    become_subreaper()
    logging_settings = Settings.from_env(os.environ).logging
    configure_logging(logging_settings.log_format, logging_settings.log_level, worker="supervisor")
    supervisor = Supervisor(spec)
    try:
        supervisor.start()
        while not _wait_for_owner_exit(POLL_INTERVAL):
            supervisor.restart_dead()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.stop()
        shutil.rmtree(spec.run_dir, ignore_errors=True)
    return 0


def _exit(*_: object) -> None:
    sys.exit(0)


def _wait_for_owner_exit(timeout: float) -> bool:
    """Wait up to `timeout` seconds for the owner to end; return whether it has."""
    readable, _, _ = select.select([sys.stdin], [], [], timeout)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


@dataclass(slots=True)
class ManagedProcess:
    """The process that currently runs for a specification."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    restart_count: int = 0

    @property
    def is_worth_restarting(self) -> bool:
        """Whether a new process would probably live longer than this one, which has died."""
        uptime = time.monotonic() - self.started_at
        return self.spec.restart and self.restart_count < MAX_RESTARTS and uptime >= MIN_UPTIME


class Supervisor:
    """Starts, restarts and stops the processes of one farm: the broker first and last, the workers in between."""

    def __init__(self, spec: FarmSpec) -> None:
        self._spec = spec
        self._broker: ManagedProcess | None = None
        self._workers: list[ManagedProcess] = []

    def start(self) -> None:
        """Start the broker, wait for its socket, and start the workers."""
        self._broker = self._spawn(self._spec.broker)
        _wait_for_socket(Path(self._spec.socket_path), self._broker.process)
        for worker in self._spec.workers:
            self._workers.append(self._spawn(worker))

    def restart_dead(self) -> None:
        """Restart every process that has died, or write NAME.failed for it if that is no use."""
        for managed in self._running():
            if managed.process.poll() is None:
                continue
            name, code = managed.spec.name, managed.process.returncode
            if managed.is_worth_restarting:
                _log.warning("the process %s ended with code %s and is started again", name, code)
                _kill_group(managed)
                new = self._spawn(managed.spec)
                managed.process, managed.started_at = new.process, new.started_at
                managed.restart_count += 1
            else:
                note = Path(self._spec.run_dir) / f"{managed.spec.name}.failed"
                note.write_text(str(managed.process.returncode), encoding="utf-8")

    def stop(self) -> None:
        """Stop the workers, then the broker, to which they return their work, and kill whatever is left."""
        if timeout := self._spec.stop_timeout:
            _terminate(self._workers, timeout)
            _terminate([self._broker] if self._broker else [], timeout)
        for managed in self._running():
            _kill_group(managed)

    def _running(self) -> list[ManagedProcess]:
        return [*([self._broker] if self._broker else []), *self._workers]

    def _spawn(self, spec: ProcessSpec) -> ManagedProcess:
        with (Path(self._spec.logs_dir) / f"{spec.name}.log").open("ab") as log:
            process = subprocess.Popen(
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=die_with_parent,  # safe, because this process has a single thread
            )
        return ManagedProcess(spec, process)


def _wait_for_socket(socket: Path, broker: subprocess.Popen[bytes]) -> None:
    """Return when the socket is there, the broker has died or the time is over; the workers report what is wrong."""
    deadline = time.monotonic() + _SOCKET_TIMEOUT
    while not socket.exists() and broker.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def _terminate(processes: list[ManagedProcess], timeout: float) -> None:
    """Send SIGTERM to all of them, and wait up to `timeout` seconds for all of them."""
    for managed in processes:
        managed.process.terminate()
    deadline = time.monotonic() + timeout
    for managed in processes:
        with suppress(subprocess.TimeoutExpired):
            managed.process.wait(max(0.0, deadline - time.monotonic()))


def _kill_group(managed: ManagedProcess) -> None:
    """Kill a process with all its children, and wait until they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(managed.process.pid, signal.SIGKILL)
    managed.process.wait()
    deadline = time.monotonic() + _KILL_TIMEOUT
    with suppress(ChildProcessError):  # raised when no process of the group is left
        while time.monotonic() < deadline:
            os.waitpid(-managed.process.pid, os.WNOHANG)
            time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
