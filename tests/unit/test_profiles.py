from pathlib import Path

import pytest

from ocrfarm.errors import SettingsError, UnknownModel, UnknownProfile
from ocrfarm.recognize.profiles import PROFILES, Profile, find_profile

GOOD = """
detector = "PP-OCRv6_tiny_det"
recognizer = "PP-OCRv6_small_rec"
detector_scale = 0.5
[tiling]
side = 1024
overlap = 128
[runtime]
threads = 1
batch = 4
"""


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_survives_json(name: str) -> None:
    profile = find_profile(name)
    assert Profile.from_json(profile.to_json()) == profile


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_survives_a_file(name: str, tmp_path: Path) -> None:
    profile = find_profile(name)
    (tmp_path / "own.toml").write_text(profile.to_toml())
    assert find_profile(str(tmp_path / "own.toml")) == profile


def test_a_profile_file_is_named_like_itself(tmp_path: Path) -> None:
    (tmp_path / "drawings.toml").write_text(GOOD)
    profile = find_profile(str(tmp_path / "drawings.toml"))
    assert (profile.name, profile.tiling.side, profile.runtime.threads) == ("drawings", 1024, 1)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("tile = 5", "no key 'tile'"),
        ("runtime = {batch = 0}", "between 1 and 256"),
        ("runtime = {batch = 'many'}", "a whole number"),
        ("runtime = {batch = true}", "a whole number"),
        ("cascade = {recognizer = 'PP-OCRv6_tiny_rec'}", "use a stronger one"),
        ("cascade = {recognizer = 'PP-OCRv6_smal_rec'}", "did you mean PP-OCRv6_small_rec"),
        ("cascade = {min_confidence = 2.0}", "between 0 and 1"),
        ("cascade = {max_fraction = 7.0}", "must be between 0 and 1"),
        ("max_width = 9999", "between 320 and 3200"),
        ("detector_scale = 9", "between 0.1 and 4"),
        ("tiling = {side = 1000}", "multiple of 32"),
        ("tiling = {side = 1024, overlap = 640}", "less than half"),
        ("tiling = {side = 1024, overlap = 100}", "multiple of 32"),
        ("tiling = {sides = 1024}", "did you mean side"),
        ("tiling = {side = 3968}\ndetector_scale = 2", "at most 4000"),
        ("tiling = 7", "must be a table"),
        ("runtime = {device = 'tpu'}", "cpu or gpu:N"),
        ("runtime = {engine = 'tesseract'}", "no engine"),
        ("runtime = {threads = -1}", "threads"),
        ("runtime = {precision = 'fp64'}", "auto, fp32, bf16 or fp16"),
        ("runtime = {precision = 'fp16'}", "needs a GPU"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(tmp_path: Path, line: str, sentence: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f'detector = "PP-OCRv6_tiny_det"\nrecognizer = "PP-OCRv6_tiny_rec"\n{line}\n')
    with pytest.raises(SettingsError, match=sentence) as caught:
        find_profile(str(path))
    assert str(path) in str(caught.value)


def test_a_profile_needs_both_models(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('detector = "PP-OCRv6_tiny_det"')
    with pytest.raises(SettingsError, match="has no recognizer"):
        find_profile(str(tmp_path / "p.toml"))


def test_an_unknown_model_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('detector = "PP-OCRv6_tiny_det"\nrecognizer = "PP-OCRv6_tiny"')
    with pytest.raises(UnknownModel, match="PP-OCRv6_tiny_rec"):
        find_profile(str(tmp_path / "p.toml"))


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UnknownProfile, match="accurate"):
        find_profile("acurate")


def test_a_missing_profile_file_is_named() -> None:
    with pytest.raises(UnknownProfile, match=r"none\.toml"):
        find_profile("none.toml")


def test_a_broken_profile_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("= 1")
    with pytest.raises(SettingsError, match=r"p\.toml: not TOML"):
        find_profile(str(tmp_path / "p.toml"))
