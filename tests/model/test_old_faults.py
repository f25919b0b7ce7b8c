"""The checker finds each fault that the farm once had: a model that finds nothing proves nothing."""

import pytest

from tests.model.checker import explore
from tests.model.state import Budget, Rules

DOES_NOT_END = "the job does not end"
FALSE_GAP = "the document has a gap over a tile that nobody gave up"

OLD_FAULTS = {
    "an error at the second batch is swallowed": (
        Rules(swallows_split_errors=True, stitches_unread_tiles=True, only_fault="store away for split"),
        Budget(faults=1),
        "a tile is given up that can be read",
    ),
    "the broker is marked as known before it was recovered": (
        Rules(initializes_before_recovery=True, only_fault="away|emptied"),
        Budget(faults=2),
        DOES_NOT_END,
    ),
    "a broker of an older state is trusted": (
        Rules(trusts_older_broker=True, only_fault="goes back"),
        Budget(faults=1, snapshots=1),
        DOES_NOT_END,
    ),
    "a second split forgets the blank tiles": (
        Rules(second_split_overwrites_manifest=True, stitches_unread_tiles=True),
        Budget(submits=1),
        FALSE_GAP,
    ),
    "resume never reads again what the store has lost": (
        Rules(resume_trusts_done_set=True, stitches_unread_tiles=True, store_loses_fragments=True, only_fault="loses"),
        Budget(faults=1, resumes=1),
        FALSE_GAP,
    ),
    "the chord of a cancelled job stitches the resumed one": (
        Rules(stitches_unread_tiles=True),
        Budget(cancels=1, resumes=1),
        FALSE_GAP,
    ),
    "stitching ends a job that was reopened meanwhile": (
        Rules(stitch_ends_reopened_job=True),
        Budget(resumes=1),
        "the job has no document",
    ),
    "a client that submits a job again fails it": (
        Rules(resubmission_fails_job=True, only_fault="away for submit"),
        Budget(faults=1, submits=1),
        "the job fails although nothing is wrong with it: a client that submitted it again met an error",
    ),
}


@pytest.mark.parametrize("name", OLD_FAULTS)
def test_the_checker_finds_it(name: str) -> None:
    rules, budget, broken = OLD_FAULTS[name]
    report = explore(rules, budget)
    assert report.broken == broken, str(report)
    assert len(report.trace) > 1


def test_a_trace_names_what_happened() -> None:
    rules, budget, _ = OLD_FAULTS["a broker of an older state is trusted"]
    assert any("FAULT the broker goes back" in step for step in explore(rules, budget).trace)
