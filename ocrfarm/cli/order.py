"""What `read` and `submit` are asked for: models and tiles."""

from typing import NamedTuple

import click

from ocrfarm.cli.gathered import gathered
from ocrfarm.recognize import Profile, find_profile


class Order(NamedTuple):
    """A profile as the options change it, and the name or path that it was found by."""

    profile: Profile
    name: str


def _order(*, profile: str, tile: int, overlap: int) -> Order:
    return Order(find_profile(profile).tiled(side=tile, overlap=overlap), profile)


order_options = gathered(
    "order",
    _order,
    click.option("--profile", default="fast", show_default=True, help="fast, accurate, mixed, or a .toml file."),
    click.option("--tile", default=0, help="Side of the tiles in pixels, a multiple of 32; as the profile has it."),
    click.option("--overlap", default=0, help="Pixels that tiles share, a multiple of 32; else by the page's print."),
)
"""Gives a command these options, and hands it its argument `order`."""
