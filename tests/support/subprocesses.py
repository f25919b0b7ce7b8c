"""Run a script in a Python of its own."""

import subprocess
import sys

_TIMEOUT = 60  # seconds


def run_python(script: str, *arguments: str) -> str:
    """Give what the script printed; warnings are errors there too."""
    return run_command([sys.executable, "-W", "error", "-c", script, *arguments])


def run_command(command: list[str]) -> str:
    """Give what the command printed; it must end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
