"""What each task does: read from the store, call one stage of the pipeline, write to the store. Knows no Celery.

    split      image   -> tiles     batches of tiles are returned as soon as their tiles are stored
    recognize  tiles   -> results   as `TilePolicy` decides; dead letters for tiles that are given up
    stitch     results -> document  or the regions of the second pass, which are read first

Each of them may run twice: the second run finds what the first one stored.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Semaphore

from ocrfarm.cpu import usable_cpus
from ocrfarm.document import Document
from ocrfarm.errors import EngineFailed, InputError, ObjectNotFound, OcrfarmError, StoreUnreachable, TaskTimeLimit
from ocrfarm.farm.batching import TileBatch, count_pixels, iter_batches, max_tile_seconds
from ocrfarm.farm.context import WorkerContext, load_dead_letter, load_outcomes, store_dead_letter, store_results
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Manifest, Request, end_job, store_manifest, summarize_document
from ocrfarm.farm.retries import DeadLetter, Decision
from ocrfarm.farm.second_pass import collect_second_pass
from ocrfarm.image import ImageSource, Limits, Pixels, StopCheck, decode_tile, encode_tile, never_stop, open_source
from ocrfarm.image.parallel import prefetch_map
from ocrfarm.pipeline import PageOutcome, iter_tiles, recognize_tile, resolve_overlap, tile_pages
from ocrfarm.recognize import Engine, Profile, find_profile
from ocrfarm.recognize.tile_reader import crop_tile_part
from ocrfarm.result import document_from_json, write_document
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout
from ocrfarm.storage.objects import load_object
from ocrfarm.tile import Tile, TileId, TileResult

UPLOAD_THREADS = 8
"""Threads that encode and store tiles; one more tile than this is in memory, 12.6 MB each at a side of 2048."""

_ENCODE_SLOTS = Semaphore(max(usable_cpus() - 1, 1))
"""Tiles that are encoded at a time: one core is left for the decoder, for which all others wait."""


def split(context: WorkerContext, job: str, *, check: StopCheck = never_stop) -> Generator[TileBatch, None, None]:
    """Cut the job's image into tiles; store the manifest first, then the tiles.

    Args:
        context: The store and the job states.
        job: The job's id.
        check: Called several times a second while the image is decoded; it raises an exception to stop.

    Yields:
        Each batch, as soon as its tiles are stored, while the rest of the image is still being decoded.

    Raises:
        InputError: The image cannot be decoded, which may become known after some batches.
    """
    store, started = context.store, time.time()
    request = load_object(store, layout.request(job), parse=Request.from_bytes)
    context.jobs.update(job, state="splitting", started=context.jobs.read_time())
    with scratch_dir() as folder, _name_errors(request.name, folder) as path:
        store.get_file(layout.source(job), path)
        limits = Limits(**context.settings.limits.overrides)
        source = open_source(path, limits, selection=request.selection, check=check)
        request = replace(request, profile=resolve_overlap(source, request.profile))
        tiles = tile_pages(source, request.profile, selection=request.selection)
        all_tiles = tuple(tile for page in tiles for tile in page)
        manifest = Manifest(request, source.page_sizes, all_tiles, page_sources=source.page_sources)
        store_manifest(store, manifest, job=job)
        pixels = sum(size.area for size in source.page_sizes)
        context.jobs.update(job, state="recognizing", tiles=len(manifest.tiles), pixels=pixels)
        blank: set[TileId] = set()
        yield from iter_batches(
            _weigh(_store_pages(context, job, source, tiles), blank),
            max_weight=context.settings.task_limits.batch_pixels,
            total=sum(map(count_pixels, manifest.tiles)),
        )
    store.put(layout.manifest(job), replace(manifest, blank=frozenset(blank)).to_bytes())
    context.record_peak_memory(job, "split")
    context.jobs.update(job, blank=len(blank), split_seconds=time.time() - started)
    context.jobs.metrics.record_split(blank=len(blank), seconds=time.time() - started)


def _weigh(tiles: Iterable[tuple[Tile, bool]], blank: set[TileId]) -> Iterator[tuple[TileId | None, int]]:
    """Return the id and the pixels of each tile; the ids of blank ones are put into the set instead."""
    for tile, is_blank in tiles:
        if is_blank:
            blank.add(tile.id)
        yield None if is_blank else tile.id, count_pixels(tile)


@contextmanager
def _name_errors(name: str, folder: Path) -> Iterator[Path]:
    """Return the path for the image; errors about it use the name that its owner knows."""
    path = folder / "source"
    try:
        yield path
    except InputError as error:
        raise type(error)(str(error).replace(str(path), name)) from error


def _store_pages(
    context: WorkerContext, job: str, source: ImageSource, pages: Iterable[tuple[Tile, ...]]
) -> Iterator[tuple[Tile, bool]]:
    """Decode page after page; return each tile when it is stored, and whether it is blank, and so is not stored."""
    for number, tiles in enumerate(pages):
        raster = source.page(number)
        yield from prefetch_map(partial(_store_tile, context, job), iter_tiles(raster, tiles), threads=UPLOAD_THREADS)
        context.store.put(layout.overview(job, number), encode_tile(raster.overview()))


def _store_tile(context: WorkerContext, job: str, tile_pixels: tuple[Tile, Pixels | None]) -> tuple[Tile, bool]:
    tile, pixels = tile_pixels
    if pixels is None:
        return tile, True
    with _ENCODE_SLOTS:
        encoded = encode_tile(pixels)
    context.store.put(layout.tile(job, tile.id), encoded)
    return tile, False


def recognize(
    context: WorkerContext, job: str, *, batch: TileBatch, should_yield: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Read the tiles of a batch that were not read before.

    While the engine works, the next tile is downloaded and the results of the last one are stored. A tile that cannot
    be read becomes a dead letter, and the batch goes on.

    Args:
        context: The store, the job states and the engines.
        job: The job's id.
        batch: The tiles.
        should_yield: Asked after each tile; if it returns True, the rest of the batch is left.

    Returns:
        How many tiles were read now, and whether the batch is done.

    Raises:
        StoreError: The store failed.
        BrokerError: The broker failed.
        TaskTimeLimit: The soft time limit of the task ended.
    """
    manifest = context.load_manifest(job)
    reader = _TileReader(context, job, manifest.request.profile)
    writes: list[Future[None]] = []
    done = True
    with ThreadPoolExecutor(2) as threads:
        for tile, fetched in _prefetch(
            threads, manifest.select_tiles(batch), partial(_load_input, context, job, batch[0])
        ):
            if fetched and (readings := reader.read(tile, fetched)):
                writes.append(threads.submit(_store_tile_results, context, job, tile, readings))
            if fetched and tile.id != batch[-1] and should_yield():
                done = False
                break
    for write in writes:
        write.result()
    context.record_peak_memory(job, "recognize")
    return len(writes), done


