"""A page and a grid of tiles -> readings by the real models, kept on disk: the figures change often, readings never."""

import hashlib
import importlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ocrfarm import recognize
from ocrfarm.geometry import Box, Quad, Size
from ocrfarm.image.band import Band, shrunk
from ocrfarm.image.slots import Slots
from ocrfarm.pipeline import page_tiles, read_again, read_pixels
from ocrfarm.recognize import Pixels, Profile, WeightsFolders, find_profile, load_engine, read_tile
from ocrfarm.recognize.models import find_model
from ocrfarm.split.ink import has_large_print, is_blank
from ocrfarm.split.plan import plan, with_cores
from ocrfarm.stitch import look_again
from ocrfarm.tile import Char, Fragment, Look, Reading, Tile, TileId, readings_from_bytes, readings_to_bytes
from tests.benchmarks.pages import Drawn
from tests.properties.truelines import grid

_PACKAGES = ("paddlex", "onnxruntime-openvino", "onnxruntime", "opencv-contrib-python", "numpy")
_NAME = re.compile(r"(\d+)/(\d+)(?:\+(\d+)\+(\d+))?")


@dataclass(frozen=True, slots=True)
class TileSet:
    """A grid: side and overlap in pixels; a shifted one has its second row and column `shift` pixels from the edge."""

    side: int
    overlap: int
    shift: tuple[int, int] = (0, 0)

    @classmethod
    def parse(cls, name: str) -> "TileSet":
        """Read "1024/128" or "1024/128+320+416"; ValueError for anything else."""
        if not (found := _NAME.fullmatch(name)):
            raise ValueError(f"{name!r} is no tile set; write side/overlap or side/overlap+x+y, as in 1024/128+320+416")
        side, overlap, x, y = (int(digits or 0) for digits in found.groups())
        return cls(side, overlap, (x, y))

    def __str__(self) -> str:
        shift = "+{}+{}".format(*self.shift) if any(self.shift) else ""
        return f"{self.side}/{self.overlap}{shift}"

    def is_shift_of(self, other: "TileSet") -> bool:
        """Say whether only the shift differs."""
        return (self.side, self.overlap) == (other.side, other.overlap) and self.shift != other.shift

    def tiles(self, size: Size) -> tuple[Tile, ...]:
        """Cut a page as the product does, or on the shifted grid."""
        if any(self.shift):
            return with_cores(grid(size, self.side, self.overlap, self.shift))
        return plan(size, side=self.side, overlap=self.overlap)


