"""Errors -> `application/problem+json` (RFC 9457).

Messages that name hosts or folders go to the server's log alone; the problem and the log entry share an `instance`.
"""

import errno
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ocrfarm.errors import (
    BrokerFull,
    BrokerUnreachable,
    FarmBusy,
    InputError,
    JobError,
    JobFailed,
    MissingPackage,
    ObjectNotFound,
    OcrfarmError,
    SettingsError,
    StoreFull,
    StoreUnreachable,
    TooLarge,
    UnknownJob,
    find_error,
)
from ocrfarm.printable import printable

_log = logging.getLogger(__name__)

_HTTP_STATUS: dict[type[BaseException], int] = {
    InputError: 422,
    TooLarge: 413,
    SettingsError: 400,
    MissingPackage: 501,
    JobError: 409,
    UnknownJob: 404,
    ObjectNotFound: 404,
    FarmBusy: 503,
    BrokerUnreachable: 503,
    BrokerFull: 503,
    StoreUnreachable: 503,
    StoreFull: 507,
    OcrfarmError: 500,
}
"""Error class -> HTTP status; an error has the status of its nearest ancestor in this table."""

_PUBLIC_ERRORS = (InputError, SettingsError, JobError, FarmBusy)
"""Errors whose message the client may see; the messages of others name hosts and folders."""


_SEE_LOG = "The server's log says more."

_NO_SPACE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_MIN_FREE_BYTES = 1 << 20
"""Free bytes for temporary files below which an unexpected error counts as one of a full disk: some libraries report
that by errors of their own."""


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="The kind of error, as a URN.", examples=["urn:ocrfarm:UnknownJob"])
    title: str = Field(
        description="What this kind of error means.", examples=["Neither the broker nor the store knows this job."]
    )
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(
        description="What went wrong this time.", examples=["you have no job '01J00000000000000000000000'"]
    )
    code: str = Field(description="The kind of error, as one word.", examples=["UnknownJob"])
    retryable: bool = Field(default=False, description="Whether the same request may succeed later.")
    instance: str = Field(
        description="The id of this occurrence, under which the server's log may say more.",
        examples=["urn:uuid:6f1c24f0-3a51-4a9e-9d3e-1f6a0c7b2d11"],
    )


def http_status_of(kind: type[OcrfarmError]) -> int:
    """Return the HTTP status of an error class.

    >>> http_status_of(UnknownJob), http_status_of(FarmBusy)
    (404, 503)
    """
    return next(_HTTP_STATUS[each] for each in kind.__mro__ if each in _HTTP_STATUS)


def problem_of(error: OcrfarmError) -> Problem:
    """Return what the client may see of an error, and log the rest under the same `instance`.

    >>> problem = problem_of(UnknownJob("you have no job 'x'"))
    >>> problem.status, problem.code, problem.detail, problem.retryable
    (404, 'UnknownJob', "you have no job 'x'", False)
    """
    kind, is_public = type(error), isinstance(error, _PUBLIC_ERRORS)
    title = (kind.__doc__ or "").partition("\n")[0]
    detail = str(error) if is_public else f"{title} {_SEE_LOG}"
    problem = _make_problem(http_status_of(kind), title, code=kind.__name__, detail=detail)
    if not is_public:
        _log.error("%s: %s: %s", problem.instance, kind.__name__, error)
    return problem.model_copy(update={"retryable": error.retryable or isinstance(error, FarmBusy)})


def public_error(kind: str, text: str) -> tuple[str, str]:
    """Return the class and the message of the error that ended a job, as the owner may see them.

    Args:
        kind: The class of the error, as the job's status names it.
        text: Its message.

    >>> public_error("DamagedImage", "a.png: is cut off")
    ('DamagedImage', 'a.png: is cut off')
    >>> public_error("StoreDenied", "s3://internal/jobs: access denied")
    ('StoreDenied', "The store rejects the credentials or does not permit the operation. The server's log says more.")
    >>> public_error("KeyError", "a bug in ocrfarm (KeyError: 'x'); the worker's log on gpu-7 has the traceback")
    ('JobFailed', "An error inside ocrfarm. The server's log says more.")
    """
    found = find_error(kind, OcrfarmError) if kind else InputError
    if issubclass(found, _PUBLIC_ERRORS):
        return kind, text
    title = (found.__doc__ or "").partition("\n")[0]
    return (JobFailed.__name__, f"{_BUG} {_SEE_LOG}") if found is OcrfarmError else (kind, f"{title} {_SEE_LOG}")


_BUG = "An error inside ocrfarm."


def install_handlers(app: FastAPI) -> None:
    """Make the app answer every error with a problem."""
    app.add_exception_handler(OcrfarmError, _handle_ocrfarm_error)
    app.add_exception_handler(HTTPException, _handle_http_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(OSError, _handle_unexpected_error)
    app.add_exception_handler(Exception, _handle_unexpected_error)


def make_problem_response(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a problem that is only an HTTP status.

    Args:
        status: The status.
        detail: What went wrong.
        headers: More headers of the response.
    """
    phrase = HTTPStatus(status).phrase
    problem = _make_problem(status, phrase, code=phrase.replace(" ", ""), detail=detail)
    is_retryable = status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return _problem_response(problem.model_copy(update={"retryable": is_retryable}), headers)


def _make_problem(status: int, title: str, *, code: str, detail: str) -> Problem:
    instance = uuid.uuid4().urn
    return Problem(type=f"urn:ocrfarm:{code}", title=title, status=status, detail=detail, code=code, instance=instance)


def _problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    shown = problem.model_copy(update={"detail": printable(problem.detail)})  # it may hold what a client sent
    return JSONResponse(shown.model_dump(), problem.status, headers, media_type="application/problem+json")


def _handle_ocrfarm_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OcrfarmError)
    headers = {"Retry-After": str(round(error.retry_after))} if isinstance(error, FarmBusy) else None
    return _problem_response(problem_of(error), headers)


def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return make_problem_response(error.status_code, str(error.detail), headers=error.headers)


def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
    return _problem_response(_make_problem(400, "A parameter is invalid.", code="BadRequest", detail=detail))


def _handle_disconnect(request: Request, error: Exception) -> Response:
    """Return a response that no one receives, since the client has closed the connection."""
    return Response(status_code=400)


def _handle_unexpected_error(request: Request, error: Exception) -> Response:
    if _is_disk_full(error):
        return _handle_ocrfarm_error(request, StoreFull(f"no space for temporary files: {error}"))
    problem = _make_problem(500, _BUG, code="InternalError", detail=_SEE_LOG)
    _log.error("%s: %s: %s", problem.instance, type(error).__name__, error, exc_info=error)
    return _problem_response(problem)


def _is_disk_full(error: Exception) -> bool:
    """Return whether an error comes from a disk that is full, or from a library that could not write."""
    numbers = {getattr(each, "errno", None) for each in _causes(error)}
    return not numbers.isdisjoint(_NO_SPACE_ERRNOS) or shutil.disk_usage(tempfile.gettempdir()).free < _MIN_FREE_BYTES


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
