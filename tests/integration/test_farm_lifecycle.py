"""The embedded farm starts and stops, and leaves nothing behind, whatever happens to its owner."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ocrfarm.errors import FarmError, UnknownProfile, WeightsError
from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.settings import Settings

LAYOUT = WorkerLayout(1)
OWNER_SCRIPT = """
import sys, time
from pathlib import Path
from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
with EmbeddedFarm("synthetic", layout=WorkerLayout(1)) as farm:
    print(farm.settings.endpoints.health_dir, flush=True)
    time.sleep(60)
"""


def _processes(mark: str) -> list[int]:
    """Return the processes whose command line or environment contains the folder's name."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in text and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


def _wait_until_gone(folder: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _processes(str(folder)) or folder.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_its_owner(how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER_SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert owner.stdout
    with owner.stdout:
        folder = Path(owner.stdout.readline().strip())
    assert len(_processes(str(folder))) >= 5  # supervisor, broker, two workers and their children
    owner.send_signal(how)
    owner.wait(30)
    assert _wait_until_gone(folder, 5)


def test_a_stopped_farm_leaves_nothing_and_reports_that_it_is_stopped() -> None:
    with EmbeddedFarm("synthetic", layout=LAYOUT) as farm:
        farm.check()
        folder = Path(farm.settings.endpoints.health_dir)
    assert not folder.exists()
    assert not _processes(str(folder))
    with pytest.raises(FarmError, match="not running"):
        farm.check()


def test_stopping_a_farm_that_never_started_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").touch()
    EmbeddedFarm("synthetic", layout=LAYOUT).stop()
    assert (tmp_path / "mine").exists()


def test_a_kept_folder_is_locked_while_its_farm_runs_and_kept_afterwards(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedFarm("synthetic", data_dir=tmp_path, layout=WorkerLayout(1, flower_port=port)) as farm:
        password = tmp_path / "flower-password"
        assert farm.settings.security.flower_password == password.read_text()
        assert password.stat().st_mode & 0o777 == 0o600
        with pytest.raises(FarmError, match="another farm"):
            EmbeddedFarm("synthetic", data_dir=tmp_path, layout=LAYOUT).__enter__()
        assert _wait_until_open(port, 30), "Flower did not open its port"
    assert (tmp_path / "broker").is_dir()
    assert (tmp_path / "logs" / "split-stitch.log").is_file()


def _wait_until_open(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.1)
    return False


def test_a_dead_broker_is_reported_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocrfarm.farm.embedded.specs._find_broker_binary", lambda: "/bin/false")
    with pytest.raises(FarmError, match="broker"):
        EmbeddedFarm("synthetic", layout=LAYOUT).__enter__()


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FarmError, match=str(port)):
            EmbeddedFarm("synthetic", layout=WorkerLayout(1, flower_port=port)).__enter__()


def test_an_unknown_profile_starts_nothing() -> None:
    with pytest.raises(UnknownProfile):
        EmbeddedFarm("swift")


def test_models_that_cannot_be_loaded_are_a_typed_error(tmp_path: Path) -> None:
    given = tmp_path / "PP-OCRv6_tiny_det"
    given.mkdir()
    for name in ("inference.onnx", "inference.yml"):
        (given / name).write_bytes(b"not a model")
    base = Settings.from_env({"OCRFARM_MODELS_DIR": str(tmp_path), "OCRFARM_CACHE_DIR": str(tmp_path / "cache")})
    with pytest.raises(WeightsError, match="SHA-256"), EmbeddedFarm("fast", layout=LAYOUT, base_settings=base) as farm:
        farm.wait_ready(60)
