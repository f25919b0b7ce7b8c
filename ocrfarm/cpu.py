"""The number of CPUs that this process may use."""

import os


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on; a container's CPU quota is not taken into account."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
