"""`ocrfarm worker` against a real Valkey and a real S3 server, as in a cluster."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import pytest

from ocrfarm.cli.worker import worker
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.submit import open_submitter, submit
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.result import document_from_json
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from ocrfarm.storage import layout, open_store
from ocrfarm.worker.main import HTTP_SERVICES
from tests.conftest import BUCKET
from tests.support.servers import S3Server, ValkeyServer, create_bucket

PROFILE = replace(find_profile("synthetic"), tiling=Tiling(512, 128, levels=False))


@pytest.fixture
def settings(valkey_server: ValkeyServer, aws: S3Server, tmp_path: Path) -> Settings:
    store = aws.url(BUCKET, uuid.uuid4().hex)
    create_bucket(store)
    places = Endpoints(valkey_server.url, store, key_prefix=f"{uuid.uuid4().hex}:", health_dir=str(tmp_path / "health"))
    return Settings(places, task_limits=TaskLimits(shutdown_timeout=1))


@contextmanager
def run_workers(settings: Settings, *commands: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    command, environment = [sys.executable, "-m", "ocrfarm.cli", "worker"], os.environ | settings.to_env()
    running = [subprocess.Popen([*command, *arguments.split()], env=environment) for arguments in commands]
    try:
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _wait_for_files(folder: Path, *names: str) -> None:
    deadline = time.monotonic() + 60
    while not all(list(folder.glob(name)) for name in names):
        assert time.monotonic() < deadline, list(folder.glob("*"))
        time.sleep(0.05)


def test_workers_read_a_page_and_stop_on_sigterm(settings: Settings) -> None:
    pixels, lines = make_synthetic_page(Size(1500, 900), seed=2, lines=12)
    with run_workers(settings, "split", "stitch", "recognize --profile synthetic") as running:
        store, progress = open_store(settings.endpoints.store), open_job_store(settings)
        counter = open_submitter(settings, make_app(settings), store=store)
        job = submit(counter, Request("page.png", PROFILE, time.time()), source=encode_tile(pixels))
        deadline = time.monotonic() + 60
        while not (status := progress.get_status(job)).has_ended:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        assert status.state == "complete"
        document = document_from_json(store.get(layout.result(job)))
        assert sorted(line.text for line in document.lines) == sorted(line.text for line in lines)
        _wait_for_files(Path(settings.endpoints.health_dir), "split-*.ready", "stitch-*.alive", "recognize-*.loaded")
    assert [process.returncode for process in running] == [0, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["split"], {}, "OCRFARM_BROKER"),
        (["split"], {"OCRFARM_BROKER": "redis://x"}, "OCRFARM_STORE"),
        (["split", "recognize"], {"OCRFARM_BROKER": "redis://x", "OCRFARM_STORE": "/tmp"}, "cannot share a process"),
        (["recognize", "--profile", "swift"], {"OCRFARM_BROKER": "redis://x", "OCRFARM_STORE": "/tmp"}, "swift"),
        (["split"], {"OCRFARM_BROKER": "redis://x", "OCRFARM_STORE": "ftp://x"}, "ftp"),
        (["split"], {"OCRFARM_BROKER": "amqp://x", "OCRFARM_STORE": "/tmp"}, "redis://"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    command = [sys.executable, "-m", "workers", *arguments]
    ended = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 4
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_help_names_the_addresses_at_which_services_listen() -> None:
    shown = " ".join(worker.get_help(click.Context(worker)).split())
    for name, service in HTTP_SERVICES.items():
        assert f"{name} {service.port}" in shown
    assert {name for name, service in HTTP_SERVICES.items() if service.address != "127.0.0.1"} == {"metrics"}
