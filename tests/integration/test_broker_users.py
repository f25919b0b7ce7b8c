"""What each of the broker's users may do, and what it may not: no user but the workers' reaches the workers."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from ocrfarm.errors import BrokerError, BrokerUnreachable
from ocrfarm.farm.celery_app import make_app
from ocrfarm.farm.context import open_job_store
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.broker_users import PASSWORDS, broker_url, run_acl_broker
from tests.support.farm_fixture import CONTROL, RECOGNIZER, ProcessFarm, draw_page, run_farm
from tests.support.servers import ValkeyServer

ROLES = tuple(PASSWORDS)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with run_acl_broker(tmp_path_factory.mktemp("broker")) as server:
        yield server


def _is_refused(server: ValkeyServer, role: str, *command: str) -> bool:
    with redis.Redis.from_url(broker_url(server, role)) as connection:
        try:
            connection.execute_command(*command)
        except redis.exceptions.NoPermissionError:
            return True
        except redis.exceptions.ResponseError:
            return False
        return False


DANGEROUS = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("SWAPDB", "0", "1"),
    ("SHUTDOWN", "NOSAVE"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "ocrfarm-client", "+@all"),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("MONITOR",),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("MIGRATE", "127.0.0.1", "1", "ocrfarm:jobs", "0", "100"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "KILL"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "PAUSE", "1"),
    ("CLIENT", "UNPAUSE"),
    ("CLIENT", "LIST"),
    ("CLIENT", "UNBLOCK", "1"),
    ("CLIENT", "NO-EVICT", "on"),
    ("CLIENT", "TRACKING", "on"),
    ("RENAME", "ocrfarm:jobs", "ocrfarm:active"),
    ("GET", "other:key"),
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("command", DANGEROUS, ids=" ".join)
def test_no_user_may_hurt_the_server_or_its_other_users(
    broker: ValkeyServer, role: str, command: tuple[str, ...]
) -> None:
    assert _is_refused(broker, role, *command)


CLIENT_REFUSED = [
    *(("DEL", f"ocrfarm:{key}") for key in ("workers", "active", "jobs", "job:1", "split", "unacked_recognize.x")),
    ("UNLINK", "ocrfarm:jobs"),
    ("SET", "ocrfarm:consumer:model", "1"),
    ("SET", "ocrfarm:lock:reconcile", "1"),
    ("SET", "ocrfarm:initialized", "1"),
    ("EXPIRE", "ocrfarm:workers", "1"),
    ("HSET", "ocrfarm:worker:reader", "name", "x"),
    ("ZADD", "ocrfarm:workers", "1", "x"),
    ("HSET", "ocrfarm:unacked_recognize.x", "1", "x"),
    ("LPUSH", "ocrfarm:recognize.x", "x"),
    ("BRPOP", "ocrfarm:split", "1"),
    ("RPOP", "ocrfarm:split"),
    ("SADD", "ocrfarm:_kombu.binding.celery.pidbox", "x"),
    ("PUBLISH", "ocrfarm:/0.celery.pidbox", "x"),
    ("PUBLISH", "ocrfarm:/1.celery.pidbox", "x"),
    ("SUBSCRIBE", "ocrfarm:/0.celery.pidbox"),
    ("PSUBSCRIBE", "*"),
    ("EVAL", "while true do end", "0"),
    ("EVALSHA", 40 * "0", "0"),
    ("SCRIPT", "LOAD", "while true do end"),
    ("FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('x', function() end)"),
]


@pytest.mark.parametrize("command", CLIENT_REFUSED, ids=lambda command: " ".join(command)[:40])
def test_a_client_reaches_no_worker(broker: ValkeyServer, command: tuple[str, ...]) -> None:
    assert _is_refused(broker, "client", *command)


@pytest.mark.parametrize("role", ["metrics", "flower"])
def test_who_watches_changes_nothing(broker: ValkeyServer, role: str) -> None:
    for command in (
        ("LPUSH", "ocrfarm:split", "x"),
        ("DEL", "ocrfarm:jobs"),
        ("HSET", "ocrfarm:job:1", "state", "cancelled"),
        ("SADD", "ocrfarm:active", "1"),
    ):
        assert _is_refused(broker, role, *command), command
    assert _is_refused(broker, "metrics", "EVALSHA", 40 * "0", "0")  # kombu has scripts of its own, so Flower may
    assert _is_refused(broker, role, "FCALL", "x", "0")


def test_webhooks_reach_only_jobs_and_their_outbox(broker: ValkeyServer) -> None:
    for command in (
        ("LPUSH", "ocrfarm:split", "x"),
        ("DEL", "ocrfarm:job:1"),
        ("SADD", "ocrfarm:active", "1"),
        ("HGETALL", "ocrfarm:metrics"),
        ("EVAL", "while true do end", "0"),
        ("PUBLISH", "ocrfarm:/0.celery.pidbox", "x"),
    ):
        assert _is_refused(broker, "webhooks", *command), command


def test_another_prefix_is_another_farms(broker: ValkeyServer) -> None:
    other = open_job_store(Settings(Endpoints(broker_url(broker, "client"), key_prefix="other:")))
    with pytest.raises(BrokerError, match="refused"):
        other.list_recent()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[tuple[ProcessFarm, ValkeyServer]]:
    with run_acl_broker(tmp_path) as server:
        settings = Settings(
            Endpoints(broker_url(server, "client"), f"{tmp_path}/store"), task_limits=TaskLimits(shutdown_timeout=1)
        )
        with run_farm(settings, tmp_path, OCRFARM_BROKER=broker_url(server, "worker")) as place:
            place.start("control", CONTROL)
            place.start("reader", RECOGNIZER)
            place.wait_ready()
            yield place, server


def _orders(app: Celery) -> None:
    """Send what Celery's remote control offers to stop, slow down or change workers."""
    control: Any = app.control
    reply: dict[str, Any] = {"reply": True, "timeout": 1}
    control.rate_limit("ocrfarm.recognize", "1/h", **reply)
    control.time_limit("ocrfarm.recognize", soft=1, hard=1, **reply)
    control.cancel_consumer("split", **reply)
    control.add_consumer("other", **reply)
    control.pool_shrink(1, **reply)
    control.autoscale(1, 0, **reply)
    control.disable_events(**reply)
    control.revoke("some-task", terminate=True, **reply)
    control.pool_restart(**reply)
    control.shutdown(**reply)


