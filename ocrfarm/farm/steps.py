"""What each task does: read from the store, one call of the pipeline's steps, write to the store. Knows no Celery."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Semaphore

from ocrfarm.cores import usable_cores
from ocrfarm.document import Document
from ocrfarm.errors import InputError, ObjectNotFound
from ocrfarm.farm.budget import Batch, in_batches, pixels_of
from ocrfarm.farm.letters import Letter, bury, reason_in
from ocrfarm.farm.looks import second_look
from ocrfarm.farm.manifest import Manifest, Request
from ocrfarm.farm.orphans import scratch_folder
from ocrfarm.farm.services import Services
from ocrfarm.farm.tries import Fetched, Reader, put_readings
from ocrfarm.image import Limits, Pixels, Source, decode_tile, encode_tile, map_ahead, open_source
from ocrfarm.pipeline import Outcome, cut_page, fitted, plan_pages
from ocrfarm.recognize import Profile
from ocrfarm.result import document_from_json, write_document
from ocrfarm.storage import keys
from ocrfarm.tile import Reading, Tile, TileId, readings_from_bytes

UPLOADS = 8
"""Threads that encode and store tiles; one tile more than this, 12.6 MB each at a side of 2048, is in memory."""

_ENCODING = Semaphore(max(usable_cores() - 1, 1))
"""Tiles that are encoded at a time: one core is the decoder's, which all the others wait for."""

DOWNLOADS = 16
"""Threads that fetch fragments: a few kilobytes each, so the time is all waiting."""


def split(services: Services, job: str) -> Generator[Batch, None, None]:
    """Cut the job's picture: the manifest is stored first, then each batch is given out when its tiles are stored.

    `InputError` where the picture cannot be decoded, perhaps after some batches.
    """
    store, started = services.store, time.time()
    request = Request.from_bytes(store.get(keys.request(job)))
    services.progress.change(job, state="splitting", started=started)
    with scratch_folder() as folder, _named(request.name, folder) as path:
        store.get_file(keys.source(job), path)
        source = open_source(path, Limits(**services.settings.limits.given), scope=request.scope)
        request = replace(request, profile=fitted(source, request.profile))
        tiles = plan_pages(source, request.profile, scope=request.scope)
        every = tuple(tile for page in tiles for tile in page)
        manifest = Manifest(request, source.pages, every, leaves=source.leaves)
        store.put(keys.manifest(job), manifest.to_bytes())
        pixels = sum(size.area for size in source.pages)
        services.progress.change(job, state="recognizing", tiles=len(manifest.tiles), pixels=pixels)
        blank: set[TileId] = set()
        total, most = sum(map(pixels_of, manifest.tiles)), services.settings.work.batch_pixels
        yield from in_batches(_stored(services, job, source, tiles), total, most=most, blank=blank)
    store.put(keys.manifest(job), replace(manifest, blank=frozenset(blank)).to_bytes())
    services.note_peak(job, "split")
    services.progress.change(job, blank=len(blank), split=time.time() - started)
    services.progress.meters.split(blank=len(blank), seconds=time.time() - started)


@contextmanager
def _named(name: str, folder: Path) -> Iterator[Path]:
    """Give the path for the picture; errors about it speak of the name that its owner knows."""
    path = folder / "source"
    try:
        yield path
    except InputError as error:
        raise type(error)(str(error).replace(str(path), name)) from error


def _stored(
    services: Services, job: str, source: Source, pages: Iterable[tuple[Tile, ...]]
) -> Iterator[tuple[Tile, bool]]:
    """Decode page after page; give each tile once it is stored, and whether it is blank and was not."""
    for number, tiles in enumerate(pages):
        raster = source.page(number)
        yield from map_ahead(partial(_store_tile, services, job), cut_page(raster, tiles), threads=UPLOADS)
        services.store.put(keys.overview(job, number), encode_tile(raster.overview()))


