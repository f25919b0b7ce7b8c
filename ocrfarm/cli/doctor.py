"""`ocrfarm doctor`: check this machine, its broker and its store, and advise what to do about problems."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.main import echo
from ocrfarm.recognize import find_profile
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.doctor import Finding
    from ocrfarm.doctor.finding import Role

_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


@click.command(short_help="Check this machine, the broker and the store.")
@click.option(
    "--role",
    type=click.Choice(["client", "split", "recognize", "stitch"]),
    default="recognize",
    show_default=True,
    help="What this machine is for.",
)
@click.option(
    "--profile",
    default="fast",
    show_default=True,
    help="Models to check: a profile's name or the path of a .toml file.",
)
@click.option(
    "--processes", default=1, show_default=True, metavar="COUNT", help="Processes that will recognize at a time."
)
@click.option("--quick", is_flag=True, help="Load no models; this is what a worker checks when it starts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(role: "Role", profile: str, *, processes: int, quick: bool, as_json: bool) -> None:
    """Check whether this machine can work in a role, and print advice for each problem.

    The exit code is that of the first failure, or 0 if there is none; warnings do not count.

    \f
    Args:
        role: The role of the worker, or client.
        profile: Name or file of the profile whose models are checked.
        processes: Processes that the worker would have.
        quick: Whether to skip the checks that load models.
        as_json: Whether to print JSON.
    """
    from ocrfarm.doctor import CheckContext, run_checks

    context = CheckContext(
        settings=Settings.from_env(os.environ),
        roles=(role,),
        profile=find_profile(profile),
        concurrency=processes,
        quick=quick,
    )
    findings = _print_json(run_checks(context)) if as_json else _print_findings(run_checks(context))
    raise SystemExit(next((each.kind.exit_code for each in findings if each.state == "failure"), 0))


def _print_findings(findings: Iterable["Finding"]) -> list["Finding"]:
    """Print each finding as soon as it is there, because some checks take seconds."""
    printed = []
    for each in findings:
        printed.append(each)
        echo(f"  {each.name:18}  {each.fact}", head=click.style(f"{each.state:7}", fg=_COLOURS[each.state]))
        if each.advice:
            echo(f"{'':29}-> {each.advice}")
    return printed


def _print_json(findings: Iterable["Finding"]) -> list["Finding"]:
    found = list(findings)
    rows = [{**asdict(each), "kind": each.kind.__name__ if each.state == "failure" else ""} for each in found]
    report = {"fit": not any(each.state == "failure" for each in found), "findings": rows}
    echo(*json.dumps(report, indent=1).split("\n"))
    return found
