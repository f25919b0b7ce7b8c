"""How a step changes the farm: small functions that return a new state."""

from collections.abc import Callable
from typing import Any

from ocrfarm.farm.protocol import FINAL_STATES
from tests.model.state import Broker, Chord, Farm, Kind, Run, Store, Task

DOCUMENT_STATES = ("complete", "partial")
"""Final states of jobs that have a document."""

MESSAGES = (Kind.SPLIT, Kind.BATCH, Kind.STITCH, Kind.RESUME)

Edit = Callable[[Broker], Broker]


def put_runs(farm: Farm, *runs: Run) -> Farm:
    """Return the farm with these processes at work, in an order that does not depend on who came first."""
    return farm._replace(runs=tuple(sorted(runs, key=_order)))


def _order(run: Run) -> tuple[object, ...]:
    return run.task, run.step, run.is_leased, str(run.memory)


def has_ended(farm: Farm) -> bool:
    """Return whether the broker says that the job has ended."""
    return farm.broker.state in FINAL_STATES


def edit_store(farm: Farm, **fields: Any) -> Farm:
    return farm._replace(store=farm.store._replace(**fields))


def edit_broker(farm: Farm, **fields: Any) -> Farm:
    return farm._replace(broker=farm.broker._replace(**fields))


def edit_history(farm: Farm, **fields: Any) -> Farm:
    return farm._replace(history=farm.history._replace(**fields))


def break_property(farm: Farm, what: str) -> Farm:
    """Record that a property was broken; the first one counts."""
    return farm if farm.history.broken else edit_history(farm, broken=what)


def move(farm: Farm, run: Run, step: int, *memory: object) -> Farm:
    """Let a run go on at a step; with nothing to remember it keeps what it remembers."""
    runs = list(farm.runs)
    runs[runs.index(run)] = run._replace(step=step, memory=memory or run.memory)
    return put_runs(farm, *runs)


def leave(farm: Farm, run: Run, *, requeue: bool = False) -> Farm:
    """End a run; its message is acknowledged, or goes back to its queue if the broker still counts it as taken."""
    runs = list(farm.runs)
    runs.remove(run)
    farm = farm._replace(runs=tuple(runs))
    return publish(farm, run.task) if requeue and run.is_leased and run.task.kind in MESSAGES else farm


def publish(farm: Farm, *tasks: Task) -> Farm:
    return edit_broker(farm, queue=tuple(sorted((*farm.broker.queue, *tasks))))


def unpublish(farm: Farm, task: Task) -> Farm:
    queue = list(farm.broker.queue)
    queue.remove(task)
    return edit_broker(farm, queue=tuple(queue))


def get_tries(broker: Broker, item: str) -> int:
    return dict(broker.tries).get(item, 0)


def set_tries(farm: Farm, item: str, count: int) -> Farm:
    """Set the attempts at an item; nothing is kept of a job that the broker does not know."""
    if not farm.broker.state:
        return farm
    tries = {name: number for name, number in farm.broker.tries if name != item} | ({item: count} if count else {})
    return edit_broker(farm, tries=tuple(sorted(tries.items())))


def get_chord(broker: Broker, generation: int) -> Chord:
    return next((chord for chord in broker.chords if chord.generation == generation), Chord(generation))


def set_chord(farm: Farm, chord: Chord) -> Farm:
    others = [each for each in farm.broker.chords if each.generation != chord.generation]
    return edit_broker(farm, chords=tuple(sorted((*others, chord))))


def renew_generation(farm: Farm) -> Farm:
    """Number the next chord, as no chord was numbered before. Those of the second pass have odd numbers."""
    number = farm.history.generation + 2
    return edit_broker(edit_history(farm, generation=number), generation=number)


def update(farm: Farm, state: str) -> Farm:
    """Set the job's state, as `update_job.lua` does: an end is final, and a job that is not known stays so."""
    if not farm.broker.state or has_ended(farm):
        return farm
    ends = farm.broker.ends + (state in FINAL_STATES)
    return edit_broker(farm, state=state, ends=ends)


def fail(farm: Farm, why: str) -> Farm:
    """End the job as failed, in the store first, as `fail_job` does."""
    if has_ended(farm) or not farm.broker.state:
        return farm
    if not farm.history.may_fail:
        farm = break_property(farm, f"the job fails although nothing is wrong with it: {why}")
    end = known_end(farm.store) or "failed"
    return update(edit_store(farm, end=end), end)


def known_end(store: Store) -> str:
    """Return the end that the store knows; "" if none. Without its document a job is not complete, nor partial."""
    if store.end not in FINAL_STATES or (store.end in DOCUMENT_STATES and not store.result):
        return ""
    return store.end


def restored_state(store: Store) -> str:
    """Return the state in which a job comes back from the store alone."""
    if end := known_end(store):
        return end
    return store.result.state if store.result and store.end != "queued" else "queued"