def test_workers_take_no_orders_by_remote_control(farm: tuple[ProcessFarm, ValkeyServer]) -> None:
    """A client is not let through to them, and not even the workers' own user is obeyed."""
    place, server = farm
    for role in ("client", "metrics", "webhooks"):
        with make_app(Settings(Endpoints(broker_url(server, role)))) as app:
            for order in (app.control.shutdown, app.control.ping):
                with pytest.raises((redis.exceptions.NoPermissionError, OperationalError, BrokerError)):
                    order()
    with make_app(Settings(Endpoints(broker_url(server, "worker")))) as app:
        _orders(app)
    time.sleep(2)
    assert all(process.poll() is None for process in place.running.values()), place.logs()
    job = place.submit(draw_page(3, 2).png)
    assert place.wait(job).state == "complete"
    with make_app(Settings(Endpoints(broker_url(server, "worker")))) as app:
        assert len(app.control.inspect(timeout=5).stats() or {}) == 2


def test_an_emptied_broker_gets_its_functions_from_the_workers(farm: tuple[ProcessFarm, ValkeyServer]) -> None:
    """Clients may call functions but not load any, since one of theirs could block the server."""
    place, server = farm
    job = place.submit(draw_page(2, 1).png)
    place.wait(job)
    with pytest.raises(BrokerUnreachable, match="try again"):
        _lose_functions(place, server, job)
    place.wait_until(lambda: _is_known(place, job))


def _lose_functions(place: ProcessFarm, server: ValkeyServer, job: str) -> None:
    """Flush them and call one, until no worker has loaded them in between."""
    with redis.Redis.from_url(server.url, username="admin", password="admin") as admin:
        while True:
            admin.function_flush()
            place.submitter.jobs.update(job, state="cancelled")


def _is_known(place: ProcessFarm, job: str) -> bool:
    with suppress(BrokerUnreachable):
        place.submitter.jobs.update(job, state="cancelled")
        return True
    return False
