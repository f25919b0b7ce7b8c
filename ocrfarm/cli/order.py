"""What `read` and `submit` are asked for: models and tiles, and which part of the pictures."""

from pathlib import Path
from typing import Any, NamedTuple

import click

from ocrfarm.cli.gathered import Command, gathered
from ocrfarm.cli.mask import read_mask
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.scope import Scope, page_ranges
from ocrfarm.scope import region as region_of


class Order(NamedTuple):
    """A profile as the options change it, the name or path that it was found by, and what is read."""

    profile: Profile
    name: str
    scope: Scope

    def to_json(self) -> dict[str, Any]:
        """Give what decides which lines come of a picture."""
        return {"profile": self.profile.to_json(), "scope": self.scope.to_json()}


def _profile(*, profile: str, tile: int, overlap: int) -> tuple[Profile, str]:
    return find_profile(profile).tiled(side=tile, overlap=overlap), profile


def _scope(*, pages: str, dpi: int, region: tuple[str, ...], mask: Path | None) -> Scope:
    return Scope(page_ranges(pages), dpi, tuple(map(region_of, region)), read_mask(mask) if mask else None)


def _order(*, asked: tuple[Profile, str], scope: Scope) -> Order:
    return Order(*asked, scope)


_profile_options = gathered(
    "asked",
    _profile,
    click.option(
        "--profile", default="fast", show_default=True, help="fast, accurate, mixed, cascade, or a .toml file."
    ),
    click.option("--tile", default=0, help="Side of the tiles in pixels, a multiple of 32; as the profile has it."),
    click.option("--overlap", default=0, help="Pixels that tiles share, a multiple of 32; else by the page's print."),
)

_scope_options = gathered(
    "scope",
    _scope,
    click.option("--pages", default="", help="Which pages, like 1-3,7 or 9-; else all."),
    click.option("--dpi", default=0, type=click.IntRange(0, 2400), help="How PDF pages are drawn; else as suits each."),
    click.option("--region", multiple=True, help="A part to read, x0,y0,x1,y1 in page pixels; may be repeated."),
    click.option("--mask", type=click.Path(path_type=Path), help="A picture that is white where pages are to be read."),
)


def order_options(command: Command) -> Command:
    """Give a command these options, and hand it its argument `order`."""
    return _profile_options(_scope_options(gathered("order", _order)(command)))
