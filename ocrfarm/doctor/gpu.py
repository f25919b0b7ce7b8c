"""The GPU: whether the requested one is present and free, and its driver new enough for the engine."""

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
    gpus = list_gpus()
    kind, _, number = context.profile.runtime.device.partition(":")
    if kind != "gpu":
        yield _check_unused(gpus)
        return
    index = int(number or 0)
    if index >= len(gpus):
        fact = f"device {context.profile.runtime.device} is asked for, and NVIDIA's driver shows {len(gpus)} GPUs"
        advice = "check the driver with nvidia-smi, and whether the container was given a GPU"
        yield fail("gpu", fact, advice=advice, kind=EngineError)
        return
    yield ok("gpu", f"{gpus[index].name}, {gpus[index].utilization} % busy, {gpus[index].temperature} degrees")
    yield _check_free_memory(gpus[index], context.concurrency)
    if driver := find_driver():
        yield _check_driver(context.profile.runtime.engine, driver)


def _check_unused(gpus: list[Gpu]) -> Finding:
    if not gpus:
        return ok("gpu", "none is requested, and none is present")
    fact = f"{len(gpus)} x {gpus[0].name} is present, but the profile uses the CPU"
    return warn("gpu", fact, advice='set device = "gpu:0" in its [runtime], and install ocrfarm[gpu]')


def _check_free_memory(gpu: Gpu, processes: int) -> Finding:
    required = f"{processes} x {_RECOMMENDED_FREE / 1e9:.0f} GB"
    fact = f"{gpu.memory_free / 1e9:.1f} of {gpu.memory_total / 1e9:.1f} GB free for {required}"
    advice = "find other users of the GPU with nvidia-smi, or start fewer processes on this device"
    if gpu.memory_free < _MIN_FREE * processes:
        return fail("gpu.memory", fact, advice=advice, kind=EngineError)
    short = gpu.memory_free < _RECOMMENDED_FREE * processes
    return warn("gpu.memory", fact, advice=advice) if short else ok("gpu.memory", fact)


def _check_driver(engine: str, driver: Driver) -> Finding:
    """Compare the driver with the engine's build; within one major version of CUDA, any driver runs any build."""
    package, file = _GPU_PACKAGES[engine]
    support = f"driver {driver.version} supports CUDA up to {driver.cuda[0]}.{driver.cuda[1]}"
    try:
        text = Path(str(metadata.distribution(package).locate_file(file))).read_text(encoding="utf-8")
    except (metadata.PackageNotFoundError, OSError):
        return fail("gpu.cuda", f"{package} is not installed", advice="install ocrfarm[gpu]", kind=EngineError)
    built = _CUDA_VERSION.search(text)
    if not built:
        return warn(
            "gpu.cuda",
            f"{support}; {package} does not say which version it needs",
            advice="check that the first tile is read",
        )
    fact = f"{support}; {package} was built for {built[1]}.{built[2]}"
    if int(built[1]) > driver.cuda[0]:
        advice = "install a newer driver on the host, or a build for the older CUDA"
        return fail("gpu.cuda", fact, advice=advice, kind=EngineError)
    return ok("gpu.cuda", fact)
