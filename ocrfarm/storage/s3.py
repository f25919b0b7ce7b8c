"""Objects in an S3 bucket: the only place that knows boto3."""

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
from ocrfarm.storage.address import S3Address
from ocrfarm.storage.files import translated, whole_file
from ocrfarm.storage.names import check_key, check_prefix

_CHUNK = 1 << 20  # bytes held in memory while a file is read or written
_BATCH = 1000  # keys in one DeleteObjects request: S3's limit
_CONFLICT_TRIES = 5  # S3 answers 409 while another conditional PUT of the same key is under way
_CONFLICT_PAUSE = 0.2  # seconds, at most, before the next of them
_TRANSFER = TransferConfig(
    multipart_threshold=16 << 20,  # bytes; a tile goes in one request, a big source in parts
    multipart_chunksize=8 << 20,  # bytes; S3 takes at least 5 MiB
    max_concurrency=4,  # parts on the way at once: enough to fill a network card, few enough for a small server
    preferred_transfer_client="classic",  # the other one, awscrt, is not always there and differs in its errors
)
_LIMITS = Config(
    connect_timeout=5,  # seconds; a server in reach answers within one
    read_timeout=30,  # seconds between two bytes, for a server that is busy or starting
    # A task is tried again later, so few tries here: 3 with short pauses ride out a hiccup.
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,  # connections; the threads of one worker
    tcp_keepalive=True,
)

_EMPTY = 416  # the status of a request for the first byte of an object that has none

_Verdict = tuple[type[StoreError], str]
_ABSENT = (ObjectNotFound, "there is no such object; was it written?")
_NO_BUCKET = (StoreError, "the bucket does not exist; create it, or correct the store URL")
_DENIED = (
    StoreDenied,
    "the store refuses; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the key's rights and this machine's clock",
)
_FULL = (StoreFull, "there is no room left; free some, or raise the quota")
_AWAY = (StoreUnreachable, "the store does not answer; see that it runs and that the endpoint is right, then try again")
_DAMAGED = (StoreUnreachable, "the bytes were damaged on the way or in the store; try again")
_BUSY = (StoreUnreachable, "others are writing the same object; try again")
_WRONG_REGION = (StoreError, "the bucket is in another region; add region= to the store URL")
_OTHER = (StoreError, "see the store's log")
_BY_CODE: dict[str, _Verdict] = {
    "NoSuchBucket": _NO_BUCKET,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "ConditionalRequestConflict": _BUSY,
    "OperationAborted": _BUSY,
    "BadDigest": _DAMAGED,
    "XAmzContentChecksumMismatch": _DAMAGED,
    "RequestTimeout": _AWAY,
    "SlowDown": _AWAY,
    "InternalError": _AWAY,
    "AccessDenied": _DENIED,
    "ExpiredToken": _DENIED,
    "InvalidToken": _DENIED,
    "AuthorizationHeaderMalformed": _WRONG_REGION,
    "PermanentRedirect": _WRONG_REGION,
}
_BY_STATUS: dict[int, _Verdict] = {401: _DENIED, 403: _DENIED, 404: _ABSENT, 429: _AWAY, 507: _FULL}
_BY_KIND: tuple[tuple[tuple[type[Exception], ...], _Verdict], ...] = (
    ((aws.SSLError,), (StoreError, "the certificate is not trusted; set AWS_CA_BUNDLE to the authority's file")),
    ((aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError), _AWAY),
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
    """A bucket, or the part of it under a prefix; credentials come from the AWS environment and files.

    Nothing is contacted before the first use. It may be used by many threads, and after a fork.
    """

    def __init__(self, url: str) -> None:
        self._address = S3Address.parse(url)
        self.url = self._address.url
        self._client = _Client(self._address)

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write the object; with `if_absent`, give False and write nothing where one of this name exists.

        Of many writers with `if_absent` at most one is told True; none is where the winner's answer was lost on the
        way and its second try met its own object.
        """
        request = self._at(key) | {"Body": data} | ({"IfNoneMatch": "*"} if if_absent else {})
        with _translated(f"write {key}", self._address):
            return _put(self._client(), request)

    def get(self, key: str) -> bytes:
        """Give the object's bytes; `ObjectNotFound` where there is none."""
        return b"".join(_chunks(self._client, self._at(key), self._address))

    def put_file(self, key: str, path: Path) -> None:
        """Write the object from a file of any size, in parts, in bounded memory."""
        place = self._at(key)
        with translated(f"cannot read {path}"), _translated(f"write {key}", self._address):
            # With the checksum of the whole file S3 checks the parts when it joins them, and a reader can check too.
            checksum = {"ChecksumCRC32": _crc32(path)}
            with create_transfer_manager(self._client(), _TRANSFER) as transfers:
                transfers.upload(str(path), place["Bucket"], place["Key"], extra_args=checksum).result()

    def get_file(self, key: str, path: Path) -> None:
        """Write the object's bytes to a file, in bounded memory; `ObjectNotFound` where there is none."""
        place = self._at(key)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            file.writelines(_chunks(self._client, place, self._address))

    def exists(self, key: str) -> bool:
        """Say whether there is an object of this name."""
        with _translated(f"look at {key}", self._address):
            try:
                # One byte and not HEAD, whose answer has no words: a missing bucket would look like a missing object.
                self._client().get_object(**self._at(key), Range="bytes=0-0")["Body"].read()
            except aws.ClientError as error:
                if error.response["Error"].get("Code") == "NoSuchKey":
                    return False
                if _status(error) != _EMPTY:
                    raise
            return True

    def list(self, prefix: str) -> Iterator[str]:
        """Give the names of all objects that begin with `prefix`, in order."""
        start = self._address.prefix + check_prefix(prefix)
        with _translated(f"list {prefix or 'all'}", self._address):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self._address.bucket, Prefix=start)
            names = [
                item["Key"].removeprefix(self._address.prefix) for page in pages for item in page.get("Contents", ())
            ]
        # Sorted here, since SeaweedFS goes folder by folder ("a/b" before "a-b"). A name that ends with a slash is no
        # object of ours but the mark by which a console shows an empty folder.
        yield from sorted(name for name in names if not name.endswith("/"))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove the objects; a name without an object is no error."""
        left = iter(keys)
        while batch := list(islice(left, _BATCH)):
            request = {"Objects": [{"Key": self._at(key)["Key"]} for key in batch], "Quiet": True}
            with _translated(f"remove {batch[0]} and {len(batch) - 1} more", self._address):
                answer = self._client().delete_objects(Bucket=self._address.bucket, Delete=request)
                if failures := answer.get("Errors"):
                    raise aws.ClientError({"Error": failures[0]}, "DeleteObjects")

    def clock(self) -> float:
        """Give the time by the store's own clock, in seconds since 1970."""
        with _translated("ask the time", self._address):
            try:
                answer = self._client().list_objects_v2(Bucket=self._address.bucket, MaxKeys=1)
            except aws.ClientError as error:
                answer = error.response  # a refusal says the time too, above all where the clocks are the reason
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            raise StoreError(f"{self._address} does not say the time in its answers; a proxy may have taken it out")
        return parsedate_to_datetime(date).timestamp()

    def create_bucket(self) -> None:
        """Create the bucket; one of one's own that exists is no error."""
        region = self._address.region
        # us-east-1 is the default, which S3 refuses to be told.
        place = (
            {"CreateBucketConfiguration": {"LocationConstraint": region}} if region not in (None, "us-east-1") else {}
        )
        with _translated("make a bucket", self._address):
            try:
                self._client().create_bucket(Bucket=self._address.bucket, **place)
            except aws.ClientError as error:
                if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":
                    raise

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._address.bucket, "Key": self._address.prefix + check_key(key)}


