"""Frames of animated files: those that libvips composes one by one, but decoded in one pass."""

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from ocrfarm.errors import DamagedImage
from ocrfarm.geometry import Box, Size
from ocrfarm.image import ImageSource, animation, open_source, vips
from ocrfarm.image.formats import Format
from tests.support.image_files import Array, encode_with_pillow, write_file

SIZE = Size(40, 30)
FRAMES = 6


def make_animation(kind: str, *, mode: str = "RGB", **options: Any) -> bytes:
    """Give an animation of random frames; those of mode RGBA are small, transparent and lie in different places."""
    chance, frames = np.random.default_rng(3), []
    for index in range(FRAMES):
        if mode == "RGB":
            frames.append(Image.fromarray(chance.integers(0, 256, (SIZE.height, SIZE.width, 3), np.uint8)))
            continue
        part = Image.fromarray(chance.integers(0, 256, (9, 12, 4), np.uint8))
        frames.append(Image.new("RGBA", (SIZE.width, SIZE.height)))
        frames[-1].paste(part, (3 * index, 2 * index))
    return encode_with_pillow(frames[0], format=kind, save_all=True, append_images=frames[1:], duration=40, **options)


def read_frame(source: ImageSource, number: int) -> Array:
    [(_, pixels)] = source.page(number).cut([Box(0, 0, SIZE.width, SIZE.height)])
    return pixels


def compose_frame(path: Path, form: Format, number: int) -> Array:
    """Let libvips compose a frame from those before it."""
    image = vips.normalise(vips.load(path, form, page=number), location="")
    return np.frombuffer(image.write_to_memory(), np.uint8).reshape(SIZE.height, SIZE.width, image.bands)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        (Format.GIF, {}),
        (Format.GIF, {"disposal": 2}),
        (Format.WEBP, {"lossless": True}),
        (Format.WEBP, {"quality": 80}),
        (Format.WEBP, {"lossless": True, "minimize_size": True}),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_frames_are_those_that_libvips_composes(
    form: Format, options: dict[str, Any], mode: str, tmp_path: Path
) -> None:
    path = write_file(tmp_path, "bin", make_animation(form.value, mode=mode, **options))
    source = open_source(path)
    assert source.page_sizes == (SIZE,) * FRAMES
    for number in (*range(FRAMES), 4, 4, 0, 5):
        assert np.array_equal(read_frame(source, number), compose_frame(path, form, number))


def test_a_file_is_opened_once_if_its_frames_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(write_file(tmp_path, "gif", make_animation("GIF")))
    monkeypatch.setattr(vips, "load", lambda *_, **__: pytest.fail("opened again"))
    for number in range(FRAMES):
        assert read_frame(source, number).tolist() == read_frame(source, number).tolist()


def test_an_animation_that_is_too_high_for_one_image_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "_MAX_ROWS", 2 * SIZE.height + 5)
    path = write_file(tmp_path, "gif", make_animation("GIF"))
    source = open_source(path)
    for number in range(FRAMES):
        assert np.array_equal(read_frame(source, number), compose_frame(path, Format.GIF, number))


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_decoding_stops_between_frames(kind: str, tmp_path: Path) -> None:
    checks: list[None] = []

    def stop_at_third_frame() -> None:
        checks.append(None)
        if len(read) == 2:
            raise KeyboardInterrupt

    read: list[int] = []
    source = open_source(write_file(tmp_path, "bin", make_animation(kind)), check=stop_at_third_frame)
    with pytest.raises(KeyboardInterrupt):
        read.extend(number for number in range(FRAMES) if read_frame(source, number).size)
    assert read == [0, 1]
    assert len(checks) >= 3


@pytest.mark.parametrize("form", [Format.GIF, Format.WEBP])
def test_a_damaged_frame_is_an_error_if_it_is_one_for_libvips(form: Format, tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(40):
        path = write_file(tmp_path, "bin", _damage(make_animation(form.value), seed))
        with suppress(DamagedImage):
            source = open_source(path)
            for number in range(len(source.page_sizes)):
                outcomes.add((_is_read(source, number), _is_composed(path, form, number)))
    assert outcomes == {(True, True), (False, False)}


def _damage(data: bytes, seed: int) -> bytes:
    chance, damaged = random.Random(seed), bytearray(data)
    for _ in range(3):
        damaged[chance.randrange(60, len(data))] = chance.randrange(256)
    return bytes(damaged)


def _is_read(source: ImageSource, number: int) -> bool:
    try:
        read_frame(source, number)
    except DamagedImage as error:
        return "frame" not in str(error)  # the reason, although an earlier frame had the same one
    return True


def _is_composed(path: Path, form: Format, number: int) -> bool:
    try:
        compose_frame(path, form, number)
    except pyvips.Error:
        return False
    return True


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_that_changes_after_it_was_opened(kind: str, tmp_path: Path) -> None:
    source = open_source(write_file(tmp_path, "bin", make_animation(kind)))
    read_frame(source, 1)
    shades = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in range(0, 250, 25)]
    other = encode_with_pillow(shades[0], format=kind, save_all=True, append_images=shades[1:])
    write_file(tmp_path, "bin", other)
    with pytest.raises(DamagedImage, match="its size differs"):
        read_frame(source, 0)
