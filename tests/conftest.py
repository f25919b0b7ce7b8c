"""What every test has: repeatable examples, real servers, and a watch that no process outlives the run."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import settings

from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.storage.s3 import S3Store
from tests.support.process_watch import MARK, find_leftover_processes, run_reaper
from tests.support.servers import S3Server, ValkeyServer, run_seaweedfs, run_valkey

settings.register_profile(
    "ocrfarm",
    deadline=None,  # a slow machine is no bug
    derandomize="CI" in os.environ,
    max_examples=50,
    database=None,
    print_blob=True,
)
settings.load_profile("ocrfarm")

_EXIT_GRACE_PERIOD = 5
"""Seconds: a process that was told to stop is gone by then."""


@pytest.fixture(scope="session", autouse=True)
def _check_leftover_processes() -> Iterator[None]:
    """Set up before and torn down after every other fixture; processes that left their parent count too."""
    mark = str(uuid.uuid4())
    with run_reaper(mark), pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, mark)
        yield
    end = time.monotonic() + _EXIT_GRACE_PERIOD
    while (left := find_leftover_processes(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left, f"still running after the tests: {left}"


BUCKET = "tests"

OpenS3 = Callable[[str], S3Store]
"""Opens a store that is closed when the test ends."""


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with run_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def synthetic_farm() -> Iterator[EmbeddedFarm]:
    """Give a farm on this machine that reads synthetic pixels."""
    with EmbeddedFarm("synthetic", layout=WorkerLayout(2)) as farm:
        farm.wait_ready()
        yield farm


@pytest.fixture
def aws(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Give the server with its key in the environment, and nothing from the home folder of whoever runs the test."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    settings["AWS_EC2_METADATA_DISABLED"] = "true"
    for name, value in (settings | s3_server.environment).items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def s3(aws: S3Server) -> Iterator[S3Store]:
    with closing(S3Store(aws.url(BUCKET, uuid.uuid4().hex))) as store:
        store.create_bucket()
        yield store


@pytest.fixture
def open_s3() -> Iterator[OpenS3]:
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(closing(S3Store(url)))
