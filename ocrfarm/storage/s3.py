"""S3Store: objects in an S3 bucket; the only module that imports boto3.

What lies between a worker and the store (a load balancer, an ingress, a proxy) may answer in its place: with a page of
its own and status 200, with nothing, or with the answer to another request. So no answer is believed for its status:

    every object carries     x-amz-meta-ocrfarm: CRC32 of its name - CRC32 of its content
    GET                      has an ETag, and name and content are those of the metadata, if there are any
    PUT                      has the ETag of what was sent
    list, delete             name the prefix and the keys that were asked for
    404                      says NoSuchKey

A wrong answer, and a denied request, are repeated at once and then raised: `StoreUnreachable`, `StoreDenied`.
"""

import base64
import hashlib
import os
import random
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import boto3.session
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore import exceptions as aws
from botocore.client import BaseClient
from botocore.config import Config
from botocore.httpchecksum import StreamingChecksumBody

from ocrfarm.errors import StoreError
from ocrfarm.storage.atomic import atomic_write, translate_os_errors
from ocrfarm.storage.key_rules import check_prefix
from ocrfarm.storage.s3_errors import AWS_ERRORS, may_pass_at_once, status_of, translate_aws_errors, wrong_answer
from ocrfarm.storage.s3_url import S3Address

_CHUNK_BYTES = 1 << 20  # bytes held in memory while a file is read or written
_DELETE_BATCH_SIZE = 1000  # keys in one DeleteObjects request: S3's limit
_MAX_CONFLICT_ATTEMPTS = 5  # S3 answers 409 while another conditional PUT of the same key is in progress
_MAX_CONFLICT_DELAY = 0.2  # seconds; the longest pause before the next attempt
_TRANSFER_CONFIG = TransferConfig(
    multipart_threshold=16 << 20,  # bytes; a tile is sent in one request, a large source in parts
    multipart_chunksize=8 << 20,  # bytes; S3 requires at least 5 MiB
    max_concurrency=4,  # parallel parts: enough to saturate the network, few enough for a small server
    preferred_transfer_client="classic",  # the alternative, awscrt, is optional and raises other errors
)
_CLIENT_CONFIG = Config(
    connect_timeout=5,  # seconds; a reachable server answers within one
    read_timeout=30,  # seconds between two bytes, for a server that is busy or starting
    # Tasks are retried as a whole, so three attempts are enough to survive a short interruption.
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,  # connections; the threads of one worker
    tcp_keepalive=True,
)

_REPEAT_DELAYS = (0.1, 0.5)  # seconds before each repetition of a request that was denied or answered wrongly
_METADATA = "ocrfarm"  # the name of the metadata that says which object it is, and what is in it
_RANGE_NOT_SATISFIABLE = 416  # the status of a request for the first byte of an empty object

_T = TypeVar("_T")


