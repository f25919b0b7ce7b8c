"""Many images handed in: from folders, a bucket and a manifest, each once however often the command is started."""

import csv
import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from ocrfarm.cli.submit import DEFAULT_JOURNAL
from ocrfarm.errors import SettingsError
from ocrfarm.farm.manifest import Request
from ocrfarm.geometry import Box
from ocrfarm.selection import PageRange, Selection
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.s3 import S3Store
from tests.support.command_line import OCRFARM, SYNTHETIC, run_ocrfarm
from tests.support.servers import ValkeyServer


@pytest.fixture
def farm(tmp_path: Path, valkey_server: ValkeyServer) -> dict[str, str]:
    """Give the environment of a farm without workers: what is handed in stays."""
    return {
        "OCRFARM_BROKER": valkey_server.url,
        "OCRFARM_STORE": str(tmp_path / "store"),
        "OCRFARM_KEY_PREFIX": f"{tmp_path.name}:",
    }


def draw_images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(folder / name, "PNG")


def read_requests(store: str) -> dict[str, Request]:
    opened = open_store(store)
    jobs = {key.split("/")[1] for key in opened.list("jobs/")}
    return {job: Request.from_bytes(opened.get(layout.request(job))) for job in jobs}


def read_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_a_folder_a_glob_and_a_manifest(tmp_path: Path, farm: dict[str, str]) -> None:
    draw_images(tmp_path, "in/a.png", "in/sub/b.png", "more/c.png", "d.png", "e.png")
    (tmp_path / "list.txt").write_text("# what came today\nd.png\n\n  e.png\nd.png\ngone.png\n")
    command = ["submit", "in", "more/*.png", "--sources-from", "list.txt", *SYNTHETIC]
    first = run_ocrfarm(*command, cwd=tmp_path, **farm)
    assert (first.returncode, first.stderr.count("\n"), "gone.png" in first.stderr) == (3, 1, True), first.stderr
    jobs = {source: job for job, _, source in (line.partition("  ") for line in first.stdout.splitlines())}
    assert sorted(jobs) == ["d.png", "e.png", "in/a.png", "in/sub/b.png", "more/c.png"]
    assert {job: request.name for job, request in read_requests(farm["OCRFARM_STORE"]).items()} == {
        job: Path(source).name for source, job in jobs.items()
    }
    again = run_ocrfarm(*command, cwd=tmp_path, **farm)
    assert (again.returncode, again.stdout) == (3, "")
    assert len(read_requests(farm["OCRFARM_STORE"])) == 5
    assert {row["file"]: (row["state"], row["job"]) for row in read_rows(tmp_path / DEFAULT_JOURNAL)} == {
        source: ("submitted", job) for source, job in jobs.items()
    } | {"gone.png": ("failed", "")}
    draw_images(tmp_path, "x/e.png", "e.png")  # other bytes under the old name
    changed = run_ocrfarm(*command, "--json", cwd=tmp_path, **farm)
    assert [json.loads(line)["source"] for line in changed.stdout.splitlines()] == ["e.png"]


def test_what_was_cut_off_is_handed_in_under_its_id(tmp_path: Path, farm: dict[str, str]) -> None:
    names = [f"in/{number:02d}.png" for number in range(60)]
    draw_images(tmp_path, *names)
    command = [*OCRFARM, "submit", "in", *SYNTHETIC]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ | farm, stdout=subprocess.DEVNULL) as handing_in:
        while not (tmp_path / DEFAULT_JOURNAL).exists() or len(read_rows(tmp_path / DEFAULT_JOURNAL)) < 60:
            assert handing_in.poll() is None
            time.sleep(0.01)
        handing_in.send_signal(signal.SIGKILL)
    assert run_ocrfarm("submit", "in", *SYNTHETIC, cwd=tmp_path, **farm).returncode == 0
    found = read_requests(farm["OCRFARM_STORE"])
    assert Counter(request.name for request in found.values()) == Counter(Path(name).name for name in names)
    table = read_rows(tmp_path / DEFAULT_JOURNAL)
    assert {row["state"] for row in table} == {"submitted"}
    assert {row["job"] for row in table} == found.keys()


def test_options_go_with_the_job(tmp_path: Path, farm: dict[str, str]) -> None:
    draw_images(tmp_path, "a.png")
    options = ["--pages", "2-", "--dpi", "150", "--region", "1,2,3,4", "--tile-size", "512", "--priority", "9"]
    ended = run_ocrfarm("submit", "a.png", *options, *SYNTHETIC, cwd=tmp_path, **farm)
    (request,) = read_requests(farm["OCRFARM_STORE"]).values()
    assert ended.stdout.strip() in read_requests(farm["OCRFARM_STORE"])
    assert request.selection == Selection((PageRange(2, None),), 150, (Box(1, 2, 3, 4),))
    assert (request.profile.tiling.side, request.priority) == (512, 9)
    assert not (tmp_path / DEFAULT_JOURNAL).exists()