def _store_tile(services: Services, job: str, cut: tuple[Tile, Pixels | None]) -> tuple[Tile, bool]:
    tile, pixels = cut
    if pixels is None:
        return tile, True
    with _ENCODING:
        encoded = encode_tile(pixels)
    services.store.put(keys.tile(job, tile.id), encoded)
    return tile, False


def recognize(
    services: Services, job: str, *, batch: Batch, gives_way: Callable[[], bool] = lambda: False
) -> tuple[int, bool]:
    """Read the tiles that nobody has read yet; give how many were read now, and whether the batch is done.

    While the engine works, the next tile is fetched and the last one's fragments are stored. A tile that cannot be read
    becomes a dead letter and the batch goes on. Where it `gives_way` after a tile, the rest of the batch is left.
    StoreError and BrokerError pass through, and `OutOfTime`.
    """
    manifest = services.manifest(job)
    reader = Reader(services, job, manifest.request.profile)
    writes: list[Future[None]] = []
    done = True
    with ThreadPoolExecutor(2) as threads:
        for tile, fetched in _ahead(threads, manifest.pick(batch), partial(_fetch, services, job)):
            if fetched and (readings := reader.read(tile, fetched)):
                writes.append(threads.submit(_write, services, job, tile, readings))
            if fetched and tile.id != batch[-1] and gives_way():
                done = False
                break
    for write in writes:
        write.result()
    services.note_peak(job, "recognize")
    return len(writes), done


def _ahead(
    threads: ThreadPoolExecutor, tiles: list[Tile], fetch: Callable[[Tile], Fetched | None]
) -> Iterator[tuple[Tile, Fetched | None]]:
    """Give each tile with what was fetched for it, the next one already on its way."""
    coming: deque[Future[Fetched | None]] = deque(threads.submit(fetch, tile) for tile in tiles[:1])
    for tile, following in zip(tiles, [*tiles[1:], None], strict=True):
        fetched = coming.popleft().result()
        if following:
            coming.append(threads.submit(fetch, following))
        yield tile, fetched


def _fetch(services: Services, job: str, tile: Tile) -> Fetched | None:
    """Give the pixels; None where the tile needs no work: it is read, given up, or its job has ended."""
    turn = services.progress.attempts.look(job, str(tile.id))
    if turn.ended or turn.settled:
        return None
    # Whoever stored it has begun with it, and may have died before it was counted.
    if (turn.attempts or not turn.known) and services.store.exists(keys.fragments(job, tile.id)):
        services.progress.settle(job, str(tile.id))
        return None
    if turn.attempts >= services.settings.work.attempts:
        reason = f"tile {tile.id}: took its worker down or all its time, {turn.attempts} times"
        bury(services, job, tile=tile.id, letter=Letter(reason, turn.attempts))
        return None
    try:
        return Fetched(decode_tile(services.store.get(keys.tile(job, tile.id))), turn.attempts, turn.troubles)
    except (InputError, ObjectNotFound) as error:
        bury(services, job, tile=tile.id, letter=Letter(str(error), turn.attempts))
        return None
    except MemoryError:
        services.progress.attempts.begin(job, str(tile.id))
        raise


def _write(services: Services, job: str, tile: Tile, readings: tuple[Reading, ...]) -> None:
    """Store what was read, then count it."""
    counts = put_readings(services, job, tile=tile, readings=readings)
    if counts is not None:
        services.progress.settle(job, str(tile.id), counts=counts)


