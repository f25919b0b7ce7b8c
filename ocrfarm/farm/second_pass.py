"""The second pass: places that the first stitching doubts are cut from the stored tiles and read in a second wave.

A region that cannot be read leaves a dead letter like any tile, but costs nothing: the first reading stands.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain

from ocrfarm.errors import EngineFailed, InputError, ObjectNotFound
from ocrfarm.farm.batching import iter_batches
from ocrfarm.farm.context import WorkerContext, store_dead_letter, store_results
from ocrfarm.farm.retries import DeadLetter, Decision
from ocrfarm.geometry import Box
from ocrfarm.image import Pixels, decode_tile
from ocrfarm.pipeline import PageOutcome, recognize_second_pass
from ocrfarm.recognize import Profile
from ocrfarm.storage import layout
from ocrfarm.tile import (
    SECOND_PASS_QUADKEY,
    SecondPassRegion,
    Tile,
    TileId,
    TileResult,
    second_pass_to_bytes,
    tile_results_from_bytes,
)

DOWNLOAD_THREADS = 16
"""Threads that fetch what regions brought: a few hundred bytes each, so the time is all waiting."""

MIN_BATCH_LINES = 4
"""Lines that one message asks for at least, as long as there are more: their places lie near one another and share
tiles, which are fetched once."""

MAX_CACHED_TILES = 4
"""Tiles that are kept, as they are stored, while a batch is read: those round one corner."""


def is_second_pass_batch(batch: Sequence[TileId]) -> bool:
    """Say whether a batch names regions of a second pass."""
    return any(tile.quadkey == SECOND_PASS_QUADKEY for tile in batch)


def collect_second_pass(
    context: WorkerContext, job: str, *, outcomes: Sequence[PageOutcome], profile: Profile
) -> tuple[tuple[TileId, ...], ...]:
    """Give each outcome what its regions brought; give the batches of those that nobody has read yet, if any.

    Which places are looked at is decided once and stored, before any of them is read.
    """
    try:
        regions = context.load_regions(job)
    except ObjectNotFound:
        regions = tuple(chain.from_iterable(outcome.select_second_pass(profile.cascade) for outcome in outcomes))
        context.store.put(layout.second_pass(job), second_pass_to_bytes(regions))
    unread = []
    with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        for region, readings in zip(regions, threads.map(partial(_load_results, context, job), regions), strict=True):
            outcome = outcomes[region.tile.id.page]
            if readings is None:
                unread.append((outcome.tiles_showing(region)[0].id, region))
            elif readings:
                outcome.second_pass += [(region, reading) for reading in readings if reading.tile == region.tile]
            else:
                outcome.second_pass_failed.append(region)
    unread.sort(key=lambda each: (each[0], each[1].tile.id))
    weighed = ((region.tile.id, len(region.lines)) for _, region in unread)
    return tuple(iter_batches(weighed, max_weight=MIN_BATCH_LINES))


def _load_results(context: WorkerContext, job: str, region: SecondPassRegion) -> tuple[TileResult, ...] | None:
    """Give what a region brought, nothing where it was given up; None where nobody has read it yet."""
    try:
        return tile_results_from_bytes(context.store.get(layout.fragments(job, region.tile.id)))
    except ObjectNotFound:
        return () if context.store.exists(layout.dead_letter(job, region.tile.id)) else None


def recognize_regions(context: WorkerContext, job: str, *, batch: Sequence[TileId]) -> int:
    """Read the regions that nobody has read yet; give how many. StoreError, BrokerError, TaskTimeLimit pass through."""
    reader = _RegionReader(context, job)
    regions = {region.tile.id: region for region in context.load_regions(job)}
    return sum(reader.read_region(regions[name]) for name in batch)


class _RegionReader:
    """Reads places of one job, one after the other."""

    def __init__(self, context: WorkerContext, job: str) -> None:
        self._context, self._job = context, job
        self._manifest = context.load_manifest(job)
        self._profile = self._manifest.request.profile.second_pass_profile
        self._engine = context.load_engine(self._profile)
        self._cached_tile = lru_cache(MAX_CACHED_TILES)(self._load_tile)
        self._cached_page = lru_cache(1)(self._load_page)

    def read_region(self, region: SecondPassRegion) -> bool:
        """Read and store a region; returns False if it was read or given up before, or is given up now."""
        name = str(region.tile.id)
        state = self._context.jobs.attempts.get_state(self._job, name)
        if state.has_ended or self._context.store.exists(layout.fragments(self._job, name)):
            return False
        attempts, failures = state.attempts, 0
        letter = DeadLetter.worn_out(f"region {name}", attempts)
        while self._context.policy.decide("region", attempts, failures=failures) is Decision.READ:
            attempts = self._context.jobs.attempts.start(self._job, name)
            try:
                reading = self._read(region)
            except (EngineFailed, MemoryError) as error:
                failures += 1
                letter = DeadLetter(f"region {name}: {str(error) or 'there was not enough memory'}", attempts)
                continue
            if counts := store_results(self._context, self._job, tile=region.tile, readings=(reading,)):
                self._context.jobs.metrics.add(counts)
            self._context.jobs.attempts.reset(self._job, name)
            return True
        store_dead_letter(self._context, self._job, tile=region.tile.id, letter=letter)
        return False

    def _read(self, region: SecondPassRegion) -> TileResult:
        if not (shown := self._collect_pixels(region)):
            raise EngineFailed("no tile shows it any more")
        return recognize_second_pass(self._engine, region, tile_pixels=shown, profile=self._profile)

    def _collect_pixels(self, region: SecondPassRegion) -> list[tuple[Box, Pixels]]:
        """Give the stored tiles that show a part of the place."""
        showing = self._cached_page(region.tile.id.page).tiles_showing(region)
        return list(chain.from_iterable(self._crop_tile(tile, region.tile.box) for tile in showing))

    def _crop_tile(self, tile: Tile, box: Box) -> Iterator[tuple[Box, Pixels]]:
        """Give what a stored tile shows of a box; nothing where it was blank or cannot be decoded."""
        common, data = tile.box.intersection(box), self._cached_tile(tile.id)
        if common and data:
            with suppress(InputError):
                yield common, decode_tile(data, common.shift(-tile.box.x0, -tile.box.y0))

    def _load_page(self, page: int) -> PageOutcome:
        """Give a page with its tiles, of which nothing is known yet."""
        return PageOutcome(
            self._manifest.pages[page], tuple(tile for tile in self._manifest.tiles if tile.id.page == page)
        )

    def _load_tile(self, tile: TileId) -> bytes | None:
        """Give a stored tile; None where it was blank, which the manifest may not know yet."""
        try:
            return self._context.store.get(layout.tile(self._job, tile))
        except ObjectNotFound:
            return None
