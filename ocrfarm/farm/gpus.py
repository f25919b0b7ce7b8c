"""NVIDIA's GPUs and driver, as NVML tells without touching CUDA: a process that forks may ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device: bytes of its memory, the percentage of time it worked lately, degrees Celsius."""

    index: int
    name: str
    memory_total: int
    memory_used: int
    utilization: int
    temperature: int

    @property
    def memory_free(self) -> int:
        """Bytes that nobody has taken."""
        return self.memory_total - self.memory_used


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver: its version, and the newest CUDA that it runs."""

    version: str
    cuda: tuple[int, int]


def list_gpus() -> list[Gpu]:
    """Give all devices; none where there is no driver."""
    with _open_nvml() as nvml:
        return [_read_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())] if nvml else []


def find_driver() -> Driver | None:
    """Give the driver; None where there is none."""
    with _open_nvml() as nvml:
        if not nvml:
            return None
        cuda = nvml.nvmlSystemGetCudaDriverVersion_v2()
        return Driver(_decode(nvml.nvmlSystemGetDriverVersion()), (cuda // 1000, cuda % 1000 // 10))


def _read_gpu(nvml: Any, index: int) -> Gpu:  # noqa: ANN401 - a module without types
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        busy = int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except nvml.NVMLError:  # a part of a device (MIG) does not say
        busy = 0
    degrees = int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
    return Gpu(index, _decode(nvml.nvmlDeviceGetName(handle)), int(memory.total), int(memory.used), busy, degrees)


def _decode(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


@contextmanager
def _open_nvml() -> Iterator[Any]:
    """Give NVML, ready for questions; None without the package or a driver."""
    try:
        import pynvml
    except ImportError:
        yield None
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
