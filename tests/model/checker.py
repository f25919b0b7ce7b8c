"""An explicit-state model checker: breadth-first search of every state, and from each of them the way to an end.

    start ---> states, each by every step that a process can do next and by every fault that is left
                 |
                 '--- faults stop: the processes go on in turn, and reconcile runs when nothing else can
                        '---> the job has ended, in at most MAX_DRAIN steps, and its end is right

Breadth first, so that the trace of a counterexample is a shortest one. The search is exhaustive for its budget of
faults; its cost is one visit a state.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from ocrfarm.farm.protocol import FINAL_STATES
from tests.model import edits
from tests.model.clients import ALL_STEPS, fail_submit, is_stalled, needs_comparison
from tests.model.edits import MESSAGES, leave
from tests.model.state import TEXT, Broker, Budget, Farm, Kind, Rules, Run, Task
from tests.model.tasks import STORE_STEPS, swallow_split_error

MAX_DRAIN = 200
"""Steps until a job has ended when nothing goes wrong any more: several times as many as any needs."""

_MAX_RUNS = 2
"""Messages that are worked on at a time."""

Transition = tuple[str, Farm]


@dataclass
class Report:
    """What was explored; `trace` leads to a state that breaks a property, if there is one."""

    states: int = 0
    transitions: int = 0
    broken: str = ""
    trace: list[str] = field(default_factory=list)
    longest_drain: int = 0

    def __str__(self) -> str:
        counts = (
            f"{self.states:,} states, {self.transitions:,} transitions, {self.longest_drain} steps to an end at most"
        )
        steps = "".join(f"\n  {number:3} {step}" for number, step in enumerate(self.trace, 1))
        return f"{counts}; {self.broken or 'no property is broken'}{steps}"


def start(budget: Budget) -> Farm:
    """Return a farm in which a client submits the job; the budget's first submission is this one."""
    run = Run(Task(Kind.SUBMIT), memory=(False,))
    return Farm(broker=Broker(compared_run=1), runs=(run,), budget=budget)


def explore(rules: Rules, budget: Budget, *, max_states: int | None = None) -> Report:
    """Visit every state; stop at the first one that breaks a property."""
    first, report = start(budget), Report()
    before: dict[Farm, tuple[Farm, str] | None] = {first: None}
    ends, waiting = dict[Farm, int](), deque([first])
    while waiting and report.states != max_states:
        farm = waiting.popleft()
        report.states += 1
        broken = farm.history.broken or _drain(rules, farm, ends)
        if broken:
            report.broken, report.trace = broken, [*_trace(before, farm), *_trace_drain(rules, farm)]
            return report
        for label, after in transitions(rules, farm):
            report.transitions += 1
            if after not in before:
                before[after] = farm, label
                waiting.append(after)
    report.longest_drain = max(ends.values(), default=0)
    return report


def _trace(before: dict[Farm, tuple[Farm, str] | None], farm: Farm) -> list[str]:
    steps: list[str] = []
    while origin := before[farm]:
        steps.append(f"{origin[1]:34} {_summarize(farm)}")
        farm = origin[0]
    return steps[::-1]


def _summarize(farm: Farm) -> str:
    store, broker = farm.store, farm.broker
    queue = ", ".join(map(str, broker.queue)) or "empty"
    result = f"{store.result.state} " if store.result else ""
    tiles = f"read {store.read}, dead {store.dead}"
    return f"{broker.state or 'unknown':12} {tiles}, {result}end {store.end!r}; queue: {queue}"


def transitions(rules: Rules, farm: Farm) -> Iterator[Transition]:
    """Yield whatever can happen next."""
    yield from _progress(rules, farm)
    yield from _requests(farm)
    if farm.budget.faults:
        spent = farm._replace(budget=farm.budget._replace(faults=farm.budget.faults - 1))
        yield from (each for each in _faults(rules, spent) if re.search(rules.only_fault, each[0]))
    if farm.budget.snapshots and farm.snapshot is None:
        saved = farm.broker._replace(queue=tuple(sorted((*farm.broker.queue, *_taken(farm)))))
        budget = farm.budget._replace(snapshots=farm.budget.snapshots - 1)
        yield "the broker is saved", farm._replace(snapshot=saved, budget=budget)


