"""Which workers there are and which GPUs their hosts have, as each worker reports in its heartbeats."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.keys import Keys


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        index: Its number on its host.
        name: The product.
        memory_total: Bytes of memory.
        memory_used: Bytes that are in use.
        utilization: The share of the last moments in which it worked, in percent.
        temperature: Degrees Celsius.
    """

    index: int
    name: str
    memory_total: int
    memory_used: int
    utilization: int
    temperature: int

    @property
    def memory_free(self) -> int:
        """Bytes of memory that are free."""
        return self.memory_total - self.memory_used


@dataclass(frozen=True, slots=True)
class Driver:
    """NVIDIA's driver.

    Attributes:
        version: Its version.
        cuda: The newest CUDA that it runs.
    """

    version: str
    cuda: tuple[int, int]


def list_gpus() -> list[Gpu]:
    """Return all GPUs of this host; none without a driver that answers. NVML does not touch CUDA: a fork is safe."""
    with _open_nvml() as nvml:
        if not nvml:
            return []
        try:
            return [_read_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError:  # a heartbeat without GPUs is better than none
            return []


def find_driver() -> Driver | None:
    """Return the driver; None if there is none."""
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
    """Return NVML, initialized; None without the package or a driver."""
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


_HEARTBEAT_TTL = 60
"""Seconds until a worker without a heartbeat counts as gone: three heartbeats may be missing."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker.

    Attributes:
        name: Its name and its host.
        host: The host's name.
        queues: The queues that it reads.
        processes: How many processes work.
        memory: Resident memory of all its processes, in bytes; 0 if it is unknown.
        gpus: The GPUs of its host.
        work: What its processes work on: the stage, the job and its tiles, and when it began, in UTC.
    """

    name: str
    host: str
    queues: tuple[str, ...]
    processes: int
    memory: int = 0
    gpus: tuple[Gpu, ...] = ()
    work: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The recognizers that it holds."""
        return tuple(name.removeprefix("recognize.") for name in self.queues if name.startswith("recognize."))


class WorkerRegistry:
    """The workers of a farm.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        """Connect to nothing yet.

        Args:
            broker: The connection.
            keys: The names of the farm's keys.
        """
        self._broker, self._keys = broker, keys

    def record_heartbeat(self, worker: WorkerInfo) -> None:
        """Record that a worker lives, and how it is."""
        with self._broker.translate_errors():
            now, _ = self._broker.redis.time()
        key = self._keys.worker(worker.name)
        data: dict[Any, Any] = asdict(worker)
        lists = {name: json.dumps(data.pop(name)) for name in ("queues", "gpus", "work")}
        with self._broker.pipeline() as pipe:
            pipe.zadd(self._keys.workers, {worker.name: now})
            pipe.zremrangebyscore(self._keys.workers, 0, now - _HEARTBEAT_TTL)
            pipe.hset(key, mapping=data | lists)
            pipe.expire(key, _HEARTBEAT_TTL)

    def list_workers(self) -> list[WorkerInfo]:
        """Return the workers with a heartbeat in the last minute, by name."""
        with self._broker.translate_errors():
            names = sorted(map(str, self._broker.redis.zrange(self._keys.workers, 0, -1)))
        with self._broker.pipeline() as pipe:
            for name in names:
                pipe.hgetall(self._keys.worker(name))
            return [_parse_worker(record) for record in pipe.execute() if record]


def _parse_worker(record: dict[str, str]) -> WorkerInfo:
    return WorkerInfo(
        name=record["name"],
        host=record["host"],
        queues=tuple(json.loads(record["queues"])),
        processes=int(record["processes"]),
        memory=int(record["memory"]),
        gpus=tuple(Gpu(**gpu) for gpu in json.loads(record["gpus"])),
        work=tuple(map(str, json.loads(record.get("work", "[]")))),  # which older versions do not write
    )
