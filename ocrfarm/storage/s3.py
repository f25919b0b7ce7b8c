"""S3Store: objects in an S3 bucket; the only module that imports boto3."""

import base64
import hashlib
import os
import random
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import Any

import boto3.session
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore import exceptions as aws
from botocore.client import BaseClient
from botocore.config import Config
from botocore.httpchecksum import StreamingChecksumBody

from ocrfarm.errors import ObjectNotFound, StoreDenied, StoreError, StoreFull, StoreUnreachable
from ocrfarm.storage.atomic import atomic_write, translate_os_errors
from ocrfarm.storage.key_rules import check_key, check_prefix
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

_RANGE_NOT_SATISFIABLE = 416  # the status of a request for the first byte of an empty object

_ErrorMapping = tuple[type[StoreError], str]
_NOT_FOUND = (ObjectNotFound, "there is no such object; was it written?")
_NO_BUCKET = (StoreError, "the bucket does not exist; create it, or correct the store URL")
_DENIED = (
    StoreDenied,
    "access denied; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the key's permissions and this machine's clock",
)
_FULL = (StoreFull, "there is no space left; free some, or raise the quota")
_UNREACHABLE = (
    StoreUnreachable,
    "the store does not answer; check that it is running and that the endpoint is correct, then try again",
)
_DAMAGED = (StoreUnreachable, "the content was damaged in transit or in the store; try again")
_CONFLICT = (StoreUnreachable, "other clients are writing the same object; try again")
_WRONG_REGION = (StoreError, "the bucket is in another region; add region= to the store URL")
_DEFAULT = (StoreError, "see the store's log")
_BY_CODE: dict[str, _ErrorMapping] = {
    "NoSuchBucket": _NO_BUCKET,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "ConditionalRequestConflict": _CONFLICT,
    "OperationAborted": _CONFLICT,
    "BadDigest": _DAMAGED,
    "XAmzContentChecksumMismatch": _DAMAGED,
    "RequestTimeout": _UNREACHABLE,
    "SlowDown": _UNREACHABLE,
    "InternalError": _UNREACHABLE,
    "AccessDenied": _DENIED,
    "ExpiredToken": _DENIED,
    "InvalidToken": _DENIED,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "PermanentRedirect": _WRONG_REGION,
}
_BY_STATUS: dict[int, _ErrorMapping] = {401: _DENIED, 403: _DENIED, 404: _NOT_FOUND, 429: _UNREACHABLE, 507: _FULL}
_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], _ErrorMapping], ...] = (
    ((aws.SSLError,), (StoreError, "the certificate is not trusted; set AWS_CA_BUNDLE to the authority's file")),
    ((aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError), _UNREACHABLE),
    ((aws.FlexibleChecksumError,), _DAMAGED),
    (
        (
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
            aws.TokenRetrievalError,
            aws.SSOError,
            aws.LoginError,
            aws.ProfileNotFound,
        ),
        (StoreDenied, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or an AWS profile that exists"),
    ),
)


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
        request = self._object_args(key) | {"Body": data} | ({"IfNoneMatch": "*"} if if_absent else {})
        with _translate_aws_errors(f"write {key}", self._address):
            return _put(self._client(), request)

    def get(self, key: str) -> bytes:
        """Return the content of an object; raise `ObjectNotFound` if it does not exist."""
        return b"".join(_iter_chunks(self._client, self._object_args(key), self._address))

    def put_file(self, key: str, path: Path) -> None:
        """Write an object from a file of any size, in parts, in bounded memory.

        Args:
            key: Name of the object.
            path: File to read.
        """
        target = self._object_args(key)
        with translate_os_errors(f"cannot read {path}"), _translate_aws_errors(f"write {key}", self._address):
            # With the checksum of the whole file S3 verifies the joined parts, and readers can verify the object.
            checksum = {"ChecksumCRC32": _crc32(path)}
            with create_transfer_manager(self._client(), _TRANSFER_CONFIG) as transfers:
                transfers.upload(str(path), target["Bucket"], target["Key"], extra_args=checksum).result()

    def get_file(self, key: str, path: Path) -> None:
        """Write the content of an object to a file, in bounded memory; raise `ObjectNotFound` if it does not exist.

        Args:
            key: Name of the object.
            path: File to write.
        """
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            file.writelines(_iter_chunks(self._client, self._object_args(key), self._address))

    def exists(self, key: str) -> bool:
        """Return whether an object of this name exists."""
        with _translate_aws_errors(f"access {key}", self._address):
            try:
                # Not HEAD: its response has no error code, so a missing bucket would look like a missing object.
                self._client().get_object(**self._object_args(key), Range="bytes=0-0")["Body"].read()
            except aws.ClientError as error:
                if error.response["Error"].get("Code") == "NoSuchKey":
                    return False
                if _status(error) != _RANGE_NOT_SATISFIABLE:
                    raise
            return True

    def list(self, prefix: str, *, only_folders: bool = False) -> Iterator[str]:
        """Yield the names of all objects that start with `prefix`, sorted; see `Store.list`.

        Args:
            prefix: The start of the names.
            only_folders: Yield the names of folders instead: 1,000 of them in one request.
        """
        start = self._address.prefix + check_prefix(prefix)
        request = {"Bucket": self._address.bucket, "Prefix": start} | ({"Delimiter": "/"} if only_folders else {})
        with _translate_aws_errors(f"list {prefix or 'all'}", self._address):
            pages = list(self._client().get_paginator("list_objects_v2").paginate(**request))
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
            request = {"Objects": [{"Key": self._object_args(key)["Key"]} for key in batch], "Quiet": True}
            with _translate_aws_errors(f"remove {batch[0]} and {len(batch) - 1} more", self._address):
                answer = self._client().delete_objects(Bucket=self._address.bucket, Delete=request)
                if failures := answer.get("Errors"):
                    raise aws.ClientError({"Error": failures[0]}, "DeleteObjects")

    def server_time(self) -> float:
        """Return the time of the store's own clock, in seconds since 1970."""
        with _translate_aws_errors("read the time", self._address):
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
        with _translate_aws_errors("create the bucket", self._address):
            try:
                self._client().create_bucket(Bucket=self._address.bucket, **location)
            except aws.ClientError as error:
                if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":
                    raise

    def _object_args(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._address.bucket, "Key": self._address.prefix + check_key(key)}


@contextmanager
def _translate_aws_errors(action: str, address: S3Address) -> Iterator[None]:
    try:
        yield
    except (aws.ClientError, aws.BotoCoreError) as error:
        kind, advice = _map_error(error)
        cause = " ".join(str(error).split())
        raise kind(f"cannot {action} in {address}: {advice} ({cause})") from error


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
            client.put_object(**request)
        except aws.ClientError as error:
            if _status(error) == 412:
                return False
            if _status(error) != 409 or not remaining:
                raise
            time.sleep(random.uniform(0, _MAX_CONFLICT_DELAY))
        else:
            break
    return True


def _iter_chunks(client: _ProcessClient, place: dict[str, Any], address: S3Address) -> Iterator[bytes]:
    """Yield the content of an object in chunks; raise `StoreUnreachable` at its end if its checksum does not match."""
    # Translated here and not by the caller: some boto3 errors are OSErrors and would be taken for the target file's.
    with _translate_aws_errors(f"read {place['Key'].removeprefix(address.prefix)}", address):
        answer = client().get_object(**place)
        with closing(answer["Body"]) as body:
            # boto3 itself verifies the stored checksum, if there is one for the whole object.
            expected = "" if isinstance(body, StreamingChecksumBody) else _plain_md5(answer)
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                if expected:
                    digest.update(chunk)
                yield chunk
        if expected and digest.hexdigest() != expected:
            raise aws.FlexibleChecksumError(error_msg=f"the MD5 is {digest.hexdigest()}, expected {expected}")


def _plain_md5(answer: dict[str, Any]) -> str:
    """Return the MD5 in the ETag; empty if the ETag is not an MD5 (several parts, or a customer's own key)."""
    etag = str(answer.get("ETag", "")).strip('"')
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    return etag if len(etag) == 32 and not encrypted else ""


def _crc32(path: Path) -> str:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _status(error: aws.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _map_error(error: Exception) -> _ErrorMapping:
    if isinstance(error, aws.ClientError):
        status = _status(error)
        mapping = _BY_CODE.get(error.response["Error"].get("Code", "")) or _BY_STATUS.get(status)
        return mapping or (_UNREACHABLE if status >= 500 else _DEFAULT)
    return next((mapping for kinds, mapping in _BY_TYPE if isinstance(error, kinds)), _DEFAULT)
