"""A profile and a part of a page -> the settings with which this machine reads such pages fastest.

The search is coordinate descent: one setting at a time is changed as long as that helps, then the next one, until a
whole round changes nothing or the time is up. A faster setting is accepted only if it reads nearly the same words as
the original profile.

     tile size ^        o--o        each o is one measurement of a few seconds;
               |        |           a neighbour that is not faster ends its direction
               |  o--o--o
               +---------------> detector scale

It finds a local optimum, with at most a few measurements per setting and round.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from ocrfarm.benchmark.measure import Measurement, word_overlap
from ocrfarm.errors import SettingsError
from ocrfarm.farm.embedded.farm import default_layout
from ocrfarm.recognize import Profile

MIN_SPEEDUP = 1.02
"""Smallest speed-up that counts; a smaller one may be noise."""

Measure = Callable[[Profile, float], Measurement]
"""Measures a profile for at most this many seconds."""

_TILE_SIZES = (1024, 1536, 2048, 3072)
_SCALES = (0.25, 0.35, 0.5, 0.7, 1.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
_PRECISIONS = ("fp32", "bf16", "fp16")
_GPU_PROCESS_COUNTS = (1, 2, 3)
"""Processes that share a GPU: while one decodes images, another computes."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How long the search may take in seconds, and which fraction of the words may change."""

    time_budget: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured profile.

    Attributes:
        profile: The profile.
        measurement: What was measured.
        agreement: Fraction of the words that the original profile reads as well.
        verdict: "accepted", or why it was not.
    """

    profile: Profile
    measurement: Measurement
    agreement: float
    verdict: str

    @property
    def is_accepted(self) -> bool:
        """Whether the search continued from this profile."""
        return self.verdict == "accepted"


def tune(profile: Profile, limits: SearchLimits, *, measure: Measure) -> Iterator[Trial]:
    """Yield each trial, first that of the profile itself; the last accepted one is the best.

    Args:
        profile: Where the search starts.
        limits: Time budget and tolerance.
        measure: Measures a profile.

    Raises:
        SettingsError: The profile itself cannot be measured.
    """
    ends = time.monotonic() + limits.time_budget
    first = measure(_resolve_processes(profile), limits.time_budget)
    if first.error:
        raise SettingsError(f"profile {profile.name} cannot be measured on this machine: {first.error}")
    search = _Search(limits, measure, ends, Trial(_resolve_processes(profile), first, 1.0, "accepted"), first)
    yield search.best
    improved = True
    while improved and search.seconds_left > 0:
        improved = False
        for make_variants in SEARCH_SPACE.values():
            for trial in search.search_setting(make_variants):
                improved |= trial.is_accepted
                yield trial


@dataclass(slots=True)
class _Search:
    limits: SearchLimits
    measure: Measure
    deadline: float
    best: Trial
    baseline: Measurement
    tried: "set[Profile] | None" = None

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    def search_setting(self, make_variants: "MakeVariants") -> Iterator[Trial]:
        """Increase one setting as long as that helps, then decrease it."""
        values = make_variants(self.best.profile)
        for direction in (1, -1):
            while self.seconds_left > 0 and (found := _find_neighbour(values, self.best.profile, direction)):
                if (trial := self._try_profile(found)) is None:
                    break
                yield trial
                if not trial.is_accepted:
                    break

    def _try_profile(self, profile: Profile) -> Trial | None:
        """Measure a profile; None if it was measured before."""
        self.tried = self.tried or {self.best.profile}
        if profile in self.tried:
            return None
        self.tried.add(profile)
        speed = self.measure(profile, self.seconds_left)
        same = word_overlap(self.baseline.words, speed.words)
        verdict = self._judge(speed, same)
        if verdict == "accepted":
            self._remeasure_best()
            verdict = self._judge(speed, same)
        trial = Trial(profile, speed, same, verdict)
        if trial.is_accepted:
            self.best = trial
        return trial

    def _remeasure_best(self) -> None:
        """Measure the best profile again, because the very first trial is up to a tenth slower than later ones."""
        again = self.measure(self.best.profile, self.seconds_left)
        if again.megapixels_per_second > self.best.measurement.megapixels_per_second:
            self.best = replace(self.best, measurement=again)

    def _judge(self, measurement: Measurement, overlap: float) -> str:
        if measurement.error:
            return measurement.error if self.seconds_left > 0 else "no time left"
        if overlap < 1 - self.limits.tolerance:
            return "changes too many words"
        return (
            "accepted"
            if measurement.megapixels_per_second >= MIN_SPEEDUP * self.best.measurement.megapixels_per_second
            else "not faster"
        )


MakeVariants = Callable[[Profile], list[Profile]]
"""A profile -> itself and its variants with other values of one setting, in order."""


def _find_neighbour(values: list[Profile], profile: Profile, step: int) -> Profile | None:
    at = values.index(profile) + step
    return values[at] if 0 <= at < len(values) else None


def _vary_processes(profile: Profile) -> list[Profile]:
    """Vary processes and threads together, so that on a CPU all cores are always used."""
    runtime = profile.runtime
    if runtime.device != "cpu":
        pairs = {(count, runtime.threads) for count in _GPU_PROCESS_COUNTS}
    else:
        max_processes = default_layout().recognizers
        cores = max(max_processes, runtime.processes * max(runtime.threads, 1))
        pairs = {(count, cores // count) for count in range(1, max_processes + 1) if cores % count == 0}
    return [
        replace(profile, runtime=replace(runtime, processes=processes, threads=threads))
        for processes, threads in sorted(pairs | {(runtime.processes, runtime.threads)})
    ]


def _vary_tile_size(profile: Profile) -> list[Profile]:
    tiling = profile.tiling
    return _keep_valid(
        replace(profile, tiling=replace(tiling, side=side)) for side in sorted({*_TILE_SIZES, tiling.side})
    )


def _vary_detector_scale(profile: Profile) -> list[Profile]:
    scales = sorted({*_SCALES, profile.detector_scale})
    return _keep_valid(replace(profile, detector_scale=scale) for scale in scales)


def _vary_batch_size(profile: Profile) -> list[Profile]:
    return [
        replace(profile, runtime=replace(profile.runtime, batch=batch))
        for batch in sorted({*_BATCH_SIZES, profile.runtime.batch})
    ]


def _vary_precision(profile: Profile) -> list[Profile]:
    names = dict.fromkeys([profile.runtime.precision, *_PRECISIONS])
    return _keep_valid(replace(profile, runtime=replace(profile.runtime, precision=name)) for name in names)


SEARCH_SPACE: dict[str, MakeVariants] = {
    "processes": _vary_processes,
    "precision": _vary_precision,
    "detector scale": _vary_detector_scale,
    "batch": _vary_batch_size,
    "tile size": _vary_tile_size,
}
"""The settings in the order of the search; those that do not change the text come first."""


def _keep_valid(profiles: Iterator[Profile]) -> list[Profile]:
    """Return the profiles whose settings are valid."""
    valid = []
    for profile in profiles:
        with suppress(SettingsError):
            valid.append(Profile.from_json(profile.to_json()))
    return valid


def _resolve_processes(profile: Profile) -> Profile:
    """Return the profile with the processes and threads that it gets on this machine."""
    runtime = profile.runtime
    if runtime.device != "cpu":
        return replace(profile, runtime=replace(runtime, processes=runtime.processes or 1))
    shape = default_layout(runtime=runtime)
    return replace(profile, runtime=replace(runtime, processes=shape.recognizers, threads=shape.threads))
