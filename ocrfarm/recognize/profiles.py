"""Profiles: which models read a page, how it is tiled, and how the engine runs."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ocrfarm.errors import SettingsError, UnknownProfile
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.tile import DETECTOR_STRIDE

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
PROVIDERS = ("auto", "openvino", "cpu", "cuda", "tensorrt", "migraphx")

MAX_DETECTOR_SIDE = 4000
"""Pixels. PaddleX silently downscales larger images, so profiles that would exceed this are refused."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a page is cut into tiles.

    Attributes:
        side: Width and height of a tile, in page pixels; a multiple of 32, at least 256.
        overlap: Pixels that neighbouring tiles share, a multiple of 32; 0: chosen by the text height of the page.
        levels: Whether coarse pyramid levels are read for letters too large for a tile.
        reason: Why the overlap was chosen; appears in `Coverage.tiling`.
    """

    side: int = 2048
    overlap: int = 0
    levels: bool = True
    reason: str = "set by the profile"


@dataclass(frozen=True, slots=True)
class Runtime:
    """How a worker runs its engine.

    Attributes:
        engine: onnxruntime, paddle or synthetic.
        device: cpu or gpu:N.
        threads: Number of threads; 0: all cores.
        precision: fp32, bf16 (CPUs with bfloat16 units), fp16 (GPUs), or auto: the fastest one that is as accurate.
        provider: Execution provider of ONNX Runtime, or auto.
        batch: Number of crops of 320 columns that the recognizer reads at once; of wider crops it reads fewer.
        processes: Number of processes of a worker; 0: one, or one per core in an embedded farm.
    """

    engine: str = "onnxruntime"
    device: str = "cpu"
    threads: int = 0
    precision: str = "auto"
    provider: str = "auto"
    batch: int = 4
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Cascade:
    """Which lines a second, stronger recognizer reads again.

    The probability that a line is correct is estimated as the product of the confidences of its characters.

    Attributes:
        recognizer: Name of the second recognizer; empty: no line is read again.
        min_confidence: Lines whose estimated probability is lower than this are read again.
        max_fraction: Maximum fraction (0 to 1) of a page's lines to read again; the least probable ones come first.
    """

    recognizer: str = ""
    min_confidence: float = 0.8
    max_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A choice of models and settings.

    Attributes:
        name: Name of the profile.
        detector: Official PaddleOCR name of the text detection model.
        recognizer: Official PaddleOCR name of the text recognition model.
        tiling: How a page is cut into tiles.
        detector_scale: Detector pixels per page pixel; recognition always uses the full resolution.
        max_width: Width of the recognizer's widest input, in pixels at a height of 48; longer lines are compressed
            to it.
        cascade: Which lines a second recognizer reads again.
        runtime: How the engine runs.

    Examples:
        >>> profile = find_profile("fast")
        >>> profile.recognizer, profile.detector_scale
        ('PP-OCRv6_tiny_rec', 0.5)
        >>> profile.with_tiling(side=1024, overlap=128).tiling.side
        1024
        >>> Profile.from_json({**profile.to_json(), "detector_scale": 9})
        Traceback (most recent call last):
        ocrfarm.errors.SettingsError: detector_scale 9 must be between 0.1 and 4
    """

    name: str
    detector: str
    recognizer: str
    tiling: Tiling = field(default_factory=Tiling)
    detector_scale: float = 1.0
    max_width: int = 3200
    cascade: Cascade = field(default_factory=Cascade)
    runtime: Runtime = field(default_factory=Runtime)

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain JSON values."""
        return asdict(self)

    def to_toml(self) -> str:
        """Return the profile as the text of a TOML file that `find_profile` reads."""
        values = self.to_json()
        tables = {key: value for key, value in values.items() if isinstance(value, dict)}
        rows = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key not in tables]
        for name, table in tables.items():
            rows += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        return "\n".join(rows) + "\n"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Profile":
        """Create a profile from what `to_json` returns; missing values get their defaults.

        Raises:
            SettingsError: A key is unknown or missing, or a value is invalid.
        """
        values = _parse_table(cls, data, "profile")
        values["tiling"] = Tiling(**_parse_table(Tiling, data.get("tiling", {}), "tiling"))
        values["cascade"] = Cascade(**_parse_table(Cascade, data.get("cascade", {}), "cascade"))
        values["runtime"] = Runtime(**_parse_table(Runtime, data.get("runtime", {}), "runtime"))
        return _validate(cls(**values))

    def with_tiling(self, *, side: int = 0, overlap: int = 0) -> "Profile":
        """Return this profile with other tiles.

        Args:
            side: Width and height of a tile, in pixels; 0: unchanged.
            overlap: Overlap of the tiles, in pixels; 0: unchanged.

        Raises:
            SettingsError: The values are invalid.
        """
        tiling = self.tiling
        return _validate(
            replace(self, tiling=replace(tiling, side=side or tiling.side, overlap=overlap or tiling.overlap))
        )

    @property
    def second_pass_profile(self) -> "Profile":
        """The profile of the second pass: with the cascade's recognizer if there is one, otherwise this profile."""
        return replace(self, recognizer=self.cascade.recognizer or self.recognizer, cascade=Cascade())

    def with_runtime(self, runtime: Runtime) -> "Profile":
        """Return this profile on another engine or device."""
        return replace(self, runtime=runtime)


