"""What the processes of a farm log as JSON: one object a line, with job, owner, task and tiles, and no secret."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.submit import open_submitter, submit
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.settings import Endpoints, Logging, Security, Settings
from ocrfarm.storage import open_store
from tests.support.hostile_names import HOSTILE_NAMES, find_unprintable
from tests.support.servers import ValkeyServer, find_free_ports

PROFILE = replace(find_profile("synthetic"), tiling=Tiling(512, 128, levels=False))
SECRETS = ("flower-password-1", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


@pytest.fixture
def settings(valkey_server: ValkeyServer, tmp_path: Path) -> Settings:
    places = Endpoints(valkey_server.url, (tmp_path / "store").as_uri(), key_prefix=f"{uuid.uuid4().hex}:")
    security = Security(flower_password=SECRETS[0], webhook_secret=SECRETS[1])
    return Settings(places, security=security, logging=Logging("json", "debug"))


@contextmanager
def _running(settings: Settings, folder: Path, *commands: str) -> Iterator[None]:
    """Run workers, each with a log of its own, and stop them at the end."""
    environment = os.environ | settings.to_env()
    with ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((folder / f"{command.split()[0]}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "ocrfarm.cli", "worker", *command.split()],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
        yield


def _read_log(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    assert not [line for line in lines if find_unprintable(line)]
    return [json.loads(line) for line in lines if line]


def test_every_process_logs_json_that_names_the_job_at_the_level_with_most_records(
    settings: Settings, tmp_path: Path
) -> None:
    pixels, _ = make_synthetic_page(Size(1500, 900), seed=2, lines=12)
    flower, metrics, api = find_free_ports(3)
    roles = ("split", "stitch", "recognize --profile synthetic", f"flower --port {flower}", f"metrics --port {metrics}")
    with _running(settings, tmp_path, *roles, "webhooks", f"api --port {api}"):
        jobs = open_job_store(settings)
        submitter = open_submitter(settings, make_app(settings), store=open_store(settings.endpoints.store))
        good = Request("page.png", PROFILE, time.time(), owner="maps")
        bad = Request(HOSTILE_NAMES[0], PROFILE, time.time(), owner="maps")
        job, failing = submit(submitter, good, source=encode_tile(pixels)), submit(submitter, bad, source=b"GIF89a")
        deadline = time.monotonic() + 90
        while not all(status.has_ended for status in jobs.get_statuses(job, failing)):
            assert time.monotonic() < deadline, jobs.get_statuses(job, failing)
            time.sleep(0.05)
    logs = {path.stem: _read_log(path) for path in tmp_path.glob("*.log")}
    for role in ("split", "stitch", "recognize"):
        done = [each for each in logs[role] if each.get("job") == job and "succeeded" in each["message"]]
        assert {(each["task"], each["owner"], each["worker"].partition("-")[0]) for each in done} == {
            (role, "maps", role)
        }
    assert any(each.get("tiles") for each in logs["recognize"])
    assert any(each.get("job") == failing for each in logs["split"])
    assert all(logs[role] for role in ("flower", "api", "metrics"))
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.log"))
    assert not [secret for secret in SECRETS if secret in text]
