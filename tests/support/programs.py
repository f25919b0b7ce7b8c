"""Programs that tests need and no wheel brings: where `scripts/install` puts them, else on the PATH."""

import shutil
from pathlib import Path

from tests.support.servers import require
from tests.support.source_tree import ROOT


def find_program(name: str, *, package: str) -> str:
    """Give the program's path; skip at home and fail in CI where it is missing."""
    unpacked = ROOT / ".cache" / package / "usr" / "bin" / name
    path = str(unpacked) if unpacked.is_file() else shutil.which(name)
    require(path, f"{name} is missing: type `CI=true scripts/install`, or install {package}")
    return str(Path(str(path)))
