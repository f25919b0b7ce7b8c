"""How one tile is read: whole; where that gave trouble, in parts; then by the light model; then not at all.

A tile is whole at its first try, and at its second if its worker died for no known reason, which is rarely the tile's
fault. Where the engine broke on it, or it took all its time, its parts are tried one by one, each by the job's model
and then by the light one. No pixel is tried more often than the setting `attempts` says.
"""

import time
from dataclasses import dataclass, replace

from ocrfarm.errors import EngineFailed, ObjectNotFound, OcrfarmError, TaskTimeLimit
from ocrfarm.farm.batching import count_pixels, max_tile_seconds
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.dead_letters import DeadLetter, parse_reason, store_dead_letter
from ocrfarm.farm.metrics import count_results
from ocrfarm.image import Pixels
from ocrfarm.pipeline import recognize_tile
from ocrfarm.recognize import Engine, Profile, find_profile
from ocrfarm.recognize.tile_reader import crop_tile_part
from ocrfarm.split.tiling import split_tile
from ocrfarm.storage import layout
from ocrfarm.tile import Tile, TileResult, tile_results_to_bytes

MAX_WHOLE_ATTEMPTS = 2
"""Times that a tile is tried whole, as long as nothing but the death of its worker speaks against it."""


@dataclass(frozen=True, slots=True)
class TileInput:
    """A tile's pixels, and how often others began with it and had trouble."""

    pixels: Pixels
    attempts: int = 0
    failures: int = 0


class RetryingReader:
    """Reads the tiles of one job, one after the other."""

    def __init__(self, context: WorkerContext, job: str, profile: Profile) -> None:
        self._context, self._job, self._profile = context, job, profile
        self._engine = context.load_engine(profile)

    def read_tile(self, tile: Tile, fetched: TileInput) -> tuple[TileResult, ...]:
        """Give what is on a whole tile; nothing where its parts were read, stored and settled instead."""
        attempts, name = fetched.attempts, str(tile.id)
        if not fetched.failures and attempts < MAX_WHOLE_ATTEMPTS:
            try:
                return self._attempt(tile, fetched.pixels, retries=attempts)
            except (EngineFailed, MemoryError):
                self._context.jobs.attempts.record_failure(self._job, name)
                attempts += 1
        self._read_parts(tile, fetched.pixels, attempts)
        return ()

    def _record_timeout(self, tile: Tile, seconds: float) -> None:
        """Blame a tile if it had all the time that its pixels may take; a batch may also be slow as a whole."""
        attempts = self._context.jobs.attempts
        if seconds >= self._max_seconds(tile):
            attempts.record_failure(self._job, str(tile.id))
        else:
            attempts.reset(self._job, str(tile.id))

    def _max_seconds(self, tile: Tile) -> float:
        return min(
            max_tile_seconds(count_pixels(tile), self._profile), self._context.settings.task_limits.batch_time_limit / 2
        )

    def _attempt(
        self, tile: Tile, pixels: Pixels, *, retries: int, use_fallback: bool = False
    ) -> tuple[TileResult, ...]:
        self._context.jobs.attempts.start(self._job, str(tile.id))
        since = time.monotonic()
        try:
            engine, profile = self._load_fallback() if use_fallback else (self._engine, self._profile)
            readings = recognize_tile(engine, tile, pixels=pixels, profile=profile)
            return tuple(replace(reading, retries=retries) for reading in readings)
        except (TaskTimeLimit, KeyboardInterrupt):
            self._record_timeout(tile, time.monotonic() - since)
            raise

    def _read_parts(self, tile: Tile, pixels: Pixels, attempts: int) -> None:
        parts = split_tile(tile, self._profile.tiling.overlap)
        letters = [self._read_part(part, tile, pixels, attempts_used=attempts) for part in parts]
        letters = letters or [self._read_part(tile, tile, pixels, attempts_used=0)]  # too small to be cut
        if lost := [letter for letter in letters if letter]:
            store_dead_letter(self._context, self._job, tile=tile.id, letter=lost[0])
        else:
            self._context.jobs.mark_tile_done(self._job, str(tile.id))

    def _read_part(self, part: Tile, tile: Tile, pixels: Pixels, *, attempts_used: int) -> DeadLetter | None:
        """Read and store a part; where that cannot be, store its dead letter and give it."""
        if self._context.store.exists(layout.fragments(self._job, part.id)):
            return None
        if part != tile and (letter := self._find_dead_letter(part)):
            return letter
        try:
            readings = self._attempt_part(part, crop_tile_part(pixels, tile, part=part), attempts_used)
        except EngineFailed as error:
            letter = DeadLetter(
                str(error), attempts_used + self._context.jobs.attempts.get_state(self._job, str(part.id)).attempts
            )
            if part != tile:
                store_dead_letter(self._context, self._job, tile=part.id, letter=letter)
            return letter
        self._context.jobs.attempts.reset(self._job, str(part.id))  # before the store may prove to be away
        if counts := store_results(self._context, self._job, tile=part, readings=readings):
            self._context.jobs.metrics.add(counts)
        return None

    def _attempt_part(self, part: Tile, pixels: Pixels, attempts_used: int) -> tuple[TileResult, ...]:
        """Try by the job's model, then by the light one, as often as is left; `EngineFailed` when none can."""
        before = self._context.jobs.attempts.get_state(self._job, str(part.id)).attempts
        problem: Exception = EngineFailed(
            f"tile {part.id}: took its worker down or all its time, {attempts_used + before} times"
        )
        for attempt in range(before, self._context.settings.task_limits.max_attempts - attempts_used):
            try:
                return self._attempt(part, pixels, retries=attempts_used + attempt, use_fallback=attempt > 0)
            except (EngineFailed, MemoryError) as error:
                problem = error
        raise EngineFailed(str(problem) or f"tile {part.id}: there was not enough memory") from problem

    def _load_fallback(self) -> tuple[Engine, Profile]:
        """Give the engine of the light models, or the job's own where this worker cannot load them."""
        light = replace(find_profile("fast"), tiling=self._profile.tiling, runtime=self._profile.runtime)
        try:
            return self._context.load_engine(light), light
        except OcrfarmError:
            return self._engine, self._profile

    def _find_dead_letter(self, part: Tile) -> DeadLetter | None:
        try:
            return DeadLetter(parse_reason(self._context.store.get(layout.dead_letter(self._job, part.id))))
        except ObjectNotFound:
            return None


def store_results(
    context: WorkerContext, job: str, *, tile: Tile, readings: tuple[TileResult, ...]
) -> dict[str, int] | None:
    """Store what was read; None where the job has ended, else what has to be counted.

    Somebody else's fragments of the same tile are as good, and have been counted.
    """
    if context.jobs.has_ended(job):
        return None
    won = context.store.put(layout.fragments(job, tile.id), tile_results_to_bytes(readings), if_absent=True)
    return count_results(readings) if won else {}
