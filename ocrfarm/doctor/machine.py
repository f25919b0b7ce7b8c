"""What the machine gives: cores, memory, shared memory and disk, as far as its container's limits let it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocrfarm.cpu import usable_cpus
from ocrfarm.doctor.cgroup import core_limit, memory_limit
from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok, warn
from ocrfarm.errors import StoreDenied, StoreFull
from ocrfarm.farm.embedded.farm import RECOGNIZER_MEMORY_BYTES
from ocrfarm.storage import open_store

_SHM = Path("/dev/shm")
_MIN_SHM_BYTES = 1 << 20
"""Locks of Python's and Celery's processes lie there, a few hundred bytes each."""

_BLOCK = 4096
"""Bytes: the least that a file takes on most disks."""

_MIN_FREE, _RECOMMENDED_FREE = 256 << 20, 2 << 30
"""Bytes: a colour sheet of 16384 pixels is up to 200 MB as a file, and so are its tiles."""


def check_threads(context: CheckContext) -> Iterator[Finding]:
    """Compare the threads of all engines with the cores that this process may use."""
    seen = usable_cpus()
    cores = min(float(seen), core_limit())
    each = context.profile.runtime.threads or seen
    wanted = f"{context.concurrency} x {each} threads of the engine on {cores:g} of {os.cpu_count()} cores"
    if context.profile.runtime.device == "cpu" and each * context.concurrency > max(cores, 1):
        best = max(int(cores) // context.concurrency, 1)
        advice = f"they wait for one another; set threads = {best} in the profile's [runtime], or raise the limit"
        yield warn("threads", wanted, advice=advice)
    else:
        yield ok("threads", wanted)


def check_memory(context: CheckContext) -> Iterator[Finding]:
    """Compare what the models of all children take with the machine's memory and the container's limit."""
    there = min(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), memory_limit())
    wanted = RECOGNIZER_MEMORY_BYTES * context.concurrency
    fact = f"{there / 1e9:.1f} GB for {context.concurrency} x {RECOGNIZER_MEMORY_BYTES / 1e9:.1f} GB"
    if wanted > there:
        yield warn("memory", fact, advice="the system may kill children; start fewer, or raise the container's limit")
    else:
        yield ok("memory", fact)


def check_shared_memory(_: CheckContext) -> Iterator[Finding]:
    """Look whether locks can be made in /dev/shm, which some containers have too little of or none."""
    if not _SHM.is_dir():  # other systems keep them elsewhere
        return
    yield from _check_writable("shm", _SHM, _MIN_SHM_BYTES)


def check_disk(context: CheckContext) -> Iterator[Finding]:
    """Write where images are unpacked, and look how much room is left there and in a store that is a folder."""
    try:
        places = {"temporary files": Path(tempfile.gettempdir())}
    except OSError as error:
        yield fail("disk", str(error.strerror), advice="make room, or set TMPDIR to a folder", kind=StoreFull)
        return
    url = context.settings.endpoints.store
    if url and (folder := open_store(url).url.removeprefix("file://")).startswith("/"):
        places["the store"] = _nearest_existing(Path(folder))
    for what, place in places.items():
        for found in _check_writable("disk", place, _MIN_FREE):
            free = shutil.disk_usage(place).free
            if found.state == "ok" and free < _RECOMMENDED_FREE:
                advice = f"{what} will fill it; make room or name another folder"
                yield warn("disk", found.fact, advice=advice)
            else:
                yield found


def _nearest_existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())


def _check_writable(name: str, place: Path, min_free: int) -> Iterator[Finding]:
    """Write a file there, and compare the room with the least that is needed, in bytes."""
    fact = f"{place} has {shutil.disk_usage(place).free / 1e6:.0f} MB free"
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix="ocrfarm-doctor-") as file:
            file.write(bytes(_BLOCK))
            file.flush()
    except PermissionError as error:
        yield fail(name, f"{place}: {error.strerror}", advice="let this user write there", kind=StoreDenied)
        return
    except OSError as error:
        yield fail(name, f"{fact}: {error.strerror}", advice="make room, or mount it writable", kind=StoreFull)
        return
    if shutil.disk_usage(place).free < min_free:
        yield fail(name, fact, advice=f"make room: {min_free / 1e6:.0f} MB are the least", kind=StoreFull)
    else:
        yield ok(name, fact)
