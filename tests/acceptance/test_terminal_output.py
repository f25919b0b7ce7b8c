"""What a person, a file and a machine see of the command line."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ocrfarm.cli.main import exit_codes
from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from tests.support.command_line import OCRFARM, SYNTHETIC, run_ocrfarm

IN_PROCESS = [*SYNTHETIC, "--in-process", "--tile-size", "512"]
_COLOUR = re.compile(r"\x1b\[[0-9;]*[1-9][0-9;]*m")
"""Anything but "back to normal"."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        pixels, _ = make_synthetic_page(Size(3000, 2000), seed=1, lines=20)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return tmp_path


def run_on_terminal(folder: Path, *arguments: str, **environment: str) -> tuple[str, str]:
    """Run with a terminal for stderr and a file for stdout; give both."""
    with (folder / "stdout").open("wb") as out:
        code, shown = _run_in_terminal([*OCRFARM, *arguments], folder, stdout=out.fileno(), **environment)
    assert code == 0, shown
    return shown, (folder / "stdout").read_text()


def _run_in_terminal(
    command: list[str], folder: Path, *, stdout: int | None = None, **environment: str
) -> tuple[int, str]:
    """Run with a terminal for stderr, and for stdout if nothing else is passed; return the code and what it showed."""
    master, slave = pty.openpty()
    environment = {"TERM": "xterm-256color", "COLUMNS": "120", **environment}
    out = slave if stdout is None else stdout
    process = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=out, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # how Linux tells the end
        pass
    os.close(master)
    return process.wait(60), shown.decode()


def test_bars_are_for_terminals(folder: Path) -> None:
    shown, printed = run_on_terminal(folder, "read", "a.png", "b.png", "--out", "out", *IN_PROCESS)
    assert re.search(r"recognize +\d+/54 tiles +[0-9.]+ MP/s", shown)
    assert re.search(r"all .*1/2 files", shown)
    assert _COLOUR.search(shown)
    assert "\x1b" not in printed
    assert printed.startswith("a.png -> out/a.json, .txt, .preview.png  (20 lines, ")
    ended = run_ocrfarm("read", "a.png", "b.png", "--out", "new", *IN_PROCESS, cwd=folder)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_lines_stand_above_the_bars(folder: Path) -> None:
    """As a terminal has them in the end: every row whole, and nothing left of the bars."""
    (folder / "bad.png").write_bytes(b"")
    code, shown = _run_in_terminal([*OCRFARM, "read", ".", "--out", "out", *IN_PROCESS], folder)
    assert code == 3
    rows = _final_rows(shown)
    for line in ("a.png -> out/a.json", "b.png -> out/b.json", "ocrfarm: UnidentifiedImage: bad.png"):
        assert [row for row in rows if row.startswith(line)], rows
    assert "━" not in "".join(rows)


_MANY_LINES_SCRIPT = """
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from ocrfarm.cli.journal import JournalEntry
from ocrfarm.cli.backends import ProgressEvent
from ocrfarm.cli.display import TerminalDisplay

def read(name):
    with display.image(name) as on_progress:
        for done in range(5):
            on_progress(ProgressEvent("recognize", done, 5, 1000000))
            sleep(0.02)
    display.show_ended(JournalEntry(file=name, state="complete"), results=[], text=[name])

display = TerminalDisplay()
with display.batch(60), ThreadPoolExecutor(8) as pool:
    list(pool.map(read, [f"row {number}" for number in range(60)]))
"""


def test_no_line_of_many_is_lost(folder: Path) -> None:
    code, shown = _run_in_terminal([sys.executable, "-c", _MANY_LINES_SCRIPT], folder)
    assert code == 0, shown
    assert sorted(filter(None, _final_rows(shown))) == sorted(f"row {number}" for number in range(60))


_TERMINAL_CODES = re.compile(r"\r|\n|\x1b\[(?:(\d+)A|2K|[0-9;?]*[a-zA-Z])|[^\r\n\x1b]+")
"""What moves the cursor or wipes out a row, colours, and text."""


def _final_rows(shown: str) -> list[str]:
    """Give the rows that a terminal of any height has after all this."""
    rows, row, column = [""], 0, 0
    for move in _TERMINAL_CODES.finditer(shown):
        match move[0]:
            case "\r":
                column = 0
            case "\n":
                row, rows = row + 1, [*rows, ""] if row + 1 == len(rows) else rows
            case "\x1b[2K":
                rows[row] = ""
            case text if not text.startswith("\x1b"):
                rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
                column += len(text)
            case _:
                row -= int(move[1] or 0)
    return [each.rstrip() for each in rows]


