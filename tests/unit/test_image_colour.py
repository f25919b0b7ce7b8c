"""Every colour mode becomes 8-bit grey or RGB."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from ocrfarm.errors import InputError, UnidentifiedImage
from ocrfarm.geometry import Box
from ocrfarm.image import open_source, to_rgb
from tests.support.image_files import Array, encode_with_pillow, make_noise, tiff_directory, write_file

W, H = 40, 30


def read(folder: Path, data: bytes) -> Array:
    raster = open_source(write_file(folder, "bin", data)).page(0)
    [(_, pixels)] = raster.cut([Box(0, 0, raster.size.width, raster.size.height)])
    return pixels


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = pixels[..., -1:] / 255
    flat = pixels[..., :-1] * alpha + 255 * (1 - alpha)
    return flat[..., 0] if flat.shape[2] == 1 else flat


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_on_white(kind: str, mode: str, tmp_path: Path) -> None:
    raw = np.random.default_rng(1).integers(0, 256, (H, W, len(mode)), np.uint8)
    image = Image.fromarray(raw, mode) if mode == "RGBA" else Image.fromarray(raw)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    found = read(tmp_path, encode_with_pillow(image, format=kind, **options))
    expected = on_white(raw)
    if found.ndim > expected.ndim:
        expected = np.dstack([expected] * 3)  # WebP has no grey
    assert np.abs(found - expected).max() <= 1


def raw_tiff(pixels: Array, *, photometric: int, extras: list[int]) -> bytes:
    """Give a TIFF whose ExtraSamples say what the channels behind the colours are; it has none where there are none."""
    height, width, channels = pixels.shape
    fields = {256: [width], 257: [height], 258: [8] * channels, 259: [1], 262: [photometric], 277: [channels]}
    fields |= {273: [0], 278: [height], 279: [pixels.size]} | ({338: extras} if extras else {})
    fields[273] = [8 + len(tiff_directory(fields))]
    return b"II*\x00\x08\x00\x00\x00" + tiff_directory(fields) + pixels.tobytes()


@pytest.mark.parametrize("level", [0, 200])
def test_a_fourth_channel_that_is_no_alpha_is_dropped(level: int, tmp_path: Path) -> None:
    raw = np.dstack([make_noise(W, H), np.full((H, W), level, np.uint8)])
    data = encode_with_pillow(Image.frombytes("RGBX", (W, H), raw.tobytes()), format="TIFF")
    assert np.array_equal(read(tmp_path, data), raw[..., :3])


_GREY, _RGB, _CMYK = 1, 2, 5  # values of PhotometricInterpretation


@pytest.mark.parametrize(
    ("photometric", "extras", "kept"),
    [
        pytest.param(_GREY, [0], 1, id="grey and another"),
        pytest.param(_GREY, [0, 0, 0], 3, id="four bands from the air: red, green, blue and infrared"),
        pytest.param(_RGB, [0], 3, id="colour and another"),
    ],
)
def test_unspecified_channels_are_dropped(photometric: int, extras: list[int], kept: int, tmp_path: Path) -> None:
    raw = np.dstack([make_noise(W, H), make_noise(W, H, seed=1)])[..., : kept + 1]
    found = read(tmp_path, raw_tiff(raw, photometric=photometric, extras=extras))
    assert np.array_equal(found.reshape(H, W, -1), raw[..., :kept])


def test_an_unspecified_channel_behind_four_inks_is_dropped(tmp_path: Path) -> None:
    inks = np.dstack([make_noise(W, H), make_noise(W, H, grey=True)])
    spot = np.dstack([inks, np.zeros((H, W), np.uint8)])
    expected = read(tmp_path, raw_tiff(inks, photometric=_CMYK, extras=[]))
    assert np.array_equal(read(tmp_path, raw_tiff(spot, photometric=_CMYK, extras=[0])), expected)


@pytest.mark.parametrize("kind", [pytest.param(2, id="alpha"), pytest.param(999, id="of no known kind: read as alpha")])
def test_alpha_in_a_tiff_lies_on_white(kind: int, tmp_path: Path) -> None:
    raw = np.dstack([make_noise(W, H), make_noise(W, H, grey=True, seed=1)])
    found = read(tmp_path, raw_tiff(raw, photometric=_RGB, extras=[kind]))
    assert np.abs(found - on_white(raw)).max() <= 1


def test_colours_that_alpha_has_dimmed_already_lie_on_white(tmp_path: Path) -> None:
    alpha = make_noise(W, H, grey=True, seed=1)[..., None]
    dimmed = np.minimum(make_noise(W, H), alpha)
    found = read(tmp_path, raw_tiff(np.dstack([dimmed, alpha]), photometric=_RGB, extras=[1]))
    assert np.abs(found - (dimmed + 255.0 - alpha)).max() <= 2


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize("save", ["pngsave_buffer", "tiffsave_buffer"])
def test_sixteen_bits_keep_their_upper_eight(bands: int, save: str, tmp_path: Path) -> None:
    raw = np.random.default_rng(1).integers(0, 65536, (H, W, bands), np.uint16)
    if bands in (2, 4):
        raw[..., -1] = 65535
    image = pyvips.Image.new_from_array(raw).copy(interpretation="grey16" if bands < 3 else "rgb16")
    expected = (raw >> 8)[..., 0] if bands < 3 else (raw >> 8)[..., :3]
    assert np.array_equal(read(tmp_path, getattr(image, save)()), expected)


def test_sixteen_bit_grey_jpeg2000(tmp_path: Path) -> None:
    raw = np.random.default_rng(1).integers(0, 65536, (H, W), np.uint16)
    found = read(tmp_path, encode_with_pillow(Image.fromarray(raw), format="JPEG2000"))
    assert np.array_equal(found, raw >> 8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP"])
def test_palette_images_become_rgb(kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(make_noise(W, H)).quantize(32)
    assert np.array_equal(
        to_rgb(read(tmp_path, encode_with_pillow(image, format=kind))), np.asarray(image.convert("RGB"))
    )


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entries_are_white(kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(make_noise(W, H)).quantize(16)
    data = encode_with_pillow(image, format=kind, transparency=3)
    rgba = np.asarray(Image.open(BytesIO(data)).convert("RGBA"))
    assert np.abs(to_rgb(read(tmp_path, data)) - on_white(rgba)).max() <= 1


_BITS: dict[str, Callable[[Image.Image], bytes]] = {
    "png": lambda image: encode_with_pillow(image, format="PNG"),
    "bmp": lambda image: encode_with_pillow(image, format="BMP"),
    "raw tiff": lambda image: encode_with_pillow(image, format="TIFF"),
    "group 4": lambda image: encode_with_pillow(image, format="TIFF", compression="group4"),
    "group 4, black is 0": lambda image: encode_with_pillow(
        image, format="TIFF", compression="group4", tiffinfo={262: 1}
    ),
    "group 3, white is 0": lambda image: encode_with_pillow(
        image, format="TIFF", compression="group3", tiffinfo={262: 0}
    ),
}


@pytest.mark.parametrize("kind", _BITS)
def test_one_bit_images_become_grey(kind: str, tmp_path: Path) -> None:
    image = Image.fromarray(np.kron(make_noise(5, 4, grey=True) // 128 * 255, np.ones((8, 9), np.uint8))).convert("1")
    data = _BITS[kind](image)
    assert np.array_equal(read(tmp_path, data), np.asarray(Image.open(BytesIO(data)).convert("L")))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_grey_png(bits: int, tmp_path: Path) -> None:
    levels = make_noise(W, H, grey=True) >> (8 - bits)
    full = levels * (255 // (2**bits - 1))
    data = pyvips.Image.new_from_array(full).copy(interpretation="b-w").pngsave_buffer(bitdepth=bits)
    assert np.array_equal(to_rgb(read(tmp_path, data)), to_rgb(full))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str, tmp_path: Path) -> None:
    raw = np.zeros((24, 36, 3), np.uint8)
    raw[:, :12], raw[:, 12:24] = 255, (200, 30, 30)
    found = read(tmp_path, encode_with_pillow(Image.fromarray(raw).convert("CMYK"), format=kind))
    assert found.shape == raw.shape
    assert found[12, 6].min() >= 250
    assert found[12, 18, 0] > found[12, 18, 1:].max() + 80
    assert found[12, 30].max() < 70


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(np.full((H, W, 3), (255, 0, 0), np.uint8))
    assert np.abs(read(tmp_path, image.colourspace("lab").tiffsave_buffer()) - np.array([255.0, 0, 0])).max() < 12


@pytest.mark.parametrize("kind", ["float", "char", "short", "int", "uint"])
def test_other_numbers_are_refused(kind: str, tmp_path: Path) -> None:
    data = pyvips.Image.black(W, H).cast(kind).tiffsave_buffer()
    with pytest.raises(UnidentifiedImage, match="8- or 16-bit"):
        open_source(write_file(tmp_path, "tif", data))


@pytest.mark.parametrize("kind", ["double", "complex"])
def test_numbers_that_libvips_does_not_know_are_refused(kind: str, tmp_path: Path) -> None:
    data = pyvips.Image.black(W, H).cast(kind).tiffsave_buffer()
    with pytest.raises(InputError):
        open_source(write_file(tmp_path, "tif", data))


def test_many_channels_are_refused(tmp_path: Path) -> None:
    data = pyvips.Image.black(W, H, bands=6).tiffsave_buffer()
    with pytest.raises(UnidentifiedImage, match="6 channels"):
        open_source(write_file(tmp_path, "tif", data))
