"""Which ONNX Runtime provider or Paddle mode runs a model, and whether it really does."""

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
"""What /proc/cpuinfo calls units that multiply bfloat16 themselves, on x86 and on Arm."""

_INSTALL_GPU = "install ocrfarm[gpu], or the build of ONNX Runtime for this device"


def engine_options(runtime: Runtime) -> EngineOptions:
    """Give PaddleX's `engine_config`; `EngineError` where the machine cannot do what is asked."""
    return _paddle_options(runtime) if runtime.engine == "paddle" else _onnx_options(runtime)


def check_providers(session: Any, options: EngineOptions) -> None:  # noqa: ANN401 - onnxruntime is untyped
    """Refuse a session that ONNX Runtime silently put on another provider than the one asked for."""
    asked, got = options["providers"][0], session.get_providers()[0]
    if got != asked:
        raise EngineError(f"{asked} was asked for, but ONNX Runtime runs on {got}: check its drivers and libraries")


def has_bf16() -> bool:
    """Say whether this processor multiplies bfloat16 itself: then it takes less than half the time of float32."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(words)


def _onnx_options(runtime: Runtime) -> EngineOptions:
    available = onnxruntime.get_available_providers()
    wanted = [_PROVIDERS[name] for name in _candidate_providers(runtime)]
    for provider, options in wanted:
        if provider in available:
            return options(runtime)
    names = " or ".join(provider for provider, _ in wanted)
    raise EngineError(f"device {runtime.device}: this onnxruntime has no {names}; {_INSTALL_GPU}")


def _candidate_providers(runtime: Runtime) -> tuple[str, ...]:
    """Name the providers to try, the best one first."""
    if runtime.provider != "auto":
        return (runtime.provider,)
    return ("openvino", "cpu") if runtime.device == "cpu" else ("cuda", "migraphx")


def _cpu_options(runtime: Runtime) -> EngineOptions:
    _refuse_half_precision(runtime, "cpu")
    return {"providers": [CPU], "intra_op_num_threads": runtime.threads}


def _openvino_options(runtime: Runtime) -> EngineOptions:
    """Give OpenVINO's own settings; without pinning, because it pins the first core in every process."""
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
        raise EngineError("precision bf16: this processor has no bfloat16 units; use precision auto or fp32")
    if runtime.precision == "fp16":
        raise EngineError("precision fp16 needs a GPU; on a processor use auto, bf16 or fp32")
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
"""What a profile calls a provider -> ONNX Runtime's name for it, and how it is told what the profile wants."""


def _refuse_half_precision(runtime: Runtime, provider: str) -> None:
    if runtime.precision not in ("auto", "fp32"):
        raise EngineError(f"precision {runtime.precision}: the provider {provider} runs in fp32 only; use auto or fp32")


def _device_options(runtime: Runtime) -> EngineOptions:
    return {"device_id": int(runtime.device.partition(":")[2] or 0)}


def _paddle_options(runtime: Runtime) -> EngineOptions:
    if runtime.device == "cpu":
        return {"run_mode": "mkldnn", "cpu_threads": runtime.threads or 1}
    return {"run_mode": "paddle_fp16" if runtime.precision == "fp16" else "paddle"}
