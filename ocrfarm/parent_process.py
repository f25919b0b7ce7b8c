"""Processes that end with their parents, so that nothing works on for nobody after a kill."""

import ctypes
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""The option's number in linux/prctl.h."""


def die_with_parent(*_: object, **__: object) -> None:
    """Make the system kill this process when the thread that started it ends, for whatever reason (Linux).

    Args:
        *_: Arguments of a signal of Celery, which are not used.
        **__: The same.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Run the module that the first argument names, as `python -m` does, until it or the parent process ends."""
    die_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
