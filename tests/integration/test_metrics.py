"""The exporter of a real farm, scraped by a real Prometheus; every query of dashboard and alerts has a result."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from ocrfarm.errors import FarmError
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.snapshot import make_snapshot_reader
from ocrfarm.farm.worker_registry import Gpu, WorkerInfo
from ocrfarm.settings import Admission, Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.programs import find_program
from tests.support.prometheus_text import Samples, parse_samples, sample_value
from tests.support.servers import ValkeyServer, find_free_ports, run_valkey
from tests.support.source_tree import ROOT

FILES = ROOT / "helm" / "ocrfarm" / "files"
ALERTS, DASHBOARD = FILES / "alerts.yaml", FILES / "dashboard.json"
GPU_HOST = WorkerInfo("far@gpu", "gpu", ("recognize.synthetic",), 1, 2 * 10**9, (Gpu(0, "H100", 80, 8, 50, 60),))


@contextmanager
def _farm(server: ValkeyServer, folder: Path) -> Iterator[ProcessFarm]:
    places = Endpoints(server.url, f"{folder}/store", key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(places, task_limits=TaskLimits(shutdown_timeout=1), admission=Admission(reconcile_interval=2))
    with run_farm(settings, folder) as farm:
        yield farm


def _exporter(farm: ProcessFarm, name: str = "metrics") -> str:
    """Start an exporter and return its address when it answers."""
    (port,) = find_free_ports(1)
    farm.start(name, f"metrics --address 127.0.0.1 --port {port}")
    url = f"http://127.0.0.1:{port}/metrics"
    farm.wait_until(lambda: _get(url) is not None)
    return url


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return None


def _samples(url: str) -> Samples:
    text = _get(url)
    assert text
    return parse_samples(text)


def test_retries_are_not_counted_twice(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    """One tile kills its process, another always exhausts the memory; an exporter started later shows the same."""
    page = draw_page(3, 2, {(0, 0): "CRASHW", (1, 2): "GORGE"})
    with _farm(valkey_server, tmp_path) as farm:
        url = _exporter(farm)
        before = _samples(url)
        assert (
            sample_value(before, "tiles_total", outcome="failed")
            == sample_value(before, "jobs_total", state="partial")
            == 0
        )
        job = farm.submit(page.png)
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        assert farm.wait(job, seconds=120).state == "partial", farm.logs()
        status, document = farm.status(job), farm.document(job)
        farm.wait_until(lambda: _samples(url)["ocrfarm_jobs_total", frozenset({("state", "partial")})] == 1)
        after = _samples(url)
        outcomes = {each: sample_value(after, "tiles_total", outcome=each) for each in ("read", "failed", "blank")}
        assert outcomes == {"read": status.done, "failed": status.failed, "blank": status.blank}
        assert outcomes["failed"] == 1
        assert sample_value(after, "retries_total", stage="recognize") >= 1
        assert sample_value(after, "tile_failures_total") >= 1
        (model,) = {line.model for line in document.lines}
        assert sample_value(after, "lines_total", model=model) == len(document.lines)
        assert sample_value(after, "stage_duration_seconds_count", stage="split", model="") == 1
        assert sample_value(after, "stage_duration_seconds_count", stage="stitch", model="") == 1
        assert sample_value(after, "stage_duration_seconds_count", stage="recognize", model="synthetic") >= status.done
        assert sample_value(after, "model_load_duration_seconds_count", model="synthetic") >= 2, (
            "the process that died was replaced"
        )
        assert sample_value(after, "pixels_total", model="synthetic") >= status.done * 400 * 400
        assert (
            sample_value(after, "workers", queue="recognize.synthetic")
            == sample_value(after, "workers", queue="split")
            == 1
        )
        assert farm.stop("metrics") == 0
        again = _samples(_exporter(farm, "second"))
        counted = [key for key in after if key[0].endswith(("_total", "_count", "_bucket"))]
        assert {key: again[key] for key in counted} == {key: after[key] for key in counted}


def test_waiting_messages_are_shown_with_their_age(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with _farm(valkey_server, tmp_path) as farm:
        url = _exporter(farm)
        farm.submit(draw_page(1, 1).png)
        farm.start("control", CONTROL)
        farm.wait_until(
            lambda: (
                ("ocrfarm_queue_messages", frozenset({("queue", "recognize.synthetic"), ("priority", "0")}))
                in _samples(url)
            )
        )
        farm.wait_until(
            lambda: sample_value(_samples(url), "queue_messages", queue="recognize.synthetic", priority="0") == 1
        )

        def age() -> float:
            labels = {"queue": "recognize.synthetic", "priority": "0"}
            return sample_value(_samples(url), "queue_oldest_message_age_seconds", **labels)

        young = age()
        farm.wait_until(lambda: young + 1 <= age() < 60)
        found = _samples(url)
        assert sample_value(found, "queue_oldest_message_age_seconds", queue="recognize.synthetic", priority="9") == 0
        assert sample_value(found, "jobs_active", state="recognizing") == sample_value(found, "tiles_pending") == 1
        assert sample_value(found, "jobs_without_worker") == 1
        assert sample_value(found, "workers", queue="recognize.synthetic") == 0
        farm.start("reader", RECOGNIZER, FAKE_WORKER_TILE_SECONDS="3")
        farm.wait_until(
            lambda: sum(value for (name, _), value in _samples(url).items() if name == "ocrfarm_unacked_messages") == 1
        )
        farm.wait_until(lambda: sample_value(_samples(url), "tiles_pending") == 0)


def test_an_unreachable_broker_is_reported_and_the_exporter_runs_on(tmp_path: Path) -> None:
    with run_valkey(tmp_path) as server, _farm(server, tmp_path) as farm:
        url = _exporter(farm)
        assert sample_value(_samples(url), "broker_up") == 1
        server.kill()
        assert _samples(url) == {("ocrfarm_broker_up", frozenset()): 0}
        server.start()
        farm.wait_until(lambda: sample_value(_samples(url), "broker_up") == 1)


def test_a_port_in_use_is_reported_in_one_line(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with _farm(valkey_server, tmp_path) as farm:
        port = urllib.parse.urlsplit(_exporter(farm)).port
        farm.start("other", f"metrics --address 127.0.0.1 --port {port}")
        assert farm.running["other"].wait(30) == FarmError.exit_code
        assert len(farm.log("other").splitlines()) == 1


def test_a_client_of_the_broker_may_take_a_snapshot(tmp_path: Path) -> None:
    with run_valkey(tmp_path) as server:
        line = (ROOT / "docs" / "security" / "redis.acl").read_text().split("user ocrfarm-client ")[1].splitlines()[0]
        with redis.Redis.from_url(server.url) as admin:
            admin.execute_command("ACL", "SETUSER", "client", *line.replace("#CLIENT_SHA256", ">secret").split())
            url = server.url.replace("//", "//client:secret@")
            take = make_snapshot_reader(Settings(Endpoints(url, str(tmp_path))))
            assert take().workers == ()
            open_job_store(Settings(Endpoints(server.url))).workers.record_heartbeat(GPU_HOST)
            assert take().workers == (GPU_HOST,)
            assert not admin.execute_command("ACL", "LOG")


@pytest.fixture(scope="module")
def prometheus(valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return a Prometheus that has scraped a working farm, one of whose workers reported a GPU."""
    folder = tmp_path_factory.mktemp("prometheus")
    program = find_program("prometheus", package="prometheus")
    with _farm(valkey_server, folder) as farm:
        url = _exporter(farm)
        (port,) = find_free_ports(1)
        scrape = {"job_name": "ocrfarm", "static_configs": [{"targets": [urllib.parse.urlsplit(url).netloc]}]}
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(ALERTS)]}
        (folder / "prometheus.yml").write_text(json.dumps(config | {"scrape_configs": [scrape]}))
        command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        with (
            (folder / "prometheus.log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                _work(farm, f"http://127.0.0.1:{port}")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def _work(farm: ProcessFarm, prometheus: str) -> None:
    """Read pages, one of them with a tile that fails, before and after the first scrape."""
    farm.start("control", CONTROL)
    farm.start("reader", RECOGNIZER)
    open_job_store(farm.settings).workers.record_heartbeat(GPU_HOST)
    pages = [draw_page(2, 1, {(0, 0): "GORGE"}).png, draw_page(2, 2).png]
    for jobs in (2, 4):
        for page in pages:
            assert farm.wait(farm.submit(page)).has_ended
        farm.wait_until(partial(_query_prometheus, prometheus, f"sum(ocrfarm_jobs_total) == {jobs}"))
    farm.wait_until(partial(_query_prometheus, prometheus, 'ALERTS{alertname="OcrfarmTilesFailed"}'))


def _query_prometheus(prometheus: str, query: str) -> list[Any]:
    """Return Prometheus' result; the dashboard's intervals are replaced by those of this short history."""
    query = re.sub(r"\[(\$__rate_interval|\d+[mh])\]", "[60s]", query)
    answer = _get(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    if answer is None:
        return []
    found = json.loads(answer)
    assert found["status"] == "success", (query, found)
    return list(found["data"]["result"])


def _queries() -> list[str]:
    """Return every query of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


_QUERY_WITHOUT_RESULT = "ocrfarm_broker_memory_limit_bytes > 0"
"""The tests' broker has no limit."""


@pytest.mark.parametrize("query", _queries())
def test_every_query_of_the_dashboard_has_an_answer(prometheus: str, query: str) -> None:
    found = _query_prometheus(prometheus, query)
    assert found or query == _QUERY_WITHOUT_RESULT
    assert not [row for row in found if row["value"][1] == "NaN"]


@pytest.mark.parametrize(
    "place", ["helm/ocrfarm/files/dashboard.json", "helm/ocrfarm/files/alerts.yaml", "docs/monitoring.md"]
)
def test_no_metric_is_named_that_does_not_exist(prometheus: str, place: str) -> None:
    names = json.loads(str(_get(f"{prometheus}/api/v1/label/__name__/values")))["data"]
    described = json.loads(str(_get(f"{prometheus}/api/v1/metadata")))["data"]  # also those that have no value yet
    there = {*names, *described, *(f"{name}_total" for name in described), *_list_metrics_of_the_api()}
    named = set(re.findall(r"\bocrfarm_[a-z_]+\b", (ROOT / place).read_text()))
    histograms = {name.removesuffix("_bucket") for name in there if name.endswith("_bucket")}
    assert named
    assert named - there - histograms == set()


def _list_metrics_of_the_api() -> set[str]:
    text = (ROOT / "ocrfarm" / "server" / "metrics.py").read_text()
    names = set(re.findall(r'"(ocrfarm_api_[a-z_]+)"', text))
    return names | {f"{name}_total" for name in names}


def test_prometheus_takes_the_rules_and_rings_for_the_tile_that_was_given_up(prometheus: str) -> None:
    answer = json.loads(str(_get(f"{prometheus}/api/v1/rules")))
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in _rules()}
    assert all(rule["health"] == "ok" for rule in rules), rules
    assert [rule["state"] for rule in rules if rule["name"] == "OcrfarmTilesFailed"] == ["firing"]


def test_alerts_ring_when_they_should_and_only_then() -> None:
    promtool = find_program("promtool", package="prometheus")
    for what in (["check", "rules", str(ALERTS)], ["test", "rules", str(Path(__file__).with_name("alerts_test.yaml"))]):
        done = subprocess.run([promtool, *what], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    tested = Path(__file__).with_name("alerts_test.yaml").read_text()
    for rule in _rules():
        assert rule["alert"] in tested
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert all(
            rule["annotations"][name].endswith(".") or "?" in rule["annotations"][name]
            for name in ("summary", "description")
        )


def test_the_exporter_loads_no_engine() -> None:
    program = "import sys, ocrfarm.worker.metrics; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"cv2", "paddle", "paddleocr", "onnxruntime", "pyvips", "boto3"} & set(done.stdout.split())
