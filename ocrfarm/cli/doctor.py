"""`ocrfarm doctor`: tells whether this machine, its broker and its store are fit to work, and what to do where not."""

import importlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.doctor import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


@click.command(short_help="Look whether this machine is fit for its work.")
@click.option(
    "--stage", type=click.Choice(["client", "split", "recognize", "stitch"]), default="recognize", show_default=True
)
@click.option("--profile", default="fast", show_default=True, help="The models to try: a name or a .toml file.")
@click.option("--concurrency", default=1, show_default=True, help="Processes that are to read at the same time.")
@click.option("--short", is_flag=True, help="As a worker at its start: no model is loaded.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def doctor(stage: str, profile: str, *, concurrency: int, short: bool, as_json: bool) -> None:
    """Look whether this machine can do the work of a STAGE, and say what to do where it cannot.

    The exit code is that of the first failure, 0 where there is none; warnings do not count.
    """
    found = importlib.import_module("ocrfarm.doctor")
    settings, wanted = Settings.from_env(os.environ), find_profile(profile)
    case = found.Case(settings=settings, stages=(stage,), profile=wanted, concurrency=concurrency, short=short)
    findings = _gathered(found.examine(case)) if as_json else _shown(found.examine(case))
    raise SystemExit(next((each.kind.exit_code for each in findings if each.state == "failure"), 0))


def _shown(findings: Iterable["Finding"]) -> list["Finding"]:
    """Print each finding as it comes: some take seconds."""
    seen = []
    for each in findings:
        seen.append(each)
        click.echo(f"{click.style(f'{each.state:7}', fg=_COLOURS[each.state])}  {each.name:18}  {each.fact}")
        if each.advice:
            click.echo(f"{'':29}-> {each.advice}")
    return seen


def _gathered(findings: Iterable["Finding"]) -> list["Finding"]:
    seen = list(findings)
    rows = [{**asdict(each), "kind": each.kind.__name__ if each.state == "failure" else ""} for each in seen]
    click.echo(json.dumps({"fit": not any(each.state == "failure" for each in seen), "findings": rows}, indent=1))
    return seen
