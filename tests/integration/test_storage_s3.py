"""What only S3 can do wrong: keys, buckets, servers that die, bytes that change on the way."""

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3.session
import pytest
from botocore.config import Config

import ocrfarm.storage.s3 as s3_module
from ocrfarm.errors import StoreDenied, StoreError, StoreFull, StoreUnreachable
from ocrfarm.storage.s3 import S3Store
from tests.conftest import BUCKET, OpenS3
from tests.support.faulty_servers import corrupting_proxy, run_scripted_server
from tests.support.programs import run_python
from tests.support.servers import S3Server, find_free_ports, run_seaweedfs


def test_sums_are_kept_for_one_part_and_for_many(s3: S3Store, aws: S3Server, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(random.Random(2).randbytes(17 << 20))
    s3.put_file("big", tmp_path / "big")
    s3.put("small", b"x")
    for key in ("big", "small"):
        head = _plain_client(aws).head_object(Bucket=BUCKET, Key=f"{_prefix(s3)}/{key}", ChecksumMode="ENABLED")
        assert len(head["ChecksumCRC32"]) == 8  # of the whole object: a sum of sums would end with the number of parts


@pytest.mark.parametrize("with_sum", [True, False])
def test_bytes_damaged_on_the_way_are_noticed(
    s3: S3Store, aws: S3Server, tmp_path: Path, with_sum: bool, open_s3: OpenS3
) -> None:
    content = b"x" * 5_000 + b"MARK" + b"x" * 5_000
    if with_sum:
        s3.put("a", content)
    else:  # as an old server would keep it: only the MD5 is left
        _plain_client(aws).put_object(Bucket=BUCKET, Key=f"{_prefix(s3)}/a", Body=content)
    assert s3.get("a") == content
    with corrupting_proxy(aws.endpoint, b"MARK", b"mark") as endpoint:
        damaged = open_s3(f"s3://{BUCKET}/{_prefix(s3)}?endpoint={endpoint}")
        with pytest.raises(StoreUnreachable, match="damaged") as caught:
            damaged.get("a")
        assert caught.value.retryable
        with pytest.raises(StoreUnreachable, match="damaged"):
            damaged.get_file("a", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_an_upload_damaged_on_the_way_is_refused(s3: S3Store, aws: S3Server, open_s3: OpenS3) -> None:
    with corrupting_proxy(aws.endpoint, b"MARK", b"mark", upwards=True) as endpoint:
        damaged = open_s3(f"s3://{BUCKET}/{_prefix(s3)}?endpoint={endpoint}")
        with pytest.raises(StoreError):
            damaged.put("a", b"x" * 5_000 + b"MARK")
    assert not s3.exists("a")


def test_a_missing_bucket_says_what_to_do(aws: S3Server, tmp_path: Path, open_s3: OpenS3) -> None:
    (tmp_path / "file").write_bytes(b"x")
    store = open_s3(aws.url("no-such-bucket"))
    attempts: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.put("a", b"x", if_absent=True),
        lambda: store.get("a"),
        lambda: store.put_file("a", tmp_path / "file"),
        lambda: store.get_file("a", tmp_path / "back"),
        lambda: store.exists("a"),
        lambda: list(store.list("")),
        lambda: store.delete(["a"]),
    ]
    for attempt in attempts:
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/ at http.* create it") as caught:
            attempt()
        assert type(caught.value) is StoreError


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_ACCESS_KEY_ID", "")],
)
def test_a_wrong_key_is_denied(
    s3: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, open_s3: OpenS3
) -> None:
    monkeypatch.setenv(name, value)
    store = open_s3(s3.url)
    (tmp_path / "file").write_bytes(b"x")
    attempts: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.get("a"),
        lambda: store.put_file("a", tmp_path / "file"),
        lambda: store.exists("a"),
        lambda: list(store.list("")),
        lambda: store.delete(["a"]),
    ]
    for attempt in attempts:
        with pytest.raises(StoreDenied, match="AWS_ACCESS_KEY_ID"):
            attempt()


def test_an_unknown_profile_is_denied(s3: S3Store, monkeypatch: pytest.MonkeyPatch, open_s3: OpenS3) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreDenied, match="nobody"):
        open_s3(s3.url).get("a")


def test_a_server_that_is_down_is_noticed_soon(aws: S3Server, tmp_path: Path, open_s3: OpenS3) -> None:
    (tmp_path / "file").write_bytes(b"x")
    store = open_s3(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{find_free_ports(1)[0]}")
    attempts: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.get("a"),
        lambda: store.exists("a"),
        lambda: store.put_file("a", tmp_path / "file"),
        lambda: list(store.list("")),
    ]
    for attempt in attempts:
        began = time.monotonic()
        with pytest.raises(StoreUnreachable, match=r"http://127\.0\.0\.1") as caught:
            attempt()
        assert time.monotonic() - began < 10
        assert caught.value.retryable
        assert "\n" not in str(caught.value)


def test_a_server_that_is_killed_comes_back_with_everything(aws: S3Server, tmp_path: Path, open_s3: OpenS3) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "big").write_bytes(random.Random(4).randbytes(17 << 20))
    with run_seaweedfs(tmp_path / "data") as server:
        store = open_s3(server.url(BUCKET))
        store.create_bucket()
        store.put("small", b"x")
        store.put_file("big", tmp_path / "big")
        server.kill()
        with pytest.raises(StoreUnreachable):
            store.get("small")
        server.restart()
        assert store.get("small") == b"x"
        assert store.get("big") == (tmp_path / "big").read_bytes()
        assert store.put("after", b"y")


def test_making_a_bucket_twice_is_no_error(aws: S3Server, open_s3: OpenS3) -> None:
    store = open_s3(aws.url("twice", "p"))
    store.create_bucket()
    store.put("a", b"x")
    store.create_bucket()
    assert store.get("a") == b"x"


