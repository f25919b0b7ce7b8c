"""Webhooks: told until they are heard, signed, to public addresses only, through the death of whoever tells."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ocrfarm.client import Client
from ocrfarm.errors import JobFailed, SettingsError
from ocrfarm.farm import outbox, webhooks
from ocrfarm.farm.app import make_app
from ocrfarm.farm.local import EmbeddedFarm, Shape
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.reconcile import stuck_jobs
from ocrfarm.farm.services import open_services, open_upkeep
from ocrfarm.farm.submit import Counter, cancel, end_failed, open_counter, submit
from ocrfarm.farm.webhooks import Event, Teller, secret_bytes, secret_of, shown_secret
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize import find_profile
from ocrfarm.recognize.planted import planted_page
from ocrfarm.settings import Access, Load, Places, Settings
from ocrfarm.storage import keys, open_store
from tests.acceptance.examples import steps
from tests.architecture.source import ROOT
from tests.integration.apiserver import api_server
from tests.integration.containers import health_check
from tests.integration.servers import ValkeyServer
from tests.integration.webhookstand import Receiver, drip, hang_up, keep_silent, receiver, status, trust

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Place:
    """A farm without workers, whose jobs end by hand."""

    settings: Settings
    counter: Counter
    receiver: Receiver

    def job(self, *, owner: str = "", url: str = "") -> str:
        request = Request(
            "page.png", find_profile("planted"), time.time(), owner=owner, webhook=url or self.receiver.url
        )
        return submit(self.counter, request, source=b"picture")

    def fail(self, job: str) -> None:
        end_failed(self.counter.progress, job, error=JobFailed(f"job {job} broke"), store=self.counter.store)

    def told(self, job: str) -> str:
        return self.counter.progress.status(job).webhook

    def note(self, job: str) -> Event:
        return Event(**json.loads(self.counter.store.get(keys.webhook(job))))

    def until(self, done: object, seconds: float = 20) -> None:
        assert callable(done)
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def place(valkey_server: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    places = Places(valkey_server.url, str(tmp_path / "store"), prefix=f"{uuid.uuid4().hex}:")
    settings = Settings(places, access=Access(webhook_secret=SECRET), load=Load(reconcile_seconds=1))
    with receiver(tmp_path) as found:
        trust(found.port, found.file, monkeypatch.setattr)
        monkeypatch.setattr(webhooks, "AGAIN_SECONDS", (0.1, 0.2, 0.1))
        counter = open_counter(settings, make_app(settings), store=open_store(settings.places.store))
        yield Place(settings, counter, found)
        counter.close()


def tell(place: Place, tries: int) -> list[Event]:
    """Tell so many times."""
    teller, events = Teller(place.settings), list[Event]()
    deadline = time.monotonic() + 30
    while len(events) < tries:
        assert time.monotonic() < deadline, events
        if event := teller.tell():
            events.append(event)
    return events


def test_a_receiver_that_fails_twice_is_told_a_third_time(place: Place) -> None:
    place.receiver.plan = [status(500), hang_up]
    job = place.job()
    assert Teller(place.settings).tell() is None
    assert place.told(job) == "asked"
    place.fail(job)
    tries = tell(place, 3)
    assert [event.told for event in tries] == ["asked", "asked", "delivered"]
    assert tries[0].said == "HTTP 500"
    assert len(set(place.receiver.ids)) == 1
    events = place.receiver.events(SECRET)
    assert events[0] == events[1] == events[2]
    assert events[0]["type"] == "job.failed"
    assert events[0]["data"].items() >= {"id": job, "state": "failed", "error_kind": "JobFailed"}.items()
    assert place.told(job) == "delivered"
    assert place.note(job).said == "HTTP 200"
    assert Teller(place.settings).tell() is None


def test_what_is_signed_is_what_was_sent(place: Place) -> None:
    place.fail(place.job())
    tell(place, 1)
    headers, body = place.receiver.got[0]
    assert headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"failed", b"complete"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers | {"webhook-id": "msg_other"})
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(SECRET).verify(body, headers | {"webhook-timestamp": str(int(time.time()) - 3600)})


def test_the_check_that_the_docs_show_is_right(place: Place) -> None:
    place.fail(place.job())
    tell(place, 1)
    headers, body = place.receiver.got[0]
    (example,) = steps(ROOT / "docs/webhooks.md")
    names: dict[str, Any] = {}
    exec(example.code, names)
    assert names["is_genuine"](SECRET, headers, body)
    assert not names["is_genuine"](SECRET, headers, body + b" ")
    assert not names["is_genuine"](SECRET, headers | {"webhook-timestamp": "1700000000"}, body)


def test_each_owner_has_a_secret_of_his_own(place: Place) -> None:
    place.fail(place.job(owner="alice"))
    tell(place, 1)
    own = [shown_secret(secret_of(secret_bytes(place.settings), owner)) for owner in ("alice", "bob", "")]
    assert len(set(own)) == 3
    assert own[2] == SECRET
    assert place.receiver.events(own[0])
    for other in own[1:]:
        with pytest.raises(WebhookVerificationError):
            place.receiver.events(other)


@pytest.mark.parametrize(
    ("answers", "told"), [([410], "given up"), ([500] * 4, "given up"), ([302], "asked"), ([204], "delivered")]
)
def test_what_is_heard_and_what_is_given_up(place: Place, answers: list[int], told: str) -> None:
    place.receiver.plan = [status(answer) for answer in answers]
    job = place.job()
    place.fail(job)
    tell(place, len(answers))
    assert place.told(job) == told
    assert len(place.receiver.got) == len(answers)


def test_a_receiver_that_drips_is_hung_up_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_TRY_SECONDS", 0.5)
    place.receiver.plan = [drip]
    place.fail(place.job())
    started = time.monotonic()
    (event,) = tell(place, 1)
    assert time.monotonic() - started < 5
    assert event.told == "asked"


@pytest.mark.parametrize(
    "url", ["https://localhost/hook", "https://127.0.0.1/hook", "https://[::1]/", "https://10.1.2.3/"]
)
def test_no_private_address_is_told_anything(
    place: Place, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    job = place.job(url=url)
    place.fail(job)
    (event,) = tell(place, 1)
    assert "not a public address" in event.said
    assert place.told(job) == "asked"
    assert not place.receiver.got


@pytest.mark.parametrize("url", ["http://example.org/", "https://u:p@example.org/", "https://example.org:8443/", "x"])
def test_an_address_that_is_none_is_refused_at_once(place: Place, url: str) -> None:
    with pytest.raises(SettingsError, match="a webhook must be https"):
        place.job(url=url)
    assert not place.counter.upkeep.active()


@pytest.mark.parametrize("secret", ["", "whsec_", "plain", "whsec_!!", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_refused_without_being_shown(place: Place, secret: str) -> None:
    with pytest.raises(SettingsError, match="OCRFARM_WEBHOOK_SECRET") as caught:
        Teller(replace(place.settings, access=Access(webhook_secret=secret)))
    assert secret in ("", "whsec_") or secret not in str(caught.value)


def test_the_broker_knows_neither_the_address_nor_the_secret(place: Place) -> None:
    job = place.job()
    place.receiver.plan = [status(500)]
    place.fail(job)
    tell(place, 1)
    with redis.Redis.from_url(place.settings.places.broker) as server:
        names = list(server.scan_iter(f"{place.settings.places.prefix}*"))
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


def test_an_emptied_broker_forgets_nobody(place: Place) -> None:
    heard, unheard = place.job(), place.job()
    place.fail(heard)
    tell(place, 1)
    place.receiver.plan = [status(500)]
    place.fail(unheard)
    (first,) = tell(place, 1)
    with redis.Redis.from_url(place.settings.places.broker) as server:
        server.delete(*server.scan_iter(f"{place.settings.places.prefix}*"))
    assert not list(stuck_jobs(open_services(place.settings)))
    teller = Teller(place.settings)
    told = [event for _ in range(4) if (event := teller.tell())]
    assert {event.id for event in told if event.tries > first.tries} == {first.id}
    assert place.receiver.ids.count(first.id) == 2
    assert len(place.receiver.got) == 3
    assert (place.told(heard), place.told(unheard)) == ("delivered", "delivered")


def test_a_job_that_is_taken_up_and_ends_again_is_told_again(place: Place) -> None:
    job = place.job()
    assert cancel(place.counter, job)
    upkeep = open_upkeep(place.settings)
    upkeep.reopen(job, done=set())
    assert Teller(place.settings).tell() is None  # it goes on
    assert cancel(place.counter, job)
    tell(place, 1)
    upkeep.reopen(job, done=set())
    place.fail(job)
    tell(place, 1)
    assert [event["type"] for event in place.receiver.events(SECRET)] == ["job.cancelled", "job.failed"]
    assert len(set(place.receiver.ids)) == 2


def test_a_removed_job_is_forgotten(place: Place) -> None:
    job, other = place.job(), place.job()
    place.fail(job)
    place.fail(other)
    place.counter.store.delete(list(place.counter.store.list(keys.job(job))))
    place.counter.upkeep.forget(job)
    place.counter.store.delete([keys.request(other)])
    teller = Teller(place.settings)
    assert [teller.tell() for _ in range(3)] == [None] * 3
    assert not place.receiver.got


def test_many_tellers_tell_each_job_once(place: Place) -> None:
    jobs = [place.job() for _ in range(30)]
    for job in jobs:
        place.fail(job)
    teller = Teller(place.settings)
    with ThreadPoolExecutor(6) as threads:
        told = list(threads.map(lambda _: teller.tell(), range(36)))
    assert sum(event is not None for event in told) == 30
    assert sorted(event["data"]["id"] for event in place.receiver.events(SECRET)) == sorted(jobs)


@contextmanager
def teller_process(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable,
        "-m",
        "tests.integration.webhookstand",
        str(place.receiver.port),
        str(place.receiver.file),
    ]
    with subprocess.Popen(command, env=os.environ | place.settings.to_env(), stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_whoever_tells_may_die_while_he_speaks(place: Place) -> None:
    place.receiver.plan = [keep_silent]
    job = place.job()
    place.fail(job)
    with teller_process(place) as process:
        place.until(lambda: place.receiver.got)
        process.kill()
        process.wait()
    assert place.told(job) == "asked"
    with teller_process(place) as process:
        place.until(lambda: place.told(job) == "delivered")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len(place.receiver.got) == 2
    assert len(set(place.receiver.ids)) == 1
    assert place.receiver.events(SECRET)


def test_whoever_tells_is_healthy_for_as_long_as_he_works(place: Place, tmp_path: Path) -> None:
    places = replace(place.settings.places, health=str(tmp_path / "health"))
    place.settings = replace(place.settings, places=places)
    alive = tmp_path / "health/webhooks.alive"

    def healthy() -> bool:
        variables = os.environ | place.settings.to_env()
        return subprocess.run(health_check(), check=False, env=variables, timeout=10).returncode == 0

    with teller_process(place) as process:
        place.until(alive.exists)
        assert healthy()
        process.send_signal(signal.SIGSTOP)
        _until_stopped(place, process)
        os.utime(alive, (0, 0))
        assert not healthy()
        process.send_signal(signal.SIGCONT)
        place.until(healthy)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _until_stopped(place: Place, process: subprocess.Popen[bytes]) -> None:
    threads = Path(f"/proc/{process.pid}/task")
    place.until(lambda: all(_state(thread) == "T" for thread in threads.iterdir()))


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def test_leases_outlast_a_try() -> None:
    assert outbox.LEASE_SECONDS > 2 * webhooks._TRY_SECONDS + webhooks._ANSWER_SECONDS


def test_from_the_api_to_the_receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole farm; its own teller takes localhost for what it is, and ours for a public host."""
    pixels, _ = planted_page(Size(700, 700), seed=1, lines=4)
    base = Settings(access=Access(webhook_secret=SECRET))
    with receiver(tmp_path) as found, EmbeddedFarm("planted", shape=Shape(1), base=base) as farm:
        farm.wait_ready()
        with api_server(farm.settings, tmp_path) as server, server.client("alice") as alice:
            params = {"profile": "planted", "webhook": found.url}
            job = alice.post("/v1/jobs", content=encode_tile(pixels), params=params).json()["id"]
            secret = alice.get("/v1/webhook-secret").json()["secret"]
            assert httpx.get(f"{server.url}/v1/webhook-secret").status_code == 401
            wrong = alice.post("/v1/jobs", content=b"x", params={"webhook": "http://example.org/"})
            assert (wrong.status_code, wrong.json()["code"]) == (400, "SettingsError")
        with Client(settings=farm.settings) as client:
            client.job(job).wait(60)
            _until_tried(client, job, farm.logs / "webhooks.log")
        trust(found.port, found.file, monkeypatch.setattr)
        assert not found.got
        with redis.Redis(unix_socket_path=farm.settings.places.broker.removeprefix("redis+socket://")) as broker:
            broker.zadd(f"{farm.settings.places.prefix}webhooks", {job: 0})
        event = Teller(farm.settings).tell()
        assert event
        assert event.told == "delivered"
        (body,) = found.events(secret)
        assert (body["type"], body["data"]["id"]) == ("job.complete", job)
        assert "webhooks.log" in [path.name for path in farm.logs.iterdir()]


def _until_tried(client: Client, job: str, log: Path) -> None:
    """Wait until the farm's own teller has tried, and was refused."""
    store, deadline = client._farm.store, time.monotonic() + 30
    while not store.exists(keys.webhook(job)) or not json.loads(store.get(keys.webhook(job)))["tries"]:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_farm_without_a_secret_takes_no_webhook(planted_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with api_server(planted_farm.settings, tmp_path) as server, server.client("alice") as alice:
        answer = alice.post("/v1/jobs", content=b"x", params={"webhook": "https://example.org/"})
        assert (answer.status_code, answer.json()["code"]) == (400, "SettingsError")
        assert alice.get("/v1/webhook-secret").status_code == 400