class S3Store:
    """A `Store` in a bucket, or below a prefix of it.

    Credentials come from the AWS environment variables and files. The server is not contacted before the first use.
    Threads may share a store, and it can be used after a fork.
    """

    def __init__(self, url: str) -> None:
        self._address = S3Address.parse(url)
        self.url = self._address.url
        self._client = _ProcessClient(self._address)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object; see `Store.put`.

        Args:
            key: Name of the object.
            data: Its content.
            if_absent: Do not write if the object exists. At most one of several concurrent writers gets True. No writer
                does if the successful request's response is lost: its retry finds the object that it just wrote.
        """
        request: dict[str, Any] = {"Body": data} | ({"IfNoneMatch": "*"} if if_absent else {})
        request |= self._address.object_args(key)
        request["Metadata"] = {_METADATA: _describe(key, zlib.crc32(data))}
        with translate_aws_errors(f"write {key}", self._address):
            return _repeat(lambda: _put(self._client(), request))

    def get(self, key: str) -> bytes:
        """Return the content of an object; raise `ObjectNotFound` if it does not exist."""
        content = BytesIO()
        with translate_aws_errors(f"read {key}", self._address):
            _repeat(lambda: _download(self._client(), self._address.object_args(key), file=content))
        return content.getvalue()

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file of any size, in parts, in bounded memory.

        Args:
            key: Name of the object.
            path: File to read.
        """
        target = self._address.object_args(key)
        with translate_os_errors(f"cannot read {path}"), translate_aws_errors(f"write {key}", self._address):
            crc = _crc32(path)
            # With the checksum of the whole file S3 verifies the joined parts, and readers can verify the object.
            options = {"ChecksumCRC32": _encode_crc32(crc), "Metadata": {_METADATA: _describe(key, crc)}}

            def upload() -> None:
                _upload(self._client(), target, path, options=options)
                # The transfer manager believes every answer.
                if not _is_there(self._client(), target, key, crc=crc):
                    raise wrong_answer(f"{key} is not there after it was written")

            _repeat(upload)

    def get_file(self, key: str, path: Path) -> None:
        """Write the content of an object to a file, in bounded memory; raise `ObjectNotFound` if it does not exist.

        Args:
            key: Name of the object.
            path: File to write.
        """
        translated = translate_aws_errors(f"read {key}", self._address)
        # Translated inside: some boto3 errors are OSErrors and would be taken for the target's.
        with atomic_write(path) as temporary, temporary.open("wb") as file, translated:
            _repeat(lambda: _download(self._client(), self._address.object_args(key), file=file))

    def exists(self, key: str) -> bool:
        """Return whether an object of this name exists."""
        with translate_aws_errors(f"access {key}", self._address):
            return _repeat(lambda: _is_there(self._client(), self._address.object_args(key), key))

    def list(self, prefix: str, *, only_folders: bool = False) -> Iterator[str]:
        """Yield the names of all objects that start with `prefix`, sorted; see `Store.list`.

        Args:
            prefix: The start of the names.
            only_folders: Yield the names of folders instead: 1,000 of them in one request.
        """
        start = self._address.prefix + check_prefix(prefix)
        request = {"Bucket": self._address.bucket, "Prefix": start} | ({"Delimiter": "/"} if only_folders else {})
        with translate_aws_errors(f"list {prefix or 'all'}", self._address):
            pages = _repeat(lambda: _list(self._client(), request))
        # Sorted here because SeaweedFS lists folder by folder ("a/b" before "a-b").
        if only_folders:
            folders = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ()))
            yield from sorted(name[start.rfind("/") + 1 :].rstrip("/") for name in folders)
        else:
            names = [item["Key"] for page in pages for item in page.get("Contents", ())]
            # A name with a slash at its end is not one of our objects: consoles create it to show an empty folder.
            yield from sorted(name.removeprefix(self._address.prefix) for name in names if not name.endswith("/"))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; names without an object are ignored."""
        remaining = iter(keys)
        while batch := list(islice(remaining, _DELETE_BATCH_SIZE)):
            request = {"Objects": [{"Key": self._address.object_args(key)["Key"]} for key in batch]}
            with translate_aws_errors(f"remove {batch[0]} and {len(batch) - 1} more", self._address):
                _repeat(partial(_delete, self._client(), self._address.bucket, request))

    def server_time(self) -> float:
        """Return the time of the store's own clock, in seconds since 1970."""
        with translate_aws_errors("read the time", self._address):
            try:
                answer = self._client().list_objects_v2(Bucket=self._address.bucket, MaxKeys=1)
            except aws.ClientError as error:
                answer = error.response  # an error response has a Date too, and wrong clocks are a cause of errors
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            raise StoreError(f"{self._address} sends no Date header in its responses; a proxy may remove it")
        return parsedate_to_datetime(date).timestamp()

    def create_bucket(self) -> None:
        """Create the bucket, unless it exists and belongs to this account."""
        region = self._address.region
        # us-east-1 is the default, which S3 rejects as an explicit location.
        location = (
            {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in (None, "us-east-1") else {}
        )
        with translate_aws_errors("create the bucket", self._address):
            try:
                self._client().create_bucket(Bucket=self._address.bucket, **location)
            except aws.ClientError as error:
                if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":
                    raise

    def close(self) -> None:
        """Close the connections of this process; the next use opens new ones."""
        self._client.close()


def _repeat(request: Callable[[], _T]) -> _T:
    """Return what a request returns; repeat it if it was denied or answered wrongly, which mostly passes at once.

    boto3 itself repeats requests without an answer and those with status 5xx.
    """
    for delay in _REPEAT_DELAYS:
        try:
            return request()
        except AWS_ERRORS as error:
            if not may_pass_at_once(error):
                raise
            time.sleep(delay)
    return request()


def _describe(key: str, crc: int) -> str:
    """Return the metadata of an object: the CRC32 of its name and of its content."""
    return f"{zlib.crc32(key.encode()):08x}-{crc:08x}"


def _stored_description(answer: dict[str, Any]) -> str:
    """Return the metadata of a stored object; empty if another program wrote it."""
    return str(answer.get("Metadata", {}).get(_METADATA, ""))


def _check_name(answer: dict[str, Any], full_key: str) -> None:
    """Raise an error if the answer is that of another object, or of something that is no store.

    A store with another prefix may have written the object, and its name for it is an end of the full key.
    """
    if not answer.get("ETag"):
        raise wrong_answer("it has no ETag")
    parts = full_key.split("/")
    names = {_describe("/".join(parts[start:]), 0)[:9] for start in range(len(parts))}
    if (stored := _stored_description(answer)) and stored[:9] not in names:
        raise wrong_answer("it is that of another object")


# One thread creates a client (0.2 s) and the others wait for it. A fork waits too, so that the child's lock is free.
_CLIENT_LOCK = threading.RLock()
os.register_at_fork(
    before=_CLIENT_LOCK.acquire, after_in_parent=_CLIENT_LOCK.release, after_in_child=_CLIENT_LOCK.release
)


class _ProcessClient:
    """The boto3 client of this process, created at the first use; a forked child creates its own, with own sockets."""

    def __init__(self, address: S3Address) -> None:
        self._address = address
        self._cached: tuple[int, BaseClient | None] = (0, None)

    def __call__(self) -> BaseClient:
        if self._cached[0] != os.getpid():
            with _CLIENT_LOCK:
                if self._cached[0] != os.getpid():
                    self._cached = (os.getpid(), _new_client(self._address))
        return self._cached[1]

    def close(self) -> None:
        """Close the client of this process, if there is one."""
        with _CLIENT_LOCK:
            process, client = self._cached
            self._cached = (0, None)
        if client and process == os.getpid():  # a parent's connections are the parent's to close
            client.close()


def _new_client(address: S3Address) -> BaseClient:
    # Self-hosted servers are addressed by path (host/bucket), because bucket.host would need a DNS entry.
    style = Config(s3={"addressing_style": "path" if address.endpoint else "auto"})
    session = boto3.session.Session()  # the default session, which boto3.client() uses, is not thread-safe
    return session.client(
        "s3", endpoint_url=address.endpoint, region_name=address.region, config=_CLIENT_CONFIG.merge(style)
    )


def _put(client: BaseClient, request: dict[str, Any]) -> bool:
    """Write an object; return False if its condition fails, and retry while another conditional write is running."""
    for remaining in reversed(range(_MAX_CONFLICT_ATTEMPTS)):
        try:
            answer = client.put_object(**request)
        except aws.ClientError as error:
            if status_of(error) == 412:
                return False
            if status_of(error) != 409 or not remaining:
                raise
            time.sleep(random.uniform(0, _MAX_CONFLICT_DELAY))
        else:
            _check_receipt(answer, request["Body"])
            break
    return True


def _check_receipt(answer: dict[str, Any], data: bytes) -> None:
    """Raise an error if the answer to a PUT does not name what was sent."""
    etag = _plain_md5(answer)
    if not answer.get("ETag") or (etag and etag != hashlib.md5(data, usedforsecurity=False).hexdigest()):
        raise wrong_answer("it has not the ETag of what was sent")


def _upload(client: BaseClient, place: dict[str, Any], path: Path, *, options: dict[str, Any]) -> None:
    """Send a file, in parts if it is large."""
    try:
        with create_transfer_manager(client, _TRANSFER_CONFIG) as transfers:
            transfers.upload(str(path), place["Bucket"], place["Key"], extra_args=options).result()
    except KeyError as error:
        raise wrong_answer(f"it has no {error}") from error


def _is_there(client: BaseClient, place: dict[str, Any], key: str, *, crc: int | None = None) -> bool:
    """Return whether an object exists, and has the content of this CRC32, if there is one."""
    try:
        # Not HEAD: its response has no error code, so a missing bucket would look like a missing object.
        answer = client.get_object(**place, Range="bytes=0-0")
    except aws.ClientError as error:
        if error.response["Error"].get("Code") == "NoSuchKey":
            return False
        if status_of(error) != _RANGE_NOT_SATISFIABLE:
            raise
        return True
    with closing(answer["Body"]) as body:
        body.read()
    _check_name(answer, place["Key"])
    return crc is None or _stored_description(answer) in ("", _describe(key, crc))


def _list(client: BaseClient, request: dict[str, Any]) -> list[dict[str, Any]]:
    pages = list(client.get_paginator("list_objects_v2").paginate(**request))
    if any("IsTruncated" not in page or page.get("Prefix", "") != request["Prefix"] for page in pages):
        raise wrong_answer("it is no list of these objects")
    return pages


def _delete(client: BaseClient, bucket: str, request: dict[str, Any]) -> None:
    answer = client.delete_objects(Bucket=bucket, Delete=request)
    if failures := answer.get("Errors"):
        raise aws.ClientError({"Error": failures[0]}, "DeleteObjects")
    if {each["Key"] for each in request["Objects"]} - {each.get("Key") for each in answer.get("Deleted", ())}:
        raise wrong_answer("it does not name the objects that were removed")


def _download(client: BaseClient, place: dict[str, Any], *, file: BinaryIO) -> None:
    """Write the content of an object to an open file; raise an error if a checksum does not match."""
    file.seek(0)
    file.truncate()
    answer = client.get_object(**place)
    with closing(answer["Body"]) as body:
        _check_name(answer, place["Key"])
        # boto3 itself verifies the stored checksum, if there is one for the whole object.
        expected = "" if isinstance(body, StreamingChecksumBody) else _plain_md5(answer)
        digest, crc = hashlib.md5(usedforsecurity=False), 0
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            if expected:
                digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            file.write(chunk)
    if expected and digest.hexdigest() != expected:
        raise aws.FlexibleChecksumError(error_msg=f"the MD5 is {digest.hexdigest()}, expected {expected}")
    if (stored := _stored_description(answer)[9:]) not in ("", f"{crc:08x}"):
        raise aws.FlexibleChecksumError(error_msg=f"the CRC32 is {crc:08x}, expected {stored}")


def _plain_md5(answer: dict[str, Any]) -> str:
    """Return the MD5 in the ETag; empty if the ETag is not an MD5 (several parts, or a customer's own key)."""
    etag = str(answer.get("ETag", "")).strip('"')
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    return etag if len(etag) == 32 and not encrypted else ""


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return crc


def _encode_crc32(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()