def test_a_name_does_not_steer_the_terminal(folder: Path) -> None:
    (folder / "a.png").rename(folder / "[b]\x1b[31;5m.png")
    shown, _ = run_on_terminal(folder, "read", "[b]\x1b[31;5m.png", "--out", "out", *IN_PROCESS)
    assert r"[b]\x1b[31;5m.png" in shown
    assert "\x1b[31;5m" not in shown


def test_no_command_is_told_in_half_a_sentence(folder: Path) -> None:
    commands = run_ocrfarm("--help", cwd=folder).stdout.partition("Commands:")[2].partition("Exit codes:")[0]
    assert "  read " in commands
    assert "..." not in commands


def test_no_colour_where_it_is_not_wanted(folder: Path) -> None:
    shown, _ = run_on_terminal(folder, "read", "a.png", "--out", "out", *IN_PROCESS, NO_COLOR="1")
    assert "54 tiles" in shown
    assert not _COLOUR.search(shown)
    shown, _ = run_on_terminal(folder, "read", "a.png", "--out", "out", "--force", "--quiet", *IN_PROCESS)
    assert shown == ""


def test_a_machine_gets_an_object_for_each_event(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"")
    ended = run_ocrfarm("read", ".", "--out", "out", "--formats", "txt,preview", "--json", *IN_PROCESS, cwd=folder)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[0] == {"event": "start", "files": 3}
    assert {"event", "file", "stage", "done", "tiles", "pixels"} == set(events[1])
    files = {each["file"]: each for each in events if each["event"] == "file"}
    assert files["a.png"].items() >= {"state": "complete", "lines": 20, "megapixels": 6.0}.items()
    assert files["a.png"]["results"] == ["out/a.txt", "out/a.preview.png"]
    assert files["bad.png"].items() >= {"state": "failed", "results": []}.items()
    assert files["bad.png"]["reason"].startswith("UnidentifiedImage: ")
    assert events[-1].items() >= {"event": "end", "complete": 2, "failed": 1, "outcomes": "out/outcomes.csv"}.items()


def test_a_dry_run_reads_nothing_and_says_what_it_would(folder: Path) -> None:
    ended = run_ocrfarm("read", ".", "--out", "out", "--dry-run", *IN_PROCESS, cwd=folder)
    assert (ended.returncode, (folder / "out").exists()) == (0, False), ended.stderr
    assert "a.png: 1 page, 6.0 megapixels, 54 tiles, no timing data yet" in ended.stdout
    assert "nothing has been read with synthetic yet" in ended.stdout
    ended = run_ocrfarm("read", "a.png", "--out", "out", "--dry-run", "--profile", "fast", cwd=folder)
    basis = r"\((\d+\.\d) MP/s, measured on 2 cores of another machine, for (\d+) cores\)"
    estimate = re.search(rf"(?:about \d+|less than 1) s {basis}", ended.stdout)
    assert estimate
    assert float(estimate[1]) == pytest.approx(9.8 * int(estimate[2]) / 2)
    run_ocrfarm("read", "a.png", "--out", "out", *IN_PROCESS, cwd=folder)
    ended = run_ocrfarm("read", ".", "--out", "out", "--dry-run", "--json", *IN_PROCESS, cwd=folder)
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [row.get("file") for row in rows] == ["b.png", None]  # the other one is done
    assert rows[-1]["based_on"] == "1 image read into this folder with synthetic"
    assert rows[-1]["seconds"] > 0
    (folder / "bad.png").write_bytes(b"no image")
    assert run_ocrfarm("read", ".", "--out", "out", "--dry-run", *IN_PROCESS, cwd=folder).returncode == 3


def test_exit_codes_are_told(tmp_path: Path) -> None:
    listed = run_ocrfarm("--help", cwd=tmp_path).stdout.partition("Exit codes:")[2]
    assert {int(code): meaning for code, meaning in re.findall(r"(\d+)  (\S.*)", listed)} == exit_codes()
    assert exit_codes().keys() == {*range(14), 130}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_learn_to_complete(shell: str, tmp_path: Path) -> None:
    assert "_OCRFARM_COMPLETE" in run_ocrfarm("completion", shell, cwd=tmp_path).stdout


def test_completion_of_a_command_and_an_option(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "ocrfarm read --dry", "COMP_CWORD": "2", "_OCRFARM_COMPLETE": "bash_complete"}
    assert run_ocrfarm(cwd=tmp_path, **words).stdout == "plain,--dry-run\n"
