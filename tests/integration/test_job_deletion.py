"""A deleted job leaves nothing: neither in the store nor in the broker, whatever its state was."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import redis

from ocrfarm.client import Client, JobMetadata
from ocrfarm.errors import StoreUnreachable, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_context
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.farm.tasks import register_tasks
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.local import LocalStore
from tests.support.api_server import STUB_IMAGE, run_api_server
from tests.support.command_line import run_ocrfarm
from tests.support.servers import ValkeyServer

PAGE = encode_tile(make_synthetic_page(Size(900, 900), seed=1, lines=8)[0])


@pytest.fixture
def settings(valkey_server: ValkeyServer, tmp_path: Path) -> Settings:
    """Return the settings of a farm without workers, in which jobs wait."""
    places = Endpoints(valkey_server.url, str(tmp_path / "store"), key_prefix=f"{uuid.uuid4().hex}:")
    limits = TaskLimits(job_time_limit=1, batch_time_limit=1)
    return Settings(places, task_limits=limits, admission=Admission(reconcile_interval=1))


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings=settings) as client:
        yield client


def objects(settings: Settings, job: str) -> list[str]:
    return list(open_store(settings.endpoints.store).list(layout.job_prefix(job)))


def keys_of(settings: Settings, job: str) -> set[str]:
    """Return the keys that hold anything of a job."""
    prefix = settings.endpoints.key_prefix
    with redis.Redis.from_url(settings.endpoints.broker, decode_responses=True) as server:
        named = {str(key) for key in server.scan_iter(f"{prefix}*{job}*")}
        lists = ("jobs", "jobs:alice", "webhooks", "deleted")
        listed = {key for key in lists if server.zrange(f"{prefix}{key}", 0, -1)}
        waiting = {"split"} if any(job in str(each) for each in server.lrange(f"{prefix}split", 0, -1)) else set()
        return {key.removeprefix(prefix) for key in named} | listed | waiting


def reconcile(settings: Settings) -> None:
    app = make_app(settings)
    register_tasks(app, partial(open_context, settings))
    app.tasks[protocol.RECONCILE].apply(throw=True)


def test_a_waiting_job_is_cancelled_and_deleted(client: Client, settings: Settings) -> None:
    job = client.submit(STUB_IMAGE, metadata=JobMetadata(owner="alice"), name="secret.png")
    assert objects(settings, job.id)
    job.delete()
    assert not objects(settings, job.id)
    assert not client.jobs()
    for use in (job.status, job.delete, job.cancel, job.resume):
        with pytest.raises(UnknownJob):
            use()
    assert keys_of(settings, job.id) == {f"job:{job.id}", "deleted"}


def test_what_a_worker_stores_afterwards_is_deleted_as_well(client: Client, settings: Settings) -> None:
    job, store = client.submit(STUB_IMAGE), open_store(settings.endpoints.store)
    job.delete()
    for _ in range(2):
        store.put(layout.fragments(job.id, "p0000-l0-r0000-c0000"), b"the text of a tile")
        reconcile(settings)
        assert not objects(settings, job.id)
        time.sleep(1.1)  # the lock of the last reconciliation
    reconcile(settings)
    assert not keys_of(settings, job.id)


def test_a_deletion_that_the_store_interrupts_is_finished_by_recovery(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.submit(STUB_IMAGE)

    def fail(*_: object) -> None:
        raise StoreUnreachable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "delete", fail)
        with pytest.raises(StoreUnreachable):
            job.delete()
    assert objects(settings, job.id)
    reconcile(settings)
    assert not objects(settings, job.id)
    assert not client.jobs()


def test_finished_jobs_are_deleted_on_the_command_line(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with Client(settings=synthetic_farm.settings) as client:
        jobs = [client.submit(PAGE, profile="synthetic") for _ in range(2)]
        for job in jobs:
            assert job.wait(60).state == "complete"
        unknown = protocol.new_job_id()
        ids = [jobs[0].id, unknown, jobs[1].id]
        ended = run_ocrfarm("rm", *ids, cwd=tmp_path, **synthetic_farm.settings.to_env())
        assert ended.returncode == UnknownJob.exit_code
        assert ended.stdout.split() == [jobs[0].id, "deleted", jobs[1].id, "deleted"]
        assert unknown in ended.stderr
        assert not [each for job in jobs for each in objects(synthetic_farm.settings, job.id)]
        assert not {job.id for job in jobs} & {status.id for status in client.jobs()}


def test_an_owner_deletes_over_http(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with (
        run_api_server(synthetic_farm.settings, tmp_path) as server,
        server.client("alice") as alice,
        server.client("bob") as bob,
    ):
        job = alice.post("/v1/jobs", content=PAGE, params={"profile": "synthetic"}).json()["id"]
        with Client(settings=synthetic_farm.settings) as client:
            client.job(job).wait(60)
        url = f"/v1/jobs/{job}"
        assert bob.delete(url, params={"purge": "true"}).status_code == 404
        assert alice.delete(url).json() == {"cancelled": False}
        assert alice.get(f"{url}/result").status_code == 200
        assert alice.delete(url, params={"purge": "true"}).json() == {"cancelled": False, "deleted": True}
        assert not objects(synthetic_farm.settings, job)
        for answer in (alice.get(url), alice.get(f"{url}/result"), alice.delete(url, params={"purge": "true"})):
            assert answer.status_code == 404
        assert job not in [each["id"] for each in alice.get("/v1/jobs").json()["jobs"]]


def test_a_running_job_is_deleted_over_http(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    large = encode_tile(make_synthetic_page(Size(4000, 4000), seed=2, lines=90)[0])
    settings = replace(synthetic_farm.settings)
    with run_api_server(settings, tmp_path) as server, server.client("alice") as alice:
        job = alice.post("/v1/jobs", content=large, params={"profile": "synthetic"}).json()["id"]
        deadline = time.monotonic() + 30
        while alice.get(f"/v1/jobs/{job}").json()["state"] == "queued":
            assert time.monotonic() < deadline
        assert alice.delete(f"/v1/jobs/{job}", params={"purge": "true"}).json()["deleted"]
        assert alice.get(f"/v1/jobs/{job}").status_code == 404
