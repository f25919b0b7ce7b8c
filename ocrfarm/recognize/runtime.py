"""Runtime -> options for PaddleX: the ONNX Runtime provider or Paddle mode, and a check that it is really used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime

from ocrfarm.errors import EngineError
from ocrfarm.recognize.profiles import Runtime

EngineOptions = dict[str, Any]

OPENVINO, CPU = "OpenVINOExecutionProvider", "CPUExecutionProvider"
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
MIGRAPHX = "MIGraphXExecutionProvider"

_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags in /proc/cpuinfo of CPUs with bfloat16 units, on x86 and Arm."""

_INSTALL_GPU = "install ocrfarm[gpu], or the build of ONNX Runtime for this device"


def engine_options(runtime: Runtime) -> EngineOptions:
    """Return PaddleX's `engine_config`; raise `EngineError` if this machine does not support the runtime."""
    return _paddle_options(runtime) if runtime.engine == "paddle" else _onnx_options(runtime)


def check_providers(session: Any, options: EngineOptions) -> None:  # noqa: ANN401 - onnxruntime is untyped
    """Check that ONNX Runtime uses the requested provider; it silently falls back to another one.

    Args:
        session: An `onnxruntime.InferenceSession`.
        options: The options from `engine_options` with which it was created.

    Raises:
        EngineError: The session runs on another provider.
    """
    requested, actual = options["providers"][0], session.get_providers()[0]
    if actual != requested:
        raise EngineError(f"{requested} is required, but ONNX Runtime uses {actual}: check its drivers and libraries")


def has_bf16() -> bool:
    """Return whether this CPU has bfloat16 units; inference then takes less than half the time of float32."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(words)


def _onnx_options(runtime: Runtime) -> EngineOptions:
    available = onnxruntime.get_available_providers()
    candidates = [_PROVIDERS[name] for name in _candidate_providers(runtime)]
    for provider, options in candidates:
        if provider in available:
            return options(runtime)
    names = " or ".join(provider for provider, _ in candidates)
    raise EngineError(f"device {runtime.device}: this onnxruntime has no {names}; {_INSTALL_GPU}")


def _candidate_providers(runtime: Runtime) -> tuple[str, ...]:
    """Return the names of the providers to try, in order of preference."""
    if runtime.provider != "auto":
        return (runtime.provider,)
    return ("openvino", "cpu") if runtime.device == "cpu" else ("cuda", "migraphx")


def _cpu_options(runtime: Runtime) -> EngineOptions:
    _refuse_half_precision(runtime, "cpu")
    return {"providers": [CPU], "intra_op_num_threads": runtime.threads}


def _openvino_options(runtime: Runtime) -> EngineOptions:
    """Return OpenVINO's own settings; pinning is off, because every process would be pinned to the first cores."""
    kind = "CPU" if runtime.device == "cpu" else "GPU"
    settings = {"NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": _openvino_precision(runtime)}
    if kind == "CPU":
        settings["ENABLE_CPU_PINNING"] = "NO"
        if runtime.threads:
            settings["INFERENCE_NUM_THREADS"] = str(runtime.threads)
    options = {"device_type": kind, "load_config": json.dumps({kind: settings})}
    return {"providers": [OPENVINO], "provider_options": [options]}


def _openvino_precision(runtime: Runtime) -> str:
    if runtime.device != "cpu":
        return "f16" if runtime.precision in ("auto", "fp16") else "f32"
    if runtime.precision == "bf16" and not has_bf16():
        raise EngineError("precision bf16: this CPU has no bfloat16 units; use precision auto or fp32")
    if runtime.precision == "fp16":
        raise EngineError("precision fp16 needs a GPU; on a CPU use auto, bf16 or fp32")
    return "bf16" if runtime.precision != "fp32" and has_bf16() else "f32"


def _cuda_options(runtime: Runtime) -> EngineOptions:
    _refuse_half_precision(runtime, "cuda")
    return {"providers": [CUDA, CPU], "provider_options": [_device_options(runtime), {}]}


def _tensorrt_options(runtime: Runtime) -> EngineOptions:
    own = {**_device_options(runtime), "trt_fp16_enable": runtime.precision == "fp16"}
    return {"providers": [TENSORRT, CUDA, CPU], "provider_options": [own, _device_options(runtime), {}]}


def _migraphx_options(runtime: Runtime) -> EngineOptions:
    own = {**_device_options(runtime), "migraphx_fp16_enable": runtime.precision == "fp16"}
    return {"providers": [MIGRAPHX, CPU], "provider_options": [own, {}]}


_PROVIDERS: dict[str, tuple[str, Callable[[Runtime], EngineOptions]]] = {
    "openvino": (OPENVINO, _openvino_options),
    "cpu": (CPU, _cpu_options),
    "cuda": (CUDA, _cuda_options),
    "tensorrt": (TENSORRT, _tensorrt_options),
    "migraphx": (MIGRAPHX, _migraphx_options),
}
"""Name of a provider in a profile -> its name in ONNX Runtime, and the function that returns its options."""


def _refuse_half_precision(runtime: Runtime, provider: str) -> None:
    if runtime.precision not in ("auto", "fp32"):
        raise EngineError(f"precision {runtime.precision}: the provider {provider} only runs in fp32; use auto or fp32")


def _device_options(runtime: Runtime) -> EngineOptions:
    return {"device_id": int(runtime.device.partition(":")[2] or 0)}


def _paddle_options(runtime: Runtime) -> EngineOptions:
    if runtime.device == "cpu":
        return {"run_mode": "mkldnn", "cpu_threads": runtime.threads or 1}
    return {"run_mode": "paddle_fp16" if runtime.precision == "fp16" else "paddle"}
