"""Checks of the GPU: the requested one is present and free, and its driver is new enough for the engine."""

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ocrfarm.doctor.finding import CheckContext, Finding, fail, ok, warn
from ocrfarm.errors import EngineError
from ocrfarm.farm.worker_registry import Driver, Gpu, find_driver, list_gpus

_GPU_PACKAGES = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime/capi/build_and_package_info.py"),
    "paddle": ("paddlepaddle-gpu", "paddle/version/__init__.py"),
}
"""Engine -> the package that runs it on a GPU, and the package's file that names the CUDA version it was built for."""

_CUDA_VERSION = re.compile(r"""^cuda_version\s*=\s*['"](\d+)\.(\d+)""", re.MULTILINE)

_MIN_FREE, _RECOMMENDED_FREE = 500_000_000, 2_000_000_000
"""Bytes of GPU memory per process: the small models and their workspace take about 1 GB."""


def check_gpu(context: CheckContext) -> Iterator[Finding]:
    """Check that the GPU of the profile is present, has free memory, and a driver for the engine's CUDA version."""
    there = list_gpus()
    kind, _, number = context.profile.runtime.device.partition(":")
    if kind != "gpu":
        yield _check_unused(there)
        return
    index = int(number or 0)
    if index >= len(there):
        fact = f"device {context.profile.runtime.device} is asked for, and NVIDIA's driver shows {len(there)} GPUs"
        advice = "check the driver with nvidia-smi, and whether the container was given a GPU"
        yield fail("gpu", fact, advice=advice, kind=EngineError)
        return
    yield ok("gpu", f"{there[index].name}, {there[index].utilization} % busy, {there[index].temperature} degrees")
    yield _check_free_memory(there[index], context.concurrency)
    if found := find_driver():
        yield _check_driver(context.profile.runtime.engine, found)


def _check_unused(there: list[Gpu]) -> Finding:
    if not there:
        return ok("gpu", "none is requested, and none is present")
    fact = f"{len(there)} x {there[0].name} is present, but the profile uses the CPU"
    return warn("gpu", fact, advice='set device = "gpu:0" in its [runtime], and install ocrfarm[gpu]')


def _check_free_memory(there: Gpu, processes: int) -> Finding:
    wanted = f"{processes} x {_RECOMMENDED_FREE / 1e9:.0f} GB"
    fact = f"{there.memory_free / 1e9:.1f} of {there.memory_total / 1e9:.1f} GB free for {wanted}"
    advice = "find other users of the GPU with nvidia-smi, or start fewer processes on this device"
    if there.memory_free < _MIN_FREE * processes:
        return fail("gpu.memory", fact, advice=advice, kind=EngineError)
    short = there.memory_free < _RECOMMENDED_FREE * processes
    return warn("gpu.memory", fact, advice=advice) if short else ok("gpu.memory", fact)


def _check_driver(engine: str, found: Driver) -> Finding:
    """Compare the driver with the engine's build; within one major version of CUDA, any driver runs any build."""
    package, file = _GPU_PACKAGES[engine]
    can = f"driver {found.version} supports CUDA up to {found.cuda[0]}.{found.cuda[1]}"
    try:
        text = Path(str(metadata.distribution(package).locate_file(file))).read_text(encoding="utf-8")
    except (metadata.PackageNotFoundError, OSError):
        return fail("gpu.cuda", f"{package} is not installed", advice="install ocrfarm[gpu]", kind=EngineError)
    built = _CUDA_VERSION.search(text)
    if not built:
        return warn(
            "gpu.cuda",
            f"{can}; {package} does not say which version it needs",
            advice="check that the first tile is read",
        )
    fact = f"{can}; {package} was built for {built[1]}.{built[2]}"
    if int(built[1]) > found.cuda[0]:
        advice = "install a newer driver on the host, or a build for the older CUDA"
        return fail("gpu.cuda", fact, advice=advice, kind=EngineError)
    return ok("gpu.cuda", fact)
