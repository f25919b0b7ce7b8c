"""Options that several commands share: profile and tiles, what is read of an image, and which results are written.

Options that belong together reach a command as one value; `group_options` builds it.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin

from ocrfarm.errors import SettingsError
from ocrfarm.export import Target
from ocrfarm.geometry import Size
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.result.formats import DEFAULT_FORMATS, FORMATS, find_formats
from ocrfarm.selection import Mask, Selection, parse_page_ranges, parse_region

Command = Callable[..., None]

PROFILE_HELP = "Which models to use: fast, accurate, mixed, cascade, or the path of a .toml file."

_LOCAL_URL = "http://localhost:8000/"
"""Where `python -m http.server` serves a folder."""

_MAX_MASK_SIDE = 512
"""Most cells along a side of a mask: on a page of 16,384 pixels a cell is 32 pixels wide, the height of its text."""

_MAX_MASK_PIXELS = 1_000_000_000
"""Most pixels of a mask's file, which is held in memory in grey."""

_WHITE_THRESHOLD = 128
"""Grey level from which a pixel of a mask counts as white."""

_MASK_PLUGINS = (PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile, GifImagePlugin.GifImageFile)
"""Pillow's readers themselves, because `Image.open` refuses the size that a mask of a large page may have."""


def group_options(
    name: str, make: Callable[..., object], *options: Callable[[Any], Any]
) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command and passes their values to it as one argument.

    >>> size = group_options("size", Size, click.option("--width", default=3), click.option("--height", default=2))
    >>> @click.command()
    ... @size
    ... def show(size: Size) -> None:
    ...     print(size.area)
    >>> show(["--width", "5"], standalone_mode=False)
    10

    Args:
        name: Name of the command's argument.
        make: Called with the options' values as keyword arguments; returns the argument's value.
        *options: Decorators of click, one for each parameter of `make`, in the order of `--help`.
    """
    keys = list(inspect.signature(make).parameters)

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_one(*arguments: object, **values: object) -> None:
            group = {key: values.pop(key) for key in keys}
            command(*arguments, **{name: make(**group)}, **values)

        for option in reversed(options):
            option(with_one)
        return with_one

    return decorate


class ReadOptions(NamedTuple):
    """The profile with the options applied, the name or path that it was found by, and what is read."""

    profile: Profile
    name: str
    selection: Selection

    def to_json(self) -> dict[str, Any]:
        """Return everything that decides which lines are read from an image."""
        return {"profile": self.profile.to_json(), "selection": self.selection.to_json()}


def _make_profile(*, profile: str, tile_size: int, overlap: int) -> tuple[Profile, str]:
    return find_profile(profile).with_tiling(side=tile_size, overlap=overlap), profile


def _make_selection(*, pages: str, dpi: int | None, region: tuple[str, ...], mask: Path | None) -> Selection:
    return Selection(
        parse_page_ranges(pages), dpi or 0, tuple(map(parse_region, region)), read_mask(mask) if mask else None
    )


def _make_read_options(*, profile_and_name: tuple[Profile, str], selection: Selection) -> ReadOptions:
    return ReadOptions(*profile_and_name, selection)


_profile_options = group_options(
    "profile_and_name",
    _make_profile,
    click.option("--profile", default="fast", show_default=True, help=PROFILE_HELP),
    click.option(
        "--tile-size",
        default=0,
        metavar="PIXELS",
        show_default="from the profile",
        help="Side of the tiles, a multiple of 32.",
    ),
    click.option(
        "--overlap",
        default=0,
        metavar="PIXELS",
        show_default="derived from the text height",
        help="Overlap of neighbouring tiles, a multiple of 32.",
    ),
)

_selection_options = group_options(
    "selection",
    _make_selection,
    click.option(
        "--pages", default="", metavar="RANGES", show_default="all", help="Pages to read, such as 1-3,7 or 9-."
    ),
    click.option(
        "--dpi",
        type=click.IntRange(1, 2400),
        metavar="DPI",
        show_default="chosen for each page",
        help="Resolution at which PDF pages are rendered.",
    ),
    click.option(
        "--region",
        multiple=True,
        metavar="X0,Y0,X1,Y1",
        help="Read only this part of each page, in pixels from the upper left corner; may be repeated.",
    ),
    click.option(
        "--mask",
        type=click.Path(path_type=Path),
        help="Read only the parts of each page that are white in this image.",
    ),
)


def read_options(command: Command) -> Command:
    """Add the options that decide what is read and how; the command gets them as its argument `options`."""
    return _profile_options(_selection_options(group_options("options", _make_read_options)(command)))


def _make_target(*, out: Path, formats: str, base_url: str, raw_cells: bool) -> Target:
    return Target(out, find_formats(formats), f"{base_url.rstrip('/')}/", raw_cells)


results_options = group_options(
    "target",
    _make_target,
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results."),
    click.option(
        "--formats",
        default=DEFAULT_FORMATS,
        show_default=True,
        metavar="NAMES",
        help=f"Formats to write, separated by commas: {', '.join(FORMATS)}.",
    ),
    click.option(
        "--base-url",
        default=_LOCAL_URL,
        show_default=True,
        metavar="URL",
        help="URL at which OUT will be published; used in the format iiif.",
    ),
    click.option(
        "--raw-cells",
        is_flag=True,
        help="Write text that begins like a formula into csv and tsv as it was read, without an apostrophe before it.",
    ),
)
"""Adds --out, --formats, --base-url and --raw-cells; the command gets them as its argument `target`."""


def read_mask(path: Path) -> Mask:
    """Read the image of a mask (PNG, TIFF or GIF): white is read, black and transparent is not.

    The image may have any size, because it is stretched over each page. It is reduced to at most 512 x 512 cells, and
    a cell is read if any of its pixels is white.

    Raises:
        SettingsError: The file is not such an image, or nothing on it is white.
    """
    grey = _read_grey(path)
    height, width = grey.shape
    size = Size(min(width, _MAX_MASK_SIDE), min(height, _MAX_MASK_SIDE))
    rows, columns = (np.arange(count) * side // count for count, side in ((size.height, height), (size.width, width)))
    cells = np.maximum.reduceat(np.maximum.reduceat(grey, rows, axis=0), columns, axis=1) >= _WHITE_THRESHOLD
    if not cells.any():
        raise SettingsError(f"{path}: nothing on this mask is white, so nothing would be read")
    packed = np.packbits(cells, axis=1, bitorder="little")
    return Mask(size, tuple(int.from_bytes(row.tobytes(), "little") for row in packed))


def _read_grey(path: Path) -> NDArray[np.uint8]:
    for plugin in _MASK_PLUGINS:
        try:
            with plugin(path) as image:
                _check_size(path, image)
                return np.asarray(_flatten_to_grey(image))
        except SyntaxError:  # how a plugin says that the file has another format
            continue
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: this mask cannot be read ({error}); save it as PNG") from error
    raise SettingsError(f"{path}: this mask is no PNG, TIFF or GIF; save it as PNG")


def _check_size(path: Path, image: Image.Image) -> None:
    if image.width * image.height > _MAX_MASK_PIXELS:
        raise SettingsError(f"{path}: this mask has more than {_MAX_MASK_PIXELS:,} pixels; make it smaller")


def _flatten_to_grey(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("L")
    solid = image.convert("RGBA")
    ground = Image.new("RGBA", solid.size, "black")
    ground.alpha_composite(solid)
    return ground.convert("L")
