"""Jobs that a stranger wrote into the broker: no field of theirs controls a terminal or forges a row."""

import uuid
from pathlib import Path

import pytest

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import make_job_store
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.protocol import new_job_id
from ocrfarm.farm.worker_registry import WorkerInfo
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Endpoints, Settings
from tests.support.command_line import run_ocrfarm
from tests.support.hostile_names import HOSTILE_NAMES, find_unprintable
from tests.support.servers import ValkeyServer

NAMES = tuple(name for name in HOSTILE_NAMES if "\udce9" not in name)  # no string of Redis can hold half a surrogate


@pytest.fixture
def settings(valkey_server: ValkeyServer, tmp_path: Path) -> Settings:
    return Settings(Endpoints(valkey_server.url, str(tmp_path / "store"), key_prefix=f"{uuid.uuid4().hex}:"))


def test_every_command_and_status_is_printable(settings: Settings, tmp_path: Path) -> None:
    jobs = make_job_store(Broker(settings.endpoints.broker), settings)
    ids = [new_job_id() for _ in NAMES]
    for job, name in zip(ids, NAMES, strict=True):
        fields = {"owner": name, "error": name, "error_kind": name, "waiting": name}
        jobs.create(JobStatus(job, "failed", name=name, **fields))  # type: ignore[arg-type]
    jobs.create(JobStatus(new_job_id(), "queued", name=NAMES[0], waiting=NAMES[1]))
    jobs.workers.record_heartbeat(WorkerInfo(NAMES[0], NAMES[1], (NAMES[2],), 1, 100))
    shown = [value for job in ids for value in vars_of(jobs.get_status(job))]
    assert not [value for value in shown if find_unprintable(value)]
    for command in (["jobs"], ["top", "--once"], *(["status", job] for job in ids[:3]), ["wait", ids[0]]):
        ended = run_ocrfarm(*command, cwd=tmp_path, **settings.to_env())
        assert not [line for line in (ended.stdout + ended.stderr).split("\n") if find_unprintable(line)]
        assert ended.stdout
    listed = run_ocrfarm("jobs", cwd=tmp_path, **settings.to_env()).stdout.splitlines()
    rows = [line for line in listed if not line.startswith(" ")]
    assert len(rows) == len(NAMES) + 1


def vars_of(status: JobStatus) -> list[str]:
    """Return the texts of a status."""
    return [value for name in status.__match_args__ if isinstance(value := getattr(status, name), str)]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_request_has_a_printable_name(name: str) -> None:
    request = Request.from_bytes(Request(name, find_profile("synthetic"), 0.0).to_bytes())
    assert not find_unprintable(request.name)
