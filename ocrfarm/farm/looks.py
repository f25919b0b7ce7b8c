"""The second look: places that the first stitching doubts are cut from the stored tiles and read in a second wave.

A look that cannot be read leaves a dead letter like any tile, but costs nothing: the first reading stands.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain

from ocrfarm.errors import EngineBroke, InputError, ObjectNotFound
from ocrfarm.farm.letters import Letter, bury
from ocrfarm.farm.services import Services
from ocrfarm.farm.tries import put_readings
from ocrfarm.geometry import Box
from ocrfarm.image import Pixels, decode_tile
from ocrfarm.pipeline import Outcome, read_again
from ocrfarm.recognize import Profile
from ocrfarm.storage import keys
from ocrfarm.tile import LOOK, Look, Reading, Tile, TileId, looks_from_bytes, looks_to_bytes, readings_from_bytes

DOWNLOADS = 16
"""Threads that fetch what looks brought: a few hundred bytes each, so the time is all waiting."""

BATCH = 4
"""Lines that one message asks for at least, as long as there are more: their places lie near one another and share
tiles, which are fetched once."""

TILES = 4
"""Tiles that are kept, as they are stored, while a batch is read: those round one corner."""


def is_look(batch: Sequence[TileId]) -> bool:
    """Say whether a batch names places of a second look."""
    return any(tile.part == LOOK for tile in batch)


def stored_looks(services: Services, job: str) -> tuple[Look, ...]:
    """Give the places that the job's first stitching doubted; `ObjectNotFound` before that."""
    return looks_from_bytes(services.store.get(keys.looks(job)))


def second_look(
    services: Services, job: str, *, outcomes: Sequence[Outcome], profile: Profile
) -> tuple[tuple[TileId, ...], ...]:
    """Give each outcome what its looks brought; give the batches of those that nobody has read yet, if any.

    Which places are looked at is decided once and stored, before any of them is read.
    """
    try:
        looks = stored_looks(services, job)
    except ObjectNotFound:
        looks = tuple(chain.from_iterable(outcome.looks(profile.cascade) for outcome in outcomes))
        services.store.put(keys.looks(job), looks_to_bytes(looks))
    unread = []
    with ThreadPoolExecutor(DOWNLOADS) as threads:
        for look, readings in zip(looks, threads.map(partial(_found, services, job), looks), strict=True):
            outcome = outcomes[look.tile.id.page]
            if readings is None:
                unread.append((outcome.showing(look)[0].id, look))
            elif readings:
                outcome.again += [(look, reading) for reading in readings if reading.tile == look.tile]
            else:
                outcome.missed.append(look)
    return tuple(_messages([look for _, look in sorted(unread, key=lambda each: (each[0], each[1].tile.id))]))


def _messages(looks: Iterable[Look]) -> Iterator[tuple[TileId, ...]]:
    """Gather places, in this order, until they have lines enough."""
    names: list[TileId] = []
    lines = 0
    for look in looks:
        names.append(look.tile.id)
        lines += len(look.lines)
        if lines >= BATCH:
            yield tuple(names)
            names, lines = [], 0
    if names:
        yield tuple(names)


def _found(services: Services, job: str, look: Look) -> tuple[Reading, ...] | None:
    """Give what a look brought, nothing where it was given up; None where nobody has read it yet."""
    try:
        return readings_from_bytes(services.store.get(keys.fragments(job, look.tile.id)))
    except ObjectNotFound:
        return () if services.store.exists(keys.dead(job, look.tile.id)) else None


def read_looks(services: Services, job: str, *, batch: Sequence[TileId]) -> int:
    """Read the places that nobody has read yet; give how many. StoreError, BrokerError and OutOfTime pass through."""
    desk = _Desk(services, job)
    looks = {look.tile.id: look for look in stored_looks(services, job)}
    return sum(desk.read(looks[name]) for name in batch)


class _Desk:
    """Reads places of one job, one after the other."""

    def __init__(self, services: Services, job: str) -> None:
        self._services, self._job = services, job
        self._manifest = services.manifest(job)
        self._profile = self._manifest.request.profile.strong
        self._engine = services.engine(self._profile)
        self._tile = lru_cache(TILES)(self._fetch)
        self._page = lru_cache(1)(self._planned)

    def read(self, look: Look) -> bool:
        """Read and store one place; False where that is done, given up, or its job has ended."""
        name, attempts = str(look.tile.id), self._services.progress.attempts
        turn = attempts.look(self._job, name)
        if turn.ended or self._services.store.exists(keys.fragments(self._job, name)):
            return False
        if turn.attempts >= self._services.settings.work.attempts:
            return self._give_up(look, f"took its worker down or all its time, {turn.attempts} times", turn.attempts)
        attempts.begin(self._job, name)
        try:
            if not (shown := self._shown(look)):
                return self._give_up(look, "no tile shows it any more", turn.attempts + 1)
            reading = read_again(self._engine, look, shown=shown, profile=self._profile)
        except (EngineBroke, MemoryError) as error:
            return self._give_up(look, str(error) or "there was not enough memory", turn.attempts + 1)
        if counts := put_readings(self._services, self._job, tile=look.tile, readings=(reading,)):
            self._services.progress.meters.add(counts)
        attempts.forgive(self._job, name)
        return True

    def _give_up(self, look: Look, reason: str, attempts: int) -> bool:
        bury(self._services, self._job, tile=look.tile.id, letter=Letter(f"look {look.tile.id}: {reason}", attempts))
        return False

    def _shown(self, look: Look) -> list[tuple[Box, Pixels]]:
        """Give the stored tiles that show a part of the place."""
        showing = self._page(look.tile.id.page).showing(look)
        return list(chain.from_iterable(self._part(tile, look.tile.box) for tile in showing))

    def _part(self, tile: Tile, box: Box) -> Iterator[tuple[Box, Pixels]]:
        """Give what a stored tile shows of a box; nothing where it was blank or cannot be decoded."""
        common, data = tile.box.intersection(box), self._tile(tile.id)
        if common and data:
            with suppress(InputError):
                yield common, decode_tile(data, common.shifted(-tile.box.x0, -tile.box.y0))

    def _planned(self, page: int) -> Outcome:
        """Give a page with its tiles, of which nothing is known yet."""
        return Outcome(self._manifest.pages[page], tuple(tile for tile in self._manifest.tiles if tile.id.page == page))

    def _fetch(self, tile: TileId) -> bytes | None:
        """Give a stored tile; None where it was blank, which the manifest may not know yet."""
        try:
            return self._services.store.get(keys.tile(self._job, tile))
        except ObjectNotFound:
            return None
