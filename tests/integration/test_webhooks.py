"""Webhooks: signed, sent to public addresses only, repeated until accepted, even if a dispatcher dies."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ocrfarm.client import Client, JobMetadata
from ocrfarm.errors import JobFailed, ObjectNotFound, SettingsError
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_context
from ocrfarm.farm.embedded.farm import EmbeddedFarm, WorkerLayout
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.recovery import clear_dead_letters
from ocrfarm.farm.submit import Submitter, cancel, fail_job, open_submitter, submit
from ocrfarm.farm.tasks import register_tasks
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.public_http import AllowedHosts, limit_duration, open_connection, parse_webhook_url
from ocrfarm.recognize import find_profile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.server import outbox, webhooks
from ocrfarm.server.webhooks import WebhookDispatcher, WebhookEvent, derive_secret, format_secret, parse_secret
from ocrfarm.settings import Admission, Endpoints, Security, Settings
from ocrfarm.storage import layout, open_store
from tests.support.api_server import STUB_IMAGE, run_api_server
from tests.support.containers import health_check_command
from tests.support.doc_examples import parse_steps
from tests.support.servers import ValkeyServer
from tests.support.source_tree import ROOT
from tests.support.webhook_receiver import (
    Answer,
    WebhookReceiver,
    dispatch_next,
    hang_up,
    respond_never,
    respond_slowly,
    respond_with_status,
    run_plain_receiver,
    run_receiver,
    trust_localhost,
)

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class WebhookFarm:
    """A farm without workers, whose jobs end by hand."""

    settings: Settings
    submitter: Submitter
    receiver: WebhookReceiver

    def request(self, url: str, *, owner: str = "") -> Request:
        return Request("page.png", find_profile("synthetic"), time.time(), owner=owner, webhook=url)

    def submit_job(self, *, owner: str = "", url: str = "") -> str:
        return submit(self.submitter, self.request(url or self.receiver.url, owner=owner), source=b"image")

    def fail_job(self, job: str) -> None:
        fail_job(self.submitter.jobs, job, error=JobFailed(f"job {job} broke"), store=self.submitter.store)

    def webhook_state(self, job: str) -> str:
        return self.submitter.jobs.get_status(job).webhook

    def stored_event(self, job: str) -> WebhookEvent:
        return WebhookEvent(**json.loads(self.submitter.store.get(layout.webhook(job))))

    def wait_until(self, done: object, seconds: float = 20) -> None:
        assert callable(done)
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def farm(valkey_server: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookFarm]:
    places = Endpoints(valkey_server.url, str(tmp_path / "store"), key_prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(
        places,
        security=Security(webhook_secret=SECRET, webhook_allowed_hosts="localhost"),
        admission=Admission(reconcile_interval=1),
    )
    with run_receiver(tmp_path) as found:
        trust_localhost(found.port, found.certificate_file, monkeypatch.setattr)
        monkeypatch.setattr(webhooks, "RETRY_DELAYS", (0.1, 0.2, 0.1))
        submitter = open_submitter(settings, make_app(settings), store=open_store(settings.endpoints.store))
        yield WebhookFarm(settings, submitter, found)
        submitter.close()


def dispatch_events(farm: WebhookFarm, tries: int) -> list[WebhookEvent]:
    """Dispatch webhooks this many times."""
    dispatcher, events = WebhookDispatcher(farm.settings), list[WebhookEvent]()
    deadline = time.monotonic() + 30
    while len(events) < tries:
        assert time.monotonic() < deadline, events
        if event := dispatch_next(dispatcher):
            events.append(event)
    return events


def test_a_receiver_that_fails_twice_gets_a_third_delivery(farm: WebhookFarm) -> None:
    farm.receiver.planned_answers = [respond_with_status(500), hang_up]
    job = farm.submit_job()
    assert dispatch_next(WebhookDispatcher(farm.settings)) is None
    assert farm.webhook_state(job) == "pending"
    farm.fail_job(job)
    tries = dispatch_events(farm, 3)
    assert [event.state for event in tries] == ["pending", "pending", "delivered"]
    assert tries[0].response == "HTTP 500"
    assert len(set(farm.receiver.ids)) == 1
    events = farm.receiver.events(SECRET)
    assert events[0] == events[1] == events[2]
    assert events[0]["type"] == "job.failed"
    assert events[0]["data"].items() >= {"id": job, "state": "failed", "error_kind": "JobFailed"}.items()
    assert farm.webhook_state(job) == "delivered"
    assert farm.stored_event(job).response == "HTTP 200"
    assert dispatch_next(WebhookDispatcher(farm.settings)) is None


def test_what_is_signed_is_what_was_sent(farm: WebhookFarm) -> None:
    farm.fail_job(farm.submit_job())
    dispatch_events(farm, 1)
    headers, body = farm.receiver.requests[0]
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"failed", b"complete"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers | {"webhook-id": "msg_other"})
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(SECRET).verify(body, headers | {"webhook-timestamp": str(int(time.time()) - 3600)})


def test_the_check_that_the_docs_show_is_right(farm: WebhookFarm) -> None:
    farm.fail_job(farm.submit_job())
    dispatch_events(farm, 1)
    headers, body = farm.receiver.requests[0]
    (example,) = parse_steps(ROOT / "docs/webhooks.md")
    names: dict[str, Any] = {}
    exec(example.code, names)
    assert names["is_genuine"](SECRET, headers, body)
    assert not names["is_genuine"](SECRET, headers, body + b" ")
    assert not names["is_genuine"](SECRET, headers | {"webhook-timestamp": "1700000000"}, body)


def test_each_owner_has_a_secret(farm: WebhookFarm) -> None:
    farm.fail_job(farm.submit_job(owner="alice"))
    dispatch_events(farm, 1)
    own = [format_secret(derive_secret(parse_secret(farm.settings), owner)) for owner in ("alice", "bob", "")]
    assert len(set(own)) == 3
    assert own[2] == SECRET
    assert farm.receiver.events(own[0])
    for other in own[1:]:
        with pytest.raises(WebhookVerificationError):
            farm.receiver.events(other)


@pytest.mark.parametrize(
    ("answers", "told"), [([410], "failed"), ([500] * 4, "failed"), ([302], "pending"), ([204], "delivered")]
)
def test_which_answers_deliver_an_event_and_which_give_it_up(farm: WebhookFarm, answers: list[int], told: str) -> None:
    farm.receiver.planned_answers = [respond_with_status(answer) for answer in answers]
    job = farm.submit_job()
    farm.fail_job(job)
    dispatch_events(farm, len(answers))
    assert farm.webhook_state(job) == told
    assert len(farm.receiver.requests) == len(answers)


def test_a_receiver_that_drips_is_hung_up_on(farm: WebhookFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_REQUEST_TIMEOUT", 0.5)
    farm.receiver.planned_answers = [respond_slowly]
    farm.fail_job(farm.submit_job())
    started = time.monotonic()
    (event,) = dispatch_events(farm, 1)
    assert time.monotonic() - started < 5
    assert event.state == "pending"


NEVER_DELIVERED = [
    *("https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/x", "https://169.254.169.254/", "https://[3fff::1]/"),
    *("https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://[::ffff:10.0.0.1]/", "https://100.64.0.1/"),
    *("https://a.localhost/", "https://0/", "https://[64:ff9b::a00:1]/"),
]


@pytest.mark.parametrize("url", NEVER_DELIVERED)
def test_an_address_that_is_not_public_is_refused_at_once(
    farm: WebhookFarm, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(SettingsError, match=r"not a public address; .*OCRFARM_WEBHOOK_ALLOWED_HOSTS"):
        farm.submit_job(url=url)
    assert not farm.submitter.jobs.list_active()


def test_a_name_that_turns_out_to_be_private_receives_nothing(
    farm: WebhookFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = farm.submit_job()
    farm.settings = replace(farm.settings, security=Security(webhook_secret=SECRET))  # the list has changed
    monkeypatch.undo()
    monkeypatch.setattr(socket, "getaddrinfo", _resolve_to_loopback)
    farm.submitter.store.put(layout.request(job), farm.request("https://innocent.example/hook").to_bytes())
    farm.fail_job(job)
    (event,) = dispatch_events(farm, 1)
    assert "not a public address" in event.response
    status = farm.submitter.jobs.get_status(job)
    assert (status.webhook, status.webhook_error) == ("pending", "the receiver's address is not public")
    assert not farm.receiver.requests


_resolve = socket.getaddrinfo


def _resolve_to_loopback(host: str, *others: Any, **named: Any) -> list[Any]:
    loopback = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))
    return [loopback] if host == "innocent.example" else _resolve(host, *others, **named)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.0/8", "http://127.0.0.1:{port}/x"),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}/x"),
        ("localhost", "http://localhost:{port}/x"),
        ("a.example, *.localhost, [::1]:5, localhost:{port}", "http://localhost:{port}/x"),
    ],
)
def test_a_host_that_is_allowed_is_reached_by_http_and_on_any_port(
    farm: WebhookFarm, allowed: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with run_plain_receiver() as receiver:
        allowed, url = allowed.format(port=receiver.port), url.format(port=receiver.port)
        security = Security(webhook_secret=SECRET, webhook_allowed_hosts=allowed)
        farm.settings = replace(farm.settings, security=security)
        farm.submitter = replace(farm.submitter, webhook_hosts=AllowedHosts(allowed))
        job = farm.submit_job(url=url)
        farm.fail_job(job)
        (event,) = dispatch_events(farm, 1)
    assert (event.state, len(receiver.requests)) == ("delivered", 1)


@pytest.mark.parametrize("allowed", ["a b", "http://x", "10.0.0.0/99", "host:port", ":80"])
def test_a_list_of_hosts_that_makes_no_sense_is_refused(allowed: str) -> None:
    with pytest.raises(SettingsError, match="OCRFARM_WEBHOOK_ALLOWED_HOSTS"):
        AllowedHosts(allowed)


@pytest.mark.parametrize(
    ("answer", "why"),
    [(respond_with_status(503), "answered with status 503"), (hang_up, "closed the connection without an answer")],
)
def test_the_status_says_why_the_last_delivery_failed(farm: WebhookFarm, answer: Answer, why: str) -> None:
    farm.receiver.planned_answers = [answer]
    job = farm.submit_job()
    farm.fail_job(job)
    dispatch_events(farm, 1)
    assert why in farm.submitter.jobs.get_status(job).webhook_error
    dispatch_events(farm, 1)
    status = farm.submitter.jobs.get_status(job)
    assert (status.webhook, status.webhook_error) == ("delivered", "")


@pytest.mark.parametrize("url", ["http://example.org/", "https://u:p@example.org/", "https://example.org:8443/", "x"])
def test_an_address_that_is_none_is_refused_at_once(farm: WebhookFarm, url: str) -> None:
    with pytest.raises(SettingsError, match="a webhook must be https"):
        farm.submit_job(url=url)
    assert not farm.submitter.jobs.list_active()


@pytest.mark.parametrize("secret", ["", "whsec_", "plain", "whsec_!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_refused_without_being_shown(farm: WebhookFarm, secret: str) -> None:
    with pytest.raises(SettingsError, match="OCRFARM_WEBHOOK_SECRET") as caught:
        WebhookDispatcher(replace(farm.settings, security=Security(webhook_secret=secret)))
    assert secret in ("", "whsec_") or secret not in str(caught.value)


def test_the_broker_knows_neither_the_address_nor_the_secret(farm: WebhookFarm) -> None:
    job = farm.submit_job()
    farm.receiver.planned_answers = [respond_with_status(500)]
    farm.fail_job(job)
    dispatch_events(farm, 1)
    with redis.Redis.from_url(farm.settings.endpoints.broker) as server:
        names = list(server.scan_iter(f"{farm.settings.endpoints.key_prefix}*"))
        held = b"".join(repr(_held(server, name)).encode() for name in names)
    assert job.encode() in held
    for secret in (b"secret-of-a-url", b"localhost", SECRET.encode(), SECRET.removeprefix("whsec_").encode()):
        assert secret not in held


def _held(server: redis.Redis, name: bytes) -> object:
    match server.type(name):
        case b"hash":
            return server.hgetall(name)
        case b"list":
            return server.lrange(name, 0, -1)
        case b"set":
            return server.smembers(name)
        case b"zset":
            return server.zrange(name, 0, -1, withscores=True)
        case _:
            return server.get(name)


def test_events_outlive_an_emptied_broker(farm: WebhookFarm) -> None:
    heard, unheard = farm.submit_job(), farm.submit_job()
    farm.fail_job(heard)
    dispatch_events(farm, 1)
    farm.receiver.planned_answers = [respond_with_status(500)]
    farm.fail_job(unheard)
    (first,) = dispatch_events(farm, 1)
    with redis.Redis.from_url(farm.settings.endpoints.broker) as server:
        server.delete(*server.scan_iter(f"{farm.settings.endpoints.key_prefix}*"))
    app = make_app(farm.settings)
    register_tasks(app, partial(open_context, farm.settings))
    app.tasks[protocol.RECONCILE].apply(throw=True)
    dispatcher = WebhookDispatcher(farm.settings)
    told = [event for _ in range(4) if (event := dispatch_next(dispatcher))]
    assert {event.id for event in told if event.attempts > first.attempts} == {first.id}
    assert farm.receiver.ids.count(first.id) == 2
    assert len(farm.receiver.requests) == 3
    assert (farm.webhook_state(heard), farm.webhook_state(unheard)) == ("delivered", "delivered")


def test_a_job_that_is_resumed_and_ends_again_has_another_event(farm: WebhookFarm) -> None:
    job = farm.submit_job()
    assert cancel(farm.submitter, job)
    _reopen(farm, job)
    assert dispatch_next(WebhookDispatcher(farm.settings)) is None  # it goes on
    assert cancel(farm.submitter, job)
    dispatch_events(farm, 1)
    _reopen(farm, job)
    farm.fail_job(job)
    dispatch_events(farm, 1)
    assert [event["type"] for event in farm.receiver.events(SECRET)] == ["job.cancelled", "job.failed"]
    assert len(set(farm.receiver.ids)) == 2


def _reopen(farm: WebhookFarm, job: str) -> None:
    clear_dead_letters(farm.submitter.store, job)
    farm.submitter.jobs.recovery.reset_job(job, done=set())


def test_a_removed_job_is_forgotten(farm: WebhookFarm) -> None:
    job, other = farm.submit_job(), farm.submit_job()
    farm.fail_job(job)
    farm.fail_job(other)
    farm.submitter.store.delete(list(farm.submitter.store.list(layout.job_prefix(job))))
    farm.submitter.jobs.recovery.delete_job(job)
    farm.submitter.store.delete([layout.request(other)])
    dispatcher = WebhookDispatcher(farm.settings)
    assert [dispatch_next(dispatcher) for _ in range(3)] == [None] * 3
    assert not farm.receiver.requests


def test_many_dispatchers_deliver_each_event_once(farm: WebhookFarm) -> None:
    jobs = [farm.submit_job() for _ in range(30)]
    for job in jobs:
        farm.fail_job(job)
    dispatchers = [WebhookDispatcher(farm.settings) for _ in range(6)]

    def dispatch_all(dispatcher: WebhookDispatcher) -> None:
        while len(farm.receiver.requests) < len(jobs):
            dispatch_next(dispatcher)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(dispatch_all, dispatchers))
    assert sorted(event["data"]["id"] for event in farm.receiver.events(SECRET)) == sorted(jobs)


@contextmanager
def run_dispatcher(farm: WebhookFarm) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "tests.support.webhook_receiver",
        str(farm.receiver.port),
        str(farm.receiver.certificate_file),
    ]
    with subprocess.Popen(command, env=os.environ | farm.settings.to_env(), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_dispatcher_may_die_while_it_sends(farm: WebhookFarm) -> None:
    farm.receiver.planned_answers = [respond_never]
    job = farm.submit_job()
    farm.fail_job(job)
    with run_dispatcher(farm) as process:
        farm.wait_until(lambda: farm.receiver.requests)
        process.kill()
        process.wait()
    assert farm.webhook_state(job) == "pending"
    with run_dispatcher(farm) as process:
        farm.wait_until(lambda: farm.webhook_state(job) == "delivered")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len(farm.receiver.requests) == 2
    assert len(set(farm.receiver.ids)) == 1
    assert farm.receiver.events(SECRET)


def test_a_dispatcher_is_healthy_for_as_long_as_it_works(farm: WebhookFarm, tmp_path: Path) -> None:
    places = replace(farm.settings.endpoints, health_dir=str(tmp_path / "health"))
    farm.settings = replace(farm.settings, endpoints=places)

    def healthy() -> bool:
        variables = os.environ | farm.settings.to_env()
        return subprocess.run(health_check_command(), check=False, env=variables, timeout=10).returncode == 0

    with run_dispatcher(farm) as process:
        alive = tmp_path / f"health/webhooks-{process.pid}.alive"
        farm.wait_until(alive.exists)
        assert healthy()
        process.send_signal(signal.SIGSTOP)
        _wait_until_stopped(farm, process)
        os.utime(alive, (0, 0))
        assert not healthy()
        process.send_signal(signal.SIGCONT)
        farm.wait_until(healthy)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _wait_until_stopped(farm: WebhookFarm, process: subprocess.Popen[bytes]) -> None:
    threads = Path(f"/proc/{process.pid}/task")
    farm.wait_until(lambda: all(_state(thread) == "T" for thread in threads.iterdir()))


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def run_silent_server() -> Iterator[int]:
    """Run a server that accepts connections and says nothing; yield its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("silent", [6, 500])
