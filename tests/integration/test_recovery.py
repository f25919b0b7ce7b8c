"""Store and broker disagree, clocks are wrong, records are halves: every job comes back, and nothing is deleted."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from ocrfarm.errors import StoreUnreachable, UnknownJob
from ocrfarm.farm import handlers, protocol, recovery, tasks
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.recovery import clear_dead_letters, comparison, expiry
from ocrfarm.farm.submit import cancel
from ocrfarm.settings import Admission, Endpoints, Retention, Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.tile import TileId
from tests.support.farm_fixture import draw_page
from tests.support.in_process_farm import InProcessFarm, make_in_process_farm
from tests.support.servers import ValkeyServer

DAY = 86_400
PAGE = draw_page(2, 1)


@pytest.fixture
def farm(valkey_server: ValkeyServer) -> Iterator[InProcessFarm]:
    farm = make_in_process_farm(valkey_server)
    settings = replace(
        farm.services.settings,
        admission=Admission(stalled_timeout=0, reconcile_interval=1),
        retention=Retention(retention_complete=1, retention_cancelled=1),
    )
    yield replace(farm, services=replace(farm.services, settings=settings))
    farm.services.jobs.close()


class BrokerState:
    """All keys of a farm, which can be put back as they were."""

    def __init__(self, farm: InProcessFarm) -> None:
        endpoints = farm.services.settings.endpoints
        self.prefix = endpoints.key_prefix
        self.server = redis.Redis.from_url(endpoints.broker)
        self.saved: dict[bytes, bytes] = {}

    def save(self) -> None:
        self.saved = {key: self.server.dump(key) or b"" for key in self._keys()}

    def restore(self) -> None:
        """Put back what was saved, or empty the broker if nothing was; the comparison sees another run."""
        self.empty()
        for key, value in self.saved.items():
            self.server.restore(key, 0, value)
        self.server.hset(f"{self.prefix}comparison", "run", "another")

    def empty(self) -> None:
        if keys := self._keys():
            self.server.delete(*keys)

    def _keys(self) -> list[bytes]:
        return list(self.server.scan_iter(f"{self.prefix}*"))


@pytest.fixture
def broker(farm: InProcessFarm) -> BrokerState:
    return BrokerState(farm)


def _reconcile(farm: InProcessFarm) -> None:
    app = make_app(farm.services.settings)
    tasks.register_tasks(app, lambda: farm.services)
    keys = farm.services.settings.endpoints
    with redis.Redis.from_url(keys.broker) as server:
        server.delete(f"{keys.key_prefix}lock:reconcile", f"{keys.key_prefix}lock:cleanup")
    app.tasks[protocol.RECONCILE].apply(throw=True)


def _read(farm: InProcessFarm, job: str) -> None:
    for batch in list(handlers.split(farm.services, job)):
        handlers.recognize(farm.services, job, batch=batch)
    farm.stitch(job)


def _states(farm: InProcessFarm, *jobs: str) -> list[str]:
    return [status.state for status in farm.services.jobs.get_statuses(*jobs)]


def _messages(farm: InProcessFarm, job: str) -> list[str]:
    with redis.Redis.from_url(farm.services.settings.endpoints.broker) as server:
        prefix = farm.services.settings.endpoints.key_prefix
        names = [protocol.SPLIT_QUEUE, protocol.STITCH_QUEUE, protocol.recognize_queue("synthetic")]
        found = [json.loads(each) for name in names for each in server.lrange(f"{prefix}{name}", 0, -1)]
    return [str(each["headers"]["task"]) for each in found if str(each["headers"]["id"]).startswith(job)]


def test_a_comparison_that_was_interrupted_is_repeated(
    farm: InProcessFarm, broker: BrokerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [farm.submit(PAGE.png) for _ in range(3)]
    broker.empty()

    def away(key: str) -> bytes:
        raise StoreUnreachable("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(farm.services.store, "get", away)
        for _ in range(2):
            with pytest.raises(StoreUnreachable):
                _reconcile(farm)
    assert _states(farm, *jobs) == []
    _reconcile(farm)
    assert _states(farm, *jobs) == ["queued"] * 3
    assert sorted(farm.services.jobs.list_active()) == sorted(jobs)
    assert all(_messages(farm, job) == [protocol.SPLIT] for job in jobs)


def test_jobs_that_an_older_broker_does_not_know_come_back(farm: InProcessFarm, broker: BrokerState) -> None:
    old = farm.submit(PAGE.png)
    broker.save()
    new = [farm.submit(PAGE.png), farm.submit(PAGE.png)]
    _read(farm, new[0])
    broker.restore()
    _reconcile(farm)
    assert _states(farm, old, *new) == ["queued", "complete", "queued"]
    assert _messages(farm, new[1]) == [protocol.SPLIT]
    assert {status.id for status in farm.services.jobs.list_recent()} == {old, *new}


def test_young_jobs_come_back_without_a_new_run(farm: InProcessFarm, broker: BrokerState) -> None:
    _reconcile(farm)
    job = farm.submit(PAGE.png)
    with redis.Redis.from_url(farm.services.settings.endpoints.broker) as server:
        server.delete(f"{broker.prefix}job:{job}")
    _reconcile(farm)
    assert _states(farm, job) == ["queued"]


def test_ends_that_an_older_broker_has_forgotten_stay(farm: InProcessFarm, broker: BrokerState) -> None:
    cancelled, complete, reopened = (farm.submit(PAGE.png) for _ in range(3))
    cancel(farm.make_submitter(), reopened)
    broker.save()
    cancel(farm.make_submitter(), cancelled)
    _read(farm, complete)
    ends = [status.finished for status in farm.services.jobs.get_statuses(cancelled, complete)]
    clear_dead_letters(farm.services.store, reopened)
    farm.services.jobs.recovery.reset_job(reopened, done=set())
    broker.restore()
    assert _states(farm, cancelled, complete, reopened) == ["queued", "queued", "cancelled"]
    _reconcile(farm)
    assert _states(farm, cancelled, complete, reopened) == ["cancelled", "complete", "queued"]
    assert [status.finished for status in farm.services.jobs.get_statuses(cancelled, complete)] == ends
    assert farm.services.jobs.list_active() == [reopened]


def test_a_job_that_ends_twice_ends_at_the_same_time(farm: InProcessFarm, broker: BrokerState) -> None:
    """Its webhook would be delivered twice."""
    job = farm.submit(PAGE.png)
    broker.save()
    _read(farm, job)
    before = farm.status(job)
    broker.restore()
    farm.stitch(job)
    assert farm.status(job).finished == before.finished


def test_a_job_that_only_the_broker_lists_is_forgotten(farm: InProcessFarm, broker: BrokerState) -> None:
    """It would count as active for ever."""
    job = farm.submit(PAGE.png)
    farm.services.store.delete(list(farm.services.store.list(layout.job_prefix(job))))
    broker.server.delete(f"{broker.prefix}job:{job}")
    broker.server.delete(f"{broker.prefix}comparison")
    _reconcile(farm)
    assert farm.services.jobs.list_active() == []
    assert farm.services.jobs.list_recent() == []


def test_a_requeued_job_never_uses_a_chord_again(farm: InProcessFarm, broker: BrokerState) -> None:
    job, seen = farm.submit(PAGE.png), set[int]()
    broker.save()
    for _ in range(3):
        broker.restore()
        _reconcile(farm)
        farm.services.jobs.recovery.count_requeue(farm.status(job))
        seen.add(farm.services.jobs.recovery.get_generation(job))
    assert len(seen) == 3


def test_one_bad_job_stops_no_other(farm: InProcessFarm, broker: BrokerState) -> None:
    bad, newer, good = (farm.submit(PAGE.png) for _ in range(3))
    farm.services.store.put(layout.request(bad), b"{")
    farm.services.store.put(layout.final_status(newer), b'{"state": "verifying"}')
    broker.empty()
    _reconcile(farm)
    assert _states(farm, bad, newer, good) == ["queued"]
    assert _states(farm, good) == ["queued"]


def test_halves_of_records_are_no_jobs_and_are_healed(farm: InProcessFarm, broker: BrokerState) -> None:
    job = farm.submit(PAGE.png)
    status = farm.status(job)
    broker.empty()
    jobs, letter = farm.services.jobs, TileId(0, 0, 0, 0)
    jobs.recovery.measure_idle_seconds(status)
    jobs.recovery.count_requeue(status)
    jobs.recovery.measure_expired_seconds(job, 1, states=["complete"])
    jobs.attempts.start(job, str(letter))
    jobs.attempts.record_failure(job, str(letter))
    jobs.mark_tile_done(job, str(letter))
    assert not list(broker.server.scan_iter(f"{broker.prefix}job:*"))
    broker.server.hset(f"{broker.prefix}job:{job}", "progress_mark", "queued 0 0 0")
    assert jobs.get_statuses(job) == []
    with pytest.raises(UnknownJob):
        jobs.get_status(job)
    _reconcile(farm)
    assert _states(farm, job) == ["queued"]


def test_a_state_of_a_newer_version_is_left_alone(farm: InProcessFarm, broker: BrokerState) -> None:
    newer, other = farm.submit(PAGE.png), farm.submit(PAGE.png)
    broker.server.hset(f"{broker.prefix}job:{newer}", "state", "verifying")
    broker.server.hset(f"{broker.prefix}job:{other}", mapping={"webhook": "soon", "tiles": "many", "colour": "red"})
    broker.server.hset(f"{broker.prefix}comparison", "run", "another")
    assert [status.id for status in farm.services.jobs.list_recent()] == [other]
    farm.submit(PAGE.png)
    _reconcile(farm)
    assert broker.server.hget(f"{broker.prefix}job:{newer}", "state") == b"verifying"
    assert farm.status(other).tiles == 0


def test_resuming_reads_tiles_again_whose_fragments_are_gone(farm: InProcessFarm) -> None:
    job = farm.submit(PAGE.png)
    for batch in list(handlers.split(farm.services, job)):
        handlers.recognize(farm.services, job, batch=batch)
    lost = next(farm.services.store.list(f"{layout.job_prefix(job)}fragments/"))
    farm.services.store.delete([lost])
    farm.stitch(job)
    assert farm.status(job).state == "partial"
    app = make_app(farm.services.settings)
    tasks.register_tasks(app, lambda: farm.services)
    app.tasks[protocol.RESUME].apply((job,), throw=True)
    assert farm.status(job).done == farm.status(job).tiles - 1
    for batch in list(recovery.find_remaining_work(farm.services.store, job, batch_pixels=1).batches):
        handlers.recognize(farm.services, job, batch=batch)
    farm.stitch(job)
    assert farm.status(job).state == "complete"


def test_tiles_whose_fragments_are_gone_are_read_again_before_stitching(farm: InProcessFarm) -> None:
    job = farm.submit(PAGE.png)
    for batch in list(handlers.split(farm.services, job)):
        handlers.recognize(farm.services, job, batch=batch)
    app = make_app(farm.services.settings)
    tasks.register_tasks(app, lambda: farm.services)
    farm.services.store.delete([next(farm.services.store.list(f"{layout.job_prefix(job)}fragments/"))])
    for _ in range(2):
        app.tasks[protocol.STITCH].apply((job,), throw=True)
    assert farm.status(job).state == "recognizing"
    assert _messages(farm, job).count(protocol.RECOGNIZE) == 1  # the second message of stitch found it in the queue
    for batch in list(recovery.find_remaining_work(farm.services.store, job, batch_pixels=1).batches):
        handlers.recognize(farm.services, job, batch=batch)
    app.tasks[protocol.STITCH].apply((job,), throw=True)
    assert farm.status(job).state == "complete"


def test_tiles_that_are_never_there_end_the_job_as_partial(farm: InProcessFarm, broker: BrokerState) -> None:
    job = farm.submit(PAGE.png)
    for batch in list(handlers.split(farm.services, job)):
        handlers.recognize(farm.services, job, batch=batch)
    app = make_app(farm.services.settings)
    tasks.register_tasks(app, lambda: farm.services)
    farm.services.store.delete([next(farm.services.store.list(f"{layout.job_prefix(job)}fragments/"))])
    for _ in range(farm.services.settings.admission.max_requeues + 2):  # the first one brings a correct count
        broker.server.delete(*broker.server.keys(f"{broker.prefix}recognize*") or ["none"])
        app.tasks[protocol.STITCH].apply((job,), throw=True)
    farm.stitch(job)  # reads the regions of its second pass
    assert farm.status(job).state == "partial"


@pytest.mark.parametrize("days", [31, -31, 400])
def test_a_workers_wrong_clock_deletes_nothing(farm: InProcessFarm, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    settings = replace(farm.services.settings, retention=Retention())
    farm = replace(farm, services=replace(farm.services, settings=settings))
    jobs, real = [farm.submit(PAGE.png) for _ in range(3)], time.time
    for job in jobs:
        _read(farm, job)
    objects = list(farm.services.store.list("jobs/"))
    monkeypatch.setattr(time, "time", lambda: real() + days * DAY)
    later = farm.submit(PAGE.png)  # by a client whose clock is as wrong
    _read(farm, later)
    for _ in range(3):
        _reconcile(farm)
    monkeypatch.undo()
    _reconcile(farm)
    assert set(objects) <= set(farm.services.store.list("jobs/"))
    assert [status.id for status in farm.services.jobs.list_recent()] == [later, *jobs[::-1]]
    assert abs(farm.status(later).submitted - real()) < 60


def test_a_job_of_a_wrong_clock_is_listed_and_hides_none(farm: InProcessFarm) -> None:
    now, jobs = time.time(), farm.services.jobs
    ids = [protocol.new_job_id() for _ in range(3)]
    for job, at in zip(ids, (now - 40 * DAY, now + 40 * DAY, now), strict=True):
        jobs.create(JobStatus(job, "queued", submitted=at))
    assert {status.id for status in jobs.list_recent()} == set(ids)
    assert all(status.submitted <= time.time() for status in jobs.list_recent())


def test_a_jump_of_the_brokers_clock_deletes_nothing(
    farm: InProcessFarm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = farm.submit(PAGE.png)
    _read(farm, job)
    assert list(expiry.find_expired_jobs(farm.services)) == []
    real = Broker.read_time
    monkeypatch.setattr(Broker, "read_time", lambda self: real(self) + 31 * DAY)
    time.sleep(2.1)
    _reconcile(farm)
    _reconcile(farm)
    assert farm.status(job).state == "complete"
    assert "was set by" in caplog.text


def test_clocks_that_differ_delete_nothing(
    farm: InProcessFarm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = farm.submit(PAGE.png)
    _read(farm, job)
    time.sleep(1.1)
    monkeypatch.setattr(farm.services.store, "server_time", lambda: time.time() - 2 * 3600)
    for _ in range(3):
        _reconcile(farm)
        time.sleep(1.1)
    assert farm.status(job).state == "complete"
    assert "the store's clock is" in caplog.text
    monkeypatch.undo()
    for _ in range(3):
        _reconcile(farm)
        time.sleep(1.1)
    assert farm.services.jobs.get_statuses(job) == []
    assert not list(farm.services.store.list(layout.job_prefix(job)))


def test_the_comparison_is_cheap_with_many_jobs(valkey_server: ValkeyServer) -> None:
    """Only the names of folders are listed, and only missing jobs are read."""
    prefix = f"{uuid.uuid4().hex}:"
    settings = Settings(Endpoints(broker=valkey_server.url, store="memory:", key_prefix=prefix))
    farm = make_in_process_farm(valkey_server)
    jobs = JobStore(Broker(valkey_server.url), prefix=prefix, ttl_seconds=600)
    services = replace(farm.services, settings=settings, store=open_store("memory:"), jobs=jobs)
    for number in range(5_000):
        job = f"01K3WQ8ZJ5T9V0X2Y4A6B{number:05d}"
        services.store.put(layout.request(job), b"{}")
        jobs.create(JobStatus(job, "complete", submitted=1.0 + number))
    started = time.monotonic()
    assert list(comparison.compare_with_store(services)) == []
    assert time.monotonic() - started < 5
    jobs.close()
