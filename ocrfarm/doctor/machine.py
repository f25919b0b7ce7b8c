"""What the machine gives: cores, memory, shared memory and disk, as far as its container's limits let it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocrfarm.cores import usable_cores
from ocrfarm.doctor.cgroup import core_limit, memory_limit
from ocrfarm.doctor.finding import Case, Finding, bad, fine, odd
from ocrfarm.errors import StoreDenied, StoreFull
from ocrfarm.farm.local import RECOGNIZER_BYTES
from ocrfarm.storage import open_store

_SHM = Path("/dev/shm")
_SHM_BYTES = 1 << 20
"""Locks of Python's and Celery's processes lie there, a few hundred bytes each."""

_BLOCK = 4096
"""Bytes: the least that a file takes on most disks."""

_LEAST_FREE, _GOOD_FREE = 256 << 20, 2 << 30
"""Bytes: a colour sheet of 16384 pixels is up to 200 MB as a file, and so are its tiles."""


def threads(case: Case) -> Iterator[Finding]:
    """Compare the threads of all engines with the cores that this process may use."""
    seen = usable_cores()
    cores = min(float(seen), core_limit())
    each = case.profile.runtime.threads or seen
    wanted = f"{case.concurrency} x {each} threads of the engine on {cores:g} of {os.cpu_count()} cores"
    if case.profile.runtime.device == "cpu" and each * case.concurrency > max(cores, 1):
        best = max(int(cores) // case.concurrency, 1)
        advice = f"they wait for one another; set threads = {best} in the profile's [runtime], or raise the limit"
        yield odd("threads", wanted, advice=advice)
    else:
        yield fine("threads", wanted)


def memory(case: Case) -> Iterator[Finding]:
    """Compare what the models of all children take with the machine's memory and the container's limit."""
    there = min(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), memory_limit())
    wanted = RECOGNIZER_BYTES * case.concurrency
    fact = f"{there / 1e9:.1f} GB for {case.concurrency} x {RECOGNIZER_BYTES / 1e9:.1f} GB"
    if wanted > there:
        yield odd("memory", fact, advice="the system may kill children; start fewer, or raise the container's limit")
    else:
        yield fine("memory", fact)


def shared_memory(_: Case) -> Iterator[Finding]:
    """Look whether locks can be made in /dev/shm, which some containers have too little of or none."""
    if not _SHM.is_dir():  # other systems keep them elsewhere
        return
    yield from _writable("shm", _SHM, _SHM_BYTES)


def disk(case: Case) -> Iterator[Finding]:
    """Write where pictures are unpacked, and look how much room is left there and in a store that is a folder."""
    try:
        places = {"temporary files": Path(tempfile.gettempdir())}
    except OSError as error:
        yield bad("disk", str(error.strerror), advice="make room, or set TMPDIR to a folder", kind=StoreFull)
        return
    url = case.settings.places.store
    if url and (folder := open_store(url).url.removeprefix("file://")).startswith("/"):
        places["the store"] = _existing(Path(folder))
    for what, place in places.items():
        for found in _writable("disk", place, _LEAST_FREE):
            free = shutil.disk_usage(place).free
            if found.state == "ok" and free < _GOOD_FREE:
                advice = f"{what} will fill it; make room or name another folder"
                yield odd("disk", found.fact, advice=advice)
            else:
                yield found


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())


def _writable(name: str, place: Path, least: int) -> Iterator[Finding]:
    """Write a file there, and compare the room with the least that is needed, in bytes."""
    fact = f"{place} has {shutil.disk_usage(place).free / 1e6:.0f} MB free"
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix="ocrfarm-doctor-") as file:
            file.write(bytes(_BLOCK))
            file.flush()
    except PermissionError as error:
        yield bad(name, f"{place}: {error.strerror}", advice="let this user write there", kind=StoreDenied)
        return
    except OSError as error:
        yield bad(name, f"{fact}: {error.strerror}", advice="make room, or mount it writable", kind=StoreFull)
        return
    if shutil.disk_usage(place).free < least:
        yield bad(name, fact, advice=f"make room: {least / 1e6:.0f} MB are the least", kind=StoreFull)
    else:
        yield fine(name, fact)
