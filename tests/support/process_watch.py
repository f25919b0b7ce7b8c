"""Find the processes that a test run has started, and end them if the run itself is killed.

A run puts a mark of its own into its environment, which everything that it starts inherits.

python tests/support/process_watch.py PID MARK: wait for the end of the process, then end all that carry the mark.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = "TEST_RUN_OF_OCRFARM"
"""The environment variable; its value is different for each run."""

_HELPERS = ("resource_tracker", "semaphore_tracker", "forkserver")
"""Processes of Python's own that end with the interpreter."""


def find_leftover_processes(value: str) -> list[str]:
    """Return the command lines of this process's children, and of all processes that carry the mark.

    A forked child shows no new environment, and an orphan has lost its parent: hence both.
    """
    pids = {*_list_children(), *list_marked(value)} - {os.getpid()}
    commands = [_command_line(pid) for pid in pids]
    return [command for command in commands if command and not any(helper in command for helper in _HELPERS)]


def list_marked(value: str) -> list[int]:
    """Return the ids of the processes that carry the mark."""
    mark = f"{MARK}={value}".encode()
    return [pid for pid in _list_pids() if mark in _read(pid, "environ").split(b"\0")]


@contextmanager
def run_reaper(value: str) -> Iterator[None]:
    """Run a process that ends what the run has started if the run is killed before it can do so itself.

    It has a session of its own, so that a signal to the run's process group does not reach it.
    """
    command = [sys.executable, __file__, str(os.getpid()), value]
    environment = {name: text for name, text in os.environ.items() if name != MARK}
    with subprocess.Popen(command, env=environment, start_new_session=True) as reaper:
        try:
            yield
        finally:
            reaper.kill()


def _reap(parent: int, value: str) -> None:
    with suppress(ProcessLookupError):
        select.select([os.pidfd_open(parent)], [], [])
    while pids := list_marked(value):  # what is started meanwhile carries the mark too
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _list_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _list_children() -> list[int]:
    own = str(os.getpid()).encode()
    return [pid for pid in _list_pids() if _read(pid, "stat").rpartition(b")")[2].split()[1:2] == [own]]


def _command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def _read(pid: int, name: str) -> bytes:
    """Read a file of /proc; it is empty if the process has ended or belongs to another user."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    _reap(int(sys.argv[1]), sys.argv[2])
