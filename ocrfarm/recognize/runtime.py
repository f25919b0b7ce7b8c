"""Which ONNX Runtime provider or Paddle mode runs a model, and whether it really does."""

import json
from typing import Any

import onnxruntime

from ocrfarm.errors import EngineError
from ocrfarm.recognize.profiles import Runtime

OPENVINO, CUDA, CPU = "OpenVINOExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"


def engine_options(runtime: Runtime) -> dict[str, Any]:
    """Give PaddleX's `engine_config`; `EngineError` where the machine cannot do what is asked."""
    return _paddle_options(runtime) if runtime.engine == "paddle" else _onnx_options(runtime)


def check_providers(session: Any, options: dict[str, Any]) -> None:  # noqa: ANN401 - onnxruntime is untyped
    """Refuse a session that ONNX Runtime silently put on another provider than the one asked for."""
    asked, got = options["providers"][0], session.get_providers()[0]
    if got != asked:
        raise EngineError(f"{asked} was asked for, but ONNX Runtime runs on {got}: check its drivers and libraries")


def _onnx_options(runtime: Runtime) -> dict[str, Any]:
    available = onnxruntime.get_available_providers()
    kind, _, number = runtime.device.partition(":")
    if kind == "gpu":
        if CUDA not in available:
            raise EngineError(f"device {runtime.device}: this onnxruntime has no CUDA provider; install ocrfarm[gpu]")
        return {"providers": [CUDA, CPU], "provider_options": [{"device_id": int(number or 0)}, {}]}
    if OPENVINO in available:
        return {
            "providers": [OPENVINO],
            "provider_options": [{"device_type": "CPU", "load_config": _openvino(runtime)}],
        }
    return {"providers": [CPU], "intra_op_num_threads": runtime.threads}


def _openvino(runtime: Runtime) -> str:
    """Give OpenVINO's own settings; without pinning, because it pins the first core in every process."""
    settings = {"ENABLE_CPU_PINNING": "NO", "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    if runtime.threads:
        settings["INFERENCE_NUM_THREADS"] = str(runtime.threads)
    return json.dumps({"CPU": settings})


def _paddle_options(runtime: Runtime) -> dict[str, Any]:
    if runtime.device == "cpu":
        return {"run_mode": "mkldnn", "cpu_threads": runtime.threads or 1}
    return {"run_mode": "paddle_fp16" if runtime.precision == "fp16" else "paddle"}
