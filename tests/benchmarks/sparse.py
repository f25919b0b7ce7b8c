"""`scripts/bench sparse`: a sheet on which every tenth tile alone has something on it, against the whole sheet."""

import os
import tempfile
from pathlib import Path

import click
import numpy as np
import pyvips

from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.image import open_source
from ocrfarm.pipeline import resolve_overlap, tile_page
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings
from tests.benchmarks.record import Value, record_figures, record_option, sheet_name
from tests.benchmarks.speed import Competitor, race, read_with_ocrfarm

EVERY = 10
"""One tile in so many keeps what only it shows."""


@click.command()
@click.argument("sheet", type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "profiles", multiple=True, default=("fast", "accurate"), show_default=True)
@click.option("--rounds", default=3, show_default=True, help="The order changes from round to round.")
@record_option
def sparse(sheet: Path, profiles: tuple[str, ...], rounds: int, record: bool) -> None:
    """Read SHEET, an image of one page full of text, and a copy of it with little text, by a warm farm."""
    figures: dict[str, tuple[Value, str]] = {}
    prefix = f"sparse.{sheet_name(open_source(sheet).page_sizes[0].width)}"
    for profile in profiles:
        with (
            tempfile.TemporaryDirectory() as folder,
            EmbeddedFarm(profile, base_settings=Settings.from_env(os.environ)) as farm,
        ):
            thin = Path(folder) / "sparse.png"
            cut = resolve_overlap(open_source(sheet), find_profile(profile))
            kept, tiles = _thin_out(sheet, cut, thin)
            farm.wait_ready()
            entrants = [
                Competitor("dense", read_with_ocrfarm(farm, cut, sheet)),
                Competitor("sparse", read_with_ocrfarm(farm, cut, thin)),
            ]
            race(entrants, rounds)
        dense, little = (entrant.seconds for entrant in entrants)
        click.echo(
            f"{profile:9} {tiles} tiles {dense:6.1f} s, {kept} with text {little:6.1f} s, {little / dense:5.3f} x  "
            f"({', '.join(' '.join(f'{each.seconds:.1f}' for each in entrant.rounds) for entrant in entrants)})"
        )
        figures |= {f"{prefix}.tiles": (tiles, ""), f"{prefix}.kept": (kept, "")}
        figures[f"{prefix}.{profile}.ratio"] = round(little / dense, 2), ""
        figures[f"{prefix}.{profile}.seconds"] = round(little, 1), "s"
    if record:
        record_figures(figures)


def _thin_out(sheet: Path, profile: Profile, path: Path) -> tuple[int, int]:
    """Write the copy; give how many tiles still have something on them, and how many there are."""
    page = open_source(sheet).page_sizes[0]
    tiles = [tile for tile in tile_page(page, profile, number=0) if not tile.id.level]
    kept = tiles[EVERY // 2 :: EVERY]
    pixels = np.array(pyvips.Image.new_from_file(str(sheet)))
    for box in (tile.box for tile in tiles if tile not in kept):
        pixels[box.y0 : box.y1, box.x0 : box.x1] = 255
    pyvips.Image.new_from_array(pixels).pngsave(str(path), compression=1)
    return len(kept), len(tiles)
