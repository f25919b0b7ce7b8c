"""compose.yaml: parsed by the real Docker Compose, checked by rules, and run as processes of this machine."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from PIL import Image

from ocrfarm.recognize.profiles import find_profile
from ocrfarm.settings import Settings
from tests.support.compose_stack import (
    ComposeStack,
    Service,
    docker_compose,
    documented_exports,
    load_services,
    run_servers,
)
from tests.support.source_tree import ROOT

EVERY = ("--profile", "gpu")
PASSWORDS = (
    *("WORKER_PASSWORD", "CLIENT_PASSWORD", "WEBHOOKS_PASSWORD", "MONITOR_PASSWORD"),
    *("FLOWER_PASSWORD", "GRAFANA_PASSWORD", "S3_SECRET", "API_KEYS", "WEBHOOK_SECRET"),
)
"""Variables of .env."""


def test_compose_accepts_the_file() -> None:
    done = docker_compose(*EVERY, "config", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "other"), [("command:", "commandd:"), ("count: 1", "count: one"), ("- broker:/data", "- broken:/data")]
)
def test_compose_would_find_a_typo(tmp_path: Path, text: str, other: str) -> None:
    original = (ROOT / "compose.yaml").read_text()
    assert text in original
    (tmp_path / "compose.yaml").write_text(original.replace(text, other, 1))
    assert docker_compose(*EVERY, "config", "--quiet", file=tmp_path / "compose.yaml").returncode != 0


def test_services_are_confined() -> None:
    for name, service in load_services(*EVERY).items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("read_only") or name == "s3", name
        assert re.search(r":v?\d", service["image"]), f"{name} has no version"
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name


def test_a_gpu_is_asked_for_by_its_profile_only() -> None:
    gpu = load_services(*EVERY)["recognize-gpu"]
    assert gpu["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
    assert "recognize-gpu" not in load_services()
    (mount,) = gpu["volumes"]
    profile = find_profile(mount["source"])
    assert profile.runtime.device == "gpu:0"
    assert profile.recognizer == find_profile("accurate").recognizer


def test_passwords_come_from_the_environment() -> None:
    secrets = {name: f"{name}-1" for name in PASSWORDS}
    text = str(load_services(*EVERY, **secrets))
    assert all(secret in text for secret in secrets.values())
    assert "of-this-machine" not in text


def test_workers_get_longer_to_stop_than_their_batches() -> None:
    for name in ("split", "recognize", "recognize-accurate", "stitch"):
        service = load_services()[name]
        grace = int(re.fullmatch(r"(\d+)m0s", service["stop_grace_period"])[1]) * 60  # type: ignore[index]
        assert grace >= Settings.from_env(_farm_settings(service)).task_limits.shutdown_timeout + 15


def _farm_settings(service: Service) -> dict[str, str]:
    return {name: value for name, value in service["environment"].items() if name.startswith("OCRFARM_")}


def test_every_process_understands_its_settings() -> None:
    for name, service in load_services(*EVERY).items():
        if service["image"].startswith("ocrfarm:"):
            assert Settings.from_env(_farm_settings(service)).endpoints.broker, name


def test_prometheus_asks_services_that_answer() -> None:
    config = yaml.safe_load((ROOT / "compose" / "prometheus.yaml").read_text())
    targets = [target for job in config["scrape_configs"] for target in job["static_configs"][0]["targets"]]
    assert targets == ["metrics:9808", "api:9809"]
    found = load_services()
    assert found["metrics"]["command"][-1] == "metrics"
    assert found["api"]["environment"]["OCRFARM_API_METRICS_PORT"] == "9809"


def test_grafana_shows_the_charts_dashboard_from_prometheus() -> None:
    mounts = {mount["target"]: mount.get("source", "") for mount in load_services()["grafana"]["volumes"]}
    folder = "/etc/grafana/provisioning"
    (source,) = yaml.safe_load(Path(mounts[f"{folder}/datasources/ocrfarm.yaml"]).read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load(Path(mounts[f"{folder}/dashboards/ocrfarm.yaml"]).read_text())["providers"]
    shown = [source for target, source in mounts.items() if target.startswith(provider["options"]["path"])]
    assert shown == [str(ROOT / "helm" / "ocrfarm" / "files" / "dashboard.json")]


def test_the_documented_key_opens_the_api() -> None:
    (key,) = re.findall(r"takes the key `(.*?)`", (ROOT / "docs" / "compose.md").read_text())
    keys = load_services()["api"]["environment"]["OCRFARM_API_KEYS"]
    assert keys == f"me:{sha256(key.encode()).hexdigest()}"


def _healthy(url: str) -> bool:
    with suppress(URLError, OSError):
        return bool(urlopen(url, timeout=2).status == 200)
    return False


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"-NOAUTH"
    return False


def _ready(health: Path) -> Callable[[], bool]:
    return lambda: bool(list(health.glob("*.ready")))


def _readme_example() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(block)


@pytest.fixture
def drawing_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "client"
    folder.mkdir()
    command = [str(Path(sys.executable).with_name("ocrfarm")), "sample", "page.png", "--size", "1024"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    with Image.open(folder / "page.png") as page:
        page.save(folder / "drawing.tif")
    return folder


def test_the_readmes_example_works_as_written(tmp_path: Path, drawing_folder: Path) -> None:
    """Run broker, store, splitter, the recognizer of the example's profile, stitcher and Flower."""
    stack, all_services = ComposeStack(tmp_path), load_services()
    ready = {
        "broker": lambda: _answers(stack.ports["6379"]),
        "s3": lambda: _healthy(f"http://127.0.0.1:{stack.ports['8333']}/healthz"),
        **{name: _ready(tmp_path / name) for name in ("split", "stitch", "recognize-accurate")},
        "flower": lambda: _healthy(f"http://127.0.0.1:{stack.ports['5555']}/healthcheck"),
    }
    with run_servers([stack.make_server(name, all_services[name], test) for name, test in ready.items()]):
        variables = {name: stack.localize(value) for name, value in documented_exports().items()}
        done = subprocess.run(
            [sys.executable, "-c", _readme_example()],
            cwd=drawing_folder,
            env=os.environ | variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^complete 1 of 1 $", done.stdout, re.MULTILINE), done.stdout
    assert len(re.findall(r" 0\.\d+ Quad", done.stdout)) > 20, done.stdout
