"""The store: whether these credentials can write and read, whether it keeps conditions, and what time it has."""

import time
from collections.abc import Callable, Iterator
from functools import partial

from ocrfarm.doctor.clock import compare_clocks
from ocrfarm.doctor.finding import CheckContext, Finding, Role, fail, ok, run_check, warn
from ocrfarm.errors import StoreError
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.store import Store

_PROBE_JOB = "probe"
"""No job can have this id."""

_PROBE_KEYS: dict[Role, Callable[[str], str]] = {
    "client": layout.final_status,
    "split": layout.manifest,
    "recognize": partial(layout.fragments, tile_id="probe"),
    "stitch": layout.result,
}
"""Stage -> an object that its role may write and read; none may remove one, so the probe stays."""

_FIRST_CONTENT, _SECOND_CONTENT = b"written by ocrfarm doctor", b"written although an object of this name existed"
"""Always the same, so that any number of doctors may look at once."""


def check_store(context: CheckContext) -> Iterator[Finding]:
    """Read the store's clock, then write, read, and write under a condition that must hold the second one back."""
    places = context.settings.endpoints
    if not places.store:
        yield warn("store", "OCRFARM_STORE is not set", advice="name the farm's, or none for a farm on this machine")
        return
    opened = open_store(places.store)
    yield from run_check(context, "store.clock", check=partial(_check_clock, opened))
    for stage in context.roles:
        yield from _check_access(context, opened, _PROBE_KEYS[stage](_PROBE_JOB))


def _check_access(context: CheckContext, opened: Store, key: str) -> Iterator[Finding]:
    """Go on as long as each step succeeds: the next one needs it."""
    steps = {"store.write": _check_write, "store.read": _check_read, "store.condition": _check_conditional_write}
    for name, step in steps.items():
        found = run_check(context, name, check=partial(step, opened, key))
        yield from found
        if any(each.state != "ok" for each in found):
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
        advice = "is another program writing there? give ocrfarm a prefix of its own"
        yield fail("store.read", f"{key} is not what was written", advice=advice, kind=StoreError)


def _check_conditional_write(opened: Store, key: str) -> Iterator[Finding]:
    if opened.put(key, _SECOND_CONTENT, if_absent=True):
        advice = "two workers could overwrite each other's results; take a store that knows If-None-Match"
        fact = f"{key} was overwritten although it existed: the store ignores conditions"
        yield fail("store.condition", fact, advice=advice, kind=StoreError)
    else:
        yield ok("store.condition", "conditional writes are kept")
