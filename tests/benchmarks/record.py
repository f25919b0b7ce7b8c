"""`--record`: what a bench measured goes into docs/figures.json, from which the documents take every figure."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from tests.support.source_tree import ROOT

FIGURES = ROOT / "docs/figures.json"

Value = int | float | Sequence[Sequence[str]]
"""A number, or the rows of a table, the first one its heads."""

record_option = click.option(
    "--record", is_flag=True, help="Write the figures into docs/figures.json, from which the documents take them."
)


def record_figures(measured: Mapping[str, tuple[Value, str]]) -> None:
    """Write or replace figures.

    Args:
        measured: Id -> value and unit, such as {"speed.16k.fast.seconds": (26.7, "s")}. Other ids stay as they are.
    """
    origin = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "machine": describe_machine(),
        "command": _command(sys.argv[1:]),
    }
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures |= {name: {"value": value, "unit": unit, **origin} for name, (value, unit) in measured.items()}
    FIGURES.write_text(format_figures(figures), encoding="utf-8")
    subprocess.run([sys.executable, ROOT / "docs/tools/figures.py"], check=True)
    click.echo(f"{len(measured)} figures written into docs/figures.json")


def format_figures(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return JSON in the order of the ids, with one line a field, and one line a row of a table."""
    entries = (f"  {json.dumps(name)}: {{\n{_format_entry(figures[name])}\n  }}" for name in sorted(figures))
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _format_entry(entry: Mapping[str, Any]) -> str:
    return ",\n".join(f"    {json.dumps(key)}: {_format_value(value)}" for key, value in entry.items())


def _format_value(value: object) -> str:
    if not isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False)
    rows = ",\n".join(f"      {json.dumps(row, ensure_ascii=False)}" for row in value)
    return f"[\n{rows}\n    ]"


def sheet_name(width: int) -> str:
    """Return how ids name a sheet of this width in pixels: "16k" for 16384."""
    return f"{round(width / 1024)}k"


def describe_machine() -> str:
    """Return the machine in plain words, such as "2 cores (AMX, bfloat16), 24 GB, no GPU"."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    engine = "AMX, bfloat16" if "amx_bf16" in info else "bfloat16" if "avx512_bf16" in info else "no bfloat16"
    cores = f"{len(os.sched_getaffinity(0))} cores ({engine})"
    gigabytes = -(-os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30)
    gpu = "a GPU" if Path("/proc/driver/nvidia/version").exists() else "no GPU"
    return f"{cores}, {gigabytes} GB, {gpu}"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _command(arguments: Sequence[str]) -> str:
    """Return the command without the folders of this machine."""
    names = [
        Path(each).name if each.startswith(("/", "../", "~")) else each for each in arguments if each != "--record"
    ]
    return shlex.join(["scripts/bench", *names])
