"""Find and run programs: those that no wheel brings, and Python itself."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.servers import require
from tests.support.source_tree import ROOT

_TIMEOUT = 60  # seconds


def find_program(name: str, *, package: str) -> str:
    """Give the program's path; skip at home and fail in CI where it is missing."""
    unpacked = ROOT / ".cache" / package / "usr" / "bin" / name
    path = str(unpacked) if unpacked.is_file() else shutil.which(name)
    require(path, f"{name} is missing: type `CI=true scripts/install`, or install {package}")
    return str(Path(str(path)))


def run_python(script: str, *arguments: str) -> str:
    """Give what the script printed; warnings are errors there too."""
    return run_command([sys.executable, "-W", "error", "-c", script, *arguments])


def run_command(command: list[str]) -> str:
    """Give what the command printed; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