@contextmanager
def _translated(what: str, where: S3Address) -> Iterator[None]:
    try:
        yield
    except (aws.ClientError, aws.BotoCoreError) as error:
        kind, advice = _verdict(error)
        told = " ".join(str(error).split())
        raise kind(f"cannot {what} in {where}: {advice} ({told})") from error


# One thread makes a client (0.2 s) and the others wait for it; a fork waits too, or the child's lock would stay locked.
_MAKING = threading.RLock()
os.register_at_fork(before=_MAKING.acquire, after_in_parent=_MAKING.release, after_in_child=_MAKING.release)


class _Client:
    """The boto3 client of this process, made at the first use and again in a child: a fork must not share sockets."""

    def __init__(self, address: S3Address) -> None:
        self._address = address
        self._held: tuple[int, BaseClient | None] = (0, None)

    def __call__(self) -> BaseClient:
        if self._held[0] != os.getpid():
            with _MAKING:
                if self._held[0] != os.getpid():
                    self._held = (os.getpid(), _new_client(self._address))
        return self._held[1]


def _new_client(address: S3Address) -> BaseClient:
    # Own servers answer by path (host/bucket): a bucket.host name would need DNS.
    style = Config(s3={"addressing_style": "path" if address.endpoint else "auto"})
    session = boto3.session.Session()  # the default one, which boto3.client() uses, is not safe for threads
    return session.client("s3", endpoint_url=address.endpoint, region_name=address.region, config=_LIMITS.merge(style))


def _put(client: BaseClient, request: dict[str, Any]) -> bool:
    """Write the object; False where the condition says no, and again where another such request is under way."""
    for left in reversed(range(_CONFLICT_TRIES)):
        try:
            client.put_object(**request)
        except aws.ClientError as error:
            if _status(error) == 412:
                return False
            if _status(error) != 409 or not left:
                raise
            time.sleep(random.uniform(0, _CONFLICT_PAUSE))
        else:
            break
    return True


def _chunks(client: _Client, place: dict[str, Any], where: S3Address) -> Iterator[bytes]:
    """Give the object piece by piece; StoreUnreachable at its end where it is not what was stored."""
    # Translated in here, not around: some of boto3's errors are OSErrors too, and would pass for the target file's.
    with _translated(f"read {place['Key'].removeprefix(where.prefix)}", where):
        answer = client().get_object(**place)
        with closing(answer["Body"]) as body:
            # boto3 itself compares the stored checksum, if there is one for the whole object.
            expected = "" if isinstance(body, StreamingChecksumBody) else _plain_md5(answer)
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in body.iter_chunks(_CHUNK):
                if expected:
                    digest.update(chunk)
                yield chunk
        if expected and digest.hexdigest() != expected:
            raise aws.FlexibleChecksumError(error_msg=f"the MD5 is {digest.hexdigest()} and not {expected}")


def _plain_md5(answer: dict[str, Any]) -> str:
    """Give the MD5 that the ETag holds; empty where it holds something else (many parts, a customer's own key)."""
    etag = str(answer.get("ETag", "")).strip('"')
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    return etag if len(etag) == 32 and not encrypted else ""


def _crc32(path: Path) -> str:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _status(error: aws.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _verdict(error: Exception) -> _Verdict:
    if isinstance(error, aws.ClientError):
        status = _status(error)
        verdict = _BY_CODE.get(error.response["Error"].get("Code", "")) or _BY_STATUS.get(status)
        return verdict or (_AWAY if status >= 500 else _OTHER)
    return next((verdict for kinds, verdict in _BY_KIND if isinstance(error, kinds)), _OTHER)