@pytest.mark.parametrize("names", [["a.png"], ["a.png", "b.png"]], ids=["one", "several"])
def test_a_webhook_goes_with_each_job(tmp_path: Path, farm: dict[str, str], names: list[str]) -> None:
    draw_images(tmp_path, *names)
    ended = run_ocrfarm(
        "submit", *names, "--webhook", "https://example.org/ocr?for=42", *SYNTHETIC, cwd=tmp_path, **farm
    )
    assert ended.returncode == 0, ended.stderr
    found = read_requests(farm["OCRFARM_STORE"]).values()
    assert [request.webhook for request in found] == ["https://example.org/ocr?for=42"] * len(names)
    status = run_ocrfarm("status", ended.stdout.split()[0], cwd=tmp_path, **farm).stdout
    assert status.endswith("\n    webhook: pending\n")


@pytest.mark.parametrize("url", ["http://example.org/", "https://u:p@example.org/", "https://example.org:8443/", ""])
def test_a_webhook_that_is_none_is_refused_before_anything_is_handed_in(
    tmp_path: Path, farm: dict[str, str], url: str
) -> None:
    draw_images(tmp_path, "a.png", "b.png")
    ended = run_ocrfarm("submit", "a.png", "b.png", "--webhook", url, *SYNTHETIC, cwd=tmp_path, **farm)
    assert (ended.returncode, ended.stdout) == (SettingsError.exit_code, "")
    assert ended.stderr.startswith("ocrfarm: SettingsError: a webhook must be https://host/path")
    assert not (tmp_path / DEFAULT_JOURNAL).exists()
    assert not (tmp_path / "store").exists()


def test_a_part_of_a_bucket(tmp_path: Path, s3: S3Store, valkey_server: ValkeyServer) -> None:
    draw_images(tmp_path, "a.png")
    bucket, _, _ = s3.url.partition("?")
    bucket = bucket.rstrip("/")
    for name in ("scans/a.png", "scans/deep/b.PNG", "scans/notes.txt", "others/c.png", "jobs/01/tiles/t.png"):
        s3.put_file(name, tmp_path / "a.png")
    farm = {"OCRFARM_BROKER": valkey_server.url, "OCRFARM_STORE": s3.url, "OCRFARM_KEY_PREFIX": f"{tmp_path.name}:"}
    ended = run_ocrfarm("submit", "--prefix", f"{bucket}/", *SYNTHETIC, cwd=tmp_path, **farm)
    assert ended.returncode == 0, ended.stderr
    names = ["others/c.png", "scans/a.png", "scans/deep/b.PNG"]
    assert [line.partition("  ")[2] for line in ended.stdout.splitlines()] == [f"{bucket}/{name}" for name in names]
    assert run_ocrfarm("submit", "--prefix", f"{bucket}/scans", *SYNTHETIC, cwd=tmp_path, **farm).stdout == ""
    for prefix, words in (
        (f"{bucket}/empty", "there are no images under this prefix"),
        ("scans/", "s3://bucket/prefix"),
    ):
        ended = run_ocrfarm("submit", "--prefix", prefix, *SYNTHETIC, cwd=tmp_path, **farm)
        assert (ended.returncode in (3, 4), words in ended.stderr) == (True, True), ended.stderr


def test_nothing_to_hand_in(tmp_path: Path, farm: dict[str, str]) -> None:
    (tmp_path / "list.txt").write_text("# nothing\n")
    ended = run_ocrfarm("submit", "--sources-from", "list.txt", cwd=tmp_path, **farm)
    assert (ended.returncode, "nothing to submit" in ended.stderr) == (3, True)


def test_who_waits_hears_that_nobody_reads(tmp_path: Path, farm: dict[str, str]) -> None:
    """Else it would look like a job that takes long."""
    draw_images(tmp_path, "a.png")
    job = run_ocrfarm("submit", "a.png", *SYNTHETIC, cwd=tmp_path, **farm).stdout.strip()
    waited = run_ocrfarm("wait", job, "--timeout", 13, cwd=tmp_path, **farm)
    assert waited.returncode == 11
    assert waited.stderr.count("a.png is waiting: no worker reads recognize.synthetic") == 1
