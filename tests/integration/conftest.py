"""Servers that all integration tests of one session share."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocrfarm.storage.s3 import S3Store
from tests.integration.servers import S3Server, ValkeyServer, seaweedfs, valkey

BUCKET = "tests"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


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
def s3(aws: S3Server) -> S3Store:
    store = S3Store(aws.url(BUCKET, uuid.uuid4().hex))
    store.create_bucket()
    return store
