"""Whatever a proxy answers in place of the store: nothing wrong is believed, and what passes is repeated."""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

import ocrfarm.storage.s3 as s3_module
from ocrfarm.errors import ObjectNotFound, StoreDenied, StoreUnreachable
from ocrfarm.storage.s3 import S3Store
from tests.support.s3_proxy import FAULT_KINDS, AimedFault, S3Faults, run_faulty_s3_proxy
from tests.support.servers import S3Server

BIG = random.Random(3).randbytes(17 << 20)
"""Sent in parts."""

FAR_TOO_OFTEN = 20
"""Requests: more than are ever repeated."""


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "_CLIENT_CONFIG", s3_module._CLIENT_CONFIG.merge(Config(read_timeout=0.5)))
    monkeypatch.setattr(s3_module, "_REPEAT_DELAYS", (0.0, 0.0))


@pytest.fixture
def proxied(s3: S3Store, aws: S3Server) -> Iterator[tuple[S3Store, S3Faults]]:
    with run_faulty_s3_proxy(aws.endpoint) as (endpoint, faults):
        faults.stall_seconds = 0.7
        with closing(S3Store(s3.url.replace(aws.endpoint, endpoint))) as store:
            yield store, faults


def _get_file(store: S3Store, folder: Path) -> bytes:
    store.get_file("jobs/a", folder / "back")
    return (folder / "back").read_bytes()


def _put_file(store: S3Store, folder: Path, content: bytes) -> bytes:
    (folder / "file").write_bytes(content)
    store.put_file("jobs/new", folder / "file")
    return store.get("jobs/new")


def _put(store: S3Store, **options: Any) -> bytes:
    store.put("jobs/new", b"new", **options)
    return store.get("jobs/new")


def _delete(store: S3Store) -> list[str]:
    store.delete(["jobs/a"])
    return list(store.list("jobs/"))


CALLS: dict[str, tuple[Callable[[S3Store, Path], object], object]] = {
    "get": (lambda store, _: store.get("jobs/a"), b"a" * 5_000),
    "get_file": (_get_file, b"a" * 5_000),
    "put": (lambda store, _: _put(store), b"new"),
    "put if absent": (lambda store, _: _put(store, if_absent=True), b"new"),
    "put_file": (lambda store, folder: _put_file(store, folder, b"new"), b"new"),
    "exists": (lambda store, _: store.exists("jobs/a"), True),
    "list": (lambda store, _: list(store.list("jobs/")), ["jobs/a", "jobs/b"]),
    "delete": (lambda store, _: _delete(store), ["jobs/b"]),
}


@pytest.mark.parametrize("kind", FAULT_KINDS)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_wrong_is_believed(proxied: tuple[S3Store, S3Faults], tmp_path: Path, call: str, kind: str) -> None:
    """The fault hits each request of the call in turn, and the first one for ever."""
    make, expected = CALLS[call]
    with suppress(StoreUnreachable, StoreDenied, ObjectNotFound):
        found, _ = _call(proxied, tmp_path, make, AimedFault(kind, repeats=FAR_TOO_OFTEN))
        assert found == expected or (kind == "404" and call == "exists")
    if kind == "404":  # which the store may say in earnest
        return
    for number in itertools.count(1):
        found, hits = _call(proxied, tmp_path, make, AimedFault(kind, number))
        assert found == expected
        if not hits:
            break
    assert number > 1


@pytest.mark.parametrize("kind", ["HTML with 200", "empty with 200", "another object's answer", "403"])
def test_no_part_of_a_large_file_is_lost(proxied: tuple[S3Store, S3Faults], tmp_path: Path, kind: str) -> None:
    for number in range(1, 7):
        fault = AimedFault(kind, number)
        assert _call(proxied, tmp_path, lambda store, folder: _put_file(store, folder, BIG), fault)[0] == BIG


def _call(
    proxied: tuple[S3Store, S3Faults], folder: Path, make: Callable[[S3Store, Path], object], fault: AimedFault
) -> tuple[object, list[str]]:
    """Give what a call returns during a fault, and which requests were hit."""
    store, faults = proxied
    faults.aimed = None
    store.put("jobs/a", b"a" * 5_000)
    store.put("jobs/b", b"b" * 5_000)
    store.delete(["jobs/new"])
    store.get("jobs/b"), list(store.list("others/"))  # what another request is answered with
    faults.aimed = fault
    try:
        return make(store, folder), fault.hits
    finally:
        faults.aimed = None
