"""A process that works for another one ends with it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import run_command

_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "ocrfarm.parent_process", "http.server", "--bind", "127.0.0.1", "0"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system call is Linux's")
def test_a_module_ends_with_the_process_that_started_it() -> None:
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout
        child = Path("/proc") / parent.stdout.readline().strip()
        deadline = time.monotonic() + 20
        while b"http.server" not in (child / "cmdline").read_bytes() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # it serves
        parent.kill()
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists()


def test_a_module_runs_as_by_itself() -> None:
    assert run_command([sys.executable, "-m", "ocrfarm.parent_process", "pip", "--version"]) == run_command(
        [sys.executable, "-m", "pip", "--version"]
    )
