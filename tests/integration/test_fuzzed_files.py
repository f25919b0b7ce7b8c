"""Damaged files crash no process and hang none: each is read, or one typed error of one line."""

import subprocess

import pytest

from tests.support.fuzzed_files import FIRST_LATER_SEED, KINDS, LATER_KINDS, make_damaged_file, run_fuzz

REGRESSION_SEEDS = (1188, 1229)
"""Seeds that once did harm: JPEG-2000 parts whose sizes make Pillow run out of memory."""

QUICK_SEEDS = (*range(12 * len(KINDS)), *range(FIRST_LATER_SEED, FIRST_LATER_SEED + 12 * len(LATER_KINDS)))


def test_damaged_files_are_read_or_refused() -> None:
    """A subset; `scripts/bench mutants` tries thousands."""
    verdicts = list(run_fuzz([*QUICK_SEEDS, *REGRESSION_SEEDS]))
    assert len(verdicts) == len(QUICK_SEEDS) + len(REGRESSION_SEEDS)
    assert not [verdict for verdict in verdicts if not verdict.is_expected]
    assert {verdict.outcome for verdict in verdicts} >= {"read", "UnidentifiedImage", "DamagedImage"}


def test_a_seed_names_the_same_file_for_ever() -> None:
    assert make_damaged_file(12) == make_damaged_file(12)
    assert make_damaged_file(12) != make_damaged_file(12 + len(KINDS))


def test_a_process_that_dies_names_the_culprit(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["1 png read 0.1\n2 jpg ", "3 tif hung 20.0\n"])

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, -11, next(answers), "")

    monkeypatch.setattr(subprocess, "run", run)
    verdicts = list(run_fuzz([1, 2, 3]))
    assert [(verdict.seed, verdict.outcome) for verdict in verdicts] == [(1, "read"), (2, "died:-11"), (3, "hung")]
    assert [verdict.is_expected for verdict in verdicts] == [True, False, False]
