"""The same tests over every store."""

import hashlib
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocrfarm.errors import ObjectNotFound, StoreError
from ocrfarm.storage import open_store
from ocrfarm.storage.local import LocalStore
from ocrfarm.storage.memory import MemoryStore
from ocrfarm.storage.s3 import S3Store
from ocrfarm.storage.store import Store

_ODD_KEYS = [
    "a b/c d.txt",
    "plus+sign=and&more?#.txt",
    "per%20cent/%2F",
    "日本語/ß-é.json",
    'it\'s <"quoted">; $HOME ~ *',
    "-/--/.hidden",
    "a.b/..c/d..",
    "x" * 255,
]
_BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "../escaped",
    "a/../../escaped",
    "a/..",
    "..",
    ".",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "..\\escaped",
    "half \ud800",
    ".tmp/a",
    "x" * 256,
    "/".join(["x" * 200] * 6),
]


@pytest.fixture(params=["memory", "local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    s3_store: S3Store = request.getfixturevalue("s3")
    return s3_store


def test_what_was_put_can_be_got(store: Store) -> None:
    assert store.put("jobs/a/result.json", b"one")
    assert store.get("jobs/a/result.json") == b"one"
    assert store.exists("jobs/a/result.json")


def test_a_second_put_overwrites(store: Store) -> None:
    store.put("a", b"long first")
    assert store.put("a", b"second")
    assert store.get("a") == b"second"


def test_an_empty_object_is_an_object(store: Store) -> None:
    assert store.put("empty", b"")
    assert store.exists("empty")
    assert store.get("empty") == b""
    assert list(store.list("")) == ["empty"]


def test_if_absent_writes_once(store: Store) -> None:
    assert store.put("a/b", b"first", if_absent=True)
    assert not store.put("a/b", b"second", if_absent=True)
    assert store.get("a/b") == b"first"
    store.delete(["a/b"])
    assert store.put("a/b", b"third", if_absent=True)


def test_of_sixteen_threads_exactly_one_wins(store: Store) -> None:
    start = threading.Barrier(16)

    def write(number: int) -> bool:
        start.wait()
        return store.put("jobs/a/claim", b"%d" % number, if_absent=True)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(write, range(16)))
    assert won.count(True) == 1
    assert store.get("jobs/a/claim") == b"%d" % won.index(True)
    assert list(store.list("")) == ["jobs/a/claim"]


def test_readers_never_see_half_an_object(store: Store) -> None:
    versions = [bytes([number]) * 300_000 for number in range(8)]
    store.put("a", versions[0])
    with ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(store.put, "a", version) for version in versions]
        seen = [pool.submit(store.get, "a") for _ in range(8)]
    assert all(future.result() for future in writing)
    assert all(future.result() in versions for future in seen)


def test_a_big_file_goes_and_comes_back_whole(store: Store, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(random.Random(1).randbytes(20_000_001))
    back.write_bytes(b"what was there before")
    store.put_file("jobs/a/source", source)
    assert list(store.list("jobs/")) == ["jobs/a/source"]
    store.get_file("jobs/a/source", back)
    assert hashlib.sha256(back.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    assert hashlib.sha256(store.get("jobs/a/source")).digest() == hashlib.sha256(source.read_bytes()).digest()


def test_a_small_and_an_empty_file_too(store: Store, tmp_path: Path) -> None:
    for content in (b"", b"small"):
        (tmp_path / "source").write_bytes(content)
        store.put_file("a", tmp_path / "source")
        store.get_file("a", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == store.get("a") == content


def test_the_stored_file_does_not_follow_its_source(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"as handed in")
    store.put_file("a", source)
    with source.open("r+b") as file:
        file.write(b"edited later")
    assert store.get("a") == b"as handed in"


def test_a_source_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no-such-file"):
        store.put_file("a", tmp_path / "no-such-file")
    assert not store.exists("a")


def test_names_come_in_order_and_by_prefix(store: Store) -> None:
    names = ["a", "a-b", "a.b", "a/b", "a/c", "a0", "b/a b", "b/a/c", "b/é", "b/z"]
    clash = "a"  # a folder cannot hold a file and a folder of one name
    names = [name for name in names if not isinstance(store, LocalStore) or name != clash]
    for name in random.Random(3).sample(names, len(names)):
        store.put(name, b"x")
    assert list(store.list("")) == sorted(names)
    assert list(store.list("a/")) == ["a/b", "a/c"]
    assert list(store.list("a")) == [name for name in sorted(names) if name.startswith("a")]
    assert list(store.list("b/a")) == ["b/a b", "b/a/c"]
    assert list(store.list("none/")) == []
    assert list(store.list("b/a/c/d")) == []


def test_more_than_a_page_of_names_is_listed_and_removed(store: Store) -> None:
    names = [f"jobs/a/tiles/{number:05d}.png" for number in range(1_100)]
    store.put("jobs/b/source", b"stays")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b"x"), names))
    assert list(store.list("jobs/a/")) == names
    store.delete(store.list("jobs/a/"))
    assert list(store.list("")) == ["jobs/b/source"]


def test_removing_what_is_not_there_is_no_error(store: Store) -> None:
    store.put("a/b", b"x")
    store.delete(["a/b", "a/b", "a/b/c", "a", "never/there"])
    store.delete([])
    assert list(store.list("")) == []


def test_what_is_missing_is_named(store: Store, tmp_path: Path) -> None:
    store.put("a/b", b"x")
    for name in ("missing", "a", "a/b/c", "a/c"):
        assert not store.exists(name)
        with pytest.raises(ObjectNotFound, match=name):
            store.get(name)
        with pytest.raises(ObjectNotFound, match=name):
            store.get_file(name, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_failed_get_file_leaves_the_old_file(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "folder" / "target"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(ObjectNotFound):
        store.get_file("missing", target)
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_a_target_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    store.put("a", b"x")
    with pytest.raises(StoreError, match="no-such-folder") as caught:
        store.get_file("a", tmp_path / "no-such-folder" / "target")
    assert not isinstance(caught.value, ObjectNotFound)


def test_odd_names_are_kept_as_they_are(store: Store, tmp_path: Path) -> None:
    for key in _ODD_KEYS:
        assert store.put(key, key.encode(), if_absent=True)
        assert not store.put(key, b"", if_absent=True)
        assert list(store.list("")) == [key]
        assert list(store.list(key[:3])) == [key]
        store.get_file(key, tmp_path / "back")
        assert store.get(key) == (tmp_path / "back").read_bytes() == key.encode()
        store.delete([key])
        assert not store.exists(key)


def test_bad_names_are_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    attempts: list[Callable[[str], object]] = [
        lambda key: store.put(key, b"x"),
        lambda key: store.get(key),
        lambda key: store.put_file(key, file),
        lambda key: store.get_file(key, file),
        lambda key: store.exists(key),
        lambda key: store.delete([key]),
    ]
    for attempt in attempts:
        for key in _BAD_KEYS:
            with pytest.raises(StoreError, match="object name") as caught:
                attempt(key)
            assert not isinstance(caught.value, ObjectNotFound)
    assert file.read_bytes() == b"x"


def test_bad_prefixes_are_refused(store: Store) -> None:
    for prefix in ("/", "../", "a/../../", "a//", ".tmp/"):
        with pytest.raises(StoreError, match="object name"):
            list(store.list(prefix))


def test_the_url_opens_the_same_store(store: Store) -> None:
    store.put("a", b"x")
    again = open_store(store.url)
    assert type(again) is type(store)
    assert again.url == store.url
    assert isinstance(store, MemoryStore) or again.get("a") == b"x"
