"""`scripts/bench sparse`: a sheet on which every tenth tile alone has something on it, against the whole sheet."""

import os
import tempfile
from pathlib import Path

import click
import numpy as np
import pyvips

from ocrfarm.farm.local import EmbeddedFarm
from ocrfarm.image import open_source
from ocrfarm.pipeline import fitted, page_tiles
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from tests.benchmarks.speed import Entrant, ours, race

EVERY = 10
"""One tile in so many keeps what only it shows."""


@click.command()
@click.argument("sheet", type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "profiles", multiple=True, default=("fast", "accurate"), show_default=True)
@click.option("--rounds", default=3, show_default=True, help="The order changes from round to round.")
def sparse(sheet: Path, profiles: tuple[str, ...], rounds: int) -> None:
    """Read SHEET, a picture of one page full of print, and a copy of it with little print, by a warm farm."""
    for profile in profiles:
        with (
            tempfile.TemporaryDirectory() as folder,
            EmbeddedFarm(profile, base=Settings.from_env(os.environ)) as farm,
        ):
            thin = Path(folder) / "sparse.png"
            cut = fitted(open_source(sheet), find_profile(profile))
            kept, tiles = _thin_out(sheet, cut, thin)
            farm.wait_ready()
            entrants = [Entrant("dense", ours(farm, cut, sheet)), Entrant("sparse", ours(farm, cut, thin))]
            race(entrants, rounds)
        dense, little = (entrant.seconds for entrant in entrants)
        click.echo(
            f"{profile:9} {tiles} tiles {dense:6.1f} s, {kept} with print {little:6.1f} s, {little / dense:5.3f} x  "
            f"({', '.join(' '.join(f'{each.seconds:.1f}' for each in entrant.rounds) for entrant in entrants)})"
        )


def _thin_out(sheet: Path, profile: Profile, path: Path) -> tuple[int, int]:
    """Write the copy; give how many tiles still have something on them, and how many there are."""
    page = open_source(sheet).pages[0]
    tiles = [tile for tile in page_tiles(page, profile, number=0) if not tile.id.level]
    kept = tiles[EVERY // 2 :: EVERY]
    pixels = np.array(pyvips.Image.new_from_file(str(sheet)))
    for box in (tile.box for tile in tiles if tile not in kept):
        pixels[box.y0 : box.y1, box.x0 : box.x1] = 255
    pyvips.Image.new_from_array(pixels).pngsave(str(path), compression=1)
    return len(kept), len(tiles)
