"""How tiles are grouped into batches, how long a batch may take, and how the batches of a job are published.

A batch is what one message names. Splitting, recovery and the second pass group with the same rule: tiles are added in
their order until the batch weighs enough. Tiles weigh their pixels, regions of the second pass their lines.

    weight of a batch
        ^
    max |         .--------.          splitting knows the total weight, so that the first batches can be small and
        |     .-'          '-.        reach many workers at once, and the last ones small and end at nearly the same
        |  .-'                '-.     time; the others know no total, and all their batches weigh the same
        +--------------------------> tiles
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import Celery
from celery.canvas import Signature

from ocrfarm.errors import JobCancelled
from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import declare_queue
from ocrfarm.farm.context import WorkerContext
from ocrfarm.recognize.profiles import Profile
from ocrfarm.tile import Tile, TileId

if TYPE_CHECKING:
    from ocrfarm.farm.recovery.remaining import RemainingWork

TileBatch = tuple[TileId, ...]
"""Tiles that one message names; all are in the store before the batch is published."""

RAMP_UP, TAPER = 16, 24
"""A batch weighs at most 1/16 of what comes before it and 1/24 of what comes after it. With 32 workers and tiles of a
second, 1,936 tiles take 1.01 times their seconds divided by 32, where 65 equal batches take 1.08 times (calculated)."""

BATCH_OVERHEAD_SECONDS = 30.0
"""For what does not grow with the pixels: a store that is slow, a second detector that is loaded."""

SECONDS_PER_MEGAPIXEL = {"PP-OCRv6_tiny_rec": 5.0, "PP-OCRv5_mobile_rec": 10.0, "synthetic": 2.0}
"""Ten times what dense scans take on one core of 2020, so that a slow machine is not taken for a hanging engine."""

DEFAULT_SECONDS_PER_MEGAPIXEL = 20.0
"""Seconds per megapixel of every other model."""

_SOFT_LIMIT_FRACTION = 5 / 6
"""Of the hard limit: what is left is for putting the batch back."""


class TimeLimits(NamedTuple):
    """Seconds after which a task is interrupted (`soft`) and after which its process is killed (`hard`)."""

    soft: float
    hard: float


def count_pixels(tile: Tile) -> int:
    """Return the pixels of a tile that are read; a coarse tile has fewer than its box."""
    return tile.box.area >> 2 * tile.id.level


def iter_batches(tiles: Iterable[tuple[TileId | None, int]], *, max_weight: int, total: int = 0) -> Iterator[TileBatch]:
    """Group tiles into batches, each as soon as it weighs enough; the last one may weigh less.

    Args:
        tiles: The id and the weight of each tile. The id None stands for a tile with nothing to read: it is in no
            batch, but its weight counts as what comes before the later ones.
        max_weight: A batch is complete when it weighs this much.
        total: The weight of all tiles together, if it is known: the first and the last batches are small then.

    >>> tiles = [(TileId(0, 0, 0, col), 1) for col in range(5)]
    >>> [len(batch) for batch in iter_batches(tiles, max_weight=2)]
    [2, 2, 1]
    """
    batch: list[TileId] = []
    size = seen = 0
    for tile, weight in tiles:
        seen += weight
        if tile is None:
            continue
        batch.append(tile)
        size += weight
        if size >= (min(max_weight, (seen - size) // RAMP_UP, (total - seen) // TAPER) if total else max_weight):
            yield tuple(batch)
            batch, size = [], 0
    if batch:
        yield tuple(batch)


def max_tile_seconds(pixels: int, profile: Profile) -> float:
    """Return the seconds after which the engine counts as hanging.

    Args:
        pixels: How many pixels it reads.
        profile: Which model it reads them with.
    """
    return pixels / 1e6 * SECONDS_PER_MEGAPIXEL.get(profile.recognizer, DEFAULT_SECONDS_PER_MEGAPIXEL)


def batch_time_limits(pixels: int, profile: Profile, *, max_seconds: float) -> TimeLimits:
    """Return the time limits of a batch.

    Args:
        pixels: Pixels of all its tiles.
        profile: Which model they are read with.
        max_seconds: The hard limit of any batch.
    """
    hard = min(max_seconds, (BATCH_OVERHEAD_SECONDS + max_tile_seconds(pixels, profile)) / _SOFT_LIMIT_FRACTION)
    return TimeLimits(round(hard * _SOFT_LIMIT_FRACTION, 1), round(hard, 1))


class BatchMessages:
    """Makes the recognize tasks of a job: each for its model's queue, with its own time limits."""

    def __init__(self, app: Celery, context: WorkerContext, job: str, *, generation: protocol.Generation) -> None:
        """Read the regions, if the batches hold those of the second pass.

        Args:
            app: The app that publishes.
            context: The store.
            job: The job's id.
            generation: The chord of the tasks.
        """
        self._app, self._context, self._job, self._generation = app, context, job, generation
        regions = context.load_regions(job) if generation.is_second_pass else ()
        self._regions = {region.tile.id: region.tile for region in regions}

    def make(self, index: int, batch: TileBatch) -> Signature[Any]:
        """Return the task of a batch.

        Args:
            index: The batch's number in its chord.
            batch: Its tiles, which must be in the store.
        """
        manifest = self._context.load_manifest(self._job)  # which a splitter has only stored before its first batch
        profile = manifest.request.profile.second_pass_profile if self._regions else manifest.request.profile
        tiles = [self._regions[name] for name in batch] if self._regions else manifest.select_tiles(batch)
        longest = self._context.settings.task_limits.batch_time_limit
        soft, hard = batch_time_limits(sum(map(count_pixels, tiles)), profile, max_seconds=longest)
        queue = protocol.recognize_queue(profile.recognizer)
        declare_queue(self._app, queue)
        return self._app.signature(
            protocol.RECOGNIZE,
            protocol.batch_args(self._job, batch),
            task_id=protocol.batch_id(self._job, index, generation=self._generation),
            queue=queue,
            priority=manifest.priority,
            soft_time_limit=soft,
            time_limit=hard,
        )