def test_stores_with_other_prefixes_do_not_meet(s3: S3Store, open_s3: OpenS3) -> None:
    parts = urlsplit(s3.url)
    other = open_s3(parts._replace(path=f"{parts.path}2").geturl())  # the one prefix begins with the other
    s3.put("a", b"mine")
    other.put("a", b"theirs")
    assert list(s3.list("")) == list(other.list("")) == ["a"]
    s3.delete(s3.list(""))
    assert other.get("a") == b"theirs"


def test_a_folder_mark_of_a_console_is_no_object(s3: S3Store, aws: S3Server) -> None:
    s3.put("jobs/a", b"x")
    _plain_client(aws).put_object(Bucket=BUCKET, Key=f"{_prefix(s3)}/jobs/empty/", Body=b"")
    assert list(s3.list("")) == ["jobs/a"]


def test_a_store_works_on_both_sides_of_a_fork(s3: S3Store) -> None:
    script = """
import os, sys
from ocrfarm.storage import open_store
store = open_store(sys.argv[1])
store.put("parent", b"1")
if child := os.fork():
    ok = all(store.get("parent") == b"1" for _ in range(20))
    print(ok and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0)
else:
    os._exit(0 if all(store.get("parent") == b"1" for _ in range(20)) else 1)
"""
    assert run_python(script, s3.url) == "True"


def test_a_folder_costs_no_boto3() -> None:
    script = "import sys; from ocrfarm.storage import open_store; open_store('/tmp'); print('boto3' in sys.modules)"
    assert run_python(script) == "False"


def test_a_server_that_hangs_is_left_in_time(aws: S3Server, monkeypatch: pytest.MonkeyPatch, open_s3: OpenS3) -> None:
    monkeypatch.setattr(s3_module, "_CLIENT_CONFIG", s3_module._CLIENT_CONFIG.merge(Config(read_timeout=0.2)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        store = open_s3(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(StoreUnreachable, match="does not answer"):
            store.get("a")


# What no server here can be brought to say is played to boto3 over real HTTP.


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (507, "", StoreFull),
        (403, "QuotaExceeded", StoreFull),
        (503, "SlowDown", StoreUnreachable),
        (500, "InternalError", StoreUnreachable),
        (502, "", StoreUnreachable),
        (429, "TooManyRequests", StoreUnreachable),
        (400, "RequestTimeout", StoreUnreachable),
        (400, "BadDigest", StoreUnreachable),
        (400, "ExpiredToken", StoreDenied),
        (401, "", StoreDenied),
        (400, "AuthorizationHeaderMalformed", StoreError),
        (409, "ConditionalRequestConflict", StoreUnreachable),
        (400, "InvalidRequest", StoreError),
    ],
)
def test_what_a_server_says_becomes_the_right_error(
    aws: S3Server, status: int, code: str, kind: type[StoreError], open_s3: OpenS3
) -> None:
    with run_scripted_server([(status, code)]) as endpoint, pytest.raises(StoreError, match="endpoint-free") as caught:
        open_s3(f"s3://{BUCKET}?endpoint={endpoint}").put("endpoint-free", b"x", if_absent=True)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("answers", "won"),
    [
        ([(409, "ConditionalRequestConflict"), (409, "ConditionalRequestConflict"), (200, "")], True),
        ([(409, "ConditionalRequestConflict"), (412, "PreconditionFailed")], False),
        ([(503, "SlowDown"), (200, "")], True),
    ],
)
def test_a_conflict_is_tried_again(aws: S3Server, answers: list[tuple[int, str]], won: bool, open_s3: OpenS3) -> None:
    with run_scripted_server(answers) as endpoint:
        assert open_s3(f"s3://{BUCKET}?endpoint={endpoint}").put("a", b"x", if_absent=True) is won


@pytest.mark.parametrize("patience", [0.2, 30])  # seconds: it hangs in the middle, or it ends too soon
def test_an_answer_that_breaks_off_is_tried_again(
    aws: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float, open_s3: OpenS3
) -> None:
    monkeypatch.setattr(s3_module, "_CLIENT_CONFIG", s3_module._CLIENT_CONFIG.merge(Config(read_timeout=patience)))
    with run_scripted_server([(200, "")], body="half of", missing=8) as endpoint:
        store = open_s3(f"s3://{BUCKET}?endpoint={endpoint}")
        with pytest.raises(StoreUnreachable, match="cannot read a"):
            store.get("a")
        with pytest.raises(StoreUnreachable, match="cannot read a"):
            store.get_file("a", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "there"), [((404, "NoSuchKey"), False), ((416, "InvalidRange"), True), ((206, ""), True)]
)
def test_looking_for_an_object_is_one_request(
    aws: S3Server, answer: tuple[int, str], there: bool, open_s3: OpenS3
) -> None:
    """A second one would meet the error; a role that may not list could make none."""
    with run_scripted_server([answer, (403, "AccessDenied")], body="x") as endpoint:
        assert open_s3(f"s3://{BUCKET}?endpoint={endpoint}").exists("a") is there


def test_one_name_that_cannot_be_removed_is_an_error(aws: S3Server, open_s3: OpenS3) -> None:
    answer = "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"
    with run_scripted_server([(200, "")], body=answer) as endpoint, pytest.raises(StoreDenied, match="a and 1 more"):
        open_s3(f"s3://{BUCKET}?endpoint={endpoint}").delete(["a", "b"])


def _prefix(store: S3Store) -> str:
    return urlsplit(store.url).path.strip("/")


def _plain_client(server: S3Server) -> Any:
    """Give a client that sends no checksums, as an old one."""
    settings = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.session.Session().client("s3", endpoint_url=server.endpoint, config=settings)
