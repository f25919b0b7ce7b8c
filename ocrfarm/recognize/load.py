"""A profile -> the engine that runs it; heavy packages are imported here and not before."""

import importlib
import os

from ocrfarm.errors import EngineError
from ocrfarm.recognize.engine import Engine
from ocrfarm.recognize.models import find_model
from ocrfarm.recognize.profiles import Profile
from ocrfarm.recognize.weights import WeightsFolders

_PADDLEX_SETTINGS = {
    "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",  # else its import asks model hubs whether they live
    "PADDLE_PDX_DISABLE_DEVICE_FALLBACK": "1",  # a missing GPU is an error, never a silent run on the CPU
}


def load_engine(profile: Profile, folders: WeightsFolders) -> Engine:
    """Load the models of the profile; they stay loaded as long as the engine lives.

    `WeightsError` where weights are missing and cannot be fetched; `EngineError` where a device or package is missing.
    """
    if profile.runtime.engine == "planted":
        planted: Engine = importlib.import_module("ocrfarm.recognize.planted").PlantedEngine()
        return planted
    for name, value in _PADDLEX_SETTINGS.items():
        os.environ.setdefault(name, value)
    detector = folders.pull(find_model(profile.detector, "detector"))
    recognizer = folders.pull(find_model(profile.recognizer, "recognizer"))
    try:
        paddle = importlib.import_module("ocrfarm.recognize.paddle")
    except ImportError as error:
        raise EngineError(
            f"{error}: install ocrfarm[cpu] or ocrfarm[gpu], and Debian's libgl1 and libglib2.0-0"
        ) from error
    engine: Engine = paddle.PaddleEngine(profile, detector=detector, recognizer=recognizer)
    return engine
