"""A page and a grid of tiles -> readings by the real models, kept on disk: the figures change often, readings never."""

import hashlib
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
from ocrfarm.image.row_buffer import RowBuffer, downscale
from ocrfarm.image.spill_file import SpillFile
from ocrfarm.pipeline import recognize_second_pass, recognize_tile, tile_page
from ocrfarm.recognize import Profile, RgbPixels, WeightsFolders, find_profile, load_engine, read_tile
from ocrfarm.recognize.model_registry import find_model
from ocrfarm.split.blank_detection import has_large_text, is_blank
from ocrfarm.split.tiling import assign_cores, tile_grid
from ocrfarm.stitch import select_second_pass
from ocrfarm.tile import Char, Fragment, SecondPassRegion, Tile, TileId, TileResult
from ocrfarm.tile_json import tile_results_from_bytes, tile_results_to_bytes
from tests.benchmarks.drawn_pages import DrawnPage
from tests.support.synthetic_lines import make_grid

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
            return assign_cores(make_grid(size, self.side, self.overlap, self.shift))
        return tile_grid(size, side=self.side, overlap=self.overlap)


@dataclass
class CachedReader:
    """Reads pages with one choice of models: "fast" or, at another detector scale, "fast@1.0"; keeps what it read."""

    model: str
    cache_folder: Path
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

    def read(self, page: DrawnPage, tile_set: TileSet) -> tuple[TileResult, ...]:
        """Read all of every tile that is not blank, as others do; see `drop_repeated`."""
        return self._tiles(page, tile_set.tiles(page.size), tile_set)

    def coarse(self, page: DrawnPage, tile_set: TileSet) -> tuple[TileResult, ...]:
        """Read the tiles of the coarse levels that the product adds to such tiles."""
        tiles = tile_page(page.size, self._profile(tile_set), number=0)
        return self._tiles(page, tuple(tile for tile in tiles if tile.id.level), tile_set)

    def second_pass(self, page: DrawnPage, readings: Sequence[TileResult]) -> list[tuple[SecondPassRegion, TileResult]]:
        """Read the places that stitching these readings leaves in doubt, as the product does."""
        return self.reread(page, select_second_pass(page.size, readings))

    def reread(self, page: DrawnPage, regions: Sequence[SecondPassRegion]) -> list[tuple[SecondPassRegion, TileResult]]:
        """Read some places of a page a second time."""
        whole = _whole(page).box

        def read() -> tuple[TileResult, ...]:
            shown = [(whole, page.pixels)]
            return tuple(
                recognize_second_pass(self.engine, region, tile_pixels=shown, profile=self.profile)
                for region in regions
            )

        found = self._cached(page, f"again {regions!r}", read) if regions else ()
        return list(zip(regions, found, strict=True))

    def whole(self, page: DrawnPage) -> tuple[TileResult, ...]:
        """Read the page at once, at full size, whatever the detector's limit."""
        tile, detail = _whole(page), self.profile.detector_scale
        make = partial(read_tile, pixels=page.pixels, split_tile=lambda _: (), detector_scale=detail)
        return self._cached(page, "whole", lambda: make(self.engine, tile))

    def by_paddleocr(self, page: DrawnPage) -> tuple[TileResult, ...]:
        """Let PaddleOCR's own pipeline read the page with the same models and its own defaults."""
        return self._cached(page, None, lambda: (self._paddleocr(page),))

    def readable(self, page: DrawnPage) -> dict[int, str]:
        """Give what the recognizer reads on the straight copies of slanted lines."""
        size = Size(1, 1)
        tile = Tile(TileId(0, 0, 0, 0), Box(0, 0, 1, 1), size)

        def read() -> tuple[TileResult, ...]:
            crops = [crop[:, :, ::-1] for crop in page.straight.values()]
            texts = self.engine._recognizer.read(crops) if crops else []
            nowhere = Quad.from_bounds(0, 0, 1, 1)
            return (TileResult(tile, tuple(Fragment(nowhere, chars, 1.0) for chars in texts), self.profile.recognizer),)

        (reading,) = self._cached(page, "straight", read)
        return dict(zip(page.straight, (fragment.text for fragment in reading.fragments), strict=True))

    def _tiles(self, page: DrawnPage, tiles: Sequence[Tile], tile_set: TileSet) -> tuple[TileResult, ...]:
        profile = self._profile(tile_set)

        def read() -> Iterator[TileResult]:
            for tile in tiles:
                part = _cut_tile(page.pixels, tile)
                if has_large_text(part) if tile.id.level else not is_blank(part):
                    yield from recognize_tile(self.engine, replace(tile, core=None), pixels=part, profile=profile)

        return self._cached(page, f"{tile_set} {tiles!r}", lambda: tuple(read()))

    def _profile(self, tile_set: TileSet) -> Profile:
        return self.profile.with_tiling(side=tile_set.side, overlap=tile_set.overlap)

    def _paddleocr(self, page: DrawnPage) -> TileResult:
        started = time.perf_counter()
        (found,) = self._pipeline.predict(page.pixels[:, :, ::-1].copy())
        seconds = time.perf_counter() - started
        fragments = tuple(
            Fragment(Quad.from_points(corners.tolist()), _spread(text), float(score))
            for corners, text, score in zip(found["rec_polys"], found["rec_texts"], found["rec_scores"], strict=True)
            if text
        )
        return TileResult(_whole(page), fragments, self.profile.recognizer, seconds)

    @cached_property
    def _pipeline(self) -> Any:
        """PaddleOCR without its document models, which turn and warp a whole page and have no weights here."""
        from paddleocr import PaddleOCR

        return PaddleOCR(
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

    def _cached(
        self, page: DrawnPage, what: str | None, make: Callable[[], tuple[TileResult, ...]]
    ) -> tuple[TileResult, ...]:
        """Give what was kept, or make and keep it; without `what`, none of our own settings or code has a say in it."""
        profile = self.profile
        own = (what, json.dumps(profile.to_json(), sort_keys=True), _own_code()) if what else ()
        key = hashlib.sha256("\n".join((profile.detector, profile.recognizer, versions(), *own)).encode())
        for row in page.pixels:
            key.update(row.tobytes())
        path = self.cache_folder / f"{page.name}-{key.hexdigest()[:32]}"
        if not path.is_file():
            data = tile_results_to_bytes(make())
            self.cache_folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_bytes(data)
            draft.replace(path)
        return tile_results_from_bytes(path.read_bytes())


def drop_repeated(readings: Sequence[TileResult], tiles: Sequence[Tile]) -> tuple[TileResult, ...]:
    """Give the readings as the product makes them: a line that a neighbour shows whole is left to it."""
    by_id = {tile.id: tile for tile in tiles}
    return tuple(
        _without_deferred(reading, by_id[reading.tile.id]) if reading.tile.id in by_id else reading
        for reading in readings
    )


def _without_deferred(reading: TileResult, tile: Tile) -> TileResult:
    deferred = tuple(fragment.quad for fragment in reading.fragments if tile.belongs_to_neighbour(fragment.quad))
    kept = tuple(fragment for fragment in reading.fragments if fragment.quad not in deferred)
    return replace(reading, fragments=kept, deferred_lines=deferred)


def _whole(page: DrawnPage) -> Tile:
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


def _cut_tile(pixels: RgbPixels, tile: Tile) -> RgbPixels:
    """Give a tile's pixels, shrunk as its level says."""
    factor = 1 << tile.id.level
    with SpillFile() as slots:
        ((_, part),) = RowBuffer(3, boxes=[tile.box], factor=factor, spill=slots).add(downscale(pixels, factor))
    return part
