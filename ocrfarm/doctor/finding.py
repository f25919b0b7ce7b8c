"""CheckContext and Finding: what is checked, and the result of one check; with helpers for all checks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from ocrfarm.errors import OcrfarmError
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings

CheckStatus = Literal["ok", "warning", "failure"]
Role = Literal["client", "split", "recognize", "stitch"]


_WARN_SKEW, _FAIL_SKEW = 30.0, 450.0
"""Seconds between two clocks. From the first on, ages in lists and metrics are visibly wrong. The second is half of the
15 minutes after which S3 refuses requests, and more than the 5 minutes of the visibility timeout."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What is checked: this machine, in these roles, with these settings.

    Attributes:
        settings: Settings of the worker or client.
        roles: What the machine is for.
        profile: Models and runtime of a recognizer.
        concurrency: Processes that will recognize at a time.
        quick: Check what a worker has to know when it starts: no model is loaded, and a problem that can go away by
            itself is a warning.
    """

    settings: Settings
    roles: tuple[Role, ...]
    profile: Profile = field(default_factory=lambda: find_profile("fast"))
    concurrency: int = 1
    quick: bool = False

    @property
    def has_models(self) -> bool:
        """Whether this machine runs models of PaddleOCR."""
        return "recognize" in self.roles and self.profile.runtime.engine != "synthetic"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    >>> Finding("broker.eviction", "warning", "maxmemory-policy is allkeys-lru", "set noeviction").sentence
    'maxmemory-policy is allkeys-lru: set noeviction'

    Attributes:
        name: What was checked, as `broker` or `broker.eviction`.
        state: ok, warning or failure.
        fact: What was found.
        advice: What to do about it; empty if there is no problem.
        kind: Error that a failure amounts to; it decides the exit code.
    """

    name: str
    state: CheckStatus
    fact: str
    advice: str = ""
    kind: type[OcrfarmError] = OcrfarmError

    @property
    def sentence(self) -> str:
        """The fact and the advice."""
        return f"{self.fact}: {self.advice}" if self.advice else self.fact


def ok(name: str, fact: str) -> Finding:
    """Return a finding without a problem.

    Args:
        name: What was checked.
        fact: What was found.
    """
    return Finding(name, "ok", fact)


def warn(name: str, fact: str, *, advice: str) -> Finding:
    """Return a finding of something that works, but not well or not for long.

    Args:
        name: What was checked.
        fact: What was found.
        advice: What to do about it.
    """
    return Finding(name, "warning", fact, advice)


def fail(name: str, fact: str, *, advice: str, kind: type[OcrfarmError]) -> Finding:
    """Return a finding that has to be mended before any work can start.

    Args:
        name: What was checked.
        fact: What was found.
        advice: What to do about it.
        kind: Error that the failure amounts to.
    """
    return Finding(name, "failure", fact, advice, kind)


def run_check(context: CheckContext, name: str, *, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return the findings of a check; an `OcrfarmError` that ends it becomes a finding as well.

    A retryable error is only a warning in a quick check, because a worker waits for its broker and store.

    >>> from ocrfarm.errors import StoreDenied
    >>> def check() -> Iterable[Finding]:
    ...     yield ok("store", "it answers")
    ...     raise StoreDenied("s3://bucket: access denied")
    >>> context = CheckContext(Settings(), roles=("client",))
    >>> [each.state for each in run_check(context, "store", check=check)]
    ['ok', 'failure']

    Args:
        context: What is checked.
        name: Name of the finding that an error becomes.
        check: The check; findings that it yields before an error are kept.
    """
    findings: list[Finding] = []
    try:
        for each in check():  # not list(check()), which would lose the findings before an error
            findings.append(each)
    except OcrfarmError as error:
        state: CheckStatus = "warning" if context.quick and error.retryable else "failure"
        findings.append(Finding(name, state, str(error), kind=type(error)))
    return findings


def compare_clocks(name: str, theirs: float, *, ours: float) -> Finding:
    """Return whether the clock of a service is near enough to this machine's.

    >>> compare_clocks("store.clock", 1_000_060.0, ours=1_000_000.0).fact
    "its clock is +60.0 s from this machine's"

    Args:
        name: What was checked.
        theirs: Time of the service, in seconds since 1970.
        ours: Time of this machine, in seconds since 1970.
    """
    ahead = theirs - ours
    fact = f"its clock is {ahead:+.1f} s from this machine's"
    advice = "synchronize both clocks with NTP (`timedatectl set-ntp true`)"
    if abs(ahead) >= _FAIL_SKEW:
        return fail(name, fact, advice=advice, kind=OcrfarmError)
    return warn(name, fact, advice=advice) if abs(ahead) >= _WARN_SKEW else ok(name, fact)
