"""The store: whether these credentials can write and read, whether it keeps conditions, and what time it has."""

import time
from collections.abc import Callable, Iterator
from functools import partial

from ocrfarm.doctor.clock import compared
from ocrfarm.doctor.finding import Case, Finding, Stage, attempt, bad, fine, odd
from ocrfarm.errors import StoreError
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

_JOB = "probe"
"""No job can have this id."""

_NAMES: dict[Stage, Callable[[str], str]] = {
    "client": keys.ended,
    "split": keys.manifest,
    "recognize": partial(keys.fragments, tile_id="probe"),
    "stitch": keys.result,
}
"""Stage -> an object that its role may write and read; none may remove one, so the probe stays."""

_FIRST, _SECOND = b"written by ocrfarm doctor", b"written although an object of this name existed"
"""Always the same, so that any number of doctors may look at once."""


def store(case: Case) -> Iterator[Finding]:
    """Read the store's clock, then write, read, and write under a condition that must hold the second one back."""
    places = case.settings.places
    if not places.store:
        yield odd("store", "OCRFARM_STORE is not set", advice="name the farm's, or none for a farm on this machine")
        return
    opened = open_store(places.store)
    yield from attempt(case, "store.clock", look=partial(_clock, opened))
    for stage in case.stages:
        yield from _used(case, opened, _NAMES[stage](_JOB))


def _used(case: Case, opened: Store, key: str) -> Iterator[Finding]:
    """Go on as long as each step succeeds: the next one needs it."""
    steps = {"store.write": _write, "store.read": _read, "store.condition": _condition}
    for name, step in steps.items():
        found = attempt(case, name, look=partial(step, opened, key))
        yield from found
        if any(each.state != "ok" for each in found):
            return


def _clock(opened: Store) -> Iterator[Finding]:
    theirs = opened.clock()
    yield compared("store.clock", theirs, ours=time.time())


def _write(opened: Store, key: str) -> Iterator[Finding]:
    opened.put(key, _FIRST)
    yield fine("store.write", f"{key} was written to {opened.url}")


def _read(opened: Store, key: str) -> Iterator[Finding]:
    if opened.get(key) in (_FIRST, _SECOND):
        yield fine("store.read", f"{key} was read")
    else:
        advice = "is another program writing there? give ocrfarm a prefix of its own"
        yield bad("store.read", f"{key} is not what was written", advice=advice, kind=StoreError)


def _condition(opened: Store, key: str) -> Iterator[Finding]:
    if opened.put(key, _SECOND, if_absent=True):
        advice = "two workers could overwrite each other's results; take a store that knows If-None-Match"
        fact = f"{key} was overwritten although it existed: the store ignores conditions"
        yield bad("store.condition", fact, advice=advice, kind=StoreError)
    else:
        yield fine("store.condition", "conditional writes are kept")