_TINY, _SMALL = "PP-OCRv6_tiny", "PP-OCRv6_small"

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("fast", f"{_TINY}_det", f"{_TINY}_rec", detector_scale=0.5),
        Profile("accurate", f"{_SMALL}_det", f"{_SMALL}_rec", detector_scale=0.5),
        Profile("mixed", f"{_SMALL}_det", f"{_TINY}_rec", detector_scale=0.5),
        Profile("cascade", f"{_SMALL}_det", f"{_TINY}_rec", detector_scale=0.5, cascade=Cascade(f"{_SMALL}_rec")),
        Profile(
            "synthetic",
            "synthetic",
            "synthetic",
            Tiling(overlap=192, levels=False),
            runtime=Runtime(engine="synthetic"),
        ),
    )
}
"""The built-in profiles by name; `synthetic` needs no model and reads only the lines that `synthetic_engine` draws."""

PUBLIC_PROFILES = tuple(name for name, profile in PROFILES.items() if profile.runtime.engine != "synthetic")
"""The names that messages suggest."""


def find_profile(name: str) -> Profile:
    """Return the built-in profile of this name, or read the TOML file at this path.

    Raises:
        UnknownProfile: There is no profile of this name, or the file cannot be read.
        SettingsError: The file is not a valid profile.
    """
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return _load_profile_file(path)
    near = get_close_matches(name, PUBLIC_PROFILES, n=1, cutoff=0.4) or [" or ".join(PUBLIC_PROFILES)]
    raise UnknownProfile(f"no profile is named {name!r}; did you mean {near[0]}? The path of a .toml file works too")


def _load_profile_file(path: Path) -> Profile:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnknownProfile(f"{path}: cannot be read ({error.strerror}); use a profile or a .toml file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML ({error})") from error
    try:
        return Profile.from_json({"name": path.stem, **data})
    except SettingsError as error:
        raise type(error)(f"{path}: {error}") from error


def _parse_table(kind: type[Any], data: object, what: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise SettingsError(f"{what} must be a table of keys and values")
    names = [item.name for item in fields(kind)]
    for key, value in data.items():
        if key not in names:
            near = get_close_matches(key, names, n=1) or [", ".join(names)]
            raise SettingsError(f"{what} has no key {key!r}; did you mean {near[0]}?")
        _check_type(kind, key, value)
    required = {item.name for item in fields(kind) if item.default is item.default_factory is MISSING}
    if missing := required - set(data):
        raise SettingsError(f"{what} has no {' and no '.join(sorted(missing))}")
    return dict(data)


_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
}


def _check_type(kind: type[Any], key: str, value: object) -> None:
    expected = {item.name: item.type for item in fields(kind)}[key]
    allowed, what = _TYPES.get(expected, ((object,), ""))
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise SettingsError(f"{key} = {value!r} must be {what}")


def _validate(profile: Profile) -> Profile:
    """Return the profile, or raise `SettingsError` with the first rule that it breaks."""
    for holds, sentence in (*_tiling_rules(profile), *_model_rules(profile), *_runtime_rules(profile.runtime)):
        if not holds:
            raise SettingsError(sentence)
    if profile.runtime.engine != "synthetic":
        find_model(profile.detector, "detector")
        find_model(profile.recognizer, "recognizer")
        find_model(profile.second_pass_profile.recognizer, "recognizer")
    return profile


def _tiling_rules(profile: Profile) -> Iterator[tuple[bool, str]]:
    """Yield whether each rule holds, and the sentence for a user who breaks it."""
    side, overlap = profile.tiling.side, profile.tiling.overlap
    yield side % DETECTOR_STRIDE == 0 and side >= 256, f"tile side {side} must be a multiple of 32 and at least 256"
    yield overlap % DETECTOR_STRIDE == 0, f"overlap {overlap} must be a multiple of 32"
    yield 0 <= overlap < side / 2, f"overlap {overlap} must be at least 0 and less than half of the tile side"
    yield 0.1 <= profile.detector_scale <= 4, f"detector_scale {profile.detector_scale} must be between 0.1 and 4"
    fits = side * profile.detector_scale <= MAX_DETECTOR_SIDE
    yield fits, f"tile side x detector_scale must be at most {MAX_DETECTOR_SIDE} pixels"


def _model_rules(profile: Profile) -> Iterator[tuple[bool, str]]:
    cascade = profile.cascade
    stronger = cascade.recognizer != profile.recognizer
    yield 0 <= cascade.min_confidence <= 1, f"min_confidence {cascade.min_confidence} must be between 0 and 1"
    yield 0 <= cascade.max_fraction <= 1, f"max_fraction {cascade.max_fraction} must be between 0 and 1"
    yield stronger, f"the cascade's recognizer {cascade.recognizer} is the profile's own; use a stronger one"
    yield 320 <= profile.max_width <= 3200, f"max_width {profile.max_width} must be between 320 and 3200 pixels"


def _runtime_rules(runtime: Runtime) -> Iterator[tuple[bool, str]]:
    runs_here = runtime.precision != "fp16" or runtime.device != "cpu"
    yield 1 <= runtime.batch <= 256, f"batch {runtime.batch} must be between 1 and 256"
    yield runtime.engine in ("onnxruntime", "paddle", "synthetic"), f"no engine is named {runtime.engine!r}"
    yield _is_device(runtime.device), f"device {runtime.device!r} must be cpu or gpu:N"
    yield runtime.threads >= 0, f"threads {runtime.threads} must be 0 (all cores) or more"
    yield runtime.precision in PRECISIONS, f"precision {runtime.precision!r} must be {_join_names(PRECISIONS)}"
    yield runtime.provider in PROVIDERS, f"provider {runtime.provider!r} must be {_join_names(PROVIDERS)}"
    yield runtime.processes >= 0, f"processes {runtime.processes} must be 0 (chosen automatically) or more"
    yield runs_here, "precision fp16 needs a GPU; on a CPU use auto, bf16 or fp32"


def _join_names(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _is_device(device: str) -> bool:
    kind, _, number = device.partition(":")
    return device == "cpu" or (kind == "gpu" and (number == "" or number.isdigit()))
