"""Who may do what: a broker behind TLS with users, a store with roles, a dashboard with a password."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ocrfarm.client import JobMetadata
from ocrfarm.client.sources import download_url
from ocrfarm.errors import BrokerError, SettingsError, StoreDenied, UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import declare_queue, make_app
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.snapshot import make_snapshot_reader
from ocrfarm.farm.submit import cancel
from ocrfarm.result.formats import FORMATS
from ocrfarm.server.webhooks import WebhookDispatcher
from ocrfarm.settings import Admission, Endpoints, Security, Settings, TaskLimits
from ocrfarm.storage import layout
from tests.conftest import BUCKET
from tests.support.broker_users import PASSWORDS, broker_url, refused_commands, run_acl_broker
from tests.support.certificates import create_certificate, make_server_context
from tests.support.command_line import run_ocrfarm
from tests.support.farm_fixture import (
    CONTROL,
    FARM_PROFILE,
    RECOGNIZER,
    ProcessFarm,
    draw_page,
    find_lost_and_duplicated,
    run_farm,
)
from tests.support.faulty_servers import run_tls_proxy
from tests.support.servers import S3Server, ValkeyServer, create_bucket, find_free_ports, run_seaweedfs
from tests.support.source_tree import ROOT
from tests.support.webhook_receiver import dispatch_next

SECURITY = ROOT / "docs" / "security"
PAGE = draw_page(3, 2)
WORK = TaskLimits(batch_time_limit=10, shutdown_timeout=1)
FLOWER_PASSWORD = "flower-secret-3"
WEBHOOK_SECRET = "whsec_d2ViaG9vay1zZWNyZXQtNy13ZWJob29rLXNlY3JldC03"
WRONG_PASSWORD, WRONG_KEY = "wrong-secret-4", "wrong-secret-5"
SECRETS = (
    *PASSWORDS.values(),
    *(FLOWER_PASSWORD, WRONG_PASSWORD, WRONG_KEY, S3Server.secret_key, WEBHOOK_SECRET),
)


@pytest.fixture
def acl_broker(tmp_path: Path) -> Iterator[ValkeyServer]:
    with run_acl_broker(tmp_path) as server:
        yield server


@contextmanager
def _tls_farm(server: ValkeyServer, folder: Path) -> Iterator[ProcessFarm]:
    file = create_certificate(folder)
    with run_tls_proxy(server.port, make_server_context(file)) as port:

        def url(role: str) -> str:
            return f"rediss://ocrfarm-{role}:{PASSWORDS[role]}@127.0.0.1:{port}/0?ssl_ca_certs={file}"

        places = Endpoints(url("client"), f"{folder}/store")
        settings = Settings(places, task_limits=WORK, admission=Admission(reconcile_interval=2, stalled_timeout=3))
        with run_farm(settings, folder, OCRFARM_BROKER=url("worker"), OCRFARM_FLOWER_PASSWORD=FLOWER_PASSWORD) as farm:
            yield farm


def _as_user(farm: ProcessFarm, role: str) -> str:
    """Return the broker's URL for another user than the one for clients."""
    return farm.settings.endpoints.broker.replace(
        f"ocrfarm-client:{PASSWORDS['client']}", f"ocrfarm-{role}:{PASSWORDS[role]}"
    )


def test_a_farm_works_with_users_that_may_do_little_over_tls(acl_broker: ValkeyServer, tmp_path: Path) -> None:
    with _tls_farm(acl_broker, tmp_path) as farm:
        port = find_free_ports(1)[0]
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        farm.start("flower", f"flower --port {port}", OCRFARM_BROKER=_as_user(farm, "flower"))
        job = farm.submit(PAGE.png)
        assert farm.wait(job).state == "complete"
        assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])
        other = farm.submit(PAGE.png)
        cancel(farm.submitter, other)
        farm.client.job(other).resume()
        farm.wait(other, lambda status: status.state == "complete")
        assert [status.id for status in farm.client.jobs(after=farm.status(other))] == [job]
        assert farm.client.count_active("nobody") == 0
        _somebody_is_told(farm)
        _everything_is_counted(farm)
        _the_dashboard_shows_and_changes_nothing(port)
        _no_secret_is_told(farm)
        assert farm.stop("reader") == farm.stop("control") == 0
        assert refused_commands(acl_broker) == []