def test_the_silent_hosts_of_an_owner_delay_no_one(farm: WebhookFarm, silent: int) -> None:
    """Neither another owner's webhooks nor those of the same owner to another host."""
    with run_silent_server() as port, run_plain_receiver() as receiver:
        security = Security(webhook_secret=SECRET, webhook_allowed_hosts="127.0.0.0/8")
        farm.settings = replace(farm.settings, security=security)
        farm.submitter = replace(farm.submitter, webhook_hosts=AllowedHosts("127.0.0.0/8"))
        for _ in range(silent):
            farm.fail_job(farm.submit_job(owner="alice", url=f"http://127.0.0.1:{port}/"))
        with run_dispatcher(farm):
            _wait_until_claimed(farm)
            started = time.monotonic()
            others = [farm.submit_job(owner=owner, url=receiver.url) for owner in ("bob", "alice")]
            for job in others:
                farm.fail_job(job)
            delays = {}
            for owner, job in zip(("bob", "alice"), others, strict=True):
                farm.wait_until(lambda job=job: farm.webhook_state(job) == "delivered", 60)
                delays[owner] = time.monotonic() - started
    print({owner: round(delay, 2) for owner, delay in delays.items()}, "s behind", silent, "silent jobs")  # noqa: T201
    assert delays["bob"] < 3
    assert delays["alice"] < 8


