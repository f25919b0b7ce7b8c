"""The broker: whether it answers, keeps and never throws away what it is told, and what time it has."""

import time
from collections.abc import Iterator
from typing import Any

from ocrfarm.doctor.clock import compared
from ocrfarm.doctor.finding import Case, Finding, bad, fine, odd
from ocrfarm.errors import BrokerError, BrokerFull
from ocrfarm.farm.broker import Broker

_OLDEST = (6, 2)
"""Older ones get no more fixes of holes in their Lua, which Celery's chords need."""

_HIGH, _HIGHEST = 0.7, 0.95
"""Shares of the broker's memory."""


def broker(case: Case) -> Iterator[Finding]:
    """Ask the broker what it is like, and write into it; `BrokerError` where it does not answer or refuses."""
    places = case.settings.places
    if not places.broker:
        yield odd("broker", "OCRFARM_BROKER is not set", advice="name the farm's, or none for a farm on this machine")
        return
    link = Broker(places.broker)
    with link.translated():
        seconds, micros = link.redis.time()
        ours = time.time()
        told: dict[str, Any] = link.redis.info()
        link.redis.set(f"{places.prefix}doctor", 1, ex=10)
    yield _version(told, link.where)
    yield _eviction(told)
    yield from _persistence(told)
    yield _memory(told)
    yield compared("broker.clock", seconds + micros / 1e6, ours=ours)


def _version(told: dict[str, Any], where: str) -> Finding:
    version = str(told["redis_version"])
    product = f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        return odd("broker", f"{product} at {where}", advice="it gets no security fixes; take Valkey 8 or Redis 7.2")
    return fine("broker", f"{product} at {where} answers and takes what it is told")


def _eviction(told: dict[str, Any]) -> Finding:
    policy, limited = told.get("maxmemory_policy", "not told"), told.get("maxmemory", 0) > 0
    fact = f"maxmemory-policy is {policy}"
    if policy == "noeviction":
        return fine("broker.eviction", fact)
    if not limited:
        advice = "set noeviction, or the first limit on its memory makes it throw messages away"
        return odd("broker.eviction", fact, advice=advice)
    advice = "it throws messages away when its memory is full; set noeviction"
    return bad("broker.eviction", fact, advice=advice, kind=BrokerError)


def _persistence(told: dict[str, Any]) -> Iterator[Finding]:
    name = "broker.persistence"
    for what in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if told.get("aof_enabled") and told.get(what, "ok") != "ok":
            yield bad(name, f"{what} is {told[what]}", advice="is its disk full? see its log", kind=BrokerError)
            return
    if told.get("aof_enabled"):
        yield fine(name, "every command is written to disk (appendonly yes)")
    else:
        advice = "set appendonly yes: without it a restart costs each job the minutes until it is taken up again"
        yield odd(name, "appendonly is no", advice=advice)


def _memory(told: dict[str, Any]) -> Finding:
    name, used, most = "broker.memory", told["used_memory"], told.get("maxmemory", 0)
    if not most:
        advice = "set maxmemory, or it grows until the system kills it"
        return odd(name, f"{used / 1e6:.0f} MB used, without a limit", advice=advice)
    fact = f"{used / 1e6:.0f} of {most / 1e6:.0f} MB used"
    if used > _HIGHEST * most:
        return bad(name, fact, advice="raise maxmemory, or wait until jobs have ended", kind=BrokerFull)
    return odd(name, fact, advice="raise maxmemory") if used > _HIGH * most else fine(name, fact)
