"""`ocrfarm top` in a real terminal, in a pipe, and while the broker is away."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ocrfarm.errors import BrokerError, SettingsError
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer, run_valkey

_TOP = [sys.executable, "-m", "ocrfarm.cli", "top"]
_FLOWER = {"OCRFARM_FLOWER_URL": "http://flower.example/"}

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\]8;.*?\x1b\\")
"""Colours and places of the cursor, and links."""


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[ProcessFarm]:
    endpoints = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(endpoints, task_limits=TaskLimits(shutdown_timeout=1)), tmp_path) as farm:
        yield farm


class Screen:
    """A terminal of 140 columns in which `ocrfarm top` runs."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process, self._terminal, self.seen = process, terminal, ""

    def shows(self, pattern: str, seconds: float = 30) -> bool:
        """Wait until it shows something; what was there before does not count."""
        self.seen, deadline = "", time.monotonic() + seconds
        while time.monotonic() < deadline and not re.search(pattern, self.seen):
            self.seen += _ESCAPES.sub("", os.read(self._terminal, 65536).decode(errors="replace"))
        return bool(re.search(pattern, self.seen))


@contextmanager
def _screen(settings: Settings) -> Iterator[Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    variables = os.environ | settings.to_env() | _FLOWER | {"TERM": "xterm-256color"}
    command = [*_TOP, "--interval", "0.2"]
    process = subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield Screen(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_terminal_shows_a_job_from_its_queue_to_its_end(farm: ProcessFarm) -> None:
    job = farm.submit(draw_page(3, 2, {(0, 0): "GORGE"}).png)
    with _screen(farm.settings) as screen:
        assert screen.shows(rf"{job} +queued .*no worker reads"), screen.seen
        farm.start("control", CONTROL)
        assert screen.shows(r"recognize\.synthetic +6 \+ 0 \+ 0 +\d+ s +0"), screen.seen
        assert screen.shows(rf"{job} +recognizing .* 0/6"), screen.seen
        farm.start("reader", RECOGNIZER)
        assert screen.shows(r"reader@\S+ +recognize\.synthetic +1 +\d+ MB"), screen.seen
        assert screen.shows(rf"{job} +partial .* 6/6 +1 "), screen.seen
        assert screen.shows(r"so far: tiles read 5, blank 0, failed 1"), screen.seen
        screen.process.send_signal(signal.SIGINT)
        assert screen.process.wait(10) == 0


def test_a_terminal_waits_for_a_broker_that_is_away(tmp_path: Path) -> None:
    with run_valkey(tmp_path) as server, _screen(Settings(Endpoints(server.url, str(tmp_path)))) as screen:
        assert screen.shows("jobs 0, tiles pending 0, workers 0")
        server.kill()
        assert screen.shows("does not answer")
        server.start()
        assert screen.shows("jobs 0, tiles pending 0, workers 0")


def test_a_pipe_gets_one_plain_snapshot(farm: ProcessFarm) -> None:
    job = farm.submit(draw_page(1, 1).png)
    for flags in ([], ["--once"]):
        done = subprocess.run([*_TOP, *flags], env=os.environ | farm.settings.to_env(), capture_output=True, check=True)
        said = done.stdout.decode()
        assert "\x1b" not in said
        assert not done.stderr
        assert re.search(rf"^{job}  queued  0/0 .*page\.png", said, re.MULTILINE)
        assert re.search(r"^split +1 \+ 0 \+ 0 +\d+ s +0$", said, re.MULTILINE)


def test_what_is_wrong_is_said_in_one_line() -> None:
    away = Endpoints("redis://127.0.0.1:1/0")
    for settings, kind in ((Settings(), SettingsError), (Settings(away), BrokerError)):
        done = subprocess.run(_TOP, env=os.environ | settings.to_env(), capture_output=True, text=True, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (kind.exit_code, 1)


def test_each_job_has_a_link_to_flower(farm: ProcessFarm) -> None:
    job = farm.submit(draw_page(1, 1).png)
    command = [sys.executable, "-m", "ocrfarm.cli", "status", job]
    environment = os.environ | farm.settings.to_env() | _FLOWER
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == f"http://flower.example/tasks?name=ocrfarm%20args%3A{job}"
