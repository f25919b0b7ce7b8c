"""Batches as people run them over night: killed half way, started again, and nothing is read twice or missing."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from ocrfarm.cli.journal import JOURNAL_NAME, Journal, JournalEntry
from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from tests.support.command_line import OCRFARM, SYNTHETIC, run_ocrfarm
from tests.support.servers import ValkeyServer

COUNT = 200
IN_PROCESS = [*SYNTHETIC, "--in-process"]


def draw_images(folder: Path, count: int) -> dict[str, list[str]]:
    """Write small images in two folders; give the lines of each by its place, without suffix."""
    written = {}
    for number in range(count):
        place = f"{'ab'[number % 2]}/{number:03d}"
        pixels, truth = make_synthetic_page(Size(640, 300), seed=number, lines=2)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{place}.png")
        written[place] = sorted(line.text for line in truth)
    return written


def read_rows(out: Path) -> dict[str, dict[str, str]]:
    """Give the table's whole rows by the name of the results."""
    text = (out / "outcomes.csv").read_text(encoding="utf-8-sig") if (out / "outcomes.csv").exists() else ""
    return {row["result"]: row for row in csv.DictReader(text.splitlines()) if None not in row.values()}


def read_texts(path: Path) -> list[str]:
    return sorted(line["text"] for page in json.loads(path.read_text())["pages"] for line in page["lines"])


def run_and_kill(folder: Path, *arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    """Start the command, kill it when half of the images are read, and give the rows that it left."""
    command = [*OCRFARM, *arguments]
    with subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=subprocess.DEVNULL) as reading:
        while sum(row["state"] == "complete" for row in read_rows(folder / "out").values()) < COUNT // 2:
            assert reading.poll() is None
            time.sleep(0.02)
        reading.send_signal(signal.SIGKILL)
    return read_rows(folder / "out")


@contextmanager
def run_farm(store: Path, valkey: ValkeyServer) -> Iterator[dict[str, str]]:
    """Run workers that outlive their clients; give the environment of a client."""
    name = f"{store.parent.name}:"
    environment = {"OCRFARM_BROKER": valkey.url, "OCRFARM_STORE": str(store), "OCRFARM_KEY_PREFIX": name}
    workers = [["split", "stitch"], ["recognize", *SYNTHETIC, "--processes", "1"]]
    started = [
        subprocess.Popen([*OCRFARM, "worker", *each], env=os.environ | environment, stderr=subprocess.DEVNULL)
        for each in workers
    ]
    try:
        yield environment
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


