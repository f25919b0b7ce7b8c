"""The steps of what no message starts: a client that submits or cancels, and the task reconcile."""

from collections.abc import Mapping

from tests.model import edits
from tests.model.edits import MESSAGES, leave, move
from tests.model.state import Farm, Kind, Rules, Run, Task
from tests.model.tasks import STEPS, Step, count_requeue, has_worn_out, publish_work


def _submit_create(rules: Rules, farm: Farm, run: Run) -> Farm:
    is_new = not farm.broker.state
    farm = edits.edit_broker(farm, state="queued") if is_new else farm
    return move(farm, run, 1, is_new)


def _submit_request(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(farm, request=True), run, 2)


def _submit_source(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(farm, source=True), run, 3)


def _submit_publish(rules: Rules, farm: Farm, run: Run) -> Farm:
    return leave(edits.publish(farm, Task(Kind.SPLIT)), run)


def fail_submit(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Tell the client that its job was not taken; the job fails if this client has created it."""
    if run.memory[0] or rules.resubmission_fails_job:
        farm = edits.edit_history(farm, may_fail=farm.history.may_fail or bool(run.memory[0]))
        farm = edits.fail(farm, "a client that submitted it again met an error")
    return leave(farm, run)


def _cancel_update(rules: Rules, farm: Farm, run: Run) -> Farm:
    if edits.has_ended(farm) or not farm.broker.state:
        return leave(farm, run)
    return move(edits.update(farm, "cancelled"), run, 1)


def _cancel_record(rules: Rules, farm: Farm, run: Run) -> Farm:
    return move(edits.edit_store(farm, end="cancelled"), run, 2)


def _cancel_purge(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Update the job once more, in case the broker went back in time, and return whether it is cancelled."""
    farm = edits.edit_broker(edits.update(farm, "cancelled"), queue=())
    is_cancelled = farm.broker.state == "cancelled"
    return leave(edits.edit_history(farm, is_cancelled=is_cancelled, is_half_cancelled=not is_cancelled), run)


def is_compared(rules: Rules, farm: Farm) -> bool:
    """Return whether recovery takes the broker for one that was compared with the store."""
    broker = farm.broker
    trusts_any_run = rules.initializes_before_recovery or rules.trusts_older_broker
    return bool(broker.compared_run) if trusts_any_run else broker.compared_run == broker.run


def _reconcile_compare(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Look for what differs between store and broker; the state "" means nothing."""
    broker, store, was_compared = farm.broker, farm.store, is_compared(rules, farm)
    if rules.initializes_before_recovery:
        farm = edits.edit_broker(farm, compared_run=broker.run)
    found, replaces = "", bool(broker.state)
    if not broker.state and store.request and not (was_compared and _knows_no_young_jobs(rules)):
        found = edits.restored_state(store)
    elif broker.state and not was_compared and store.end:
        is_final = bool(edits.known_end(store))
        found = edits.restored_state(store) if is_final != edits.has_ended(farm) else ""
    return move(farm, run, 1 if found else 2, broker.run, found, replaces)


def _knows_no_young_jobs(rules: Rules) -> bool:
    return rules.initializes_before_recovery or rules.trusts_older_broker


def _reconcile_restore(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Record the job as it was found; a job that the broker knew in an older state is replaced."""
    _, state, replaces = run.memory
    if replaces or not farm.broker.state:
        farm = edits.edit_broker(farm, state=state, in_vain=0, done_at_requeue=-1, ends=0)
        farm = edits.renew_generation(farm)
    return move(farm, run, 2)


def is_stalled(farm: Farm) -> bool:
    """Return whether the job has not ended, and neither a client nor a message will let it go on."""
    is_taken = any(run.is_leased and run.task.kind in (*MESSAGES, Kind.SUBMIT) for run in farm.runs)
    is_moving = farm.broker.queue or is_taken
    return bool(farm.broker.state) and not edits.has_ended(farm) and not is_moving


def _reconcile_stalled(rules: Rules, farm: Farm, run: Run) -> Farm:
    """Record that the broker was compared, and look whether the job makes progress."""
    farm = edits.edit_broker(farm, compared_run=run.memory[0])
    if not is_stalled(farm):
        return leave(farm, run)
    store, broker = farm.store, farm.broker
    if end := edits.known_end(store):
        return leave(edits.edit_broker(farm, state=end), run)
    if broker.state == "queued" and not store.source:
        return leave(edits.fail(edits.edit_history(farm, may_fail=True), "its client is gone"), run)
    if has_worn_out(farm):
        return leave(edits.fail(farm, "it was requeued too often in vain"), run)
    return move(farm, run, 3)


def _reconcile_requeue(rules: Rules, farm: Farm, run: Run) -> Farm:
    return leave(publish_work(count_requeue(farm)) if farm.broker.state else farm, run)


def needs_comparison(rules: Rules, farm: Farm) -> bool:
    """Return whether a run of reconcile would find that the broker lacks something."""
    return not is_compared(rules, farm) or (
        not farm.broker.state and farm.store.request and not _knows_no_young_jobs(rules)
    )


ALL_STEPS: Mapping[Kind, tuple[Step, ...]] = {
    **STEPS,
    Kind.SUBMIT: (_submit_create, _submit_request, _submit_source, _submit_publish),
    Kind.CANCEL: (_cancel_update, _cancel_record, _cancel_purge),
    Kind.RECONCILE: (
        _reconcile_compare,
        _reconcile_restore,
        _reconcile_stalled,
        _reconcile_requeue,
    ),
}
"""The steps of everything."""
