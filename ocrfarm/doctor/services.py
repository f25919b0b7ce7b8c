"""The broker and the store: whether they answer, keep what is written, and agree on the time."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from ocrfarm.doctor.finding import CheckContext, Finding, Role, compare_clocks, fail, ok, run_check, warn
from ocrfarm.errors import BrokerError, BrokerFull, StoreError
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.store import Store

_MIN_VERSION = (7, 0)
"""Oldest version of Redis that still gets security fixes for its Lua interpreter, which the farm uses."""

_WARN_MEMORY, _FAIL_MEMORY = 0.7, 0.95
"""Fractions of the broker's memory."""

_PROBE_JOB = "probe"
"""Stands for a job in the names of objects; no real job can have this id."""

_PROBE_KEYS: dict[Role, Callable[[str], str]] = {
    "client": layout.final_status,
    "split": layout.manifest,
    "recognize": partial(layout.fragments, tile_id="probe"),
    "stitch": layout.result,
}
"""Role -> an object that it may write and read; no role may delete objects, so the probe stays in the store."""

_FIRST_CONTENT, _SECOND_CONTENT = b"written by ocrfarm doctor", b"written although an object of this name existed"
"""Constant, so that any number of checks may run at a time."""


def check_broker(context: CheckContext) -> Iterator[Finding]:
    """Check the broker's version, configuration, memory and clock, and write a key.

    Raises:
        BrokerError: The broker does not answer or refuses the connection.
    """
    endpoints = context.settings.endpoints
    if not endpoints.broker:
        yield warn(
            "broker",
            "OCRFARM_BROKER is not set",
            advice="set it to use a farm; without it, `ocrfarm read` starts one on this machine",
        )
        return
    link = Broker(endpoints.broker)
    with link.translate_errors():
        seconds, micros = link.redis.time()
        ours = time.time()
        info: dict[str, Any] = link.redis.info()
        link.redis.set(Keys(endpoints.key_prefix).doctor, 1, ex=10)
    yield _check_version(info, link.address)
    yield _check_eviction(info)
    yield from _check_persistence(info)
    yield _check_memory(info)
    yield compare_clocks("broker.clock", seconds + micros / 1e6, ours=ours)


def _check_version(info: dict[str, Any], where: str) -> Finding:
    version = str(info["redis_version"])
    product = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < _MIN_VERSION:
        return warn(
            "broker",
            f"{product} at {where}",
            advice="this version lacks functions, which the farm needs; use Valkey 8 or Redis 7.2",
        )
    return ok("broker", f"{product} at {where} answers and accepts writes")


def _check_eviction(info: dict[str, Any]) -> Finding:
    policy, limited = info.get("maxmemory_policy", "unknown"), info.get("maxmemory", 0) > 0
    fact = f"maxmemory-policy is {policy}"
    if policy == "noeviction":
        return ok("broker.eviction", fact)
    if not limited:
        advice = "set noeviction, or the broker will delete messages as soon as its memory is limited"
        return warn("broker.eviction", fact, advice=advice)
    advice = "the broker deletes messages when its memory is full; set noeviction"
    return fail("broker.eviction", fact, advice=advice, kind=BrokerError)


def _check_persistence(info: dict[str, Any]) -> Iterator[Finding]:
    name = "broker.persistence"
    for what in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get("aof_enabled") and info.get(what, "ok") != "ok":
            yield fail(
                name,
                f"{what} is {info[what]}",
                advice="check whether its disk is full, and read its log",
                kind=BrokerError,
            )
            return
    if info.get("aof_enabled"):
        yield ok(name, "every command is written to disk (appendonly yes)")
    else:
        advice = "set appendonly yes; otherwise a restart delays every job by the minutes until it is recovered"
        yield warn(name, "appendonly is no", advice=advice)


def _check_memory(info: dict[str, Any]) -> Finding:
    name, used, most = "broker.memory", info["used_memory"], info.get("maxmemory", 0)
    if not most:
        advice = "set maxmemory, or the broker may grow until the system kills it"
        return warn(name, f"{used / 1e6:.0f} MB used, without a limit", advice=advice)
    fact = f"{used / 1e6:.0f} of {most / 1e6:.0f} MB used"
    if used > _FAIL_MEMORY * most:
        return fail(name, fact, advice="raise maxmemory, or wait until some jobs have ended", kind=BrokerFull)
    return warn(name, fact, advice="raise maxmemory") if used > _WARN_MEMORY * most else ok(name, fact)


def check_store(context: CheckContext) -> Iterator[Finding]:
    """Check the store's clock, then write, read, and write under a condition that must fail."""
    endpoints = context.settings.endpoints
    if not endpoints.store:
        yield warn(
            "store",
            "OCRFARM_STORE is not set",
            advice="set it to use a farm; without it, `ocrfarm read` starts one on this machine",
        )
        return
    with closing(open_store(endpoints.store)) as opened:
        yield from run_check(context, "store.clock", check=partial(_check_clock, opened))
        for stage in context.roles:
            yield from _check_access(context, opened, _PROBE_KEYS[stage](_PROBE_JOB))


def _check_access(context: CheckContext, opened: Store, key: str) -> Iterator[Finding]:
    """Run the steps in order and stop after a failure, because each step needs the one before."""
    steps = {"store.write": _check_write, "store.read": _check_read, "store.condition": _check_conditional_write}
    for name, step in steps.items():
        findings = run_check(context, name, check=partial(step, opened, key))
        yield from findings
        if any(finding.state != "ok" for finding in findings):
            return


def _check_clock(opened: Store) -> Iterator[Finding]:
    theirs = opened.server_time()
    yield compare_clocks("store.clock", theirs, ours=time.time())


def _check_write(opened: Store, key: str) -> Iterator[Finding]:
    opened.put(key, _FIRST_CONTENT)
    yield ok("store.write", f"{key} was written to {opened.url}")


def _check_read(opened: Store, key: str) -> Iterator[Finding]:
    if opened.get(key) in (_FIRST_CONTENT, _SECOND_CONTENT):
        yield ok("store.read", f"{key} was read")
    else:
        advice = "check whether another program writes there; use a prefix for ocrfarm alone"
        yield fail("store.read", f"{key} is not what was written", advice=advice, kind=StoreError)


def _check_conditional_write(opened: Store, key: str) -> Iterator[Finding]:
    if opened.put(key, _SECOND_CONTENT, if_absent=True):
        advice = "two workers could overwrite each other's results; use a store that supports If-None-Match"
        fact = f"{key} was overwritten although it existed: the store ignores conditions"
        yield fail("store.condition", fact, advice=advice, kind=StoreError)
    else:
        yield ok("store.condition", "conditional writes work")
