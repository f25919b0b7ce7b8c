"""The command line in a process of its own, as a person uses it."""

import os
import subprocess
import sys
from pathlib import Path

OCRFARM = [sys.executable, "-m", "ocrfarm.cli"]
SYNTHETIC = ["--profile", "synthetic"]


def run_ocrfarm(*arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, and return what it printed and its exit code.

    Args:
        arguments: Words after `ocrfarm`, made strings.
        cwd: The folder in which it runs.
        environment: Variables besides those of this process.
    """
    return subprocess.run(
        [*OCRFARM, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
