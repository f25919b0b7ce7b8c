"""Names of files that attack a terminal, or are not UTF-8: each is read, and shown in printable characters."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ocrfarm.cli.journal import read_entries
from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.result.formats import FORMATS
from tests.support.command_line import SYNTHETIC, run_ocrfarm
from tests.support.hostile_names import FILE_NAMES, find_unprintable

IN_PROCESS = [*SYNTHETIC, "--in-process"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.png"
    pixels, _ = make_synthetic_page(Size(600, 400), seed=1, lines=3)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, page: Path) -> Path:
    """A folder with an image of each hostile name."""
    (tmp_path / "in").mkdir()
    for name in FILE_NAMES:
        (tmp_path / "in" / name).write_bytes(page.read_bytes())
    return tmp_path


def _check_printable(text: str) -> None:
    assert not [line for line in text.split("\n") if find_unprintable(line)]


def _stem(name: str) -> str:
    return name.removesuffix(".png")


def test_read_reads_every_file_and_prints_printable_names(folder: Path) -> None:
    ended = run_ocrfarm("read", "in", "--out", "out", "--formats", "json", *IN_PROCESS, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    _check_printable(ended.stdout + ended.stderr)
    assert len([row for row in ended.stdout.splitlines() if " -> out/" in row]) == len(FILE_NAMES)
    for name in FILE_NAMES:
        assert json.loads((folder / "out" / f"{_stem(name)}.json").read_bytes())["complete"]
    again = run_ocrfarm("read", "in", "--out", "out", "--formats", "json", *IN_PROCESS, "--json", cwd=folder)
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert {row["file"] for row in rows if row["event"] == "skipped"} == {f"in/{name}" for name in FILE_NAMES}
    _check_printable(again.stdout)


@pytest.mark.parametrize("option", ["--quiet", "--dry-run", "--json"])
def test_no_option_lets_a_name_through(folder: Path, option: str) -> None:
    (folder / "in" / "\x1b[2Jbad\nrow.png").write_bytes(b"no image")
    ended = run_ocrfarm("read", "in", "--out", "out", option, *IN_PROCESS, cwd=folder)
    assert ended.returncode == 3, ended.stderr
    _check_printable(ended.stdout + ended.stderr)


def test_every_format_takes_a_name_that_is_not_utf_8(folder: Path, page: Path) -> None:
    formats = ",".join(name for name in FORMATS if name != "parquet")
    names = [name for name in FILE_NAMES if "caf" in name or "\x1b" in name]
    ended = run_ocrfarm(
        "read", *(f"in/{name}" for name in names), "--out", "out", "--formats", formats, *IN_PROCESS, cwd=folder
    )
    assert ended.returncode == 0, ended.stderr
    _check_printable(ended.stdout + ended.stderr)
    for path in (folder / "out").iterdir():
        if path.suffix in {".json", ".jsonl", ".hocr", ".xml", ".csv", ".tsv", ".md", ".geojson", ".txt"}:
            assert "\x1b" not in path.read_bytes().decode()


def test_a_pdf_may_have_a_name_that_is_not_utf_8(tmp_path: Path, page: Path) -> None:
    Image.open(page).save(tmp_path / "page.pdf")
    (tmp_path / "page.pdf").rename(tmp_path / "caf\udce9.pdf")
    ended = run_ocrfarm("read", ".", "--out", "out", "--formats", "pdf,json", *IN_PROCESS, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "caf\udce9.pdf").stat().st_size


def test_the_journal_is_printable_and_harmless_and_names_the_files(folder: Path) -> None:
    run_ocrfarm("read", "in", *(f"in/{name}" for name in FILE_NAMES), "--out", "out", *IN_PROCESS, cwd=folder)
    path = folder / "out" / "outcomes.csv"
    _check_printable(path.read_text(encoding="utf-8-sig"))
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert {row.file for row in read_entries(path)} == {f"in/{name}" for name in FILE_NAMES}


def test_view_finds_the_image_by_the_journal(folder: Path) -> None:
    run_ocrfarm("read", "in", "--out", "out", *IN_PROCESS, cwd=folder)
    ended = run_ocrfarm("view", "out", "--out", "viewer", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    pages = json.loads((folder / "viewer" / "viewer.json").read_bytes())["pages"]
    assert len(pages) == len(FILE_NAMES)
    assert not [page["name"] for page in pages if find_unprintable(page["name"])]


def test_what_is_wrong_with_one_file_is_one_failed_row(tmp_path: Path, page: Path) -> None:
    """Also what the system refuses: a name that is too long, with its result or by itself, a loop, a vanished file."""
    for name in ("good.png", f"{'x' * 250}.png"):
        (tmp_path / name).write_bytes(page.read_bytes())
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "secret.png").write_bytes(page.read_bytes())
    (tmp_path / "secret.png").chmod(0)
    ended = run_ocrfarm("read", ".", f"{'y' * 300}.png", "--out", "out", *IN_PROCESS, cwd=tmp_path)
    assert ended.returncode != 0
    states = {row.file: row.state for row in read_entries(tmp_path / "out" / "outcomes.csv")}
    assert states.pop("good.png") == "complete"
    readable = os.access(tmp_path / "secret.png", os.R_OK)  # a superuser may read it
    assert states.pop("secret.png") == ("complete" if readable else "failed")
    assert set(states.values()) == {"failed"}
    assert len(states) == 5
    assert "this is a bug" not in ended.stderr


def test_a_bug_in_one_file_is_one_failed_row(tmp_path: Path, page: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(page.read_bytes())
    script = (
        "import ocrfarm.pipeline as pipeline, sys\n"
        "from ocrfarm.cli import main\n"
        "run = pipeline.run_pipeline\n"
        "def broken(path, *args, **named):\n"
        "    if path.name == 'a.png': raise UnicodeEncodeError('utf-8', '\\udce9', 0, 1, 'boom')\n"
        "    return run(path, *args, **named)\n"
        "pipeline.run_pipeline = broken\n"
        "main()\n"
    )
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "script.py", "read", "a.png", "b.png", "--out", "out", *IN_PROCESS]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    states = {row.file: row.state for row in read_entries(tmp_path / "out" / "outcomes.csv")}
    assert states == {"a.png": "failed", "b.png": "complete"}
    assert "this is a bug (UnicodeEncodeError" in ended.stderr


def test_a_wrong_command_line_is_printable(tmp_path: Path) -> None:
    for arguments in (["\x1b[2J"], ["read", "x", "--no\x1b[2J"], ["read", "x", "--concurrency", "\x1b[2J\n\x9b"]):
        ended = run_ocrfarm(*arguments, cwd=tmp_path)
        assert ended.returncode == 2
        _check_printable(ended.stdout + ended.stderr)
