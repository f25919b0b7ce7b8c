"""The routes of jobs: submit, list, get, cancel, follow, and the result.

The docstrings of the routes, and the descriptions of their parameters, are the text of the OpenAPI document.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from ocrfarm.client.job import fetch_result
from ocrfarm.errors import SettingsError
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.result.formats import find_formats
from ocrfarm.server import events, uploads
from ocrfarm.server.dependencies import JobDep, OwnedJob, OwnerDep, StateDep, get_owned_job
from ocrfarm.server.problems import Problem, public_error
from ocrfarm.server.rate_limit import RateLimiter
from ocrfarm.server.results import MEDIA_TYPES, ResultRequest, write_result
from ocrfarm.server.schemas import CancelResponse, JobList, JobView
from ocrfarm.server.submission import SubmitParams, merge_form, prepare_submission

_MAX_PAGE_SIZE = 1_000
_RESULT_RETRY_AFTER = 2
"""Seconds after which the result of a job that has not ended may be requested again."""

Responses = dict[int | str, dict[str, Any]]


def problem_responses(**descriptions: str) -> Responses:
    """Return problems by their status, for the OpenAPI document.

    >>> problem_responses(_404="You have no such job.")[404]["description"]
    'You have no such job.'
    """
    return {int(code[1:]): {"model": Problem, "description": text} for code, text in descriptions.items()}


_UNKNOWN_JOB = problem_responses(_404="You have no such job.")

COMMON_RESPONSES: Responses = problem_responses(
    _400="A parameter is invalid.",
    _401="The API key is missing or unknown.",
    _429="Too many requests, uploads, streams or unfinished jobs. `Retry-After` holds the seconds to wait.",
    _503="The farm is busy or does not answer. `Retry-After` holds the seconds to wait, if they are known.",
) | {"4XX": {"model": Problem, "description": "The request is invalid."}}
"""Problems that any request with a key may receive."""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=COMMON_RESPONSES)


_UPLOAD_BODY = {
    "requestBody": {
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {name: {"type": "string", "format": "binary"} for name in uploads.FILE_FIELDS},
                }
            },
        },
        "description": "The image's bytes; or a form with the image, perhaps a mask, and any of the parameters.",
    }
}


@router.post(
    "",
    status_code=202,
    response_description="The job is submitted.",
    openapi_extra=_UPLOAD_BODY,
    responses=problem_responses(
        _408="The upload took too long.",
        _409="The id is another job's.",
        _413="The image has too many bytes.",
        _422="There is no image, or it is in no format that ocrfarm reads.",
        _507="The server or the farm's store has no space left.",
    ),
)
async def submit_job(
    request: Request, response: Response, *, state: StateDep, owner: OwnerDep, params: Annotated[SubmitParams, Query()]
) -> JobView:
    """Submit an image.

    The body is the image's bytes, with any media type, or a form with the image as the file `file`; it may be sent in
    chunks. A form may also hold a mask as the file `mask`, and any parameter of the query. `Location` holds the job's
    address.

    \f
    Args:
        request: The request, whose body is the image.
        response: Gets the header `Location`.
        state: What all requests share.
        owner: The owner of the API key.
        params: Options of the job.
    """
    with state.rate_limiter.slot(owner), scratch_dir("upload") as folder:
        async with state.job_quota.reserve(owner, state.client.count_active):
            upload = await uploads.receive_upload(request, folder, limits=state.settings.api)
            params = merge_form(params, upload.fields)
            image, options = await prepare_submission(state, owner, params=params, upload=upload)
            job = await state.client.submit(image, **options)
    request.state.job = job.id
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobView.of(await job.status())


@router.get("", responses=_UNKNOWN_JOB, response_description="A page of jobs.")
async def list_jobs(
    state: StateDep,
    owner: OwnerDep,
    *,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE_SIZE, description="The most jobs to return.")] = 100,
    after: Annotated[str, Query(description="The `next` of the previous page.")] = "",
) -> JobList:
    """List your jobs, newest first.

    New jobs do not shift the pages: `next` is the `after` of the next page.

    \f
    Args:
        state: What all requests share.
        owner: The owner of the API key.
        limit: The most jobs to return.
        after: The `next` of the previous page.
    """
    last = (await get_owned_job(after, state, owner=owner)).status if after else None
    found = await state.client.jobs(owner, limit + 1, after=last)
    page = [JobView.of(status) for status in found[:limit]]
    return JobList(jobs=page, next=page[-1].id if len(found) > limit else None)


@router.get("/{job_id}", responses=_UNKNOWN_JOB, response_description="The status.")
async def get_job(owned_job: JobDep) -> JobView:
    """Get the job's status."""
    return JobView.of(owned_job.status)


