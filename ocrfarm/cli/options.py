"""Options that several commands share: profile and tiles, what is read of an image, and which results are written.

Options that belong together reach a command as one value; `group_options` builds it.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click

from ocrfarm.export import Target
from ocrfarm.mask_file import read_mask
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.result.formats import DEFAULT_FORMATS, FORMATS, find_formats
from ocrfarm.selection import Selection, parse_page_ranges, parse_region

Command = Callable[..., None]

PROFILE_HELP = "Which models to use: fast, accurate, mixed, cascade, or the path of a .toml file."

_LOCAL_URL = "http://localhost:8000/"
"""Where `python -m http.server` serves a folder."""


def group_options(
    name: str, make: Callable[..., object], *options: Callable[[Any], Any]
) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command and passes their values to it as one argument.

    >>> from ocrfarm.geometry import Size
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