def _somebody_is_told(farm: ProcessFarm) -> None:
    """By the broker's user for webhooks; the address leads nowhere."""
    job = farm.client.submit(PAGE.png, profile=FARM_PROFILE, metadata=JobMetadata(webhook="https://host.invalid/"))
    job.wait(60)
    places = replace(farm.settings.endpoints, broker=_as_user(farm, "webhooks"))
    dispatcher = WebhookDispatcher(Settings(places, security=Security(webhook_secret=WEBHOOK_SECRET)))
    event = dispatch_next(dispatcher)
    assert event
    assert event.state == "pending"


def _everything_is_counted(farm: ProcessFarm) -> None:
    """By the broker's user for the exporter, which may only read."""
    places = replace(farm.settings.endpoints, broker=_as_user(farm, "metrics"))
    snapshot = make_snapshot_reader(Settings(places))()
    assert snapshot.counters["jobs complete"] == 3
    assert {worker.name.partition("@")[0] for worker in snapshot.workers} == {"control", "reader"}
    assert snapshot.broker_memory > 0


def _the_dashboard_shows_and_changes_nothing(port: int) -> None:
    deadline = time.monotonic() + 30
    while _status(port, "/", user=False) != 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    pages = ["/", "/workers", "/tasks", "/api/workers?refresh=1", "/api/tasks", "/api/queues/length"]
    assert {path: _status(port, path, user=True) for path in pages} == dict.fromkeys(pages, 200)
    changes = ["/api/task/revoke/x?terminate=true", "/api/worker/shutdown/x", "/api/task/send-task/ocrfarm.split"]
    assert {path: _status(port, path, user=True, data=b"{}") for path in changes} == dict.fromkeys(changes, 403)