@dataclass
class Reader:
    """Reads pages with one choice of models, "fast" or, at another detector scale, "fast@1.0"; `kept` is the cache."""

    model: str
    kept: Path
    folders: WeightsFolders
    profile: Profile = field(init=False)

    def __post_init__(self) -> None:
        name, _, scale = self.model.partition("@")
        profile = find_profile(name)
        self.profile = replace(profile, detector_scale=float(scale)) if scale else profile

    @cached_property
    def engine(self) -> Any:
        """The real engine, loaded when it is first needed."""
        return load_engine(self.profile, self.folders)

    def read(self, page: Drawn, tile_set: TileSet) -> tuple[Reading, ...]:
        """Read all of every tile that is not blank, as others do; see `once`."""
        return self._tiles(page, tile_set.tiles(page.size), tile_set)

    def coarse(self, page: Drawn, tile_set: TileSet) -> tuple[Reading, ...]:
        """Read the tiles of the coarse levels that the product adds to such tiles."""
        tiles = page_tiles(page.size, self._profile(tile_set), number=0)
        return self._tiles(page, tuple(tile for tile in tiles if tile.id.level), tile_set)

    def again(self, page: Drawn, readings: Sequence[Reading]) -> list[tuple[Look, Reading]]:
        """Read the places that stitching these readings leaves in doubt, as the product does."""
        looks, whole = look_again(page.size, readings), _whole(page).box

        def read() -> tuple[Reading, ...]:
            shown = [(whole, page.pixels)]
            return tuple(read_again(self.engine, look, shown=shown, profile=self.profile) for look in looks)

        found = self._keep(page, f"again {looks!r}", read) if looks else ()
        return list(zip(looks, found, strict=True))

    def whole(self, page: Drawn) -> tuple[Reading, ...]:
        """Read the page at once, at full size, whatever the detector's limit."""
        tile, detail = _whole(page), self.profile.detector_scale
        make = partial(read_tile, pixels=page.pixels, quarter=lambda _: (), detail=detail)
        return self._keep(page, "whole", lambda: make(self.engine, tile))

    def by_paddleocr(self, page: Drawn) -> tuple[Reading, ...]:
        """Let PaddleOCR's own pipeline read the page with the same models and its own defaults."""
        return self._keep(page, None, lambda: (self._paddleocr(page),))

    def readable(self, page: Drawn) -> dict[int, str]:
        """Give what the recognizer reads on the straight copies of slanted lines."""
        size = Size(1, 1)
        tile = Tile(TileId(0, 0, 0, 0), Box(0, 0, 1, 1), size)

        def read() -> tuple[Reading, ...]:
            crops = [crop[:, :, ::-1] for crop in page.straight.values()]
            texts = self.engine._recognizer.read(crops) if crops else []
            nowhere = Quad.upright(0, 0, 1, 1)
            return (Reading(tile, tuple(Fragment(nowhere, chars, 1.0) for chars in texts), self.profile.recognizer),)

        (reading,) = self._keep(page, "straight", read)
        return dict(zip(page.straight, (fragment.text for fragment in reading.fragments), strict=True))

    def _tiles(self, page: Drawn, tiles: Sequence[Tile], tile_set: TileSet) -> tuple[Reading, ...]:
        profile = self._profile(tile_set)

        def read() -> Iterator[Reading]:
            for tile in tiles:
                part = _shown(page.pixels, tile)
                if has_large_print(part) if tile.id.level else not is_blank(part):
                    yield from read_pixels(self.engine, replace(tile, core=None), pixels=part, profile=profile)

        return self._keep(page, f"{tile_set} {tiles!r}", lambda: tuple(read()))

    def _profile(self, tile_set: TileSet) -> Profile:
        return self.profile.tiled(side=tile_set.side, overlap=tile_set.overlap)

    def _paddleocr(self, page: Drawn) -> Reading:
        started = time.perf_counter()
        (found,) = self._pipeline.predict(page.pixels[:, :, ::-1].copy())
        seconds = time.perf_counter() - started
        fragments = tuple(
            Fragment(Quad.of(corners.tolist()), _spread(text), float(score))
            for corners, text, score in zip(found["rec_polys"], found["rec_texts"], found["rec_scores"], strict=True)
            if text
        )
        return Reading(_whole(page), fragments, self.profile.recognizer, seconds)

    @cached_property
    def _pipeline(self) -> Any:
        """PaddleOCR without its document models, which turn and warp a whole page and have no weights here."""
        return importlib.import_module("paddleocr").PaddleOCR(
            text_detection_model_name=self.profile.detector,
            text_detection_model_dir=str(self.folders.pull(find_model(self.profile.detector, "detector"))),
            text_recognition_model_name=self.profile.recognizer,
            text_recognition_model_dir=str(self.folders.pull(find_model(self.profile.recognizer, "recognizer"))),
            use_doc_orientation_classify=False,
            use_doc_unwarping=False,
            use_textline_orientation=False,
            device="cpu",
            engine="onnxruntime",
        )

    def _keep(self, page: Drawn, what: str | None, make: Callable[[], tuple[Reading, ...]]) -> tuple[Reading, ...]:
        """Give what was kept, or make and keep it; without `what`, none of our own settings or code has a say in it."""
        profile = self.profile
        own = (what, json.dumps(profile.to_json(), sort_keys=True), _own_code()) if what else ()
        key = hashlib.sha256("\n".join((profile.detector, profile.recognizer, versions(), *own)).encode())
        for row in page.pixels:
            key.update(row.tobytes())
        path = self.kept / f"{page.name}-{key.hexdigest()[:32]}"
        if not path.is_file():
            data = readings_to_bytes(make())
            self.kept.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(data)
            draft.replace(path)
        return readings_from_bytes(path.read_bytes())


def once(readings: Sequence[Reading], tiles: Sequence[Tile]) -> tuple[Reading, ...]:
    """Give the readings as the product makes them: a line that a neighbour shows whole is left to it."""
    by_id = {tile.id: tile for tile in tiles}
    return tuple(
        _left(reading, by_id[reading.tile.id]) if reading.tile.id in by_id else reading for reading in readings
    )


def _left(reading: Reading, tile: Tile) -> Reading:
    left = tuple(fragment.quad for fragment in reading.fragments if tile.leaves(fragment.quad))
    kept = tuple(fragment for fragment in reading.fragments if fragment.quad not in left)
    return replace(reading, fragments=kept, left=left)


def _whole(page: Drawn) -> Tile:
    return Tile(TileId(0, 0, 0, 0), Box(0, 0, page.size.width, page.size.height), page.size)


def _spread(text: str) -> tuple[Char, ...]:
    return tuple(Char(char, (index + 0.5) / len(text), 1.0) for index, char in enumerate(text))


@cache
def _own_code() -> str:
    """Give a hash of all of ocrfarm's own code that reads."""
    root = Path(recognize.__path__[0]).parent
    sources = sorted(path for folder in ("recognize", "split", "image") for path in (root / folder).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


@cache
def versions() -> str:
    """Name the packages that read, with their versions."""
    return ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _shown(pixels: Pixels, tile: Tile) -> Pixels:
    """Give a tile's pixels, shrunk as its level says."""
    factor = 1 << tile.id.level
    with Slots() as slots:
        ((_, part),) = Band(3, boxes=[tile.box], factor=factor, slots=slots).add(shrunk(pixels, factor))
    return part