def _wait_until_claimed(farm: WebhookFarm) -> None:
    with redis.Redis.from_url(farm.settings.endpoints.broker) as server:
        name = f"{farm.settings.endpoints.key_prefix}webhooks"
        farm.wait_until(lambda: server.zcount(name, 1, "+inf") > 0)


def test_a_handshake_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        threading.Thread(target=_drip, args=[server], daemon=True).start()
        allowed, started = AllowedHosts("127.0.0.0/8"), time.monotonic()
        connection = open_connection(parse_webhook_url(url, allowed), 10, allowed=allowed)
        with pytest.raises(TimeoutError), limit_duration(connection, 1):
            connection.request("POST", "/")
        connection.close()
    assert time.monotonic() - started < 5


def _drip(server: socket.socket) -> None:
    """Send a TLS record of 16 kB, a byte at a time."""
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.sendall(b"\x16\x03\x03\x40\x00")
        while True:
            connection.sendall(b"\0")
            time.sleep(0.2)


def test_leases_outlast_a_try() -> None:
    assert outbox.CLAIM_TTL > 2 * webhooks._REQUEST_TIMEOUT + webhooks._RESPONSE_TIMEOUT


def test_from_the_api_to_the_receiver(
    synthetic_farm: EmbeddedFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The farm has no secret and so no dispatcher: the one of this test is the only one."""
    security = Security(webhook_secret=SECRET, webhook_allowed_hosts="localhost")
    settings = replace(synthetic_farm.settings, security=security)
    pixels, _ = make_synthetic_page(Size(700, 700), seed=1, lines=4)
    with run_receiver(tmp_path) as receiver:
        with run_api_server(settings, tmp_path) as server, server.client("alice") as alice:
            params = {"profile": "synthetic", "webhook": receiver.url}
            job = alice.post("/v1/jobs", content=encode_tile(pixels), params=params).json()["id"]
            secret = alice.get("/v1/webhook-secret").json()["secret"]
            assert httpx.get(f"{server.url}/v1/webhook-secret").status_code == 401
            wrong = alice.post("/v1/jobs", content=STUB_IMAGE, params={"webhook": "http://example.org/"})
            assert (wrong.status_code, wrong.json()["code"]) == (400, "SettingsError")
        with Client(settings=settings) as client:
            client.job(job).wait(60)
        trust_localhost(receiver.port, receiver.certificate_file, monkeypatch.setattr)
        assert not receiver.requests
        event = dispatch_next(WebhookDispatcher(settings))
        assert event
        assert event.state == "delivered"
        (body,) = receiver.events(secret)
        assert (body["type"], body["data"]["id"]) == ("job.complete", job)


def test_a_farm_with_a_secret_dispatches_by_itself(tmp_path: Path) -> None:
    base = Settings(security=Security(webhook_secret=SECRET, webhook_allowed_hosts="localhost:1"))
    pixels, _ = make_synthetic_page(Size(700, 700), seed=1, lines=4)
    metadata = JobMetadata(webhook="https://localhost:1/hook")  # nobody listens
    with EmbeddedFarm("synthetic", layout=WorkerLayout(1), base_settings=base) as farm:
        farm.wait_ready()
        with Client(settings=farm.settings) as client:
            job = client.submit(encode_tile(pixels), profile="synthetic", metadata=metadata)
            job.wait(60)
            event = _wait_until_attempted(client, job.id, farm.logs_dir / "webhooks.log")
            assert job.status().webhook_error == "the receiver refuses connections"
    assert "ConnectionRefusedError" in event.response


def _wait_until_attempted(client: Client, job: str, log: Path) -> WebhookEvent:
    store, deadline = client._connections.store, time.monotonic() + 30
    while True:
        with suppress(ObjectNotFound):
            event = WebhookEvent(**json.loads(store.get(layout.webhook(job))))
            if event.attempts:
                return event
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_farm_without_a_secret_takes_no_webhook(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with run_api_server(synthetic_farm.settings, tmp_path) as server, server.client("alice") as alice:
        answer = alice.post("/v1/jobs", content=STUB_IMAGE, params={"webhook": "https://example.org/"})
        assert (answer.status_code, answer.json()["code"]) == (400, "SettingsError")
        assert alice.get("/v1/webhook-secret").status_code == 400