@dataclass(frozen=True, slots=True)
class TileInput:
    """A tile's pixels, and how often others started to read it and failed."""

    pixels: Pixels
    attempts: int = 0
    failures: int = 0


class _TileReader:
    """Reads the tiles of one job, one after the other, as `TilePolicy` decides."""

    def __init__(self, context: WorkerContext, job: str, profile: Profile) -> None:
        self._context, self._job, self._profile = context, job, profile
        self._attempts = context.jobs.attempts
        self._engine = context.load_engine(profile)

    def read(self, tile: Tile, fetched: TileInput) -> tuple[TileResult, ...]:
        """Return what is on a whole tile; nothing if it was given up or read in quarters, which is stored here."""
        attempts, failures, reason = fetched.attempts, fetched.failures, ""
        while (decision := self._context.policy.decide("tile", attempts, failures=failures)) is Decision.READ:
            try:
                return self._read_counted(tile, fetched.pixels, retries=attempts)
            except (EngineFailed, MemoryError) as error:
                self._attempts.record_failure(self._job, str(tile.id))
                attempts, failures, reason = attempts + 1, failures + 1, _reason(tile, error)
        if decision is Decision.READ_IN_QUARTERS:
            self._read_quarters(tile, fetched.pixels, tile_attempts=attempts)
        else:
            store_dead_letter(self._context, self._job, tile=tile.id, letter=DeadLetter(reason, attempts))
        return ()

    def _read_quarters(self, tile: Tile, pixels: Pixels, *, tile_attempts: int) -> None:
        """Read each quarter of a tile, or the tile itself if it is too small to be cut."""
        quarters = split_tile(tile, self._profile.tiling.overlap)
        letters = [self._read_quarter(each, tile, pixels, tile_attempts=tile_attempts) for each in quarters or (tile,)]
        if lost := [letter for letter in letters if letter]:
            store_dead_letter(self._context, self._job, tile=tile.id, letter=lost[0])
        else:
            self._context.jobs.mark_tile_done(self._job, str(tile.id))

    def _read_quarter(self, part: Tile, tile: Tile, pixels: Pixels, *, tile_attempts: int) -> DeadLetter | None:
        """Read and store a quarter; if that cannot be done, store and return its dead letter."""
        if self._context.store.exists(layout.fragments(self._job, part.id)):
            return None
        if part == tile:
            return self._try_quarter(tile, pixels, tile_attempts=0)
        if letter := load_dead_letter(self._context, self._job, tile=part.id):
            return letter
        if letter := self._try_quarter(part, crop_tile_part(pixels, tile, part=part), tile_attempts=tile_attempts):
            store_dead_letter(self._context, self._job, tile=part.id, letter=letter)
        return letter

    def _try_quarter(self, part: Tile, pixels: Pixels, *, tile_attempts: int) -> DeadLetter | None:
        attempts = self._attempts.get_state(self._job, str(part.id)).attempts
        letter = DeadLetter.worn_out(f"tile {part.id}", tile_attempts + attempts)
        while True:
            decision = self._context.policy.decide("quarter", attempts, tile_attempts=tile_attempts)
            if decision is Decision.GIVE_UP:
                return letter
            use_light, retries = decision is Decision.READ_LIGHT, tile_attempts + attempts
            try:
                readings = self._read_counted(part, pixels, retries=retries, use_light=use_light)
            except (EngineFailed, MemoryError) as error:
                attempts += 1
                letter = DeadLetter(_reason(part, error), tile_attempts + attempts)
                continue
            self._attempts.reset(self._job, str(part.id))  # before the store may prove to be away
            if counts := store_results(self._context, self._job, tile=part, readings=readings):
                self._context.jobs.mark_tile_done(self._job, "", counts=counts)
            return None

    def _read_counted(
        self, tile: Tile, pixels: Pixels, *, retries: int, use_light: bool = False
    ) -> tuple[TileResult, ...]:
        """Count an attempt, then read; a tile that takes too long, or is interrupted, is judged by its time."""
        self._attempts.start(self._job, str(tile.id))
        started = time.monotonic()
        try:
            engine, profile = self._load_light() if use_light else (self._engine, self._profile)
            readings = recognize_tile(engine, tile, pixels=pixels, profile=profile)
            return tuple(replace(reading, retries=retries) for reading in readings)
        except (TaskTimeLimit, KeyboardInterrupt):
            self._record_interruption(tile, time.monotonic() - started)
            raise

    def _record_interruption(self, tile: Tile, seconds: float) -> None:
        """Record a failure of a tile that had all the time its pixels may take; a batch may also be slow as a whole."""
        longest = max_tile_seconds(count_pixels(tile), self._profile)
        if seconds >= min(longest, self._context.settings.task_limits.batch_time_limit / 2):
            self._attempts.record_failure(self._job, str(tile.id))
        else:
            self._attempts.reset(self._job, str(tile.id))

    def _load_light(self) -> tuple[Engine, Profile]:
        """Return the engine of the light models, or the job's own if this worker cannot load them."""
        light = replace(find_profile("fast"), tiling=self._profile.tiling, runtime=self._profile.runtime)
        try:
            return self._context.load_engine(light), light
        except OcrfarmError:
            return self._engine, self._profile


