"""How one tile is read: whole; where that gave trouble, in parts; then by the light model; then not at all.

A tile is whole at its first try, and at its second if its worker died for no known reason, which is rarely the tile's
fault. Where the engine broke on it, or it took all its time, its parts are tried one by one, each by the job's model
and then by the light one. No pixel is tried more often than the setting `attempts` says.
"""

import time
from dataclasses import dataclass, replace

from ocrfarm.errors import EngineBroke, ObjectNotFound, OcrfarmError, OutOfTime
from ocrfarm.farm.budget import pixels_of, tile_seconds
from ocrfarm.farm.letters import Letter, bury, reason_in
from ocrfarm.farm.meters import of_readings
from ocrfarm.farm.services import Services
from ocrfarm.image import Pixels
from ocrfarm.pipeline import read_pixels
from ocrfarm.recognize import Engine, Profile, find_profile
from ocrfarm.recognize.read import cut_part
from ocrfarm.split.plan import quarter
from ocrfarm.storage import keys
from ocrfarm.tile import Reading, Tile, readings_to_bytes

WHOLE = 2
"""Times that a tile is tried whole, as long as nothing but the death of its worker speaks against it."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A tile's pixels, and how often others began with it and had trouble."""

    pixels: Pixels
    attempts: int = 0
    troubles: int = 0


class Reader:
    """Reads the tiles of one job, one after the other."""

    def __init__(self, services: Services, job: str, profile: Profile) -> None:
        self._services, self._job, self._profile = services, job, profile
        self._engine = services.engine(profile)

    def read(self, tile: Tile, fetched: Fetched) -> tuple[Reading, ...]:
        """Give what is on a whole tile; nothing where its parts were read, stored and settled instead."""
        attempts, name = fetched.attempts, str(tile.id)
        if not fetched.troubles and attempts < WHOLE:
            try:
                return self._try(tile, fetched.pixels, retries=attempts)
            except (EngineBroke, MemoryError):
                self._services.progress.attempts.blame(self._job, name)
                attempts += 1
        self._read_parts(tile, fetched.pixels, attempts)
        return ()

    def _blame(self, tile: Tile, seconds: float) -> None:
        """Blame a tile if it had all the time that its pixels may take; a batch may also be slow as a whole."""
        attempts = self._services.progress.attempts
        if seconds >= self._patience(tile):
            attempts.blame(self._job, str(tile.id))
        else:
            attempts.forgive(self._job, str(tile.id))

    def _patience(self, tile: Tile) -> float:
        return min(tile_seconds(pixels_of(tile), self._profile), self._services.settings.work.recognize_seconds / 2)

    def _try(self, tile: Tile, pixels: Pixels, *, retries: int, light: bool = False) -> tuple[Reading, ...]:
        self._services.progress.attempts.begin(self._job, str(tile.id))
        since = time.monotonic()
        try:
            engine, profile = self._light() if light else (self._engine, self._profile)
            readings = read_pixels(engine, tile, pixels=pixels, profile=profile)
            return tuple(replace(reading, retries=retries) for reading in readings)
        except (OutOfTime, KeyboardInterrupt):
            self._blame(tile, time.monotonic() - since)
            raise

    def _read_parts(self, tile: Tile, pixels: Pixels, attempts: int) -> None:
        parts = quarter(tile, self._profile.tiling.overlap)
        letters = [self._read_part(part, tile, pixels, used=attempts) for part in parts]
        letters = letters or [self._read_part(tile, tile, pixels, used=0)]  # too small to be cut
        if lost := [letter for letter in letters if letter]:
            bury(self._services, self._job, tile=tile.id, letter=lost[0])
        else:
            self._services.progress.settle(self._job, str(tile.id))

    def _read_part(self, part: Tile, tile: Tile, pixels: Pixels, *, used: int) -> Letter | None:
        """Read and store a part; where that cannot be, store its dead letter and give it."""
        if self._services.store.exists(keys.fragments(self._job, part.id)):
            return None
        if part != tile and (letter := self._buried(part)):
            return letter
        try:
            readings = self._tried(part, cut_part(pixels, tile, part=part), used)
        except EngineBroke as error:
            letter = Letter(str(error), used + self._services.progress.attempts.look(self._job, str(part.id)).attempts)
            if part != tile:
                bury(self._services, self._job, tile=part.id, letter=letter)
            return letter
        self._services.progress.attempts.forgive(self._job, str(part.id))  # before the store may prove to be away
        if counts := put_readings(self._services, self._job, tile=part, readings=readings):
            self._services.progress.meters.add(counts)
        return None

    def _tried(self, part: Tile, pixels: Pixels, used: int) -> tuple[Reading, ...]:
        """Try by the job's model, then by the light one, as often as is left; `EngineBroke` when none can."""
        before = self._services.progress.attempts.look(self._job, str(part.id)).attempts
        problem: Exception = EngineBroke(f"tile {part.id}: took its worker down or all its time, {used + before} times")
        for attempt in range(before, self._services.settings.work.attempts - used):
            try:
                return self._try(part, pixels, retries=used + attempt, light=attempt > 0)
            except (EngineBroke, MemoryError) as error:
                problem = error
        raise EngineBroke(str(problem) or f"tile {part.id}: there was not enough memory") from problem

    def _light(self) -> tuple[Engine, Profile]:
        """Give the engine of the light models, or the job's own where this worker cannot load them."""
        light = replace(find_profile("fast"), tiling=self._profile.tiling, runtime=self._profile.runtime)
        try:
            return self._services.engine(light), light
        except OcrfarmError:
            return self._engine, self._profile

    def _buried(self, part: Tile) -> Letter | None:
        try:
            return Letter(reason_in(self._services.store.get(keys.dead(self._job, part.id))))
        except ObjectNotFound:
            return None


def put_readings(services: Services, job: str, *, tile: Tile, readings: tuple[Reading, ...]) -> dict[str, int] | None:
    """Store what was read; None where the job has ended, else what has to be counted.

    Somebody else's fragments of the same tile are as good, and have been counted.
    """
    if services.progress.ended(job):
        return None
    won = services.store.put(keys.fragments(job, tile.id), readings_to_bytes(readings), if_absent=True)
    return of_readings(readings) if won else {}
