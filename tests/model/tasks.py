"""The steps of each process, in the order of the calls to the store and to the broker in `ocrfarm.farm`.

Between two steps anything may happen: another process goes on, this one dies, a service goes back in time. A step
returns the farm after it. `STORE_STEPS` names the steps that call the store.
"""

from collections.abc import Callable, Mapping

from ocrfarm.farm.retries import Decision, TilePolicy
from tests.model import edits
from tests.model.edits import leave, move
from tests.model.real_store import find_remaining
from tests.model.state import (
    BLANK,
    FIRST,
    MAX_ATTEMPTS,
    MAX_REQUEUES,
    REGION,
    SECOND,
    SPLIT_TRIES,
    STITCH_TRIES,
    TEXT,
    Chord,
    Document,
    Farm,
    Kind,
    Rules,
    Run,
    Task,
)

Step = Callable[[Rules, Farm, Run], Farm]

_POLICY = TilePolicy(MAX_ATTEMPTS)


def _start_counted(farm: Farm, run: Run, item: str) -> Farm:
    """Count the attempt at a task, unless its job has ended."""
    if edits.has_ended(farm):
        return leave(farm, run)
    attempt = edits.get_tries(farm.broker, item) + 1
    if attempt > MAX_ATTEMPTS:
        return leave(edits.fail(farm, f"{item} lost its worker too often"), run)
    return move(edits.set_tries(farm, item, attempt), run, 1)


# --- split


def _split_start(rules: Rules, farm: Farm, run: Run) -> Farm:
    return _start_counted(farm, run, SPLIT_TRIES)


def _split_plan(rules: Rules, farm: Farm, run: Run) -> Farm:
    if not (farm.store.request and farm.store.source):
        return leave(edits.fail(farm, "the image is not there"), run)
    manifest = 1 if rules.second_split_overwrites_manifest else max(1, farm.store.manifest)
    farm = edits.update(edits.edit_store(farm, manifest=manifest), "recognizing")
    return move(farm, run, 2, farm.broker.generation)


