"""What the doctor concludes from containers, clocks, drivers and installed packages that this machine does not have."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.doctor import CheckContext, Finding, machine, packages
from ocrfarm.doctor.finding import compare_clocks, run_check
from ocrfarm.doctor.gpu import check_gpu
from ocrfarm.doctor.machine import core_limit, memory_limit
from ocrfarm.errors import BrokerUnreachable, OcrfarmError, StoreDenied, StoreFull
from ocrfarm.recognize import Runtime, find_profile
from ocrfarm.settings import Settings

CASE = CheckContext(Settings(), ("recognize",))
GIGABYTE = 10**9


@pytest.mark.parametrize(
    ("files", "groups", "cores", "bytes_"),
    [
        ({}, "0::/", float("inf"), float("inf")),
        ({"cpu.max": "max 100000", "memory.max": "max"}, "0::/", float("inf"), float("inf")),
        ({"cpu.max": "150000 100000", "memory.max": "1000"}, "0::/", 1.5, 1000),
        ({"pod/cpu.max": "50000 100000", "pod/box/cpu.max": "max 100000"}, "0::/pod/box", 0.5, float("inf")),
        (
            {
                "cpu/cpu.cfs_quota_us": "200000",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "7",
            },
            "3:cpu:/\n4:memory:/\n0::/",
            2,
            7,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu:/", float("inf"), float("inf")),
        (
            {"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"},
            "3:cpu,cpuacct:/a",
            1,
            float("inf"),
        ),
    ],
)
def test_a_containers_limits_are_seen(
    tmp_path: Path, files: dict[str, str], groups: str, cores: float, bytes_: float
) -> None:
    for name, text in files.items():
        path = tmp_path / "cgroup" / ("cpu,cpuacct" + name[3:] if "cpuacct" in groups and "cpu/" in name else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if "cpuacct" in groups:
        (tmp_path / "cgroup" / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "own").write_text(f"{groups}\n")
    assert core_limit(tmp_path / "cgroup", tmp_path / "own") == cores
    assert memory_limit(tmp_path / "cgroup", tmp_path / "own") == bytes_


@given(st.floats(-2000, 2000), st.floats(0, 2e9))
def test_clocks_are_judged_alike_in_both_directions(ahead: float, ours: float) -> None:
    states = {compare_clocks("clock", ours + sign * ahead, ours=ours).state for sign in (1, -1)}
    assert len(states) == 1 or min(abs(abs(ahead) - limit) for limit in (30, 450)) < 1e-3
    assert ("failure" in states) == (abs(ahead) >= 450) or abs(abs(ahead) - 450) < 1e-3


def test_what_may_pass_is_no_failure_for_a_worker_that_starts() -> None:
    def fail(error: OcrfarmError) -> Iterator[Finding]:
        yield Finding("store", "ok", "so far")
        raise error

    quick = replace(CASE, quick=True)
    states = {
        (case.quick, type(error).__name__): [each.state for each in run_check(case, "x", check=partial(fail, error))]
        for case in (CASE, quick)
        for error in (BrokerUnreachable("away"), StoreDenied("no"))
    }
    assert states == {
        (False, "BrokerUnreachable"): ["ok", "failure"],
        (False, "StoreDenied"): ["ok", "failure"],
        (True, "BrokerUnreachable"): ["ok", "warning"],
        (True, "StoreDenied"): ["ok", "failure"],
    }


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Give an NVML with one device, whose figures a test may change."""
    figures = SimpleNamespace(count=1, free=79 * GIGABYTE, cuda=13000)
    module: Any = ModuleType("pynvml")
    module.NVMLError = type("NVMLError", (Exception,), {})
    module.NVML_TEMPERATURE_GPU = 0
    module.nvmlInit = module.nvmlShutdown = lambda: None
    module.nvmlDeviceGetCount = lambda: figures.count
    module.nvmlDeviceGetHandleByIndex = lambda index: index
    module.nvmlDeviceGetName = lambda handle: "NVIDIA H100"
    module.nvmlDeviceGetTemperature = lambda handle, kind: 41
    total = 80 * GIGABYTE
    module.nvmlDeviceGetMemoryInfo = lambda handle: SimpleNamespace(total=total, used=total - figures.free)
    module.nvmlDeviceGetUtilizationRates = lambda handle: SimpleNamespace(gpu=7)
    module.nvmlSystemGetDriverVersion = lambda: "580.65"
    module.nvmlSystemGetCudaDriverVersion_v2 = lambda: figures.cuda
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return figures


