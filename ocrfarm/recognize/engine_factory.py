"""Profile -> loaded engine; the inference packages are imported only when an engine is loaded."""

import os

from ocrfarm.errors import EngineError
from ocrfarm.recognize.engine import Engine
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.recognize.profiles import Profile
from ocrfarm.recognize.weights import WeightsFolders

_PADDLEX_SETTINGS = {
    "PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK": "True",  # otherwise importing it contacts model hubs
    "PADDLE_PDX_DISABLE_DEVICE_FALLBACK": "1",  # a missing GPU is an error, not a reason to use the CPU
}


def load_engine(profile: Profile, folders: WeightsFolders) -> Engine:
    """Load the models of a profile; they stay in memory as long as the engine exists.

    Args:
        profile: The profile; its runtime selects engine and device.
        folders: Where weights are looked up and downloaded to.

    Raises:
        WeightsError: Weights are missing and cannot be downloaded, or have the wrong hash.
        EngineError: A device, a provider or a package is missing.

    Examples:
        >>> from pathlib import Path
        >>> from ocrfarm.recognize import find_profile
        >>> load_engine(find_profile("synthetic"), WeightsFolders(Path("unused"))).model
        'synthetic'
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
            f"{error}: install ocrfarm[cpu] or ocrfarm[gpu], and the Debian packages libgl1 and libglib2.0-0"
        ) from error
    return PaddleEngine(profile, detector=detector, recognizer=recognizer)