class BatchChord:
    """A chord whose header is published task by task, and whose callback is the task stitch.

    The messages are those of Celery's own `chord`, which would have to be handed the whole header, or a generator of
    ours that it drains while it publishes. Redis must know the chord's size before its last task can end, so one batch
    is held back until the next one follows. All ids are fixed: a second delivery of the same message repeats the same
    messages, and the chord counts each once.
    """

    def __init__(self, app: Celery, job: str, *, generation: protocol.Generation) -> None:
        """Publish nothing yet.

        Args:
            app: The app that publishes.
            job: The job's id.
            generation: Tells this chord from others of the job.
        """
        self._app, self._id = app, protocol.chord_id(job, generation)
        self._callback = app.signature(protocol.STITCH, protocol.job_args(job), immutable=True)
        self._callback.freeze(protocol.stitch_id(job, generation), group_id=self._id)
        self._held: Signature[Any] | None = None
        self._size = 0

    def add(self, task: Signature[Any]) -> None:
        """Publish the task before this one, and hold this one back."""
        if self._held:
            self._held.apply_async(add_to_parent=False)
        header: Any = task  # whose stubs take a chord for its callback
        header.freeze(group_id=self._id, chord=self._callback, group_index=self._size)
        self._held = task
        self._size += 1

    def finish(self) -> None:
        """Publish the last task, or the callback if there was none."""
        if not self._held:
            self._callback.apply_async()
            return
        backend: Any = self._app.backend  # whose stubs know no chords
        backend.set_chord_size(self._id, self._size)
        self._held.apply_async(add_to_parent=False)


def requeue(app: Celery, context: WorkerContext, *, job: str, work: "RemainingWork") -> None:
    """Publish what a job still needs, and nothing else.

    Args:
        app: The app that publishes.
        context: The store and the job states.
        job: The job's id.
        work: What it needs. Its batches are published one by one, each as soon as it exists, while the image is still
            being decoded.
    """
    if work.awaits_image:
        return
    if work.needs_split:
        task_id = protocol.split_id(job)
        app.signature(protocol.SPLIT, protocol.job_args(job), task_id=task_id, ignore_result=True).apply_async()
        return
    generation = protocol.Generation(context.jobs.recovery.get_generation(job), work.is_second_pass)
    messages = BatchMessages(app, context, job, generation=generation)
    published = BatchChord(app, job, generation=generation)
    for index, batch in enumerate(work.batches):
        if context.jobs.has_ended(job):
            raise JobCancelled(f"job {job} ended while it was split")
        if not index:
            context.jobs.update(job, state="recognizing")
        published.add(messages.make(index, batch))
    published.finish()
