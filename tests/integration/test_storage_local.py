"""What only a folder can do wrong: races of processes, full and read-only disks, what a killed process left."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.errors import StoreDenied, StoreError
from ocrfarm.storage.local import LocalStore
from tests.support.programs import run_command, run_python


@given(key=st.text(st.sampled_from("ab./\\\0~é"), max_size=12))
def test_no_name_leaves_the_folder(key: str) -> None:
    store = LocalStore(Path("/nowhere/store"))
    with suppress(StoreError):
        assert not store.exists(key)
        path = os.path.normpath(f"/nowhere/store/{key}")
        assert path.startswith("/nowhere/store/")
        assert path == f"/nowhere/store/{key}"


_CLAIM = """
import sys, time
from pathlib import Path
from ocrfarm.storage.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
start = float(input())
for turn in range(20):
    time.sleep(max(0, start + turn / 50 - time.time()))
    print(int(store.put(f"jobs/{turn}/claim", sys.argv[2].encode(), if_absent=True)), end="")
"""


def test_of_eight_processes_exactly_one_wins(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-c", _CLAIM, str(tmp_path)]
    with ExitStack() as stack:
        claimants = [stack.enter_context(Popen([*command, str(n)], stdin=PIPE, stdout=PIPE)) for n in range(8)]
        ends = [(claimant.stdin, claimant.stdout) for claimant in claimants if claimant.stdin and claimant.stdout]
        assert [stdout.readline() for _, stdout in ends] == [b"ready\n"] * 8
        start = time.time() + 0.2
        for stdin, _ in ends:
            stdin.write(b"%f\n" % start)
            stdin.flush()
        won = [stdout.read().decode() for _, stdout in ends]
    assert [len(turns) for turns in won] == [20] * 8
    store = LocalStore(tmp_path)
    for turn, of_each in enumerate(zip(*won, strict=True)):
        assert of_each.count("1") == 1
        assert store.get(f"jobs/{turn}/claim") == b"%d" % of_each.index("1")
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_writers_and_removers_do_not_trip_over_each_other(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def write_and_remove(number: int) -> None:
        for turn in range(100):
            name = f"jobs/a/{turn % 3}/{number}"
            assert store.put(name, b"x", if_absent=True)
            store.delete([name])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_and_remove, range(8)))
    assert [path.name for path in tmp_path.iterdir()] == [".tmp"]


def test_a_name_is_an_object_or_a_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"x")
    with pytest.raises(StoreError, match="a/b"):
        store.put("a/b", b"x")
    store.put("c/d", b"x")
    with pytest.raises(StoreError, match="c"):
        store.put("c", b"x")
    assert list(store.list("")) == ["a", "c/d"]
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    folder = tmp_path / ".tmp"
    folder.mkdir()
    old, young = folder / "old.part", folder / "young.part"
    for path, age in ((old, 25 * 3600), (young, 3600)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age, time.time() - age))
    store = LocalStore(tmp_path)
    assert list(store.list("")) == []
    assert list(folder.iterdir()) == [young]


_FAILING_PUT = """
import resource, sys
from pathlib import Path
from ocrfarm.errors import OcrfarmError
from ocrfarm.storage.local import LocalStore
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
store = LocalStore(folder)
Path(sys.argv[3]).is_file() or sys.exit("the source is missing")
for put in (lambda: store.put("a/b", bytes(4 << 20)), lambda: store.put_file("a/b", Path(sys.argv[3]))):
    try:
        put()
    except OcrfarmError as error:
        print(type(error).__name__, "\\n" not in str(error), str(folder) in str(error), end=" ")
print(store.exists("a/b"), list(store.list("")), sum(path.is_file() for path in folder.rglob("*")))
"""


def test_a_file_that_grows_too_large_is_a_full_store(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(4 << 20))
    told = run_python(_FAILING_PUT, str(tmp_path / "store"), str(1 << 20), str(tmp_path / "source"))
    assert told == "StoreFull True True StoreFull True True False [] 0"


@pytest.mark.parametrize(("options", "kind"), [("size=1m", "StoreFull"), ("ro", "StoreDenied")])
def test_a_full_or_read_only_disk_says_so(tmp_path: Path, options: str, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "source").write_bytes(bytes(4 << 20))
    # A name space of its own: no root is needed, and the disk is gone with the process.
    mount = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"',
    ]
    command = [*mount, options, str(disk)]
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")
    told = run_command([*command, sys.executable, "-c", _FAILING_PUT, str(disk), "-1", str(tmp_path / "source")])
    assert told == f"{kind} True True {kind} True True False [] 0"


def test_a_folder_of_somebody_else_is_denied(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.put("a", b"x")
    (tmp_path / "store").chmod(0)
    with _as_nobody():
        for attempt in (lambda: store.put("b", b"x"), lambda: store.get("a"), lambda: store.exists("a")):
            with pytest.raises(StoreDenied, match="store"):
                attempt()
    (tmp_path / "store").chmod(0o700)
    assert list(store.list("")) == ["a"]


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Put root's rights away, by which every folder can be read and written."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)
