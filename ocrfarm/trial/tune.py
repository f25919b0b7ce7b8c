"""A profile and a piece of a page -> the settings with which this machine reads such pages fastest, by trying.

Coordinate descent: one setting at a time is moved as long as that helps, and the others after it, until a whole round
brings nothing or the time is up. A setting counts only where it reads nearly what the profile read as it was given.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ocrfarm.errors import SettingsError
from ocrfarm.farm.local import machine_shape
from ocrfarm.recognize import Profile
from ocrfarm.trial.measure import Speed, agreement

GAIN = 1.02
"""Times as fast at least: less is the machine's own unsteadiness."""

Measure = Callable[[Profile, float], Speed]
"""Measures a profile, for so many seconds at most."""

_SIDES = (1024, 1536, 2048, 3072)
_SCALES = (0.25, 0.35, 0.5, 0.7, 1.0)
_BATCHES = (1, 2, 4, 8, 16, 32)
_PRECISIONS = ("fp32", "bf16", "fp16")
_ON_A_GPU = (1, 2, 3)
"""Processes that share a GPU: while one decodes or decides, another computes."""


@dataclass(frozen=True, slots=True)
class Goal:
    """How long the search may take, and which share of the words may be read otherwise than before."""

    seconds: float
    drift: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One profile, what was measured, its share of words as before, and what was made of it."""

    profile: Profile
    speed: Speed
    agreement: float
    verdict: str

    @property
    def is_taken(self) -> bool:
        """Say whether the search went on from here."""
        return self.verdict == "taken"


def tune(profile: Profile, goal: Goal, *, measure: Measure) -> Iterator[Trial]:
    """Give trial after trial, the profile's own first; the last one that was taken is the best.

    `SettingsError` where the profile itself cannot be measured.
    """
    ends = time.monotonic() + goal.seconds
    first = measure(_laid_out(profile), goal.seconds)
    if first.trouble:
        raise SettingsError(f"profile {profile.name} cannot be measured on this machine: {first.trouble}")
    search = _Search(goal, measure, ends, Trial(_laid_out(profile), first, 1.0, "taken"), first)
    yield search.best
    improved = True
    while improved and search.left > 0:
        improved = False
        for knob in KNOBS.values():
            for trial in search.line(knob):
                improved |= trial.is_taken
                yield trial


@dataclass(slots=True)
class _Search:
    goal: Goal
    measure: Measure
    ends: float
    best: Trial
    first: Speed
    tried: "set[Profile] | None" = None

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def line(self, knob: "Knob") -> Iterator[Trial]:
        """Move one setting up as long as that helps, then down."""
        values = knob(self.best.profile)
        for way in (1, -1):
            while self.left > 0 and (found := _beside(values, self.best.profile, way)):
                if (trial := self._tried(found)) is None:
                    break
                yield trial
                if not trial.is_taken:
                    break

    def _tried(self, profile: Profile) -> Trial | None:
        """Measure a profile; None where that has been done."""
        self.tried = self.tried or {self.best.profile}
        if profile in self.tried:
            return None
        self.tried.add(profile)
        speed = self.measure(profile, self.left)
        same = agreement(self.first.words, speed.words)
        verdict = self._verdict(speed, same)
        if verdict == "taken":
            self._measure_best_again()
            verdict = self._verdict(speed, same)
        trial = Trial(profile, speed, same, verdict)
        if trial.is_taken:
            self.best = trial
        return trial

    def _measure_best_again(self) -> None:
        """Give the best a second chance: the first trial of all is up to a tenth slower than the same later on."""
        again = self.measure(self.best.profile, self.left)
        if again.megapixels > self.best.speed.megapixels:
            self.best = replace(self.best, speed=again)

    def _verdict(self, speed: Speed, same: float) -> str:
        if speed.trouble:
            return speed.trouble if self.left > 0 else "there was no time left for it"
        if same < 1 - self.goal.drift:
            return "reads too much otherwise"
        return "taken" if speed.megapixels >= GAIN * self.best.speed.megapixels else "not faster"


Knob = Callable[[Profile], list[Profile]]
"""A profile -> the same one with each value of one setting, in order; the profile itself among them."""


def _beside(values: list[Profile], profile: Profile, way: int) -> Profile | None:
    at = values.index(profile) + way
    return values[at] if 0 <= at < len(values) else None


def _layouts(profile: Profile) -> list[Profile]:
    """Give processes and threads: on a processor all its cores are busy, whichever way."""
    runtime = profile.runtime
    if runtime.device != "cpu":
        pairs = {(count, runtime.threads) for count in _ON_A_GPU}
    else:
        most = machine_shape().recognizers
        cores = max(most, runtime.processes * max(runtime.threads, 1))
        pairs = {(count, cores // count) for count in range(1, most + 1) if cores % count == 0}
    return [
        replace(profile, runtime=replace(runtime, processes=processes, threads=threads))
        for processes, threads in sorted(pairs | {(runtime.processes, runtime.threads)})
    ]


def _sides(profile: Profile) -> list[Profile]:
    tiling = profile.tiling
    return _possible(replace(profile, tiling=replace(tiling, side=side)) for side in sorted({*_SIDES, tiling.side}))


def _scales(profile: Profile) -> list[Profile]:
    scales = sorted({*_SCALES, profile.detector_scale})
    return _possible(replace(profile, detector_scale=scale) for scale in scales)


def _batches(profile: Profile) -> list[Profile]:
    return [
        replace(profile, runtime=replace(profile.runtime, batch=batch))
        for batch in sorted({*_BATCHES, profile.runtime.batch})
    ]


def _precisions(profile: Profile) -> list[Profile]:
    names = dict.fromkeys([profile.runtime.precision, *_PRECISIONS])
    return _possible(replace(profile, runtime=replace(profile.runtime, precision=name)) for name in names)


KNOBS: dict[str, Knob] = {
    "processes": _layouts,
    "precision": _precisions,
    "detector scale": _scales,
    "batch": _batches,
    "tile side": _sides,
}
"""What is searched, in this order: first what changes nothing of what is read."""


def _possible(profiles: Iterator[Profile]) -> list[Profile]:
    """Give those that make sense."""
    found = []
    for profile in profiles:
        try:
            found.append(Profile.from_json(profile.to_json()))
        except SettingsError:
            continue
    return found


def _laid_out(profile: Profile) -> Profile:
    """Give the profile with the processes and threads that it gets on this machine."""
    runtime = profile.runtime
    if runtime.device != "cpu":
        return replace(profile, runtime=replace(runtime, processes=runtime.processes or 1))
    shape = machine_shape(runtime=runtime)
    return replace(profile, runtime=replace(runtime, processes=shape.recognizers, threads=shape.threads))
