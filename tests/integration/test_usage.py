"""What an owner has used: counted once, shown by month and in the metrics."""

import json
import time
import uuid
from pathlib import Path

import pytest

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import make_job_store
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.metrics import MAX_USAGE_PAIRS, Usage, select_histogram, select_usage
from ocrfarm.settings import Endpoints, Settings
from tests.support.command_line import run_ocrfarm
from tests.support.servers import ValkeyServer

MONTH = time.strftime("%Y-%m", time.gmtime())
COUNTS = {"stage recognize tiny 3": 1, "stage recognize tiny sum": 700, "pixels tiny": 9}


@pytest.fixture
def settings(valkey_server: ValkeyServer) -> Settings:
    return Settings(Endpoints(valkey_server.url, "/nowhere", key_prefix=f"{uuid.uuid4().hex}:"))


@pytest.fixture
def jobs(settings: Settings) -> JobStore:
    return make_job_store(Broker(settings.endpoints.broker), settings)


def _start(jobs: JobStore, job: str, *, owner: str = "maps", profile: str = "fast", age: float = 20) -> None:
    submitted = jobs.read_time() - age
    jobs.create(JobStatus(job, "recognizing", owner=owner, profile=profile, submitted=submitted, pixels=2_000_000))


def _end(jobs: JobStore, job: str, state: str = "complete") -> None:
    assert jobs.update(job, state=state, finished=jobs.read_time())


def test_what_a_job_used_is_counted_once(jobs: JobStore) -> None:
    _start(jobs, "a")
    for _ in range(2):  # a message that came twice
        jobs.mark_tile_done("a", "p0000-l0-r000-c000", counts=COUNTS)
    jobs.mark_tile_done("a", "", counts=COUNTS)
    jobs.mark_tile_done("a", "p0000-l0-r000-c001", has_failed=True)
    _end(jobs, "a")
    assert not jobs.update("a", state="failed")
    assert jobs.usage.read_month(MONTH) == [Usage("maps", "fast", 1, 2, 2_000_000, 2.1)]
    jobs.usage.account_job("a")
    assert jobs.usage.read_month(MONTH) == [Usage("maps", "fast", 1, 2, 2_000_000, 2.1)]


def test_a_resumed_job_adds_what_it_used_since(jobs: JobStore) -> None:
    _start(jobs, "a")
    _end(jobs, "a", "partial")
    jobs.recovery.reset_job("a", done=set())
    jobs.mark_tile_done("a", "p0000-l0-r000-c000", counts=COUNTS)
    _end(jobs, "a")
    assert jobs.usage.read_month(MONTH) == [Usage("maps", "fast", 1, 1, 2_000_000, 0.7)]
    assert select_histogram(jobs.metrics.read_all(), "job")["maps", "fast"].counts[4] == 1


def test_durations_are_counted_by_owner_and_profile(jobs: JobStore) -> None:
    for job, age, state in (("a", 20, "complete"), ("b", 7200, "partial"), ("c", 5, "failed"), ("d", -99, "complete")):
        _start(jobs, job, age=age)
        _end(jobs, job, state)
    timing = select_histogram(jobs.metrics.read_all(), "job")["maps", "fast"]
    assert (sum(timing.counts), timing.counts[0], timing.counts[4], timing.counts[11]) == (3, 1, 1, 1)
    assert timing.seconds == pytest.approx(7220, abs=5)


def test_names_that_clients_invent_take_no_room(jobs: JobStore) -> None:
    for number in range(MAX_USAGE_PAIRS + 20):
        _start(jobs, f"j{number}", owner=f"owner {number}\n=1")
        _end(jobs, f"j{number}")
    used = select_usage(jobs.metrics.read_all())
    assert len(used) == MAX_USAGE_PAIRS + 1
    assert sum(usage.jobs for usage in used) == MAX_USAGE_PAIRS + 20
    assert Usage("others", "others", 20, 0, 40_000_000, 0.0) in used
    assert Usage("owner 7\n=1", "fast", 1, 0, 2_000_000, 0.0) in used


def test_the_report_is_csv_or_json(jobs: JobStore, settings: Settings, tmp_path: Path) -> None:
    _start(jobs, "a", owner="=cmd|'x'!A0\x1b[2J")
    jobs.mark_tile_done("a", "p0000-l0-r000-c000", counts=COUNTS)
    _end(jobs, "a")
    variables = settings.to_env()
    ended = run_ocrfarm("usage", cwd=tmp_path, **variables)
    assert ended.stdout.splitlines() == [
        "month,owner,profile,jobs,tiles,pixels,engine_seconds",
        f"{MONTH},'=cmd|'x'!A0\\x1b[2J,fast,1,1,2000000,0.7",
    ]
    ended = run_ocrfarm("usage", "--json", "--month", MONTH, cwd=tmp_path, **variables)
    assert json.loads(ended.stdout)["owner"] == "=cmd|'x'!A0\x1b[2J"
    ended = run_ocrfarm("usage", "--month", "2020-01", cwd=tmp_path, **variables)
    assert len(ended.stdout.splitlines()) == 1
    assert run_ocrfarm("usage", "--month", "May", cwd=tmp_path, **variables).returncode == 4
