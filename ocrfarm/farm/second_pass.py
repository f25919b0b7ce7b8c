"""The second pass: regions that the first stitching doubts are cut from the stored tiles and read again.

    first stitching -> regions (stored once) -> one more chord of recognize tasks -> second stitching

A region that cannot be read leaves a dead letter like any tile, but the first reading of its lines stands.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import chain

from ocrfarm.errors import EngineFailed, InputError, ObjectNotFound, OcrfarmError, StoreUnreachable
from ocrfarm.farm.batching import iter_batches
from ocrfarm.farm.context import DOWNLOAD_THREADS, WorkerContext, store_dead_letter, store_results
from ocrfarm.farm.manifest import Manifest
from ocrfarm.farm.retries import DeadLetter, Decision
from ocrfarm.geometry import Box
from ocrfarm.image import Pixels, decode_tile
from ocrfarm.pipeline import PageOutcome, recognize_second_pass
from ocrfarm.recognize import Profile
from ocrfarm.storage import layout
from ocrfarm.storage.objects import load_object
from ocrfarm.tile import SECOND_PASS_QUADKEY, SecondPassRegion, Tile, TileId, TileResult
from ocrfarm.tile_json import second_pass_to_bytes, tile_results_from_bytes

MIN_BATCH_LINES = 4
"""Lines in one message, at least, as long as there are more: neighbouring regions share tiles, which are downloaded
once."""

MAX_CACHED_TILES = 4
"""Encoded tiles that are kept while a batch is read: those round one corner."""


def is_second_pass_batch(batch: Sequence[TileId]) -> bool:
    """Return whether a batch names regions of the second pass."""
    return any(tile.quadkey == SECOND_PASS_QUADKEY for tile in batch)


def collect_second_pass(
    context: WorkerContext, job: str, *, outcomes: Sequence[PageOutcome], profile: Profile
) -> tuple[tuple[TileId, ...], ...]:
    """Add to each outcome what its regions brought.

    Which regions are read is decided once, and stored before any of them is read.

    Args:
        context: The store.
        job: The job's id.
        outcomes: What became of each page's tiles; changed in place.
        profile: How the job is read.

    Returns:
        Batches of the regions that were not read yet, if any.
    """
    try:
        regions = context.load_regions(job)
    except ObjectNotFound:
        regions = tuple(chain.from_iterable(outcome.select_second_pass(profile.cascade) for outcome in outcomes))
        context.store.put(layout.second_pass(job), second_pass_to_bytes(regions))
    unread = []
    with ThreadPoolExecutor(DOWNLOAD_THREADS) as threads:
        for region, readings in zip(regions, threads.map(partial(_load_results, context, job), regions), strict=True):
            outcome = outcomes[region.tile.id.page_index]
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
    """Return the results of a region, none if it was given up; None if it was not read yet."""
    try:
        return load_object(context.store, layout.fragments(job, region.tile.id), parse=tile_results_from_bytes)
    except ObjectNotFound:
        return () if context.store.exists(layout.dead_letter(job, region.tile.id)) else None


def recognize_regions(context: WorkerContext, job: str, *, batch: Sequence[TileId]) -> tuple[int, bool]:
    """Read the regions of a batch that were not read before, until the worker is told to stop.

    Args:
        context: The store, the job states and the engines.
        job: The job's id.
        batch: The regions.

    Returns:
        How many regions were read now, and whether the batch is done.

    Raises:
        StoreError: The store failed.
        BrokerError: The broker failed.
        TaskTimeLimit: The soft time limit of the task ended.
    """
    reader = _RegionReader(context, job, batch[0])
    regions = {region.tile.id: region for region in context.load_regions(job)}
    count = 0
    for name in batch:
        if context.should_stop():
            return count, False
        count += reader.read_region(regions[name])
        context.jobs.watch.mark_region_done(job, str(name))
    return count, True


class _RegionReader:
    """Reads the regions of one job, one after the other."""

    def __init__(self, context: WorkerContext, job: str, first: TileId) -> None:
        self._context, self._job, self._first = context, job, str(first)
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
                self._context.jobs.mark_tile_done(self._job, "", counts=counts)
            self._context.jobs.attempts.reset(self._job, name)
            return True
        store_dead_letter(self._context, self._job, tile=region.tile.id, letter=letter)
        return False

    def _read(self, region: SecondPassRegion) -> TileResult:
        if not (shown := self._collect_pixels(region)):
            raise EngineFailed("no tile shows it any more")
        return recognize_second_pass(self._engine, region, tile_pixels=shown, profile=self._profile)

    def _collect_pixels(self, region: SecondPassRegion) -> list[tuple[Box, Pixels]]:
        """Return the pixels of the region in each stored tile that shows a part of it."""
        showing = self._cached_page(region.tile.id.page_index).tiles_showing(region)
        return list(chain.from_iterable(self._crop_tile(tile, region.tile.box) for tile in showing))

    def _crop_tile(self, tile: Tile, box: Box) -> Iterator[tuple[Box, Pixels]]:
        """Return what a stored tile shows of a box; nothing if it was blank or cannot be decoded."""
        common, data = tile.box.intersection(box), self._cached_tile(tile.id)
        if common and data:
            try:
                yield common, decode_tile(data, common.shift(-tile.box.x0, -tile.box.y0))
            except InputError as error:
                self._repeat_or_go_on(error)

    def _load_page(self, page: int) -> PageOutcome:
        """Return a page with its tiles, of which nothing is known yet."""
        return PageOutcome(
            self._manifest.pages[page], tuple(tile for tile in self._manifest.tiles if tile.id.page_index == page)
        )

    def _load_tile(self, tile: TileId) -> bytes | None:
        """Return a stored tile; None if it was blank, or if it is gone."""
        try:
            return self._context.store.get(layout.tile(self._job, tile))
        except ObjectNotFound as error:
            # Not the cached manifest: that may be from before the blank tiles were known.
            manifest = load_object(self._context.store, layout.manifest(self._job), parse=Manifest.from_bytes)
            if tile not in manifest.blank:
                self._repeat_or_go_on(error)
            return None

    def _repeat_or_go_on(self, error: OcrfarmError) -> None:
        """Raise `StoreUnreachable` while a tile of this batch may come back that was there in the first pass."""
        if self._context.jobs.attempts.may_repeat(self._job, self._first):
            raise StoreUnreachable(str(error)) from error
