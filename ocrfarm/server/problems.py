"""Errors -> application/problem+json (RFC 9457); what only the operator may know goes to the log."""

import logging
import uuid
from collections.abc import Mapping
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
    MissingPackage,
    ObjectNotFound,
    OcrfarmError,
    SettingsError,
    StoreFull,
    StoreUnreachable,
    TooLarge,
    UnknownJob,
)

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
"""Of an error's nearest ancestor."""

_PUBLIC_ERRORS = (InputError, SettingsError, JobError, FarmBusy)
"""Errors whose message is for whoever asked; others name hosts and folders."""


class Problem(BaseModel):
    """What went wrong: `code` is the error's class, `retryable` says whether the same request may do later."""

    type: str = Field(examples=["urn:ocrfarm:UnknownJob"])
    title: str = Field(examples=["Neither the broker nor the store knows this job."])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no job 01J00000000000000000000000 of yours"])
    code: str = Field(examples=["UnknownJob"])
    retryable: bool = False
    instance: str = Field(examples=["urn:uuid:6f1c24f0-3a51-4a9e-9d3e-1f6a0c7b2d11"])


def http_status_of(kind: type[OcrfarmError]) -> int:
    """Give the HTTP status for an error of this class."""
    return next(_HTTP_STATUS[each] for each in kind.__mro__ if each in _HTTP_STATUS)


def problem_of(error: OcrfarmError) -> Problem:
    """Give what is told of an error; the rest is logged under the same `instance`."""
    kind, told = type(error), isinstance(error, _PUBLIC_ERRORS)
    title = (kind.__doc__ or "").partition("\n")[0]
    detail = str(error) if told else f"{title} The log of the server says more."
    found = _make_problem(http_status_of(kind), title, code=kind.__name__, detail=detail)
    if not told:
        _log.error("%s: %s: %s", found.instance, kind.__name__, error)
    return found.model_copy(update={"retryable": error.retryable or isinstance(error, FarmBusy)})


def install_handlers(app: FastAPI) -> None:
    """Let every error of the app become a problem."""
    app.add_exception_handler(OcrfarmError, _handle_ocrfarm_error)
    app.add_exception_handler(HTTPException, _handle_http_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, _handle_unexpected_error)


def _make_problem(status: int, title: str, *, code: str, detail: str) -> Problem:
    instance = uuid.uuid4().urn
    return Problem(type=f"urn:ocrfarm:{code}", title=title, status=status, detail=detail, code=code, instance=instance)


def _problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type="application/problem+json")


def _handle_ocrfarm_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OcrfarmError)
    again = {"Retry-After": str(round(error.retry_after))} if isinstance(error, FarmBusy) else None
    return _problem_response(problem_of(error), again)


def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    found = _make_problem(error.status_code, phrase, code=phrase.replace(" ", ""), detail=str(error.detail))
    return _problem_response(found.model_copy(update={"retryable": error.status_code in (408, 429)}), error.headers)


def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
    return _problem_response(_make_problem(400, "A parameter makes no sense.", code="BadRequest", detail=said))


def _handle_disconnect(request: Request, error: Exception) -> Response:
    """Answer nobody: the client has hung up."""
    return Response(status_code=400)


def _handle_unexpected_error(request: Request, error: Exception) -> Response:
    found = _make_problem(
        500, "A fault inside ocrfarm.", code="InternalError", detail="The log of the server says more."
    )
    _log.error("%s: %s: %s", found.instance, type(error).__name__, error)
    return _problem_response(found)