def _faults(rules: Rules, farm: Farm) -> Iterator[Transition]:
    yield from _process_faults(rules, farm)
    yield from _broker_faults(farm)
    if rules.store_loses_fragments and farm.store.read & TEXT:
        yield "FAULT the store loses fragments", edits.edit_store(farm, read=0)


def _taken(farm: Farm) -> list[Task]:
    return [run.task for run in farm.runs if run.is_leased and run.task.kind in MESSAGES]


def _progress(rules: Rules, farm: Farm) -> Iterator[Transition]:
    """Yield what happens without faults: reconcile starts, and a process goes on or takes a message."""
    if needs_comparison(rules, farm) and not _is_reconciling(farm):
        yield _start_reconcile(farm)
    for run in dict.fromkeys(farm.runs):
        step = ALL_STEPS[run.task.kind][run.step]
        yield step.__name__.lstrip("_"), step(rules, farm, run)
    if sum(run.task.kind in MESSAGES for run in farm.runs) < _MAX_RUNS:
        for task in dict.fromkeys(farm.broker.queue):
            run = Run(task)
            taken = edits.unpublish(farm, task)
            taken = edits.put_runs(taken, *farm.runs, run)
            yield f"{task} taken", ALL_STEPS[task.kind][0](rules, taken, run)
    if is_stalled(farm) and not _is_reconciling(farm):
        yield _start_reconcile(farm)


def _is_reconciling(farm: Farm) -> bool:
    return any(run.task.kind == Kind.RECONCILE for run in farm.runs)


def _start_reconcile(farm: Farm) -> Transition:
    return "reconcile starts", edits.put_runs(farm, *farm.runs, Run(Task(Kind.RECONCILE)))


def _requests(farm: Farm) -> Iterator[Transition]:
    """Yield what clients ask for. An owner does not resume a job while it is being cancelled, nor the other way."""
    budget, kinds = farm.budget, {task.kind for task in (*farm.broker.queue, *(run.task for run in farm.runs))}
    if budget.submits:
        yield _call(farm, Kind.SUBMIT, submits=budget.submits - 1)
    if budget.cancels and Kind.RESUME not in kinds:
        yield _call(farm, Kind.CANCEL, cancels=budget.cancels - 1)
    if budget.resumes and farm.broker.state and Kind.CANCEL not in kinds:
        spent = farm._replace(budget=budget._replace(resumes=budget.resumes - 1))
        yield "a client calls resume", edits.publish(spent, Task(Kind.RESUME))


def _call(farm: Farm, kind: Kind, **spent: int) -> Transition:
    called = edits.put_runs(farm, *farm.runs, Run(Task(kind), memory=(False,)))
    return f"a client calls {kind}", called._replace(budget=farm.budget._replace(**spent))


def _process_faults(rules: Rules, farm: Farm) -> Iterator[Transition]:
    """Yield what can go wrong with each process: it dies, it is a zombie, or it meets a store that is away."""
    for run in dict.fromkeys(farm.runs):
        yield f"FAULT {run.task} dies", _may_end_early(leave(farm, run, requeue=True), run)
        if run.is_leased and run.task.kind in MESSAGES:
            asleep = edits.put_runs(farm, *leave(farm, run).runs, run._replace(is_leased=False))
            yield f"FAULT {run.task} sleeps", edits.publish(asleep, run.task)
        if run.step in STORE_STEPS[run.task.kind]:
            yield f"FAULT store away for {run.task}", _meet_store_error(rules, farm, run)


