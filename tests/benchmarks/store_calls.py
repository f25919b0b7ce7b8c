"""`scripts/bench store-calls`: each request to the store fails in turn while a job is read; what becomes of the job."""

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import click

from ocrfarm.document import Document, Line
from ocrfarm.storage.s3 import S3Store
from tests.benchmarks.record import record_figures, record_option
from tests.support.farm_fixture import draw_page
from tests.support.faults import SMALL_TILES, FaultRig, RigSetup, run_rig
from tests.support.s3_proxy import FAULT_KINDS, AimedFault

KINDS = ("503", "timeout", "cut body", "wrong body, right headers", "HTML with 200", "403", "404")
"""The faults that are tried without `--kind`."""

JOB_TIMEOUT = 180
"""Seconds after which a job counts as stuck."""

_QUICK = RigSetup((("FAKE_WORKER_TILE_SECONDS", "0.02"),), is_store_faulty=True)


@click.command("store-calls")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(FAULT_KINDS), help="Only this fault; may be repeated."
)
@click.option("--seconds", default=0.0, help="All requests fail for so long, instead of one request.")
@click.option("--step", default=1, show_default=True, help="Try every n-th request only.")
@record_option
def store_calls(*, kinds: tuple[str, ...], seconds: float, step: int, record: bool) -> None:
    """Read a page of 24 tiles once for each request that its workers make, which fails in one way after the other."""
    click.echo(f"{'fault':28}{'jobs':>6}{'hit':>6}{'equal':>7}{'longest s':>11}  ended")
    rows = [["fault", "lasts", "jobs", "complete and equal", "longest, s"]]
    with run_rig(_QUICK) as rig:
        trial = _Trial.prepare(rig)
        for kind in kinds or KINDS:
            outcomes = list(trial.play(kind, seconds=seconds, step=step))
            ended = Counter(outcome.state for outcome in outcomes)
            equal, longest = sum(outcome.is_equal for outcome in outcomes), max(outcome.seconds for outcome in outcomes)
            hit = sum(outcome.hits > 0 for outcome in outcomes)
            click.echo(f"{kind:28}{len(outcomes):>6}{hit:>6}{equal:>7}{longest:>11.1f}  {dict(ended)}")
            lasts = f"{seconds:g} s" if seconds else "one request"
            rows.append([kind, lasts, str(len(outcomes)), str(equal), f"{longest:.1f}"])
    if record:
        record_figures({f"chaos.store_calls{f'_{seconds:g}' if seconds else ''}": (rows, "table")})


@dataclass(frozen=True)
class Outcome:
    """How a job ended during a fault."""

    state: str
    is_equal: bool
    seconds: float
    hits: int


@dataclass(frozen=True)
class _Trial:
    """A page, what is read of it without a fault, and the store without the proxy, for the client."""

    rig: FaultRig
    source: bytes
    lines: list[Line]

    @classmethod
    def prepare(cls, rig: FaultRig) -> "_Trial":
        farm = rig.farm
        farm.store = S3Store(rig.store.url("chaos"))
        farm.submitter = replace(farm.submitter, store=farm.store)
        source = draw_page(3, 2, prefix="abc").png
        job = farm.submit(source, profile=SMALL_TILES)
        assert farm.wait(job, seconds=JOB_TIMEOUT).state == "complete"
        return cls(rig, source, _lines(farm.document(job)))

    def play(self, kind: str, *, seconds: float, step: int) -> Iterator[Outcome]:
        """Yield what becomes of a job for each request in turn, until its workers make no more requests."""
        for number in itertools.count(1, step):
            fault = AimedFault(kind, number, seconds=seconds)
            outcome = self._read(fault)
            if not fault.hits:
                return
            yield outcome

    def _read(self, fault: AimedFault) -> Outcome:
        farm, started = self.rig.farm, time.monotonic()
        self.rig.s3_faults.aimed = fault
        job = farm.submit(self.source, profile=SMALL_TILES)
        try:
            state: str = farm.wait(job, seconds=JOB_TIMEOUT).state
        except AssertionError:
            state = "STUCK"
        is_equal = state == "complete" and _lines(farm.document(job)) == self.lines
        if not is_equal:
            click.echo(f"! {fault.kind} at request {fault.number} ({fault.hits[:1]}): {farm.status(job)}", err=True)
        self.rig.s3_faults.aimed = None
        return Outcome(state, is_equal, time.monotonic() - started, len(fault.hits))


def _lines(document: Document) -> list[Line]:
    return sorted(document.lines, key=lambda line: (line.text, repr(line.quad)))
