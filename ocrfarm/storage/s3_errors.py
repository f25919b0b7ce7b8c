"""Errors of boto3 -> `StoreError`, and which of them mostly pass at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from ocrfarm.errors import ObjectNotFound, StoreDenied, StoreError, StoreFull, StoreUnreachable
from ocrfarm.storage.s3_url import S3Address

AWS_ERRORS = (aws.ClientError, aws.BotoCoreError, ResponseParserError)
"""What boto3 raises."""

_WRONG_ANSWER_CODE = "WrongAnswer"
"""The error code of an answer that is not the store's, or not the one to this request; no store sends it."""

_BROKEN_OFF = (aws.IncompleteReadError, aws.ResponseStreamingError)
"""Errors in the middle of an answer, after which boto3 does not repeat the request."""

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
_WRONG_ANSWER = (
    StoreUnreachable,
    "the answer is not the store's; check what lies between (a proxy, a load balancer), then try again",
)
_CONFLICT = (StoreUnreachable, "other clients are writing the same object; try again")
_WRONG_REGION = (StoreError, "the bucket is in another region; add region= to the store URL")
_DEFAULT = (StoreError, "see the store's log")
_BY_CODE: dict[str, _ErrorMapping] = {
    _WRONG_ANSWER_CODE: _WRONG_ANSWER,
    "NoSuchBucket": _NO_BUCKET,
    "QuotaExceeded": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "ConditionalRequestConflict": _CONFLICT,
    "OperationAborted": _CONFLICT,
    "BadDigest": _DAMAGED,
    "IncompleteBody": _DAMAGED,
    "XAmzContentSHA256Mismatch": _DAMAGED,
    "NoSuchKey": _NOT_FOUND,
    # What the store was told of a part of an upload was not its own answer to that part.
    "InvalidPart": _WRONG_ANSWER,
    "InvalidPartOrder": _WRONG_ANSWER,
    "NoSuchUpload": _WRONG_ANSWER,
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
_BY_STATUS: dict[int, _ErrorMapping] = {401: _DENIED, 403: _DENIED, 404: _WRONG_ANSWER, 429: _UNREACHABLE, 507: _FULL}
_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], _ErrorMapping], ...] = (
    ((aws.SSLError,), (StoreError, "the certificate is not trusted; set AWS_CA_BUNDLE to the authority's file")),
    ((aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError), _UNREACHABLE),
    ((aws.FlexibleChecksumError,), _DAMAGED),
    ((ResponseParserError,), _WRONG_ANSWER),
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


@contextmanager
def translate_aws_errors(action: str, address: S3Address) -> Iterator[None]:
    """Translate an error of boto3 in the block into a `StoreError`.

    Args:
        action: Begins its message: "read KEY".
        address: Where the object is.
    """
    try:
        yield
    except AWS_ERRORS as error:
        kind, advice = _map_error(error)
        cause = " ".join(str(error).split())
        raise kind(f"cannot {action} in {address}: {advice} ({cause})") from error


def wrong_answer(why: str) -> aws.ClientError:
    """Return the error for an answer that says success, but is not the answer to the request."""
    return aws.ClientError({"Error": {"Code": _WRONG_ANSWER_CODE, "Message": why}}, "request")


def may_pass_at_once(error: Exception) -> bool:
    """Return whether the request may be repeated at once: it was denied, or the answer broke off or is a wrong one."""
    return _map_error(error) in (_DENIED, _WRONG_ANSWER, _DAMAGED) or isinstance(error, _BROKEN_OFF)


def status_of(error: aws.ClientError) -> int:
    """Return the HTTP status of an answer that is an error."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _map_error(error: Exception) -> _ErrorMapping:
    if isinstance(error, aws.ClientError):
        status = status_of(error)
        mapping = _BY_CODE.get(error.response["Error"].get("Code", "")) or _BY_STATUS.get(status)
        return mapping or (_UNREACHABLE if status >= 500 else _DEFAULT)
    return next((mapping for kinds, mapping in _BY_TYPE if isinstance(error, kinds)), _DEFAULT)
