"""A test run that is killed leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.process_watch import MARK, list_marked
from tests.support.source_tree import ROOT

TEST_MODULE = f"""
import os, time
from pathlib import Path

def test_uses_servers(s3_server, valkey_server, synthetic_farm):
    Path(__file__).with_name("mark").write_text(os.environ["{MARK}"])
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_servers_and_farms_end_with_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / "test_module.py").write_text(TEST_MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tests.conftest", "test_module.py"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "temp")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True
        ) as run,
    ):
        while not (mark := tmp_path / "mark").exists() or not mark.read_text():
            assert run.poll() is None, log.read_text()
            time.sleep(0.05)
        value = mark.read_text()
        assert len(list_marked(value)) >= 7  # Valkey, SeaweedFS; a farm's supervisor, broker, two workers, a child
        os.killpg(run.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while left := list_marked(value):
        assert time.monotonic() < deadline, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        time.sleep(0.05)