def _reason(tile: Tile, error: Exception) -> str:
    return str(error) or f"tile {tile.id}: there was not enough memory"


def _prefetch(
    threads: ThreadPoolExecutor, tiles: list[Tile], fetch: Callable[[Tile], TileInput | None]
) -> Iterator[tuple[Tile, TileInput | None]]:
    """Return each tile with what was downloaded for it, while the next one is being downloaded."""
    coming: deque[Future[TileInput | None]] = deque(threads.submit(fetch, tile) for tile in tiles[:1])
    for tile, following in zip(tiles, [*tiles[1:], None], strict=True):
        fetched = coming.popleft().result()
        if following:
            coming.append(threads.submit(fetch, following))
        yield tile, fetched


def _load_input(context: WorkerContext, job: str, first: TileId, tile: Tile) -> TileInput | None:
    """Return the pixels; None if the tile needs no work: it was read or given up, or its job has ended."""
    attempt = context.jobs.attempts.get_state(job, str(tile.id))
    if attempt.has_ended or attempt.is_done:
        return None
    # The worker that stored it may have died before it counted the tile.
    if (attempt.attempts or not attempt.job_exists) and context.store.exists(layout.fragments(job, tile.id)):
        context.jobs.mark_tile_done(job, str(tile.id))
        return None
    if context.policy.decide("tile", attempt.attempts, failures=attempt.failures) is Decision.GIVE_UP:
        letter = DeadLetter.worn_out(f"tile {tile.id}", attempt.attempts)
        store_dead_letter(context, job, tile=tile.id, letter=letter)
        return None
    try:
        return TileInput(decode_tile(context.store.get(layout.tile(job, tile.id))), attempt.attempts, attempt.failures)
    except (InputError, ObjectNotFound) as error:
        if context.jobs.attempts.may_repeat(job, str(first)):  # one count for the batch: it may lack many tiles
            raise StoreUnreachable(str(error)) from error
        store_dead_letter(context, job, tile=tile.id, letter=DeadLetter(str(error), attempt.attempts))
        return None
    except MemoryError:
        context.jobs.attempts.start(job, str(tile.id))
        raise


