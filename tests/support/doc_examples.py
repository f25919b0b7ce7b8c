"""Examples in docs/*.md that are run: fenced blocks under the line `<!-- run -->`.

Blocks of `python` share one interpreter a page, blocks of `console` one shell. In `console`, lines that begin with `$ `
are commands and the others are what they print. What a `python` block prints may follow in a block under
`<!-- prints -->`. Three dots stand for anything, and white space counts once.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_TIMEOUT = 120
_MARK = "=== step of an example ==="
_CLEANUP = "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"
"""What was left running in the background ends with the page."""


@dataclass(frozen=True)
class ExampleStep:
    """What is run, in which language, what it prints (None: whatever it likes), and its line in the page."""

    language: str
    code: str
    expected_output: str | None
    line: int


def parse_steps(page: Path) -> list[ExampleStep]:
    """Give what is to be run of a page; ValueError for a mark that stands above nothing that can be run."""
    found: list[ExampleStep] = []
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    for mark, block in pairwise(tokens):
        if mark.type == "html_block" and mark.content.strip() in ("<!-- run -->", "<!-- prints -->"):
            if block.type != "fence":
                raise ValueError(f"{page.name}: no block under {mark.content.strip()}")
            if "prints" in mark.content:
                last = found.pop()
                found.append(ExampleStep(last.language, last.code, block.content, last.line))
            else:
                found += _parse_block(page, block)
    return found


def _parse_block(page: Path, block: Token) -> Iterator[ExampleStep]:
    line = block.map[0] + 1 if block.map else 0
    if block.info == "python":
        yield ExampleStep("python", block.content, None, line)
    elif block.info == "console":
        for command, printed in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block.content, re.MULTILINE):
            yield ExampleStep("console", command, printed, line)
    else:
        raise ValueError(f"{page.name}:{line}: only python and console blocks can be run, not {block.info!r}")


def run_steps(found: list[ExampleStep], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run the steps of one language; give what each printed. AssertionError where one fails."""
    python = found[0].language == "python"
    code = "\n".join(_with_marker(step, python=python) for step in found)
    command = (
        [sys.executable, "-W", "error", "-c", code] if python else ["bash", "-euo", "pipefail", "-c", _CLEANUP + code]
    )
    with (folder / "errors").open("w+") as errors:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, timeout=_TIMEOUT, check=False
        )
        errors.seek(0)
        said = errors.read()
    parts = done.stdout.decode().split(f"{_MARK}\n")
    assert done.returncode == 0, f"line {found[len(parts) - 2].line}: {said}"
    return parts[1:]


def _with_marker(step: ExampleStep, *, python: bool) -> str:
    return f"print({_MARK!r}, flush=True)\n{step.code}" if python else f"echo {_MARK!r}\n{step.code}"


def matches_output(printed: str, expected: str) -> bool:
    """Compare what was printed with what the page says."""
    parts = " ".join(expected.split()).split("...")
    pattern = ".*".join(re.escape(part.strip()) for part in parts)
    return re.fullmatch(pattern, " ".join(printed.split())) is not None
