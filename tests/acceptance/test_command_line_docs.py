"""What docs/command-line.md says of exit codes, options and events is so."""

import re
from pathlib import Path

from ocrfarm.cli.display import Totals
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.main import exit_codes
from tests.support.command_line import run_ocrfarm

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "command-line.md").read_text()


def test_every_exit_code_is_documented() -> None:
    table = PAGE.partition("## Exit codes")[2]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == exit_codes()


def test_every_option_that_is_named_exists(tmp_path: Path) -> None:
    helps = "".join(run_ocrfarm(command, "--help", cwd=tmp_path).stdout for command in ("read", "submit"))
    named = set(re.findall(r"--[a-z][a-z-]*", PAGE + (DOCS / "inputs.md").read_text())) - {"--help"}
    assert named <= set(re.findall(r"--[a-z][a-z-]*", helps))


def test_every_column_and_count_is_documented() -> None:
    assert all(f"`{name}`" in PAGE for name in (*JournalEntry.__dataclass_fields__, *Totals._fields))