def _store_tile_results(context: WorkerContext, job: str, tile: Tile, readings: tuple[TileResult, ...]) -> None:
    """Store what was read, then count it."""
    counts = store_results(context, job, tile=tile, readings=readings)
    if counts is not None:
        context.jobs.mark_tile_done(job, str(tile.id), counts=counts)


def stitch(context: WorkerContext, job: str) -> tuple[TileBatch, ...]:
    """Stitch the job's pages from what is in the store, store the document and end the job.

    Args:
        context: The store and the job states.
        job: The job's id.

    Returns:
        Batches of regions that have to be read first; when they are, the next call ends the job. Usually none.
    """
    jobs, started, generation = context.jobs, time.time(), context.jobs.recovery.get_generation(job)
    try:
        document = load_object(context.store, layout.result(job), parse=document_from_json)
    except ObjectNotFound:
        jobs.update(job, state="stitching")
        manifest = load_object(context.store, layout.manifest(job), parse=Manifest.from_bytes)
        outcomes = load_outcomes(context, job, manifest=manifest)
        if batches := collect_second_pass(context, job, outcomes=outcomes, profile=manifest.request.profile):
            jobs.update(job, state="recognizing")
            return batches
        document = _assemble(outcomes, manifest.request.profile)
        context.record_peak_memory(job, "stitch")
        timing = _measure_timing(context, job, manifest, document, started)
        document = replace(document, timing={**document.timing, **timing})
        if jobs.recovery.get_generation(job) != generation:
            return ()  # the job was reopened meanwhile, and is stitched again
        _put_result(context, job, document)
        jobs.metrics.record_stitch(lines=document.lines, seconds=document.timing["stitch"])
    status = JobStatus(job, finished=jobs.read_time(), **summarize_document(document))
    end_job(jobs, context.store, status=status, generation=generation)
    return ()


def _put_result(context: WorkerContext, job: str, document: Document) -> None:
    with scratch_dir() as folder:
        path = folder / "result"
        with path.open("wb") as file:
            write_document(document, file)
        context.store.put_file(layout.result(job), path)


def _assemble(outcomes: Sequence[PageOutcome], profile: Profile) -> Document:
    pages = tuple(outcome.assemble(profile) for outcome in outcomes)
    return Document(pages, {"engine": sum(outcome.engine_seconds for outcome in outcomes)})


def _measure_timing(
    context: WorkerContext, job: str, manifest: Manifest, document: Document, started: float
) -> dict[str, float]:
    """Return seconds by stage, `slots` (processes that read tiles) and the peak memory of each stage, in MB."""
    record, peaks = context.jobs.read_record(job)
    ended = time.time()
    stages = ("split", "recognize", "stitch")
    by_stage = {stage: [peak for process, peak in peaks.items() if process.startswith(stage)] for stage in stages}
    return {
        "wall": context.jobs.read_time() - manifest.request.submitted,
        "split": float(record.get("split_seconds", 0)),
        "stitch": ended - started,
        "slots": float(len(by_stage["recognize"])),
        **{f"peak_{stage}_mb": max(found, default=0.0) for stage, found in by_stage.items()},
    }
