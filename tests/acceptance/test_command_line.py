"""The command line as a person uses it: real processes, real files, real farms."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocrfarm.geometry import Quad, Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.storage.s3 import S3Store
from tests.support.command_line import OCRFARM, SYNTHETIC, run_ocrfarm
from tests.support.image_files import encode, make_noise
from tests.support.servers import S3Server, ValkeyServer, require


def draw_page(path: Path, *, lines: int = 30) -> list[str]:
    """Write an image of 3000 x 2000 pixels with synthetic lines and give its texts."""
    pixels, truth = make_synthetic_page(Size(3000, 2000), seed=1, lines=lines)
    Image.fromarray(pixels).save(path)
    return sorted(line.text for line in truth)


def read_texts(path: Path) -> list[str]:
    document = json.loads(path.read_text())
    assert document["format"] == "ocrfarm/1"
    return sorted(line["text"] for each in document["pages"] for line in each["lines"])


def make_huge_png() -> bytes:
    """A PNG of a few bytes whose header claims 10 gigapixels."""
    data = bytearray(encode(make_noise(8, 8), "png"))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


BAD_FILES = {
    "empty.png": b"",
    "text.png": b"Dear Sir or Madam,\nthis is no image.\n",
    "cut.png": encode(make_noise(300, 300), "png")[:-20_000],
    "cut.jpg": encode(make_noise(300, 300), "jpg")[:-9_000],
    "cut.tif": encode(make_noise(300, 300), "tif")[:-90_000],
    "huge.png": make_huge_png(),
}
KINDS = {
    "empty.png": "UnidentifiedImage",
    "text.png": "UnidentifiedImage",
    "huge.png": "TooLarge",
    "missing.png": "ImageNotFound",
}


@pytest.mark.parametrize("where", [["--in-process"], []], ids=["in process", "over a farm"])
def test_bad_images_get_one_line_each_and_stop_nobody(tmp_path: Path, where: list[str]) -> None:
    for name, data in BAD_FILES.items():
        (tmp_path / name).write_bytes(data)
    expected = draw_page(tmp_path / "good.png")
    Image.new("L", (1, 1), 255).save(tmp_path / "dot.png")
    Image.new("L", (1, 60_000), 255).save(tmp_path / "strip.png")
    names = [*BAD_FILES, "missing.png", "dot.png", "strip.png", "good.png"]
    ended = run_ocrfarm("read", *names, "--out", "out", *SYNTHETIC, *where, cwd=tmp_path)
    complaints = [line for line in ended.stderr.splitlines() if line]
    assert len(complaints) == len(BAD_FILES) + 1, ended.stderr
    for name in (*BAD_FILES, "missing.png"):
        (line,) = (line for line in complaints if name in line)
        assert line.startswith(f"ocrfarm: {KINDS.get(name, 'DamagedImage')}: ")
    assert ended.returncode == 3
    assert read_texts(tmp_path / "out/good.json") == expected
    assert read_texts(tmp_path / "out/dot.json") == read_texts(tmp_path / "out/strip.json") == []
    results = [f"{stem}.{kind}" for stem in ("dot", "strip", "good") for kind in ("json", "txt", "preview.png")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(["outcomes.csv", *results])


def test_the_results_of_one_image(tmp_path: Path) -> None:
    expected = draw_page(tmp_path / "sheet.png")
    ended = run_ocrfarm("read", "sheet.png", "--out", "out", *SYNTHETIC, "--in-process", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert f"lines     {len(expected)}" in ended.stdout
    assert "coverage  100.00%" in ended.stdout
    document = json.loads((tmp_path / "out/sheet.json").read_text())
    (only,) = document["pages"]
    assert (only["width"], only["height"]) == (3000, 2000)
    line = only["lines"][0]
    assert set(line) == {"text", "quad", "confidence", "words", "model"}
    assert Quad.from_points(line["quad"]).length > 0
    assert "".join(word["text"] for word in line["words"]) == line["text"].replace(" ", "")
    assert (tmp_path / "out/sheet.txt").read_text().count("\n") == len(expected)
    with Image.open(tmp_path / "out/sheet.preview.png") as preview:
        assert len({*np.asarray(preview.convert("RGB")).reshape(-1, 3)[:, 1].tolist()}) > 1


def test_a_folder_is_read_whole_and_equal_stems_do_not_collide(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    draw_page(tmp_path / "in/a.png")
    draw_page(tmp_path / "in/a.tif")
    (tmp_path / "in/notes.md").write_text("no image")
    assert run_ocrfarm("read", "in", "--out", "out", *SYNTHETIC, "--in-process", cwd=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "out").glob("*.json")} == {"a.json", "a.tif.json"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["read", "folder", "--out", "out"], 3, "NoImagesFound: folder"),
        (["read", "x.png", "--out", "out", "--profile", "fasst"], 4, "did you mean fast"),
        (["read", "x.png", "--out", "out", "--profile", "model.toml"], 4, "did you mean PP-OCRv6_tiny_rec"),
        (["models", "pull", "PP-OCRv9"], 4, "UnknownModel"),
        (["status", "../../etc/passwd"], 4, "OCRFARM_BROKER"),
        (["read"], 2, "Missing argument"),
        (["raed"], 2, "No such command 'raed'; did you mean read?"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_sentence(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "model.toml").write_text('detector = "PP-OCRv6_tiny_det"\nrecognizer = "PP-OCRv6_tiny"')
    draw_page(tmp_path / "x.png", lines=1)
    ended = run_ocrfarm(*arguments, cwd=tmp_path)
    assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_farm_that_is_not_there(tmp_path: Path) -> None:
    draw_page(tmp_path / "x.png", lines=1)
    nowhere = {"OCRFARM_BROKER": "redis://127.0.0.1:1/0", "OCRFARM_STORE": str(tmp_path / "store")}
    started = time.monotonic()
    ended = run_ocrfarm("read", "x.png", "--out", "out", *SYNTHETIC, cwd=tmp_path, **nowhere)
    assert ended.returncode == 8
    assert ended.stderr.startswith("ocrfarm: BrokerUnreachable: ")
    assert ended.stderr.count("\n") == 1
    assert time.monotonic() - started < 30


def test_a_wrong_key_for_the_store(tmp_path: Path, aws: S3Server, valkey_server: ValkeyServer) -> None:
    draw_page(tmp_path / "x.png", lines=1)
    farm = {"OCRFARM_BROKER": valkey_server.url, "OCRFARM_STORE": aws.url("tests")}
    ended = run_ocrfarm("submit", "x.png", *SYNTHETIC, cwd=tmp_path, **farm, AWS_SECRET_ACCESS_KEY="wrong")
    assert (ended.returncode, ended.stderr.count("\n")) == (7, 1), ended.stderr
    assert ended.stderr.startswith("ocrfarm: StoreDenied: ")


def test_no_room_for_the_results(tmp_path: Path) -> None:
    draw_page(tmp_path / "x.png", lines=100)
    require(os.geteuid() == 0, "only root can mount a small file system")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], check=True)
    try:
        ended = run_ocrfarm("read", "x.png", "--out", small, *SYNTHETIC, "--in-process", cwd=tmp_path)
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
    assert (ended.returncode, left) == (7, []), ended.stderr
    assert ended.stderr.startswith("ocrfarm: StoreFull: ")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run_ocrfarm("up", *SYNTHETIC, "--flower-port", taken.getsockname()[1], cwd=tmp_path)
    assert ended.returncode == 9
    assert ended.stderr.startswith("ocrfarm: FarmError: ")


def test_up_serves_other_command_lines_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    expected = draw_page(tmp_path / "sheet.png")
    with subprocess.Popen(
        [*OCRFARM, "up", *SYNTHETIC, "--data-dir", "data", "--flower-port", "0", "--jobs-port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout
        exports = [up.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(2)]
        farm = {name: value for name, _, value in exports}
        job = run_ocrfarm("submit", "sheet.png", *SYNTHETIC, cwd=tmp_path, **farm).stdout.strip()
        assert run_ocrfarm("wait", job, "--timeout", 60, cwd=tmp_path, **farm).returncode == 0
        assert run_ocrfarm("fetch", job, "--out", "out", cwd=tmp_path, **farm).returncode == 0
        assert f"{job}  " in run_ocrfarm("jobs", cwd=tmp_path, **farm).stdout
        assert "complete" in run_ocrfarm("status", job, cwd=tmp_path, **farm).stdout
        assert run_ocrfarm("cancel", job, cwd=tmp_path, **farm).stdout == "the job had already ended\n"
        assert run_ocrfarm("status", "0" * 26, cwd=tmp_path, **farm).returncode == 10
        up.send_signal(signal.SIGINT)
        assert up.wait(30) == 130
    assert read_texts(tmp_path / "out" / f"{job}.json") == expected


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """The session's watch for processes that are left behind does the rest."""
    pixels, _ = make_synthetic_page(Size(8000, 8000), seed=2, lines=100)
    Image.fromarray(pixels).save(tmp_path / "x.png", compress_level=1)
    (tmp_path / "tmp").mkdir()
    small_tiles = ["--tile-size", "256", "--overlap", "96"]  # thousands: the job goes on for many seconds
    command = [*OCRFARM, "read", "x.png", "--out", "out", *SYNTHETIC, *small_tiles]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as reading:
        while not list((tmp_path / "tmp").glob("*/data/store/jobs/*/fragments/*")):
            assert reading.poll() is None
            time.sleep(0.05)
        reading.send_signal(signal.SIGINT)
        _, complaint = reading.communicate(timeout=30)
    assert (reading.returncode, complaint.strip()) == (130, "ocrfarm: interrupted")
    assert not (tmp_path / "out").exists()
    deadline = time.monotonic() + 10
    while list((tmp_path / "tmp").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_models_are_listed_and_verified(tmp_path: Path) -> None:
    shown = run_ocrfarm("models", "list", cwd=tmp_path).stdout
    assert "PP-OCRv6_small_rec" in shown
    copy = tmp_path / "mine" / "PP-OCRv6_tiny_det"
    folder = Path(next(line.split()[-1] for line in shown.splitlines() if line.startswith("PP-OCRv6_tiny_det")))
    shutil.copytree(folder, copy)
    (copy / "inference.yml").write_text("tampered")
    ended = run_ocrfarm(
        "models", "verify", "PP-OCRv6_tiny_det", cwd=tmp_path, OCRFARM_MODELS_DIR=str(tmp_path / "mine")
    )
    assert ended.returncode == 5
    assert str(copy / "inference.yml") in ended.stderr


def test_a_sample_page_comes_with_its_truth(tmp_path: Path) -> None:
    ended = run_ocrfarm("sample", "s.png", "--size", 1024, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    truth = json.loads((tmp_path / "s.png.json").read_text())
    assert (truth["width"], truth["height"]) == (1024, 1024)
    assert run_ocrfarm("sample", "no/such/folder/s.png", "--size", 1024, cwd=tmp_path).returncode == 7


def test_an_image_in_a_bucket_is_read_over_a_farm(tmp_path: Path, s3: S3Store, valkey_server: ValkeyServer) -> None:
    expected = draw_page(tmp_path / "sheet.png")
    s3.put_file("scans/sheet.png", tmp_path / "sheet.png")
    bucket = s3.url.partition("?")[0]
    farm = {"OCRFARM_BROKER": valkey_server.url, "OCRFARM_STORE": s3.url, "OCRFARM_KEY_PREFIX": f"{tmp_path.name}:"}
    commands = [
        [*OCRFARM, "worker", "split", "stitch"],
        [*OCRFARM, "worker", "recognize", "--profile", "synthetic", "--processes", "1"],
    ]
    started = [subprocess.Popen(command, env=os.environ | farm, stderr=subprocess.DEVNULL) for command in commands]
    try:
        job = run_ocrfarm(
            "submit", f"{bucket.rstrip('/')}/scans/sheet.png", *SYNTHETIC, cwd=tmp_path, **farm
        ).stdout.strip()
        ended = run_ocrfarm("fetch", job, "--out", "out", "--timeout", 60, cwd=tmp_path, **farm)
    finally:
        for process in started:
            process.terminate()
            process.wait(60)
    assert ended.returncode == 0, ended.stderr
    assert read_texts(tmp_path / "out" / f"{job}.json") == expected


def test_a_load_test_leaves_a_report(tmp_path: Path) -> None:
    draw_page(tmp_path / "page.png")
    done = run_ocrfarm(
        "bench", "page.png", *SYNTHETIC, "--count", 3, "--concurrency", 2, "--out", "load.html", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "3 complete" in done.stdout
    assert "p99" in done.stdout
    assert "Messages in the queues" in (tmp_path / "load.html").read_text()


def test_tuning_leaves_a_profile_that_reads_as_before(tmp_path: Path) -> None:
    lines = draw_page(tmp_path / "page.png")
    done = run_ocrfarm("tune", "page.png", *SYNTHETIC, "--time-budget", 0.2, "--out", "mine.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "accepted" in done.stdout
    assert "Every trial" in (tmp_path / "mine.html").read_text()
    read = run_ocrfarm("read", "page.png", "--profile", "mine.toml", "--out", "out", "--formats", "json", cwd=tmp_path)
    assert read.returncode == 0, read.stderr
    assert read_texts(tmp_path / "out" / "page.json") == lines
