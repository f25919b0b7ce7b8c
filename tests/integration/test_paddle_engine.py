"""The real models on small drawn images, and a test for each trap of PaddleOCR that a test can see."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ocrfarm.errors import EngineError
from ocrfarm.geometry import Box, Size
from ocrfarm.recognize import Profile, RgbPixels, WeightsFolders, find_profile, load_engine, read_tile
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.recognize.profiles import Runtime
from ocrfarm.settings import Settings
from ocrfarm.split.tiling import split_tile
from ocrfarm.tile import Tile, TileId

FAST = replace(find_profile("fast"), runtime=Runtime(threads=1))


@pytest.fixture(scope="session")
def folders() -> WeightsFolders:
    settings = Settings.from_env(os.environ)
    return WeightsFolders(settings.cache_path, settings.models_path)


@pytest.fixture(scope="session")
def engine(folders: WeightsFolders) -> Any:
    return load_engine(FAST, folders)


def drawn(*texts: tuple[str, int, int], size: tuple[int, int] = (640, 256), height: int = 28) -> RgbPixels:
    """Black on white; each text with its left and upper edge."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for text, x, y in texts:
        draw.text((x, y), text, "black", ImageFont.load_default(height))
    return np.asarray(image)


def test_lines_are_read_at_their_place(engine: Any) -> None:
    found = engine.read(drawn(("Pump station No. 7", 40, 60), ("pressure 4.25 bar", 200, 160))).fragments
    lines = {fragment.text: fragment.quad.bounds() for fragment in found}
    assert set(lines) == {"Pump station No. 7", "pressure 4.25 bar"}
    assert lines["Pump station No. 7"].intersection(Box(42, 62, 44, 86)) is not None
    assert 30 <= lines["Pump station No. 7"].x0 <= 42
    assert 190 <= lines["pressure 4.25 bar"].x0 <= 202


def test_characters_are_at_their_place(engine: Any) -> None:
    (fragment,) = engine.read(drawn(("0123456789", 40, 60))).fragments
    width = ImageFont.load_default(28).getlength("0123456789")
    x0, x1 = fragment.quad.p0[0], fragment.quad.p1[0]
    for index, char in enumerate(fragment.chars):
        assert x0 + char.position * (x1 - x0) == pytest.approx(40 + width * (index + 0.5) / 10, abs=6)


def test_text_upside_down_is_read_the_right_way_round(engine: Any) -> None:
    (fragment,) = engine.read(np.rot90(drawn(("Upside down text", 40, 60)), 2).copy()).fragments
    assert fragment.text == "Upside down text"
    assert fragment.quad.p0[0] > fragment.quad.p1[0]


@pytest.mark.parametrize("turns", [1, 3])
def test_vertical_labels_are_read_both_ways(engine: Any, turns: int) -> None:
    (fragment,) = engine.read(np.rot90(drawn(("Vertical label 12", 40, 60)), turns).copy()).fragments
    assert fragment.text == "Vertical label 12"
    assert (fragment.quad.p1[1] > fragment.quad.p0[1]) == (turns == 3)


def test_a_line_does_not_depend_on_its_neighbours(engine: Any) -> None:
    """PaddleOCR pads a line to the widest of its batch, and its confidence changes."""
    short, long = drawn(("Invoice 42", 4, 4), size=(160, 40)), drawn(("one longer line of text", 4, 4), size=(400, 40))
    (alone,) = engine._recognizer.read([short])
    beside, _, _ = engine._recognizer.read([short, long, long])
    assert alone == beside


def test_the_models_own_thresholds_are_kept(engine: Any) -> None:
    """PaddleOCR's pipeline puts .3, .6 and 1.5 in the place of what is written beside the weights."""
    post = engine._detector._model.post_op
    assert (post.thresh, post.box_thresh, post.unclip_ratio, post.max_candidates) == (0.2, 0.4, 1.4, 3000)


