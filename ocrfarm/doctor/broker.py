"""The broker: whether it answers, keeps and never throws away what it is told, and what time it has."""

import time
from collections.abc import Iterator
from typing import Any

from ocrfarm.doctor.clock import compare_clocks
from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok, warn
from ocrfarm.errors import BrokerError, BrokerFull
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys

_MIN_VERSION = (6, 2)
"""Older ones get no more fixes of holes in their Lua, which Celery's chords need."""

_WARN_MEMORY, _FAIL_MEMORY = 0.7, 0.95
"""Shares of the broker's memory."""


def check_broker(context: CheckContext) -> Iterator[Finding]:
    """Ask the broker what it is like, and write into it; `BrokerError` where it does not answer or refuses."""
    endpoints = context.settings.endpoints
    if not endpoints.broker:
        yield warn("broker", "OCRFARM_BROKER is not set", advice="name the farm's, or none for a farm on this machine")
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
        return warn("broker", f"{product} at {where}", advice="it gets no security fixes; take Valkey 8 or Redis 7.2")
    return ok("broker", f"{product} at {where} answers and takes what it is told")


def _check_eviction(info: dict[str, Any]) -> Finding:
    policy, limited = info.get("maxmemory_policy", "not told"), info.get("maxmemory", 0) > 0
    fact = f"maxmemory-policy is {policy}"
    if policy == "noeviction":
        return ok("broker.eviction", fact)
    if not limited:
        advice = "set noeviction, or the first limit on its memory makes it throw messages away"
        return warn("broker.eviction", fact, advice=advice)
    advice = "it throws messages away when its memory is full; set noeviction"
    return fail("broker.eviction", fact, advice=advice, kind=BrokerError)


def _check_persistence(info: dict[str, Any]) -> Iterator[Finding]:
    name = "broker.persistence"
    for what in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if info.get("aof_enabled") and info.get(what, "ok") != "ok":
            yield fail(name, f"{what} is {info[what]}", advice="is its disk full? see its log", kind=BrokerError)
            return
    if info.get("aof_enabled"):
        yield ok(name, "every command is written to disk (appendonly yes)")
    else:
        advice = "set appendonly yes: without it a restart costs each job the minutes until it is taken up again"
        yield warn(name, "appendonly is no", advice=advice)


def _check_memory(info: dict[str, Any]) -> Finding:
    name, used, most = "broker.memory", info["used_memory"], info.get("maxmemory", 0)
    if not most:
        advice = "set maxmemory, or it grows until the system kills it"
        return warn(name, f"{used / 1e6:.0f} MB used, without a limit", advice=advice)
    fact = f"{used / 1e6:.0f} of {most / 1e6:.0f} MB used"
    if used > _FAIL_MEMORY * most:
        return fail(name, fact, advice="raise maxmemory, or wait until jobs have ended", kind=BrokerFull)
    return warn(name, fact, advice="raise maxmemory") if used > _WARN_MEMORY * most else ok(name, fact)