def stitch(services: Services, job: str) -> tuple[Batch, ...]:
    """Put the job's pages together from what is in the store, store the document and end the job; repeating is safe.

    Where the first readings leave places in doubt, their batches are given instead: once these are read, or given up,
    the next call ends the job.
    """
    progress, started = services.progress, time.time()
    try:
        document = document_from_json(services.store.get(keys.result(job)))
    except ObjectNotFound:
        progress.change(job, state="stitching")
        manifest = Manifest.from_bytes(services.store.get(keys.manifest(job)))
        outcomes = _outcomes(services, job, manifest)
        if unread := second_look(services, job, outcomes=outcomes, profile=manifest.request.profile):
            progress.change(job, state="recognizing")
            return unread
        document = _assemble(outcomes, manifest.request.profile)
        services.note_peak(job, "stitch")
        timing = _timing(services, job, manifest, document, started)
        document = replace(document, timing={**document.timing, **timing})
        _put_result(services, job, document)
        progress.meters.stitched(lines=document.lines, seconds=document.timing["stitch"])
    progress.change(job, **_end(document))
    return ()


def _put_result(services: Services, job: str, document: Document) -> None:
    with scratch_folder() as folder:
        path = folder / "result"
        with path.open("wb") as file:
            write_document(document, file)
        services.store.put_file(keys.result(job), path)


def _end(document: Document) -> dict[str, str | float]:
    """Give what the job's record says from now on; the sets of tiles are forgotten before it is."""
    coverages = [page.coverage for page in document.pages]
    counts = {"done": sum(each.read for each in coverages), "failed": sum(each.failed for each in coverages)}
    return {"state": "complete" if document.complete else "partial", "finished": time.time(), **counts}


def _outcomes(services: Services, job: str, manifest: Manifest) -> list[Outcome]:
    """Give what became of the tiles of every page."""
    outcomes = []
    with ThreadPoolExecutor(DOWNLOADS) as threads:
        for number, size in enumerate(manifest.pages):
            tiles = tuple(tile for tile in manifest.tiles if tile.id.page == number)
            blank = {tile.id for tile in tiles} & manifest.blank
            outcome = Outcome(size, tiles, blank=blank, scope=manifest.request.scope, leaf=manifest.leaves[number])
            wanted = [tile.id for tile in tiles if tile.id not in blank]
            for tile_id, found in zip(wanted, threads.map(partial(_found, services, job), wanted), strict=True):
                outcome.readings += found.readings
                if found.reason:
                    outcome.failed[tile_id] = found.reason
            outcomes.append(outcome)
    return outcomes


def _assemble(outcomes: Sequence[Outcome], profile: Profile) -> Document:
    pages = tuple(outcome.assemble(profile) for outcome in outcomes)
    return Document(pages, {"engine": sum(outcome.engine_seconds for outcome in outcomes)})


@dataclass(frozen=True, slots=True)
class Found:
    """What the store has of a tile, and why it has not all of it."""

    readings: tuple[Reading, ...] = ()
    reason: str = ""


def _found(services: Services, job: str, tile: TileId) -> Found:
    """Give the fragments of the tile, or those of its parts and why there are no more."""
    try:
        return Found(readings_from_bytes(services.store.get(keys.fragments(job, tile))))
    except ObjectNotFound:
        pass
    parts: tuple[Reading, ...] = ()
    for number in range(4):
        with suppress(ObjectNotFound):
            parts += readings_from_bytes(services.store.get(keys.fragments(job, replace(tile, part=str(number)))))
    try:
        return Found(parts, reason_in(services.store.get(keys.dead(job, tile))))
    except ObjectNotFound:
        return Found(parts, "" if parts else "no worker has read it")


def _timing(services: Services, job: str, manifest: Manifest, document: Document, started: float) -> dict[str, float]:
    """Give seconds by stage, `slots` (processes that read tiles) and the peak megabytes of each stage's processes."""
    record, peaks = services.progress.details(job)
    ended = time.time()
    stages = ("split", "recognize", "stitch")
    by_stage = {stage: [peak for process, peak in peaks.items() if process.startswith(stage)] for stage in stages}
    return {
        "wall": ended - manifest.request.submitted,
        "split": float(record.get("split", 0)),
        "stitch": ended - started,
        "slots": float(len(by_stage["recognize"])),
        **{f"peak_{stage}_mb": max(found, default=0.0) for stage, found in by_stage.items()},
    }