def _split_tiles(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Store both tiles; the batch of the first is published, and that of the second is held back."""
    if edits.has_ended(farm):
        return leave(farm, run)
    farm = edits.edit_store(farm, cut=TEXT)
    return move(edits.publish(farm, Task(Kind.BATCH, _generation(run), FIRST)), run, 3)


def _split_overview(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(farm, overview=True), run, 4)


def _split_blanks(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(farm, manifest=2), run, 5)


def _split_last_batch(rules: Rules, farm: Farm, run: Run) -> Farm:
    if edits.has_ended(farm):
        return leave(farm, run)
    farm = edits.set_chord(farm, edits.get_chord(farm.broker, _generation(run))._replace(size=2))
    return move(edits.publish(farm, Task(Kind.BATCH, _generation(run), SECOND)), run, 6)


def _split_end(rules: Rules, farm: Farm, run: Run) -> Farm:
    return leave(edits.set_tries(farm, SPLIT_TRIES, 0), run)


def swallow_split_error(farm: Farm, run: Run) -> Farm:
    """End a split whose second batch met an error as if there were no second batch, as Celery's chord did."""
    farm = edits.set_chord(farm, edits.get_chord(farm.broker, _generation(run))._replace(size=1))
    return _split_end(Rules(), edits.publish(farm, Task(Kind.BATCH, _generation(run), FIRST)), run)


def _generation(run: Run) -> int:
    return int(str(run.memory[0]))


# --- recognize


def _batch_start(rules: Rules, farm: Farm, run: Run) -> Farm:
    bit, broker = run.task.bit, farm.broker
    tries = edits.get_tries(broker, str(bit))
    if edits.has_ended(farm) or broker.done & bit:
        return move(farm, run, 3)
    if (tries or not broker.state or bit == REGION) and farm.store.read & bit:
        return move(farm, run, 2)
    decision = _POLICY.decide("region" if bit == REGION else "tile", tries)
    if decision is Decision.GIVE_UP or not (farm.store.cut & bit or bit == REGION):
        return _give_up(rules, farm, run)
    return move(edits.set_tries(farm, str(bit), tries + 1), run, 1)


def _give_up(rules: Rules, farm: Farm, run: Run) -> Farm:
    if not run.task.bit & rules.poison:
        farm = edits.break_property(farm, "a tile is given up that can be read")
    farm = edits.edit_store(farm, dead=farm.store.dead | run.task.bit)
    return move(_mark_done(farm, run.task.bit), run, 3)


def _batch_read(rules: Rules, farm: Farm, run: Run) -> Farm:
    if run.task.bit & rules.poison:
        return leave(farm, run, requeue=True)
    if edits.has_ended(farm):
        return move(farm, run, 3)
    return move(edits.edit_store(farm, read=farm.store.read | run.task.bit), run, 2)


def _mark_done(farm: Farm, bit: int) -> Farm:
    if not farm.broker.state:
        return farm
    return edits.set_tries(edits.edit_broker(farm, done=farm.broker.done | bit), str(bit), 0)


def _batch_mark(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(_mark_done(farm, run.task.bit), run, 3)


def _batch_answer(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Count the batch in its chord; the last one publishes stitch."""
    chord = edits.get_chord(farm.broker, run.task.generation)
    if chord.is_done:
        return leave(farm, run)
    chord = chord._replace(counted=chord.counted | run.task.bit)
    if chord.size == chord.counted.bit_count():
        farm, chord = edits.publish(farm, Task(Kind.STITCH, chord.generation)), chord._replace(is_done=True)
    return leave(edits.set_chord(farm, chord), run)


# --- stitch


def _stitch_start(rules: Rules, farm: Farm, run: Run) -> Farm:
    return _start_counted(farm, run, STITCH_TRIES)


def _stitch_load(rules: Rules, farm: Farm, run: Run) -> Farm:
    store = farm.store
    if store.result:
        return move(farm, run, 4, store.result, farm.broker.generation)
    if not store.manifest:
        return leave(edits.fail(farm, "there is no manifest"), run)
    if not rules.stitches_unread_tiles and find_remaining(store).is_needed:
        return leave(edits.set_tries(farm, STITCH_TRIES, 0), run)  # recovery requeues what is unread
    wanted = TEXT | (0 if store.manifest == 2 else BLANK)
    dead = store.dead & wanted & ~store.read
    found = Document(store.read & wanted, dead, wanted & ~store.read & ~dead)
    regions = store.regions or rules.has_second_pass
    farm = edits.update(edits.edit_store(farm, regions=regions), "stitching")
    return move(farm, run, 2 if rules.has_second_pass else 3, found, farm.broker.generation)


def _stitch_second_pass(rules: Rules, farm: Farm, run: Run) -> Farm:
    if (farm.store.read | farm.store.dead) & REGION:
        return move(farm, run, 3)
    if edits.has_ended(farm):
        return leave(farm, run)
    number = farm.broker.generation + 1
    farm = edits.set_chord(edits.update(farm, "recognizing"), edits.get_chord(farm.broker, number)._replace(size=1))
    farm = edits.set_tries(farm, STITCH_TRIES, 0)
    return leave(edits.publish(farm, Task(Kind.BATCH, number, REGION)), run)


def _is_superseded(rules: Rules, farm: Farm, run: Run) -> bool:
    """Return whether the job was reopened since this run of stitch began."""
    return not rules.stitch_ends_reopened_job and farm.broker.generation != run.memory[1]


def _stitch_put(rules: Rules, farm: Farm, run: Run) -> Farm:
    document = _document(run)
    if _is_superseded(rules, farm, run):
        return leave(farm, run)
    if document.missing:
        farm = edits.break_property(farm, "the document has a gap over a tile that nobody gave up")
    if farm.store.result not in (None, document):
        farm = edits.break_property(farm, "a document is written twice, and differs")
    return move(edits.edit_store(farm, result=document), run, 4)


def _stitch_update(rules: Rules, farm: Farm, run: Run) -> Farm:
    """End the job, as it has ended before if the store remembers that."""
    if _is_superseded(rules, farm, run) or not farm.broker.state or edits.has_ended(farm):
        return leave(farm, run)
    end = _end(farm, run)
    return move(edits.update(farm, end), run, 5)


def _stitch_record_end(rules: Rules, farm: Farm, run: Run) -> Farm:
    return leave(edits.set_tries(edits.edit_store(farm, end=_end(farm, run)), STITCH_TRIES, 0), run)


def _end(farm: Farm, run: Run) -> str:
    """Return how the job ends: as its document says, unless it was cancelled or has failed before."""
    known = edits.known_end(farm.store)
    return known if known and known not in edits.DOCUMENT_STATES else _document(run).state


def _document(run: Run) -> Document:
    document = run.memory[0]
    assert isinstance(document, Document)
    return document


# --- resume


def _resume_start(rules: Rules, farm: Farm, run: Run) -> Farm:
    if farm.broker.state in ("", "complete"):
        return leave(farm, run)
    return move(farm, run, 1)


def _resume_reopen(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(edits.edit_history(farm, is_cancelled=False), end="queued"), run, 2)


def _resume_clear(rules: Rules, farm: Farm, run: Run) -> Farm:
    read = farm.store.read & ~REGION
    return move(edits.edit_store(farm, dead=0, regions=False, result=None, read=read), run, 3)


def _resume_reset(rules: Rules, farm: Farm, run: Run) -> Farm:
    done = farm.store.read & TEXT | (farm.broker.done if rules.resume_trusts_done_set else 0)
    farm = edits.edit_broker(farm, state="queued", done=done, tries=(), in_vain=0, done_at_requeue=-1, ends=0)
    return move(edits.renew_generation(farm), run, 4)


def _resume_publish(rules: Rules, farm: Farm, run: Run) -> Farm:
    return leave(publish_work(farm), run)


def publish_work(farm: Farm) -> Farm:
    """Publish what the store says that the job needs, as `tasks.requeue` does."""
    work = find_remaining(farm.store)
    if work.awaits_image:
        return farm
    if work.needs_split:
        return edits.publish(farm, Task(Kind.SPLIT))
    number = farm.broker.generation
    if not work.bits:
        return edits.publish(farm, Task(Kind.STITCH, number))
    tasks = [Task(Kind.BATCH, number, bit) for bit in (FIRST, SECOND) if bit & work.bits]
    return edits.publish(edits.set_chord(edits.update(farm, "recognizing"), Chord(number, len(tasks))), *tasks)


def count_requeue(farm: Farm) -> Farm:
    """Count a requeue, number its chord, and let those tiles count as read that the store has."""
    broker, done = farm.broker, farm.broker.done.bit_count()
    in_vain = broker.in_vain + 1 if broker.done_at_requeue == done else 1
    farm = edits.edit_broker(farm, in_vain=in_vain, done_at_requeue=done, done=farm.store.read & TEXT)
    return edits.renew_generation(farm)


def has_worn_out(farm: Farm) -> bool:
    """Return whether the job was requeued too often in vain."""
    broker = farm.broker
    return broker.done_at_requeue == broker.done.bit_count() and broker.in_vain >= MAX_REQUEUES


STEPS: Mapping[Kind, tuple[Step, ...]] = {
    Kind.SPLIT: (
        _split_start,
        _split_plan,
        _split_tiles,
        _split_overview,
        _split_blanks,
        _split_last_batch,
        _split_end,
    ),
    Kind.BATCH: (_batch_start, _batch_read, _batch_mark, _batch_answer),
    Kind.STITCH: (
        _stitch_start,
        _stitch_load,
        _stitch_second_pass,
        _stitch_put,
        _stitch_update,
        _stitch_record_end,
    ),
    Kind.RESUME: (_resume_start, _resume_reopen, _resume_clear, _resume_reset, _resume_publish),
}
"""The steps of what messages start."""

STORE_STEPS: Mapping[Kind, frozenset[int]] = {
    Kind.SPLIT: frozenset({1, 2, 3, 4}),
    Kind.BATCH: frozenset({1}),
    Kind.STITCH: frozenset({1, 3, 5}),
    Kind.RESUME: frozenset({1, 2, 3}),
    Kind.SUBMIT: frozenset({1, 2}),
    Kind.CANCEL: frozenset({1}),
    Kind.RECONCILE: frozenset({0, 1, 2, 3}),
}
"""The steps that call the store, by their numbers."""
