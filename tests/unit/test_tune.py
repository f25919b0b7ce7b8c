"""The search for the best settings, over machines whose speed is known."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from ocrfarm.benchmark.measure import Measurement, word_overlap
from ocrfarm.benchmark.tune import SearchLimits, Trial, tune
from ocrfarm.benchmark.tune_report import HEADER, format_cells, format_html
from ocrfarm.errors import SettingsError
from ocrfarm.recognize import Profile, find_profile

START = replace(find_profile("fast"), runtime=replace(find_profile("fast").runtime, processes=2, threads=1, batch=8))
WORDS = Counter({f"word{number}": 1 for number in range(1000)})


def run_search(speed: Callable[[Profile], float], *, tolerance: float = 0.01, otherwise: int = 0) -> list[Trial]:
    """Search on a machine of this speed, where another detector scale reads so many words otherwise."""

    def measure(profile: Profile, timeout: float) -> Measurement:
        moved = otherwise if profile.detector_scale != START.detector_scale else 0
        words = Counter(list(WORDS)[moved:]) + Counter(f"new{number}" for number in range(moved))
        return Measurement(speed(profile), words, 500.0)

    return list(tune(START, SearchLimits(60.0, tolerance), measure=measure))


def best_profile(trials: list[Trial]) -> Profile:
    return [trial for trial in trials if trial.is_accepted][-1].profile


def test_settings_that_depend_on_one_another_are_found() -> None:
    """Larger batches help only where the scale is small; the order of the search does not matter then."""
    found = best_profile(run_search(lambda profile: 1 / profile.detector_scale + (profile.runtime.batch == 16) * 0.3))
    assert (found.detector_scale, found.runtime.batch) == (0.25, 16)


def test_what_reads_otherwise_is_not_accepted() -> None:
    trials = run_search(lambda profile: 1 / profile.detector_scale, otherwise=11)
    assert best_profile(trials).detector_scale == START.detector_scale
    assert any(trial.verdict == "changes too many words" for trial in trials)


def test_tolerance_is_measured_from_the_start_and_not_from_step_to_step() -> None:
    assert best_profile(run_search(lambda profile: 1 / profile.detector_scale, otherwise=9)).detector_scale == 0.25


def test_a_gain_within_the_noise_is_none() -> None:
    assert (
        len([trial for trial in run_search(lambda profile: 1 + profile.runtime.batch / 10_000) if trial.is_accepted])
        == 1
    )


def test_a_first_trial_that_was_slow_is_repeated_before_another_is_accepted() -> None:
    speeds = iter([0.9])
    trials = run_search(lambda profile: next(speeds, 1.0))
    assert [trial.verdict for trial in trials[1:3]] == ["not faster", "not faster"]


def test_no_trial_is_made_twice() -> None:
    profiles = [
        trial.profile for trial in run_search(lambda profile: 1 / profile.detector_scale + profile.runtime.batch)
    ]
    assert len(profiles) == len(set(profiles))


def test_time_that_is_up_ends_the_search() -> None:
    trials = list(tune(START, SearchLimits(0.0, 0.01), measure=lambda profile, timeout: Measurement(1.0, WORDS)))
    assert len(trials) == 1


def test_what_crashes_is_not_accepted_and_the_search_goes_on() -> None:
    def measure(profile: Profile, timeout: float) -> Measurement:
        return (
            Measurement(error="exit 1") if profile.runtime.batch > 8 else Measurement(10 / profile.runtime.batch, WORDS)
        )

    trials = list(tune(START, SearchLimits(60.0, 0.01), measure=measure))
    assert best_profile(trials).runtime.batch == 1
    assert "exit 1" in {trial.verdict for trial in trials}


def test_a_profile_that_cannot_be_measured_is_an_error() -> None:
    with pytest.raises(SettingsError, match="fast cannot be measured on this machine: no weights"):
        list(tune(START, SearchLimits(60.0, 0.01), measure=lambda profile, timeout: Measurement(error="no weights")))


def test_the_report_shows_every_trial() -> None:
    trials = run_search(lambda profile: 1 / profile.detector_scale)
    assert all(len(format_cells(number, trial)) == len(HEADER) for number, trial in enumerate(trials))
    page = format_html(trials, name="fast", image_name="<sheet>.png")
    assert page.count("<circle") == len(trials)
    assert "&lt;sheet&gt;.png" in page


def test_agreement_counts_words_wherever_they_stand() -> None:
    assert word_overlap(Counter("ab"), Counter("ba")) == 1.0
    assert word_overlap(Counter("aab"), Counter("abb")) == pytest.approx(2 / 3)
    assert word_overlap(Counter(), Counter()) == 1.0