@router.delete(
    "/{job_id}",
    responses=_UNKNOWN_JOB,
    response_model_exclude_none=True,
    response_description="What was done with the job.",
)
async def cancel_job(
    owned_job: JobDep,
    *,
    purge: Annotated[bool, Query(description="Whether to delete the job with its image and its results.")] = False,
) -> CancelResponse:
    """Cancel the job, or delete it.

    Cancelling drops its queued tiles; tiles that are being read are finished. With `purge=true` the image, the tiles
    and the results are deleted as well, which cannot be undone.

    \f
    Args:
        owned_job: The job, which the caller owns.
        purge: Whether to delete the job.
    """
    cancelled = await owned_job.job.cancel()
    if purge:
        await owned_job.job.delete()
    return CancelResponse(cancelled=cancelled, deleted=purge or None)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN_JOB,
        200: {"content": {"text/event-stream": {}}, "description": "Events `status`, whose data is a `JobView`."},
        204: {"description": "`Last-Event-ID` is the last event: the job has ended."},
    },
)
async def follow_job(
    owned_job: JobDep,
    state: StateDep,
    *,
    owner: OwnerDep,
    last_event_id: Annotated[str, Header(description="The id of the last event that was received.")] = "",
) -> Response:
    """Follow the job's status by server-sent events until the job ends.

    After a lost connection, send the id of the last event as `Last-Event-ID`: the status is sent if it has changed. An
    event `problem`, whose data is a `Problem`, means that the farm does not answer.

    \f
    Args:
        owned_job: The job, which the caller owns.
        state: What all requests share.
        owner: The owner of the API key.
        last_event_id: The id of the last event that was received; "" if none was.
    """
    if owned_job.status.has_ended and events.event_id(owned_job.status) == last_event_id:
        return Response(status_code=204)
    body = _hold_slot(
        events.stream_events(owned_job.job, last_event_id, shutdown=state.shutdown), state.rate_limiter, owner=owner
    )
    first = await anext(body)  # raises the error for too many streams before anything is sent
    return StreamingResponse(_prepend(first, body), media_type="text/event-stream")


async def _hold_slot(stream: AsyncIterator[bytes], rate_limiter: RateLimiter, *, owner: str) -> AsyncIterator[bytes]:
    with rate_limiter.slot(owner):
        async for event in stream:
            yield event


async def _prepend(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in others:
        yield event


@router.get(
    "/{job_id}/result",
    response_class=FileResponse,
    responses={
        **_UNKNOWN_JOB,
        **problem_responses(_409="The job has not ended, or has no result.", _422="The image cannot be read."),
        200: {"content": {kind: {} for kind in dict.fromkeys(MEDIA_TYPES.values())}, "description": "The result."},
        304: {"description": "The result is the one that `If-None-Match` names."},
    },
)
async def get_result(
    request: Request,
    owned_job: JobDep,
    *,
    state: StateDep,
    form: Annotated[str, Query(alias="format", description=f"The format: {', '.join(MEDIA_TYPES)}.")] = "json",
    page: Annotated[int, Query(ge=1, description="The page, 1 = first, of a format with a file for each page.")] = 1,
    if_none_match: Annotated[str, Header(description="The `ETag` of a result that the client has.")] = "",
) -> Response:
    """Get the result, complete or partial, in one of the formats.

    \f
    Args:
        request: The request, whose disconnection ends the export.
        owned_job: The job, which the caller owns.
        state: What all requests share.
        form: The format.
        page: The page, 1 = first, of a format with a file for each page.
        if_none_match: The `ETag` of a result that the client has.
    """
    result_format, *others = find_formats(form)
    if others:
        raise SettingsError("a request returns the result in one format")
    content = await _read_result(owned_job, state)
    result_request = ResultRequest(result_format, page, f"{request.base_url}v1/jobs/{owned_job.job.id}/")
    headers = {"ETag": result_request.etag(content), "Cache-Control": "private, no-cache"}
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_dir("result"))
        write = partial(write_result, owned_job.job.blocking, content, request=result_request, folder=folder)
        path = await state.client.transfer(partial(write, limits=state.settings.limits.overrides))
        return FileResponse(
            path,
            headers=headers,
            media_type=MEDIA_TYPES[result_format.name],
            filename=path.name,
            background=BackgroundTask(stack.pop_all().close),
        )


async def _read_result(owned_job: OwnedJob, state: StateDep) -> bytes:
    if not owned_job.status.has_ended:
        headers = {"Retry-After": str(_RESULT_RETRY_AFTER)}
        raise HTTPException(409, f"the job is still {owned_job.status.state}; follow its events", headers)
    if owned_job.status.state in ("failed", "cancelled"):
        kind, text = public_error(owned_job.status.error_kind, owned_job.status.error)
        raise replace(owned_job.status, error_kind=kind, error=text).make_error()
    return await state.client.transfer(partial(fetch_result, owned_job.job.blocking))