def _status(port: int, path: str, *, user: bool, data: bytes | None = None) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)
    if user:
        token = base64.b64encode(f"ocrfarm:{FLOWER_PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            _no_secret_in(answer.read().decode(errors="replace"), path)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def _no_secret_is_told(farm: ProcessFarm) -> None:
    for log in farm.folder.glob("*.log"):
        _no_secret_in(log.read_text(errors="replace"), str(log))
    for process in farm.running.values():
        _no_secret_in(Path(f"/proc/{process.pid}/cmdline").read_text(), "command line")


def _no_secret_in(text: str, where: str) -> None:
    assert not [secret for secret in SECRETS if secret in text], where


def test_no_secret_is_told_when_everything_goes_wrong(acl_broker: ValkeyServer, aws: S3Server, tmp_path: Path) -> None:
    """Errors of the broker and the store are where passwords and keys get into logs."""

    wrong = acl_broker.url.replace("redis://", f"redis://ocrfarm-worker:{WRONG_PASSWORD}@")
    store = aws.url(BUCKET, uuid.uuid4().hex)
    create_bucket(store)
    work, load = TaskLimits(batch_time_limit=10, shutdown_timeout=1), Admission(reconcile_interval=1, stalled_timeout=2)
    with run_farm(
        Settings(Endpoints(broker_url(acl_broker, "worker"), store), task_limits=work, admission=load), tmp_path
    ) as farm:
        farm.start("stranger", CONTROL, OCRFARM_BROKER=wrong)
        farm.start("keyless", CONTROL, AWS_SECRET_ACCESS_KEY=WRONG_KEY)
        assert farm.running.pop("keyless").wait(60) == StoreDenied.exit_code
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready("control", "reader")
        job = farm.submit(PAGE.png)
        farm.wait(job, lambda status: status.tiles > 0)
        acl_broker.restart()
        ended = [farm.wait(job), farm.wait(farm.submit(b"no image"))]
        assert "invalid username-password pair" in farm.log("stranger")
        told = "\n".join([*map(str, ended), *(status.error for status in ended)])
        _no_secret_in(told, "status")
        _no_secret_is_told(farm)


def test_a_certificate_that_nobody_vouches_for_is_refused(acl_broker: ValkeyServer, tmp_path: Path) -> None:
    with run_tls_proxy(acl_broker.port, make_server_context(create_certificate(tmp_path))) as port:
        places = Endpoints(f"rediss://ocrfarm-client:{PASSWORDS['client']}@127.0.0.1:{port}/0")
        with pytest.raises(BrokerError, match="certificate"):
            open_job_store(Settings(places), retries=0).list_recent()
        app = make_app(Settings(places))
        assert app.conf.broker_url.endswith("ssl_cert_reqs=required")


ROLES = ("client", "webhooks", "split", "recognize", "stitch")
ALLOWED_ACTIONS = {
    "client": {
        *("put request", "put source", "put final status"),
        *("get request", "get source", "get overview", "get result", "get final status"),
        *("delete tile", "list"),
    },
    "webhooks": {"get request", "get result", "get final status", "get webhook", "put webhook", "list"},
    "split": {
        *("get request", "get source", "get manifest", "get final status"),
        *("put manifest", "put overview", "put tile", "put final status"),
        "list",
    },
    "recognize": {
        *("get manifest", "get second pass", "get tile", "get fragments", "get dead letter", "get final status"),
        *("put fragments", "put dead letter", "put final status"),
        "list",
    },
    "stitch": {
        *("get request", "get source", "get manifest", "get overview", "get tile", "get fragments"),
        *("get second pass", "get dead letter", "get result", "get webhook", "get final status"),
        *("put second pass", "put result", "put final status"),
        *("delete tile", "list"),
    },
}


@pytest.fixture(scope="module")
def role_keys_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Give a store with one key for each role, limited as docs/security/s3-ROLE.json says."""
    folder = tmp_path_factory.mktemp("roles")
    admin = {"name": "admin", "credentials": [_key("ocrfarm")], "actions": ["Admin"]}
    identities = [admin, *({"name": role, "credentials": [_key(role)], "policyNames": [role]} for role in ROLES)]
    policies = [{"name": role, "content": _policy(role)} for role in ROLES]
    (folder / "identities.json").write_text(json.dumps({"identities": identities, "policies": policies}))
    with run_seaweedfs(folder, folder / "identities.json") as server:
        _s3(server, "ocrfarm").create_bucket(Bucket=BUCKET)
        yield server


def _key(name: str) -> dict[str, str]:
    return {"accessKey": name, "secretKey": f"{name}-secret"}


def _policy(role: str) -> str:
    return (SECURITY / f"s3-{role}.json").read_text(encoding="utf-8").replace("BUCKET", BUCKET)


def _s3(server: S3Server, role: str) -> Any:
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2})
    session = boto3.session.Session(role, f"{role}-secret", region_name="us-east-1")
    return session.client("s3", endpoint_url=server.endpoint, config=config)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_must_and_nothing_else(role_keys_store: S3Server, role: str) -> None:
    job = protocol.new_job_id()
    tile = "p0000-l0-r0000-c0000"
    names = {
        "request": layout.request(job),
        "source": layout.source(job),
        "manifest": layout.manifest(job),
        "overview": layout.overview(job, 0),
        "tile": layout.tile(job, tile),
        "fragments": layout.fragments(job, tile),
        "second pass": layout.second_pass(job),
        "dead letter": layout.dead_letter(job, tile),
        "result": layout.result(job),
        "webhook": layout.webhook(job),
        "final status": layout.final_status(job),
    }
    for name in names.values():
        _s3(role_keys_store, "ocrfarm").put_object(Bucket=BUCKET, Key=name, Body=b"x")
    client = _s3(role_keys_store, role)
    tries: dict[str, tuple[Any, dict[str, Any]]] = {
        f"get {what}": (client.get_object, {"Key": name}) for what, name in names.items()
    }
    tries |= {f"put {what}": (client.put_object, {"Key": name, "Body": b"y"}) for what, name in names.items()}
    tries |= {"delete tile": (client.delete_object, {"Key": names["tile"]}), "list": (client.list_objects_v2, {})}
    tries |= {"put elsewhere": (client.put_object, {"Key": "other/key", "Body": b"y"})}
    assert {what for what, (call, arguments) in tries.items() if _allowed(call, arguments)} == ALLOWED_ACTIONS[role]


def _allowed(call: Any, arguments: dict[str, Any]) -> bool:
    try:
        call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return False
        raise
    return True


def test_a_farm_of_roles_reads_a_page(
    role_keys_store: S3Server, valkey_server: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key_of(role: str) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": role, "AWS_SECRET_ACCESS_KEY": f"{role}-secret"}

    for name, value in (key_of("client") | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    places = Endpoints(valkey_server.url, role_keys_store.url(BUCKET), key_prefix=f"{uuid.uuid4().hex}:")
    with run_farm(Settings(places, task_limits=WORK, admission=Admission(reconcile_interval=2)), tmp_path) as farm:
        for role, command in (("split", "split"), ("stitch", "stitch"), ("recognize", RECOGNIZER)):
            farm.start(role, command, **key_of(role))
        farm.wait_ready()
        job = farm.submit(PAGE.png)
        assert farm.wait(job).state == "complete", farm.logs()
        assert find_lost_and_duplicated(farm.document(job), PAGE.lines) == ([], [])
        _every_format_is_written(farm, job, **key_of("client"))
        bad = farm.submit(b"no image")
        assert farm.wait(bad).state == "failed"
        farm.wait_until(lambda: farm.store.exists(layout.final_status(bad)))


def _every_format_is_written(farm: ProcessFarm, job: str, **key: str) -> None:
    """Some need the image as it was handed in, others the page shrunk."""
    command = ["fetch", job, "--out", "results", "--formats", ",".join(FORMATS)]
    ended = run_ocrfarm(*command, cwd=farm.folder, **farm.settings.to_env(), **key)
    assert ended.returncode == 0, ended.stderr
    assert (farm.folder / f"results/{job}.pdf").read_bytes().startswith(b"%PDF-")
    written = {path.name for path in (farm.folder / "results").iterdir()}
    assert written == {form.file_name(job) for form in FORMATS.values()}


def test_a_dashboard_without_a_password_does_not_start() -> None:
    command = [sys.executable, "-m", "ocrfarm.cli", "worker", "flower"]
    environment = os.environ | {"OCRFARM_BROKER": "redis://127.0.0.1:1/0"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (SettingsError.exit_code, 1)
    assert "OCRFARM_FLOWER_PASSWORD" in ended.stderr


@pytest.mark.parametrize("job", ["../../etc/passwd", "01ARZ3NDEKTSV4RRFFQ69G5FAV/../x", "", "x" * 5000, "\0", "a:b"])
def test_a_job_id_is_no_path(job: str, tmp_path: Path) -> None:
    settings = Settings(Endpoints("redis://127.0.0.1:1/0", str(tmp_path)))
    with run_farm(settings, tmp_path) as farm, pytest.raises(UnknownJob):
        farm.client.job(job)


def test_messages_with_paths_in_them_reach_nothing_and_hurt_nobody(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "request.json").write_text("{}")
    with run_farm(Settings(places, task_limits=WORK), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        before = [farm.children(name) for name in ("control", "reader")]
        with make_app(farm.settings) as app:
            declare_queue(app, "recognize.synthetic")
            for name in (protocol.SPLIT, protocol.STITCH, protocol.RESUME):
                for job in ("../../secret", "/etc", "", "..", "x\0y"):
                    app.send_task(name, [job])
                app.send_task(name, [{"not": "text"}])
            good = farm.submit(PAGE.png)
            for tiles in (["../../x"], ["p0000-l0-r9999-c0000"], [], "text", [["list"]]):
                app.send_task(protocol.RECOGNIZE, [protocol.new_job_id(), tiles], queue="recognize.synthetic")
        assert farm.wait(good).state == "complete"
        assert [farm.children(name) for name in ("control", "reader")] == before
    assert sorted(path.name for path in (tmp_path / "secret").iterdir()) == ["request.json"]


def test_addresses_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="OCRFARM_ALLOW_URL_SOURCES"):
        download_url("https://example.org/a.png", tmp_path / "a", access=Security())
    settings = Settings(Endpoints("redis://127.0.0.1:1/0", str(tmp_path)))
    with run_farm(replace(settings), tmp_path) as farm, pytest.raises(SettingsError):
        farm.client.submit("https://example.org/a.png")