@pytest.fixture
def cuda_build_info(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the file in which an installed onnxruntime-gpu says for which CUDA it was built."""
    file = tmp_path / "onnxruntime" / "capi" / "build_and_package_info.py"
    file.parent.mkdir(parents=True)
    file.write_text("package_name = 'onnxruntime-gpu'\n__version__ = '1.24.1'\n\ncuda_version = '12.8'\n")
    (tmp_path / "onnxruntime_gpu-1.24.1.dist-info").mkdir()
    (tmp_path / "onnxruntime_gpu-1.24.1.dist-info" / "METADATA").write_text("Name: onnxruntime-gpu\nVersion: 1.24.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return file


def _on(device: str, concurrency: int = 1) -> dict[str, str]:
    profile = find_profile("fast").with_runtime(Runtime(device=device))
    return {each.name: each.state for each in check_gpu(replace(CASE, profile=profile, concurrency=concurrency))}


@pytest.mark.usefixtures("cuda_build_info")
def test_a_gpu_that_fits_is_fine(nvml: SimpleNamespace) -> None:
    assert _on("gpu:0") == {"gpu": "ok", "gpu.memory": "ok", "gpu.cuda": "ok"}
    nvml.cuda = 12020  # within one major version any driver will do
    assert _on("gpu:0")["gpu.cuda"] == "ok"


@pytest.mark.usefixtures("cuda_build_info")
def test_a_driver_that_is_older_than_the_engines_cuda_is_found(nvml: SimpleNamespace) -> None:
    nvml.cuda = 11040
    assert _on("gpu:0")["gpu.cuda"] == "failure"


@pytest.mark.usefixtures("nvml")
def test_a_build_without_cuda_is_found() -> None:
    assert _on("gpu:0")["gpu.cuda"] == "failure"


@pytest.mark.usefixtures("nvml")
def test_a_build_that_says_nothing_is_odd(cuda_build_info: Path) -> None:
    cuda_build_info.write_text("package_name = 'onnxruntime-gpu'\n")
    assert _on("gpu:0")["gpu.cuda"] == "warning"


@pytest.mark.usefixtures("cuda_build_info")
def test_a_gpu_that_others_hold_is_found(nvml: SimpleNamespace) -> None:
    nvml.free = GIGABYTE
    assert _on("gpu:0")["gpu.memory"] == "warning"
    nvml.free = GIGABYTE // 10
    assert _on("gpu:0")["gpu.memory"] == "failure"
    nvml.free = 3 * GIGABYTE
    assert _on("gpu:0", concurrency=2)["gpu.memory"] == "warning"


@pytest.mark.usefixtures("nvml")
def test_a_gpu_that_nobody_asked_for_is_mentioned() -> None:
    assert _on("cpu") == {"gpu": "warning"}
    assert _on("gpu:1") == {"gpu": "failure"}


def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("pynvml")
    module.NVMLError = type("NVMLError", (Exception,), {})

    def broken() -> None:
        raise module.NVMLError

    module.nvmlInit = broken
    monkeypatch.setitem(sys.modules, "pynvml", module)
    assert _on("cpu") == {"gpu": "ok"}
    assert _on("gpu:0") == {"gpu": "failure"}


def _packages(monkeypatch: pytest.MonkeyPatch, required: list[str]) -> list[str]:
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    return [f"{each.state}: {each.fact}" for each in packages.check_packages(CASE)]


def test_packages_that_are_missing_or_too_old_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _packages(monkeypatch, ["click<1", "no-such-package>=2", "numpy", 'none; extra == "farm"'])
    assert found.startswith("failure: click ")
    assert "no-such-package is missing" in found
    assert "numpy" not in found
    assert "none" not in found


def test_packages_that_not_every_process_needs_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["numpy", 'no-such-package; extra == "farm"']
    (found,) = _packages(monkeypatch, required)
    assert found == "warning: no-such-package not installed"
    assert [each.state for each in packages.check_packages(replace(CASE, roles=("client",)))] == ["ok"]


def test_packages_of_other_systems_and_extras_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _packages(monkeypatch, ['a; extra == "dev"', 'b; python_version < "3"', 'numpy; extra == "farm"'])
    assert found.startswith("ok: 1 as required")


@pytest.mark.usefixtures("cuda_build_info")
def test_packages_that_overwrite_one_another_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _packages(monkeypatch, [])
    assert found.startswith("failure: onnxruntime")
    assert "overwrite each other's onnxruntime" in found


def test_memory_for_more_children_than_there_is_room_for_is_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each.state for each in machine.check_memory(replace(CASE, concurrency=10_000))] == ["warning"]
    monkeypatch.setattr(machine, "memory_limit", lambda: GIGABYTE)
    assert [each.state for each in machine.check_memory(CASE)] == ["warning"]


def test_a_quota_counts_as_fewer_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_limit", lambda: 1.0)
    profile = find_profile("fast").with_runtime(Runtime(threads=2))
    assert [each.state for each in machine.check_threads(replace(CASE, profile=profile))] == ["warning"]


def test_a_machine_without_any_room_for_temporary_files_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert [(each.state, each.kind) for each in machine.check_disk(CASE)] == [("failure", StoreFull)]


def test_a_place_that_cannot_be_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    states = {
        (each.name, each.state, each.kind) for each in (*machine.check_disk(CASE), *machine.check_shared_memory(CASE))
    }
    assert states == {("disk", "failure", StoreDenied), ("shm", "failure", StoreDenied)}
