"""A profile -> the engine that runs it; heavy packages are imported here and not before."""

import os

from ocrfarm.errors import EngineError
from ocrfarm.recognize.engine import Engine
from ocrfarm.recognize.model_registry import find_model
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
    if profile.runtime.engine == "synthetic":
        from ocrfarm.recognize.synthetic_engine import SyntheticEngine

        return SyntheticEngine()
    for name, value in _PADDLEX_SETTINGS.items():
        os.environ.setdefault(name, value)
    detector = folders.pull(find_model(profile.detector, "detector"))
    recognizer = folders.pull(find_model(profile.recognizer, "recognizer"))
    try:
        from ocrfarm.recognize.paddle import PaddleEngine
    except ImportError as error:
        raise EngineError(
            f"{error}: install ocrfarm[cpu] or ocrfarm[gpu], and Debian's libgl1 and libglib2.0-0"
        ) from error
    return PaddleEngine(profile, detector=detector, recognizer=recognizer)