@pytest.mark.parametrize("lasting", [False, True], ids=["a farm of its own", "a farm that lasts"])
def test_a_batch_that_is_killed_half_way_goes_on(tmp_path: Path, valkey_server: ValkeyServer, lasting: bool) -> None:
    written = draw_images(tmp_path / "in", COUNT)
    command = ["read", "in", "--out", "out", "--formats", "json", *SYNTHETIC]
    if lasting:
        with run_farm(tmp_path / "store", valkey_server) as environment:
            before = run_and_kill(tmp_path, *command, **environment)
            ended = run_ocrfarm(*command, cwd=tmp_path, **environment)
        assert ended.returncode == 0, ended.stderr
        assert len(list((tmp_path / "store/jobs").glob("*/source"))) == COUNT  # those under way are not begun anew
    else:
        before = run_and_kill(tmp_path, *command)
        ended = run_ocrfarm(*command, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    after = read_rows(tmp_path / "out")
    assert sorted(after) == sorted(written)
    assert {row["state"] for row in after.values()} == {"complete"}
    done = {name: row for name, row in before.items() if row["state"] == "complete"}
    assert COUNT // 2 <= len(done) < COUNT
    assert {name: after[name] for name in done} == done  # with the moment when each was read
    assert re.search(rf"read before +{len(done)}$", ended.stdout, re.MULTILINE)
    assert {name: read_texts(tmp_path / f"out/{name}.json") for name in written} == written
    assert not list((tmp_path / "out").rglob("*.part"))


def test_what_is_done_is_told_by_content_and_options(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 3)
    command = ["read", "in", "--out", "out", "--formats", "json", "--json", *IN_PROCESS]

    def skipped(*more: str) -> list[str]:
        ended = run_ocrfarm(*command, *more, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        events = [json.loads(line) for line in ended.stdout.splitlines()]
        return sorted(each["result"] for each in events if each["event"] == "skipped")

    every = ["a/000", "a/002", "b/001"]
    assert skipped() == []
    for path in (tmp_path / "in").rglob("*.png"):
        os.utime(path, (0, 0))
    assert skipped() == every  # times say nothing
    (tmp_path / "in/a/002.png").replace(tmp_path / "in/b/001.png")
    assert skipped() == ["a/000"]
    (tmp_path / "out/a/000.json").unlink()
    assert skipped() == ["b/001"]
    assert skipped("--tile-size", "512") == []
    assert skipped("--tile-size", "512") == ["a/000", "b/001"]
    assert skipped("--tile-size", "512", "--force") == []


def test_failures_have_a_row_and_are_tried_again(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 1)
    (tmp_path / "in/bad.png").write_bytes(b"")
    for _ in range(2):
        ended = run_ocrfarm("read", "in", "gone.png", "--out", "out", *IN_PROCESS, cwd=tmp_path)
        assert (ended.returncode, ended.stderr.count("\n")) == (3, 2), ended.stderr
        table = read_rows(tmp_path / "out")
        assert {name: row["state"] for name, row in table.items()} == {
            "a/000": "complete",
            "bad": "failed",
            "gone": "failed",
        }
        assert table["bad"]["reason"] == "UnidentifiedImage: in/bad.png: is empty"


def test_a_farm_that_has_enough_to_do_is_waited_for(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    written = draw_images(tmp_path / "in", 6)
    with run_farm(tmp_path / "store", valkey_server) as environment:
        command = ["read", "in", "--out", "out", "--formats", "json", "--json", *SYNTHETIC]
        ended = run_ocrfarm(*command, cwd=tmp_path, **environment, OCRFARM_MAX_ACTIVE_JOBS="1")
    assert ended.returncode == 0, ended.stderr
    assert {name: read_texts(tmp_path / f"out/{name}.json") for name in written} == written
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"wait", "recognize"} <= {event["stage"] for event in events if event["event"] == "progress"}
    assert events[-1].items() >= {"event": "end", "complete": 6, "failed": 0, "skipped": 0, "lines": 12}.items()


def test_a_file_that_a_farm_cannot_read_is_named_as_it_was_given(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    """A farm knows a name, which many folders may have."""
    draw_images(tmp_path / "in", 1)
    (tmp_path / "in/a/bad.png").write_bytes(b"no image")
    with run_farm(tmp_path / "store", valkey_server) as environment:
        ended = run_ocrfarm("read", "in", "--out", "out", *SYNTHETIC, cwd=tmp_path, **environment)
    assert ended.stderr.startswith("ocrfarm: UnidentifiedImage: in/a/bad.png: its first bytes are"), ended.stderr
    assert read_rows(tmp_path / "out")["a/bad"]["reason"].startswith("UnidentifiedImage: in/a/bad.png: its")


def test_two_batches_do_not_share_a_folder(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 1)
    with Journal(tmp_path / "out" / JOURNAL_NAME) as first:
        first.add(JournalEntry(file="x.png", state="submitted", result="x"))
        second = run_ocrfarm("read", "in", "--out", "out", *IN_PROCESS, cwd=tmp_path)
    assert (second.returncode, "another ocrfarm is using this folder" in second.stderr) == (4, True), second.stderr
    assert run_ocrfarm("read", "in", "--out", "out", *IN_PROCESS, cwd=tmp_path).returncode == 0


def test_nothing_but_what_goes_wrong_is_said_when_asked(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 2)
    ended = run_ocrfarm("read", "in", "nothing.png", "--out", "out", "--quiet", *IN_PROCESS, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("ocrfarm: ImageNotFound: nothing.png")
