"""The units of systemd/: read by systemd's own checker, and their commands by ocrfarm."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ocrfarm.settings import Settings
from tests.support.command_line import run_ocrfarm
from tests.support.source_tree import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service"))
NAMES = {"ocrfarm-recognize@": "fast", "ocrfarm-service@": "api"}
"""An instance of each template."""


def _values(unit: Path, key: str) -> list[str]:
    """Return the values that a key has in the file."""
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    program = tmp_path / "ocrfarm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in UNITS:
        text = unit.read_text().replace("/opt/ocrfarm/bin/ocrfarm", str(program))
        (tmp_path / unit.name).write_text(text)
    files = [str(tmp_path / unit.name) for unit in UNITS]
    command = ["systemd-analyze", "verify", "--man=no", *files]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "ocrfarm" in line]) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.stem))
def test_a_unit_starts_a_command_that_exists(unit: Path, tmp_path: Path) -> None:
    (command,) = _values(unit, "ExecStart")
    words = command.replace("%i", NAMES.get(unit.stem, "")).replace("${PROCESSES}", "2").split()[1:]
    assert run_ocrfarm(*words, "--help", cwd=tmp_path).returncode == 0


def test_workers_get_longer_to_stop_than_their_batches() -> None:
    for unit in UNITS:
        (timeout,) = _values(unit, "TimeoutStopSec")
        assert int(timeout) >= Settings().task_limits.shutdown_timeout + 15
