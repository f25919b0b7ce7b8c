"""`ocrfarm up`: its folder is its owner's alone, hostile names stay harmless, and a kill leaves nothing behind."""

import fcntl
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from ocrfarm.client import Client
from ocrfarm.geometry import Size
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.settings import Settings
from tests.support.command_line import OCRFARM, SYNTHETIC, run_ocrfarm
from tests.support.hostile_names import FILE_NAMES, HOSTILE_NAMES, find_unprintable
from tests.support.servers import find_free_ports

_UMASK = 0o000
"""The most permissive one."""


@dataclass
class RunningFarm:
    """An `ocrfarm up` and what it printed."""

    process: subprocess.Popen[str]
    variables: dict[str, str]
    address: str

    def ask(self, path: str) -> tuple[int, str, str]:
        """Ask the jobs page; return the status, the name under which it is saved, and the text."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
        cookie = f"ocrfarm-{parts.port}={parts.query.removeprefix('key=')}"
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        return answer.status, answer.headers.get("Content-Disposition", ""), text


@contextmanager
def _up(folder: Path, **environment: str) -> Iterator[RunningFarm]:
    (port,) = find_free_ports(1)
    command = [*OCRFARM, "up", *SYNTHETIC, "--flower-port", "0", "--jobs-port", str(port)]
    variables = os.environ | environment
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, umask=_UMASK, env=variables
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline().strip() for _ in range(5)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines[:2])
        try:
            yield RunningFarm(process, exported, lines[3].removeprefix("# jobs: "))
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("up")
    pixels, _ = make_synthetic_page(Size(600, 400), seed=1, lines=3)
    Image.fromarray(pixels).save(place / "page.png")
    (place / "in").mkdir()
    for name in FILE_NAMES:
        (place / "in" / name).write_bytes((place / "page.png").read_bytes())
    return place


@pytest.fixture(scope="module")
def farm(folder: Path) -> Iterator[RunningFarm]:
    with _up(folder) as running:
        yield running


def _check_printable(text: str) -> None:
    assert not [line for line in text.split("\n") if find_unprintable(line)]


def test_the_data_folder_is_its_owners_alone(farm: RunningFarm, folder: Path) -> None:
    data = folder / "ocrfarm-data"
    folders = [data, data / "store", data / "logs", data / "broker"]
    assert [oct(each.stat().st_mode & 0o777) for each in folders] == ["0o700"] * 4


def test_a_farm_reads_every_file_and_shows_printable_names(farm: RunningFarm, folder: Path) -> None:
    ended = run_ocrfarm("submit", "in", *SYNTHETIC, cwd=folder, **farm.variables)
    assert ended.returncode == 0, ended.stderr
    _check_printable(ended.stdout)
    jobs = [line.split()[0] for line in ended.stdout.splitlines()]
    assert len(jobs) == len(FILE_NAMES)
    for job in jobs:
        ended = run_ocrfarm("wait", job, cwd=folder, **farm.variables)
        assert (ended.returncode, " complete " in ended.stdout) == (0, True), ended.stderr
        _check_printable(ended.stdout)
    for command in (["jobs"], ["status", jobs[0]], ["fetch", jobs[0], "--out", "out"], ["top", "--once"]):
        ended = run_ocrfarm(*command, cwd=folder, **farm.variables)
        assert ended.returncode == 0, ended.stderr
        _check_printable(ended.stdout)
    listed = run_ocrfarm("jobs", cwd=folder, **farm.variables).stdout.splitlines()
    assert len(listed) == len(jobs), "a line break in a name forges no row"
    ended = run_ocrfarm("read", "in", "--out", "read", "--json", *SYNTHETIC, cwd=folder, **farm.variables)
    assert ended.returncode == 0, ended.stderr
    _check_printable(ended.stdout)


def test_the_jobs_page_answers_whatever_a_job_is_called(farm: RunningFarm, folder: Path) -> None:
    client = Client(settings=Settings.from_env(farm.variables))
    image = (folder / "page.png").read_bytes()
    names = (
        *HOSTILE_NAMES,
        f"a.{'x' * 280}",
        "y" * 280,
        "a/../../b",
        "",
        ".",
    )
    jobs = [client.submit(image, name=name, profile="synthetic") for name in names]
    for job in jobs:
        assert job.wait(60).state == "complete"
        for form in ("json", "txt", "pdf"):
            status, saved_as, text = farm.ask(f"/jobs/{job.id}/files/{form}")
            assert (status, bool(saved_as)) == (200, True), text
        assert farm.ask(f"/jobs/{job.id}/files/json,txt")[0] == 409
        while (answer := farm.ask(f"/jobs/{job.id}/view/"))[0] == 202:
            time.sleep(0.05)
        assert answer[0] == 200, answer
    rows = json.loads(farm.ask("/jobs.json")[2])["jobs"]
    assert not [row["name"] for row in rows if find_unprintable(row["name"])]
    for path in (
        f"/jobs/{jobs[0].id}/files/",
        f"/jobs/{jobs[0].id}/files/%00",
        "/jobs/%00/files/json",
        "/jobs/x/view/",
    ):
        status, _, text = farm.ask(path)
        assert status in (404, 409)
        assert str(folder) not in text


def _wait_until_stopped(path: Path) -> None:
    """Wait until the supervisor of a killed farm has stopped its workers."""
    deadline = time.monotonic() + 60
    with path.open("ab") as lock:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_is_left_of_a_farm_of_which_all_was_killed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    variables = {"TMPDIR": str(tmp_path / "tmp")}
    with _up(tmp_path, **variables) as first:
        (left,) = (tmp_path / "tmp").glob("ocrfarm-run-*")
        for pid in _supervisors(left):
            os.kill(pid, signal.SIGKILL)
        first.process.kill()
    _wait_until_stopped(tmp_path / "ocrfarm-data" / "farm.lock")
    assert left.is_dir()
    with _up(tmp_path, **variables):
        assert not left.exists()
    assert not list((tmp_path / "tmp").glob("ocrfarm-*"))


def _supervisors(run_dir: Path) -> list[int]:
    """Return the processes that have the specification of a farm in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(run_dir / "spec.json").encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def test_what_a_killed_farm_leaves_is_removed_by_the_next(farm: RunningFarm, folder: Path) -> None:
    place = folder / "other"
    place.mkdir()
    with _up(place) as first:
        assert first.ask("/")[0] == 200
        (left,) = (place / "ocrfarm-data").glob("ocrfarm-shown-*")
        first.process.kill()
    _wait_until_stopped(place / "ocrfarm-data" / "farm.lock")
    with _up(place) as second:
        assert second.ask("/")[0] == 200
        assert not left.exists()
        assert len(list((place / "ocrfarm-data").glob("ocrfarm-shown-*"))) == 1
    assert not list((place / "ocrfarm-data").glob("ocrfarm-shown-*"))
