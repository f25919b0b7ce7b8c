"""The machine: cores, memory, shared memory and disk, within the limits of its container."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocrfarm.cpu import usable_cpus
from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok, warn
from ocrfarm.errors import StoreDenied, StoreFull
from ocrfarm.farm.embedded.farm import RECOGNIZER_MEMORY_BYTES
from ocrfarm.storage import open_store

_SHM = Path("/dev/shm")

_MIN_SHM_BYTES = 1 << 20
"""Bytes in /dev/shm for the locks of Python's and Celery's processes, a few hundred bytes each."""

_BLOCK = 4096
"""Bytes that are written as a test: one block of most file systems."""

_MIN_FREE_BYTES, _RECOMMENDED_FREE_BYTES = 256 << 20, 2 << 30
"""Bytes on disk: a colour sheet of 16384 x 16384 pixels takes up to 200 MB, and its tiles as much again."""

CGROUP_ROOT, PROCESS_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux describes the limits of a container."""


def check_threads(context: CheckContext) -> Iterator[Finding]:
    """Check that the threads of all processes are no more than the cores that they may use."""
    usable = usable_cpus()
    cores = min(float(usable), core_limit())
    threads = context.profile.runtime.threads or usable
    fact = f"{context.concurrency} x {threads} threads of the engine on {cores:g} of {os.cpu_count()} cores"
    if context.profile.runtime.device == "cpu" and threads * context.concurrency > max(cores, 1):
        best = max(int(cores) // context.concurrency, 1)
        advice = f"the threads wait for each other; set threads = {best} in the profile's [runtime], or raise the limit"
        yield warn("threads", fact, advice=advice)
    else:
        yield ok("threads", fact)


def check_memory(context: CheckContext) -> Iterator[Finding]:
    """Check that the models of all processes fit into the memory of the machine and the container."""
    available = min(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), memory_limit())
    required = RECOGNIZER_MEMORY_BYTES * context.concurrency
    fact = f"{available / 1e9:.1f} GB for {context.concurrency} x {RECOGNIZER_MEMORY_BYTES / 1e9:.1f} GB"
    if required > available:
        yield warn("memory", fact, advice="processes may be killed; start fewer, or raise the container's limit")
    else:
        yield ok("memory", fact)


def check_shared_memory(_: CheckContext) -> Iterator[Finding]:
    """Check that locks can be created in /dev/shm, which is tiny or missing in some containers."""
    if not _SHM.is_dir():  # not Linux
        return
    yield from _check_writable("shm", _SHM, _MIN_SHM_BYTES)


def check_disk(context: CheckContext) -> Iterator[Finding]:
    """Check that temporary files, and a store that is a folder, can be written and have room."""
    try:
        folders = {"temporary files": Path(tempfile.gettempdir())}
    except OSError as error:
        yield fail(
            "disk", str(error.strerror), advice="free some space, or set TMPDIR to another folder", kind=StoreFull
        )
        return
    url = context.settings.endpoints.store
    if url and (path := open_store(url).url.removeprefix("file://")).startswith("/"):
        folders["the store"] = _nearest_existing(Path(path))
    for purpose, folder in folders.items():
        for finding in _check_writable("disk", folder, _MIN_FREE_BYTES):
            free = shutil.disk_usage(folder).free
            if finding.state == "ok" and free < _RECOMMENDED_FREE_BYTES:
                advice = f"{purpose} will fill it; free some space or use another folder"
                yield warn("disk", finding.fact, advice=advice)
            else:
                yield finding


def _nearest_existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.is_dir())


def _check_writable(name: str, place: Path, min_free: int) -> Iterator[Finding]:
    """Write a file in a folder, and compare the free space with the minimum in bytes."""
    fact = f"{place} has {shutil.disk_usage(place).free / 1e6:.0f} MB free"
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix="ocrfarm-doctor-") as file:
            file.write(bytes(_BLOCK))
            file.flush()
    except PermissionError as error:
        yield fail(name, f"{place}: {error.strerror}", advice="give this user write permission", kind=StoreDenied)
        return
    except OSError as error:
        yield fail(name, f"{fact}: {error.strerror}", advice="free some space, or mount it writable", kind=StoreFull)
        return
    if shutil.disk_usage(place).free < min_free:
        yield fail(name, fact, advice=f"free some space: at least {min_free / 1e6:.0f} MB are needed", kind=StoreFull)
    else:
        yield ok(name, fact)


def core_limit(root: Path = CGROUP_ROOT, cgroup_file: Path = PROCESS_CGROUP) -> float:
    """Return the number of cores that this process may use by its cgroup (version 1 or 2); infinite without a limit.

    Args:
        root: Where the cgroup file systems are mounted.
        cgroup_file: File that names the cgroups of this process.
    """
    pairs = [text.split()[:2] for text in _read_values(root, cgroup_file, "cpu.max")]
    quotas, periods = (
        list(_read_values(root, cgroup_file, f"cpu.cfs_{what}_us", "cpu")) for what in ("quota", "period")
    )
    pairs += [list(pair) for pair in zip(quotas, periods, strict=False)]
    return min((int(quota) / int(period) for quota, period in pairs if _is_limit(quota)), default=float("inf"))


def memory_limit(root: Path = CGROUP_ROOT, cgroup_file: Path = PROCESS_CGROUP) -> float:
    """Return the bytes of memory that the container of this process may use; infinite without a limit.

    Args:
        root: Where the cgroup file systems are mounted.
        cgroup_file: File that names the cgroups of this process.
    """
    texts = [
        *_read_values(root, cgroup_file, "memory.max"),
        *_read_values(root, cgroup_file, "memory.limit_in_bytes", "memory"),
    ]
    return min((float(text) for text in texts if _is_limit(text)), default=float("inf"))


def _is_limit(text: str) -> bool:
    return text.isdigit()  # "max" and "-1" stand for no limit


def _read_values(root: Path, cgroup_file: Path, name: str, controller: str = "") -> Iterator[str]:
    """Yield the content of a file in the process's cgroup and in all groups above it, which limit it as well."""
    for group in _find_groups(cgroup_file, controller):
        folders = [root / controller / group.lstrip("/")]
        folders += [folder for folder in folders[0].parents if folder.is_relative_to(root / controller)]
        for folder in folders:
            if (file := folder / name).is_file():
                yield file.read_text().strip()


def _find_groups(cgroup_file: Path, controller: str) -> Iterator[str]:
    lines = cgroup_file.read_text().splitlines() if cgroup_file.is_file() else []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            yield group
