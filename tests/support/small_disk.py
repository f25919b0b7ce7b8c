"""A small file system of its own, which gets full as real ones do; needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """Where the file system is mounted."""

    folder: Path

    def resize(self, kilobytes: int) -> None:
        """Make it larger or smaller, with what lies there."""
        _mount("-o", f"remount,size={kilobytes}k", str(self.folder))


@contextmanager
def mount_small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount a file system of this size; where that is not allowed, the test is skipped and says so, in CI too."""
    folder.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "ocrfarm-test", str(folder))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no disk was filled: mounting a file system needs root, and this is user {os.geteuid()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
