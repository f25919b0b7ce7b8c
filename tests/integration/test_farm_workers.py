"""`python -m workers` against a real Valkey and a real S3 server, as in a cluster."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ocrfarm.farm.app import make_app
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.services import open_progress
from ocrfarm.farm.submit import open_counter, submit
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import Tiling, find_profile
from ocrfarm.recognize.planted import planted_page
from ocrfarm.result import document_from_json
from ocrfarm.settings import Places, Settings, Work
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.s3 import S3Store
from tests.conftest import BUCKET
from tests.integration.servers import S3Server, ValkeyServer

PROFILE = replace(find_profile("planted"), tiling=Tiling(512, 128, levels=False))


@pytest.fixture
def settings(valkey_server: ValkeyServer, aws: S3Server, tmp_path: Path) -> Settings:
    store = aws.url(BUCKET, uuid.uuid4().hex)
    S3Store(store).create_bucket()
    places = Places(valkey_server.url, store, prefix=f"{uuid.uuid4().hex}:", health=str(tmp_path / "health"))
    return Settings(places, work=Work(shutdown_seconds=1))


@contextmanager
def workers(settings: Settings, *commands: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    command, environment = [sys.executable, "-m", "workers"], os.environ | settings.to_env()
    running = [subprocess.Popen([*command, *arguments.split()], env=environment) for arguments in commands]
    try:
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)


def _appear(folder: Path, *names: str) -> None:
    deadline = time.monotonic() + 60
    while not all(list(folder.glob(name)) for name in names):
        assert time.monotonic() < deadline, list(folder.glob("*"))
        time.sleep(0.05)


def test_workers_read_a_page_and_leave_when_told(settings: Settings) -> None:
    pixels, lines = planted_page(Size(1500, 900), seed=2, lines=12)
    with workers(settings, "split", "stitch", "recognize --profile planted") as running:
        store, progress = open_store(settings.places.store), open_progress(settings)
        counter = open_counter(settings, make_app(settings), store=store)
        job = submit(counter, Request("page.png", PROFILE, time.time()), source=encode_tile(pixels))
        deadline = time.monotonic() + 60
        while not (status := progress.status(job)).ended:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        assert status.state == "complete"
        document = document_from_json(store.get(keys.result(job)))
        assert sorted(line.text for line in document.lines) == sorted(line.text for line in lines)
        _appear(Path(settings.places.health), "split.ready", "stitch.alive", "recognize.*.loaded")
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
