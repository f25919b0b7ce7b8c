"""`ocrfarm doctor` finds and names faults that are made for real; a worker that has one does not join its queue."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3.session
import pytest
import redis

from ocrfarm.errors import BrokerError, EngineError, OcrfarmError, StoreDenied, StoreError, StoreFull, WeightsError
from ocrfarm.farm.worker_registry import list_gpus
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.settings import Admission, Endpoints, Settings
from tests.conftest import BUCKET
from tests.support.farm_fixture import CONTROL, RECOGNIZER, draw_page, run_farm
from tests.support.s3_proxy import run_faulty_s3_proxy
from tests.support.servers import (
    S3Server,
    ValkeyServer,
    create_bucket,
    find_free_ports,
    require,
    run_seaweedfs,
    run_valkey,
)

DETECTOR = "PP-OCRv6_tiny_det"


@dataclass
class DoctorReport:
    """What the doctor said and its exit code."""

    code: int
    findings: list[dict[str, Any]]

    @property
    def failures(self) -> dict[str, str]:
        return {each["name"]: each["kind"] for each in self.findings if each["state"] == "failure"}

    def findings_of(self, name: str) -> list[dict[str, Any]]:
        return [each for each in self.findings if each["name"] == name]


@dataclass
class DoctorEnvironment:
    """A machine whose broker and store are in order; each test breaks one thing."""

    environment: dict[str, str]
    folder: Path
    prefix: list[str] = field(default_factory=list)

    def run_doctor(self, *arguments: str, **environment: str) -> DoctorReport:
        command = [*self.prefix, sys.executable, "-m", "ocrfarm.cli", "doctor", "--json", *arguments]
        variables = os.environ | self.environment | environment
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
        assert not done.stderr, done.stderr
        said = json.loads(done.stdout)
        assert said["fit"] == (done.returncode == 0)
        return DoctorReport(done.returncode, said["findings"])

    def write_profile(self, runtime: str) -> str:
        path = self.folder / "mine.toml"
        models = f'detector = "{DETECTOR}"\nrecognizer = "PP-OCRv6_tiny_rec"\ndetector_scale = 0.5\n'
        path.write_text(f"{models}[runtime]\n{runtime}\n")
        return str(path)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Give a broker whose settings a test may change; they are put right again by `doctor_env`."""
    with run_valkey(tmp_path_factory.mktemp("doctor")) as server:
        yield server


@pytest.fixture
def doctor_env(broker: ValkeyServer, tmp_path: Path) -> DoctorEnvironment:
    with redis.Redis.from_url(broker.url) as server:
        server.config_set("maxmemory", "200mb")
        server.config_set("maxmemory-policy", "noeviction")
    return DoctorEnvironment({"OCRFARM_BROKER": broker.url, "OCRFARM_STORE": str(tmp_path / "store")}, tmp_path)


def _weights(folder: Path) -> Path:
    """Copy the detector's weights to a folder of the test's own."""
    present = WeightsFolders(Settings().cache_path).find(find_model(DETECTOR, "detector"))
    require(present, "the weights are missing: run `ocrfarm models pull`")
    return Path(shutil.copytree(str(present), folder / DETECTOR))


def test_a_healthy_machine_has_no_failure_and_reads_the_golden_image(doctor_env: DoctorEnvironment) -> None:
    report = doctor_env.run_doctor()
    assert (report.code, report.failures) == (0, {}), report
    names = {each["name"] for each in report.findings}
    checked = {"python", "packages", "libraries", "weights", "threads", "memory", "shm", "disk", "gpu"}
    assert names >= checked | {"broker", "broker.eviction", "broker.persistence", "broker.memory", "broker.clock"}
    assert names >= {
        "store.write",
        "store.read",
        "store.condition",
        "store.clock",
        "recognition.load",
        "recognition.text",
    }
    assert [each["state"] for each in report.findings_of("recognition.text")] == ["ok"]


def test_each_role_is_asked_for_what_it_needs_only(doctor_env: DoctorEnvironment) -> None:
    for role in ("client", "split", "stitch"):
        report = doctor_env.run_doctor("--role", role)
        assert (report.code, report.findings_of("weights")) == (0, []), report
    assert doctor_env.run_doctor("--profile", "synthetic").findings_of("recognition.text")[0]["state"] == "ok"


