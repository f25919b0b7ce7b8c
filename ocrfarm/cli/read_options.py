"""What `read` and `submit` are asked for: models and tiles, and which part of the images."""

from pathlib import Path
from typing import Any, NamedTuple

import click

from ocrfarm.cli.mask import read_mask
from ocrfarm.cli.option_group import Command, group_options
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.selection import Selection, parse_page_ranges, parse_region


class ReadOptions(NamedTuple):
    """A profile as the options change it, the name or path that it was found by, and what is read."""

    profile: Profile
    name: str
    selection: Selection

    def to_json(self) -> dict[str, Any]:
        """Give what decides which lines come of an image."""
        return {"profile": self.profile.to_json(), "selection": self.selection.to_json()}


def _make_profile(*, profile: str, tile_size: int, overlap: int) -> tuple[Profile, str]:
    return find_profile(profile).with_tiling(side=tile_size, overlap=overlap), profile


def _make_selection(*, pages: str, dpi: int, region: tuple[str, ...], mask: Path | None) -> Selection:
    return Selection(parse_page_ranges(pages), dpi, tuple(map(parse_region, region)), read_mask(mask) if mask else None)


def _make_read_options(*, profile_and_name: tuple[Profile, str], selection: Selection) -> ReadOptions:
    return ReadOptions(*profile_and_name, selection)


_profile_options = group_options(
    "profile_and_name",
    _make_profile,
    click.option(
        "--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file."
    ),
    click.option(
        "--tile-size", default=0, help="Side of the tiles in pixels, a multiple of 32; as the profile has it."
    ),
    click.option("--overlap", default=0, help="Pixels that tiles share, a multiple of 32; else by the page's text."),
)

_selection_options = group_options(
    "selection",
    _make_selection,
    click.option("--pages", default="", help="Which pages, like 1-3,7 or 9-; else all."),
    click.option("--dpi", default=0, type=click.IntRange(0, 2400), help="How PDF pages are drawn; else as suits each."),
    click.option("--region", multiple=True, help="A part to read, x0,y0,x1,y1 in page pixels; may be repeated."),
    click.option("--mask", type=click.Path(path_type=Path), help="An image that is white where pages are to be read."),
)


def read_options(command: Command) -> Command:
    """Give a command these options, and hand it its argument `options`."""
    return _profile_options(_selection_options(group_options("options", _make_read_options)(command)))
