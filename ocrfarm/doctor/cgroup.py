"""What the container allows: cores and bytes, by cgroup version 1 or 2."""

from collections.abc import Iterator
from pathlib import Path

CGROUP_ROOT, PROCESS_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def core_limit(root: Path = CGROUP_ROOT, own: Path = PROCESS_CGROUP) -> float:
    """Give the cores' worth of time that this process may use; infinite where nothing limits it."""
    pairs = [text.split()[:2] for text in _read_values(root, own, "cpu.max")]
    quotas, periods = (list(_read_values(root, own, f"cpu.cfs_{what}_us", "cpu")) for what in ("quota", "period"))
    pairs += [list(pair) for pair in zip(quotas, periods, strict=False)]
    return min((int(quota) / int(period) for quota, period in pairs if _is_limit(quota)), default=float("inf"))


def memory_limit(root: Path = CGROUP_ROOT, own: Path = PROCESS_CGROUP) -> float:
    """Give the bytes that this process and its neighbours in the container may take together."""
    texts = [*_read_values(root, own, "memory.max"), *_read_values(root, own, "memory.limit_in_bytes", "memory")]
    return min((float(text) for text in texts if _is_limit(text)), default=float("inf"))


def _is_limit(text: str) -> bool:
    return text.isdigit()  # "max" and -1 mean: none


def _read_values(root: Path, own: Path, name: str, controller: str = "") -> Iterator[str]:
    """Give what a file says in this process's group and in all groups above it, which limit it too."""
    for group in _find_groups(own, controller):
        places = [root / controller / group.lstrip("/")]
        places += [place for place in places[0].parents if place.is_relative_to(root / controller)]
        for place in places:
            if (file := place / name).is_file():
                yield file.read_text().strip()


def _find_groups(own: Path, controller: str) -> Iterator[str]:
    lines = own.read_text().splitlines() if own.is_file() else []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            yield group
