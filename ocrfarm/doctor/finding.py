"""CheckContext and Finding: what is examined, and one line of what was found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from ocrfarm.errors import OcrfarmError
from ocrfarm.recognize import Profile, find_profile
from ocrfarm.settings import Settings

CheckStatus = Literal["ok", "warning", "failure"]
Role = Literal["client", "split", "recognize", "stitch"]


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What is examined: a machine that has these roles with these settings.

    profile, concurrency: of a recognizer: its models and runtime, and how many processes hold them.
    quick: what a worker wants to know before it starts; no model is loaded, and what may pass is no failure.
    """

    settings: Settings
    roles: tuple[Role, ...]
    profile: Profile = field(default_factory=lambda: find_profile("fast"))
    concurrency: int = 1
    quick: bool = False

    @property
    def has_models(self) -> bool:
        """Whether models of PaddleOCR run here."""
        return "recognize" in self.roles and self.profile.runtime.engine != "synthetic"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, the fact, what to do, and the error that a failure amounts to."""

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
    """Say that all is well."""
    return Finding(name, "ok", fact)


def warn(name: str, fact: str, *, advice: str) -> Finding:
    """Say that it works, but not as well as it could or not for long."""
    return Finding(name, "warning", fact, advice)


def fail(name: str, fact: str, *, advice: str, kind: type[OcrfarmError]) -> Finding:
    """Say that no work should begin before this is put right."""
    return Finding(name, "failure", fact, advice, kind)


def run_check(context: CheckContext, name: str, *, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Give what a check yields; an error of ours that ends it is a finding too, whose message says what to do.

    A worker's broker or store that is away at its start may be there a moment later: the worker waits for it.
    """
    found: list[Finding] = []
    try:
        for each in check():  # one by one: what came before an error counts
            found.append(each)
    except OcrfarmError as error:
        state: CheckStatus = "warning" if context.quick and error.retryable else "failure"
        found.append(Finding(name, state, str(error), kind=type(error)))
    return found
