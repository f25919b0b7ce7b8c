"""How many cores of the processor this process may use."""

import os


def usable_cpus() -> int:
    """Give the cores that the system lets this process run on; a container's limit of time is not counted."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