def test_a_page_of_dots_is_saturated(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector lists its first contours only, from the bottom; what it leaves out must not get lost."""
    texts = [("word", x, y) for x in range(10, 600, 100) for y in range(10, 240, 45)]
    monkeypatch.setattr(engine._detector._model.post_op, "max_candidates", 12)
    assert engine.read(drawn(*texts)).detector_overflow
    monkeypatch.setattr(engine._detector._model.post_op, "max_candidates", 3000)
    assert not engine.read(drawn(*texts)).detector_overflow


def test_a_saturated_tile_is_read_again_in_parts(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [(f"N{x}{y}", x, y) for x in range(10, 1000, 250) for y in range(10, 1000, 125)]
    pixels, tile = drawn(*texts, size=(1024, 1024)), Tile(TileId(0, 0, 0, 0), Box(0, 0, 1024, 1024), Size(1024, 1024))
    monkeypatch.setattr(engine._detector._model.post_op, "max_candidates", 20)
    readings = read_tile(engine, tile, pixels=pixels, split_tile=lambda each: split_tile(each, 128))
    assert {reading.tile.id.quadkey for reading in readings} == {"0", "1", "2", "3"}
    assert {text for text, _, _ in texts} <= {fragment.text for reading in readings for fragment in reading.fragments}


def test_boxes_at_the_sides_are_not_clamped(engine: Any) -> None:
    """A clamped corner skews the crop of a rotated line; the quad may reach outside instead."""
    image = Image.fromarray(drawn(("Rotated line of text", 120, 240), size=(640, 512))).rotate(20, fillcolor="white")
    cut = np.asarray(image)[:, 200:].copy()
    quads = [fragment.quad for fragment in engine.read(cut).fragments]
    assert quads
    for quad in quads:
        top = np.subtract(quad.p1, quad.p0)
        side = np.subtract(quad.p3, quad.p0)
        assert abs(np.dot(top, side)) <= 0.12 * np.linalg.norm(top) * np.linalg.norm(side)


@pytest.mark.parametrize("shape", [(1, 1), (5, 2000), (2000, 5), (31, 33), (33, 1000)])
def test_odd_shapes_are_padded_and_not_stretched(engine: Any, shape: tuple[int, int]) -> None:
    assert engine.read(np.full((*shape, 3), 255, np.uint8)).fragments == ()


def test_side_lengths_off_the_lattice_do_not_move_the_text(engine: Any) -> None:
    pixels = drawn(("Lattice 12345", 40, 60))
    (whole,), (cut,) = engine.read(pixels).fragments, engine.read(pixels[:237, :611].copy()).fragments
    assert cut.text == whole.text
    assert np.abs(np.subtract(cut.quad.points, whole.quad.points)).max() <= 2


def test_a_line_beyond_the_widest_input_is_counted(folders: WeightsFolders) -> None:
    profile: Profile = replace(FAST, max_width=320)
    found = load_engine(profile, folders).read(drawn(("this is one long line of text", 10, 60)))
    assert found.overlong_lines == 1


def test_the_recognizer_reads_what_paddleocr_reads(engine: Any, folders: WeightsFolders) -> None:
    import paddleocr

    model = find_model(FAST.recognizer, "recognizer")
    own = paddleocr.TextRecognition(
        model_name=model.name, model_dir=str(folders.pull(model)), device="cpu", engine="onnxruntime"
    )
    crop = drawn(("Serial 0042-AX", 4, 4), size=(230, 40))
    (theirs,) = own.predict(crop)
    (chars,) = engine._recognizer.read([crop])
    assert "".join(char.text for char in chars) == theirs["rec_text"]
    assert np.mean([char.confidence for char in chars]) == pytest.approx(theirs["rec_score"], abs=0.02)


@pytest.mark.parametrize(("device", "words"), [("gpu:0", "CUDA"), ("gpu", "CUDA")])
def test_a_missing_gpu_is_an_error(folders: WeightsFolders, device: str, words: str) -> None:
    from ocrfarm.recognize.runtime import engine_options

    with pytest.raises(EngineError, match=words):
        engine_options(Runtime(device=device))
    with pytest.raises(EngineError, match=words):
        load_engine(replace(FAST, runtime=Runtime(device=device)), folders)


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        (Runtime(provider="tensorrt", device="gpu:0"), "no TensorrtExecutionProvider"),
        (Runtime(provider="migraphx", device="gpu:1"), "no MIGraphXExecutionProvider"),
        (Runtime(provider="cpu", precision="bf16"), "the provider cpu only runs in fp32"),
    ],
)
def test_what_the_machine_cannot_do_is_an_error(runtime: Runtime, words: str) -> None:
    from ocrfarm.recognize.runtime import engine_options

    with pytest.raises(EngineError, match=words):
        engine_options(runtime)


@pytest.mark.parametrize(("flags", "hint"), [("fpu amx_bf16 sse", "bf16"), ("fpu sse", "f32")])
def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, flags: str, hint: str) -> None:
    from ocrfarm.recognize.runtime import engine_options

    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"flags : {flags}\n")
    (options,) = engine_options(Runtime())["provider_options"]
    assert f'"INFERENCE_PRECISION_HINT": "{hint}"' in options["load_config"]
    (options,) = engine_options(Runtime(precision="fp32"))["provider_options"]
    assert '"INFERENCE_PRECISION_HINT": "f32"' in options["load_config"]
    if hint == "f32":
        with pytest.raises(EngineError, match="no bfloat16 units"):
            engine_options(Runtime(precision="bf16"))


def test_a_line_is_read_alike_whatever_shares_its_batch(engine: Any) -> None:
    texts = [("Serial 0042-AX", 10, 10), ("Pump 7", 10, 60), ("Total 19.95", 10, 110), ("Valve open", 10, 160)]
    crops = [drawn((text, 4, 4), size=(230, 40)) for text, _, _ in texts]
    alone = [engine._recognizer.read([crop])[0] for crop in crops]
    assert engine._recognizer.read(crops) == alone


def test_a_provider_that_was_replaced_is_an_error() -> None:
    class Session:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    from ocrfarm.recognize.runtime import check_providers

    with pytest.raises(EngineError, match="uses CPUExecutionProvider"):
        check_providers(Session(), {"providers": ["CUDAExecutionProvider"]})


def test_the_paddle_engine_reads_too(folders: WeightsFolders) -> None:
    pytest.importorskip("paddle", reason="extra `paddle` is not installed")
    profile = Profile(
        "paddle", "PP-OCRv5_mobile_det", "PP-OCRv5_mobile_rec", runtime=Runtime(engine="paddle", threads=2)
    )
    found = load_engine(profile, folders).read(drawn(("Pump station No. 7", 40, 60)))
    assert [fragment.text for fragment in found.fragments] == ["Pump station No. 7"]
