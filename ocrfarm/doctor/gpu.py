"""The GPU: whether the one that is asked for is there and free, and its driver new enough for the engine's build."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ocrfarm.doctor.finding import Case, Finding, bad, fine, odd
from ocrfarm.errors import EngineError
from ocrfarm.farm.gpus import Driver, Gpu, devices, driver

_BUILDS = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime/capi/build_and_package_info.py"),
    "paddle": ("paddlepaddle-gpu", "paddle/version/__init__.py"),
}
"""Engine -> the package that runs it on a GPU, and its file that says for which CUDA it was built."""

_CUDA = re.compile(r"""^cuda_version\s*=\s*['"](\d+)\.(\d+)""", re.MULTILINE)

_LEAST_FREE, _GOOD_FREE = 500_000_000, 2_000_000_000
"""Bytes: the small models with their workspace take about 1 GB."""


def gpu(case: Case) -> Iterator[Finding]:
    """Compare what the profile asks for with what is there."""
    there = devices()
    kind, _, number = case.profile.runtime.device.partition(":")
    if kind != "gpu":
        yield _unasked(there)
        return
    index = int(number or 0)
    if index >= len(there):
        fact = f"device {case.profile.runtime.device} is asked for, and NVIDIA's driver shows {len(there)} GPUs"
        advice = "is the driver there (nvidia-smi), and was the container given a GPU?"
        yield bad("gpu", fact, advice=advice, kind=EngineError)
        return
    yield fine("gpu", f"{there[index].name}, {there[index].busy} % busy, {there[index].degrees} degrees")
    yield _free(there[index], case.concurrency)
    if found := driver():
        yield _matched(case.profile.runtime.engine, found)


def _unasked(there: list[Gpu]) -> Finding:
    if not there:
        return fine("gpu", "none is asked for, and none is here")
    fact = f"{len(there)} x {there[0].name} is here, but the profile runs on the CPU"
    return odd("gpu", fact, advice='give it [runtime] device = "gpu:0" and install ocrfarm[gpu]')


def _free(there: Gpu, processes: int) -> Finding:
    fact = f"{there.free / 1e9:.1f} of {there.total / 1e9:.1f} GB free for {processes} x {_GOOD_FREE / 1e9:.0f} GB"
    advice = "see with nvidia-smi who holds it, or start fewer processes on this device"
    if there.free < _LEAST_FREE * processes:
        return bad("gpu.memory", fact, advice=advice, kind=EngineError)
    short = there.free < _GOOD_FREE * processes
    return odd("gpu.memory", fact, advice=advice) if short else fine("gpu.memory", fact)


def _matched(engine: str, found: Driver) -> Finding:
    """Compare the driver with the engine's build; within one major version of CUDA any driver runs any build."""
    package, file = _BUILDS[engine]
    can = f"driver {found.version} runs CUDA up to {found.cuda[0]}.{found.cuda[1]}"
    try:
        text = Path(str(metadata.distribution(package).locate_file(file))).read_text(encoding="utf-8")
    except (metadata.PackageNotFoundError, OSError):
        return bad("gpu.cuda", f"{package} is not installed", advice="install ocrfarm[gpu]", kind=EngineError)
    built = _CUDA.search(text)
    if not built:
        return odd("gpu.cuda", f"{can}; {package} does not say what it needs", advice="watch the first tile")
    fact = f"{can}; {package} was built for {built[1]}.{built[2]}"
    if int(built[1]) > found.cuda[0]:
        advice = "install a newer driver on the host, or a build for the older CUDA"
        return bad("gpu.cuda", fact, advice=advice, kind=EngineError)
    return fine("gpu.cuda", fact)