def _may_end_early(farm: Farm, run: Run) -> Farm:
    if run.task.kind == Kind.CANCEL:
        return edits.edit_history(farm, is_half_cancelled=True)
    return edits.edit_history(farm, may_fail=True) if run.task.kind == Kind.SUBMIT else farm


def _meet_store_error(rules: Rules, farm: Farm, run: Run) -> Farm:
    if run.task.kind == Kind.SUBMIT:
        return fail_submit(rules, farm, run)
    if run.task.kind == Kind.CANCEL:
        return _may_end_early(leave(farm, run), run)
    if rules.swallows_split_errors and run.task.kind == Kind.SPLIT and run.step == 2:
        return swallow_split_error(farm, run)
    item = str(run.task.bit or run.task.kind)
    return leave(edits.set_tries(farm, item, 0), run, requeue=True)


def _broker_faults(farm: Farm) -> Iterator[Transition]:
    for task in dict.fromkeys(farm.broker.queue):
        yield f"FAULT {task} lost", edits.unpublish(farm, task)
        yield f"FAULT {task} doubled", edits.publish(farm, task)
    asleep = edits.put_runs(farm, *(run._replace(is_leased=run.task.kind not in MESSAGES) for run in farm.runs))
    number = farm.history.run + 1
    asleep = edits.edit_history(asleep, run=number)
    yield "FAULT the broker is emptied", asleep._replace(broker=Broker(run=number))
    if farm.snapshot:
        yield "FAULT the broker goes back", asleep._replace(broker=farm.snapshot._replace(run=number))


def _drain(rules: Rules, farm: Farm, ends: dict[Farm, int]) -> str:
    """Let all go on without faults until the job has ended; return what is wrong with its end, or "".

    Args:
        rules: How the farm works.
        farm: Where it begins.
        ends: Steps to a right end, of every state on such a way; added to.
    """
    way: list[Farm] = []
    while farm not in ends:
        way.append(farm)
        if len(way) > MAX_DRAIN:
            return "the job does not end"
        following = next(_progress(rules, farm), None)
        if following is None:
            if wrong := _judge_end(rules, farm):
                return wrong
            ends[farm] = 0
            way.pop()
            break
        farm = following[1]
        if farm.history.broken:
            return farm.history.broken
    for distance, each in enumerate(reversed(way), ends[farm] + 1):
        ends[each] = distance
    return ""


def _trace_drain(rules: Rules, farm: Farm) -> list[str]:
    steps: list[str] = ["--- from here on without faults"]
    while len(steps) < MAX_DRAIN and not farm.history.broken and (following := next(_progress(rules, farm), None)):
        farm = following[1]
        steps.append(f"{following[0]:34} {_summarize(farm)}")
    return steps if len(steps) < MAX_DRAIN else [*steps[:30], "... and so on"]


def _is_known_by_both(farm: Farm) -> bool:
    """Return whether a job that comes back from the store alone would come back with the same end."""
    state, store = farm.broker.state, farm.store
    if store.result and store.end == "queued":
        return state == store.result.state  # it would be stitched from the document that is there
    return not state or state == edits.restored_state(store) or farm.history.is_half_cancelled


def _judge_end(rules: Rules, farm: Farm) -> str:
    """Return which property the end breaks, when nothing more can happen; "" if none."""
    store, state = farm.store, farm.broker.state
    if not state and not store.request:
        return ""  # the client died before it had submitted anything
    checks = {
        "the job does not end": state in FINAL_STATES,
        "the job was cancelled, and has another end": not farm.history.is_cancelled or state == "cancelled",
        "the job has no document": state not in ("complete", "partial") or bool(store.result),
        "store and broker know different ends": _is_known_by_both(farm),
        "a complete job has unread tiles": state != "complete" or not store.result or store.result.read & TEXT == TEXT,
        "the job is partial although every tile can be read": state != "partial" or bool(rules.poison),
        "the job's webhook was queued twice": farm.broker.ends <= 1,
    }
    return next((what for what, holds in checks.items() if not holds), "")