def test_people_get_lines_and_what_to_do(doctor_env: DoctorEnvironment) -> None:
    command = [
        sys.executable,
        "-m",
        "ocrfarm.cli",
        "doctor",
        "--quick",
        "--profile",
        doctor_env.write_profile("threads = 99"),
    ]
    done = subprocess.run(command, env=os.environ | doctor_env.environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "\x1b" not in done.stdout
    assert [line for line in lines if line.startswith("warning  threads")]
    assert [line for line in lines if "-> " in line and "threads = " in line]


def _assert_failed(report: DoctorReport, name: str, kind: type[OcrfarmError]) -> None:
    """One thing is named, and nothing else."""
    assert report.failures == {name: kind.__name__}, report
    assert report.code == kind.exit_code


def test_fault_1_weights_that_are_not_what_they_should_be(doctor_env: DoctorEnvironment) -> None:
    with (_weights(doctor_env.folder) / "inference.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    report = doctor_env.run_doctor("--quick", OCRFARM_MODELS_DIR=str(doctor_env.folder))
    _assert_failed(report, "weights", WeightsError)
    assert "SHA-256" in report.findings_of("weights")[0]["fact"]


def test_fault_2_a_broker_that_throws_messages_away(doctor_env: DoctorEnvironment, broker: ValkeyServer) -> None:
    with redis.Redis.from_url(broker.url) as server:
        server.config_set("maxmemory-policy", "allkeys-lru")
    report = doctor_env.run_doctor("--role", "split")
    _assert_failed(report, "broker.eviction", BrokerError)
    assert "noeviction" in report.findings_of("broker.eviction")[0]["advice"]


def test_fault_3_a_bucket_that_is_read_only(
    doctor_env: DoctorEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    keys = {name: {"accessKey": name, "secretKey": f"{name}-secret"} for name in ("ocrfarm", "reader")}
    identities = [
        {"name": "ocrfarm", "credentials": [keys["ocrfarm"]], "actions": ["Admin"]},
        {"name": "reader", "credentials": [keys["reader"]], "actions": ["Read", "List"]},
    ]
    (tmp_path / "identities.json").write_text(json.dumps({"identities": identities}))
    with run_seaweedfs(tmp_path, tmp_path / "identities.json") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        create_bucket(server.url(BUCKET))
        reader = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "reader-secret"}
        report = doctor_env.run_doctor("--role", "split", OCRFARM_STORE=server.url(BUCKET), **reader)
    _assert_failed(report, "store.write", StoreDenied)


@pytest.fixture
def bucket(aws: S3Server) -> S3Server:
    create_bucket(aws.url(BUCKET))
    return aws


def test_fault_4_a_store_that_ignores_conditions(doctor_env: DoctorEnvironment, bucket: S3Server) -> None:
    client = boto3.session.Session(bucket.access_key, bucket.secret_key).client(
        "s3", endpoint_url=bucket.endpoint, region_name="us-east-1"
    )

    def overwrite(path: str, body: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=path.removeprefix(f"/{BUCKET}/"), Body=body)

    with closing(client), run_faulty_s3_proxy(bucket.endpoint) as (endpoint, mood):
        url = f"s3://{BUCKET}/{uuid.uuid4().hex}?endpoint={endpoint}"
        assert doctor_env.run_doctor("--role", "split", OCRFARM_STORE=url).failures == {}
        mood.overwrite = overwrite
        report = doctor_env.run_doctor("--role", "split", OCRFARM_STORE=url)
    _assert_failed(report, "store.condition", StoreError)


@pytest.mark.parametrize(("seconds", "state"), [(600, "failure"), (-600, "failure"), (60, "warning"), (0, "ok")])
def test_fault_5_a_store_whose_clock_is_off(
    doctor_env: DoctorEnvironment, bucket: S3Server, seconds: int, state: str
) -> None:
    with run_faulty_s3_proxy(bucket.endpoint) as (endpoint, mood):
        mood.clock_skew = float(seconds)
        url = f"s3://{BUCKET}/clock?endpoint={endpoint}"
        report = doctor_env.run_doctor("--role", "split", "--quick", OCRFARM_STORE=url)
    assert [each["state"] for each in report.findings_of("store.clock")] == [state], report
    assert report.failures.keys() == ({"store.clock"} if state == "failure" else set())


def test_fault_6_a_gpu_that_is_asked_for_and_absent(doctor_env: DoctorEnvironment) -> None:
    report = doctor_env.run_doctor(
        "--quick", "--profile", doctor_env.write_profile(f'device = "gpu:{len(list_gpus())}"')
    )
    _assert_failed(report, "gpu", EngineError)


def test_fault_7_a_provider_that_onnx_runtime_replaces_silently(doctor_env: DoctorEnvironment, tmp_path: Path) -> None:
    """The same ONNX Runtime without OpenVINO's library: it lists the provider, and then runs on the plain one."""
    names = {each.metadata["Name"] for each in metadata.distributions()}
    require("onnxruntime-openvino" in names, "the provider that is taken away here comes with onnxruntime-openvino")
    real = Path(str(metadata.distribution("onnxruntime-openvino").locate_file("onnxruntime")))
    crippled = tmp_path / "packages" / "onnxruntime"
    shutil.copytree(real, crippled, copy_function=os.symlink)
    (crippled / "capi" / "libonnxruntime_providers_openvino.so").unlink()
    report = doctor_env.run_doctor(PYTHONPATH=str(crippled.parent))
    _assert_failed(report, "recognition.load", EngineError)
    assert "CPUExecutionProvider" in report.findings_of("recognition.load")[0]["fact"]


def test_fault_8_a_system_without_libgl(doctor_env: DoctorEnvironment, tmp_path: Path) -> None:
    (tmp_path / "libGL.so.1").write_bytes(b"no library" * 100)
    report = doctor_env.run_doctor("--quick", LD_LIBRARY_PATH=str(tmp_path))
    _assert_failed(report, "libraries", EngineError)
    assert "libgl1" in report.findings_of("libraries")[0]["advice"]


def test_fault_9_ten_threads_on_one_core(doctor_env: DoctorEnvironment) -> None:
    require(shutil.which("taskset"), "taskset is missing: install util-linux")
    doctor_env.prefix = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
    report = doctor_env.run_doctor("--quick", "--profile", doctor_env.write_profile("threads = 10"))
    (threads,) = report.findings_of("threads")
    assert (threads["state"], report.code) == ("warning", 0)
    assert "10 threads" in threads["fact"]
    assert "threads = 1 " in threads["advice"]
    assert [each["name"] for each in report.findings if each["state"] == "warning"] == ["threads"]


def test_fault_10_a_disk_that_is_full(doctor_env: DoctorEnvironment, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=1m none {disk} && head -c 1044480 /dev/zero >{disk}/rest; exec "$@"'
    doctor_env.prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    probe = subprocess.run([*doctor_env.prefix, "true"], capture_output=True, check=False)
    require(not probe.returncode, "a disk can be made in a namespace only, and this system does not allow it")
    report = doctor_env.run_doctor("--role", "split", "--quick", OCRFARM_STORE=str(disk / "store"))
    assert report.failures["disk"] == StoreFull.__name__, report
    assert report.code == StoreFull.exit_code
    assert str(disk) in report.findings_of("disk")[-1]["fact"]


def test_a_worker_that_is_not_fit_does_not_join_its_queue(
    doctor_env: DoctorEnvironment, broker: ValkeyServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(broker.url) as server:
        server.config_set("maxmemory-policy", "volatile-lru")
    places = Endpoints(broker.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(places), tmp_path) as farm:
        farm.start("unfit", CONTROL)
        assert farm.running["unfit"].wait(30) == BrokerError.exit_code
        assert "noeviction" in farm.log("unfit").splitlines()[-1]
        assert "Traceback" not in farm.log("unfit")
        note = json.loads((farm.health / "unfit.broken").read_text())
        assert note["kind"] == "BrokerError"
        assert not (farm.health / "unfit.ready").exists()


def test_a_worker_whose_models_do_not_load_leaves_and_its_jobs_go_to_others(
    doctor_env: DoctorEnvironment, tmp_path: Path
) -> None:
    settings = Settings(
        Endpoints(doctor_env.environment["OCRFARM_BROKER"], f"{tmp_path}/store", f"{uuid.uuid4().hex}:")
    )
    page = draw_page(2, 2)
    with run_farm(settings, tmp_path) as farm:
        farm.start("control", CONTROL)
        job = farm.submit(page.png)
        farm.settings = replace(farm.settings, admission=Admission(recognize_memory_mb=20))
        farm.start("unfit", RECOGNIZER)
        assert farm.running["unfit"].wait(60) == EngineError.exit_code, farm.logs()
        assert (farm.health / "unfit.broken").exists()
        farm.settings = settings
        farm.start("fit", RECOGNIZER)
        assert farm.wait(job).state == "complete", farm.logs()


def test_a_worker_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path) -> None:
    (port,) = find_free_ports(1)
    settings = Settings(Endpoints(f"redis://127.0.0.1:{port}/0", f"{tmp_path}/store"))
    with run_farm(settings, tmp_path) as farm:
        farm.start("early", CONTROL)
        farm.wait_until(lambda: "does not answer" in farm.log("early"))
        assert farm.running["early"].poll() is None
