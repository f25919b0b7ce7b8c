"""The routes of jobs: hand in, list, look, follow, fetch, cancel."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from ocrfarm.client import JobMetadata
from ocrfarm.client.job import fetch_result
from ocrfarm.errors import SettingsError, UnknownProfile
from ocrfarm.recognize.profiles import PROFILES
from ocrfarm.result.formats import find_formats
from ocrfarm.server import events, uploads
from ocrfarm.server.dependencies import JobDep, OwnedJob, OwnerDep, StateDep, get_owned_job
from ocrfarm.server.problems import Problem
from ocrfarm.server.rate_limit import RateLimiter
from ocrfarm.server.results import MEDIA_TYPES, ResultRequest, write_result
from ocrfarm.server.schemas import CancelResponse, JobList, JobView
from ocrfarm.server.webhooks import parse_secret

_MAX_PAGE_SIZE = 1_000
_RESULT_RETRY_AFTER = 2
"""When to ask again for the result of a job that has not ended."""

Responses = dict[int | str, dict[str, Any]]


def problem_responses(**descriptions: str) -> Responses:
    """Describe answers for the OpenAPI document: `_404="why"`, ..."""
    return {int(code[1:]): {"model": Problem, "description": text} for code, text in descriptions.items()}


_UNKNOWN_JOB = problem_responses(_404="you have no such job")

COMMON_RESPONSES = problem_responses(
    _400="a parameter makes no sense",
    _401="no key, or nobody's",
    _429="too many requests or unfinished jobs; `Retry-After` says when to come back",
    _503="the farm is busy or away; `Retry-After` may say when to come back",
)
"""Answers to every request with a key."""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=COMMON_RESPONSES)


class SubmitParams(BaseModel):
    """What can be said of an image that is handed in."""

    profile: str = Field("fast", description=f"one of {', '.join(PROFILES)}", examples=["accurate"])
    priority: int | None = Field(None, description="0 (first), 5 or 9; by the image's size unless given")
    name: str = Field("upload", max_length=255, description="what the image is called", examples=["drawing.tif"])
    webhook: str = Field("", max_length=2_000, description="an https:// address that is told of the job's end")

    def to_options(self) -> dict[str, Any]:
        """Give the options of `Client.submit`; `SettingsError` for what makes no sense."""
        if self.profile not in PROFILES:  # a path would be read here
            raise UnknownProfile(f"no profile is named {self.profile[:40]!r}; choose from {', '.join(PROFILES)}")
        if not self.name.isprintable():
            raise SettingsError("a name holds printable characters only")
        return self.model_dump(exclude={"webhook"})


@router.post(
    "", status_code=202, responses=problem_responses(_413="the image has too many bytes", _507="there is no room")
)
async def submit_job(
    request: Request, response: Response, *, state: StateDep, owner: OwnerDep, params: Annotated[SubmitParams, Query()]
) -> JobView:
    """Hand in an image: its bytes are the body, of whatever media type; chunks will do. `Location` names the job."""
    options = params.to_options()
    if params.webhook:
        parse_secret(state.settings)  # a farm without one tells nobody
    with state.rate_limiter.slot(owner), TemporaryDirectory(prefix="ocrfarm-upload-") as folder:
        async with state.job_quota.reserve(owner, state.client.count_active):
            path = Path(folder) / "image"
            await uploads.save_body(request, path, limits=state.settings.api)
            metadata = JobMetadata(owner=owner, webhook=params.webhook)
            job = await state.client.submit(path, metadata=metadata, **options)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobView.of(await job.status())


@router.get("", responses=_UNKNOWN_JOB)
async def list_jobs(
    state: StateDep,
    owner: OwnerDep,
    *,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE_SIZE)] = 100,
    after: Annotated[str, Query(description="a job of yours, as `next` of the page before names it")] = "",
) -> JobList:
    """List your jobs, newest first, page by page: `next` is the `after` of the next one."""
    last = (await get_owned_job(after, state, owner=owner)).status if after else None
    found = await state.client.jobs(owner, limit + 1, after=last)
    page = [JobView.of(status) for status in found[:limit]]
    return JobList(jobs=page, next=page[-1].id if len(found) > limit else None)


@router.get("/{job_id}", responses=_UNKNOWN_JOB)
async def get_job(owned_job: JobDep) -> JobView:
    """Say how far the job is."""
    return JobView.of(owned_job.status)


@router.delete("/{job_id}", responses=_UNKNOWN_JOB)
async def cancel_job(owned_job: JobDep) -> CancelResponse:
    """Stop the job: queued tiles are skipped, running ones end."""
    return CancelResponse(cancelled=await owned_job.job.cancel())


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN_JOB,
        200: {"content": {"text/event-stream": {}}, "description": "events `status`, whose data is the job's status"},
        204: {"description": "nothing more will happen, and `Last-Event-ID` is the last event"},
    },
)
async def follow_job(
    owned_job: JobDep, state: StateDep, *, owner: OwnerDep, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Follow the job to its end by server-sent events; `Last-Event-ID` goes on where a connection broke."""
    if owned_job.status.has_ended and events.event_id(owned_job.status) == last_event_id:
        return Response(status_code=204)
    body = _hold_slot(
        events.stream_events(owned_job.job, last_event_id, shutdown=state.shutdown), state.rate_limiter, owner=owner
    )
    first = await anext(body)  # where there are too many streams, it says so before anything is sent
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
        **problem_responses(_409="the job has not ended, or has no result", _422="the image cannot be read"),
        200: {"content": {kind: {} for kind in dict.fromkeys(MEDIA_TYPES.values())}, "description": "the result"},
        304: {"description": "it is what `If-None-Match` names"},
    },
)
async def get_result(
    request: Request,
    owned_job: JobDep,
    *,
    state: StateDep,
    form: Annotated[str, Query(alias="format", description=f"one of {', '.join(MEDIA_TYPES)}")] = "json",
    page: Annotated[int, Query(ge=1, description="of a format of which each page is a file of its own")] = 1,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Fetch what was read, complete or partial, in any format."""
    result_format, *others = find_formats(form)
    if others:
        raise SettingsError("a result is fetched in one format at a time")
    content = await _read_result(owned_job, state)
    result_request = ResultRequest(result_format, page, f"{request.base_url}v1/jobs/{owned_job.job.id}/")
    headers = {"ETag": result_request.etag(content), "Cache-Control": "private, no-cache"}
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    folder = TemporaryDirectory(prefix="ocrfarm-result-")
    make = partial(write_result, owned_job.job.blocking, content, request=result_request, folder=Path(folder.name))
    try:
        path = await state.client.transfer(partial(make, limits=state.settings.limits.overrides))
    except BaseException:
        folder.cleanup()
        raise
    tidy = BackgroundTask(folder.cleanup)
    return FileResponse(
        path, headers=headers, media_type=MEDIA_TYPES[result_format.name], filename=path.name, background=tidy
    )


async def _read_result(owned_job: OwnedJob, state: StateDep) -> bytes:
    if not owned_job.status.has_ended:
        again = {"Retry-After": str(_RESULT_RETRY_AFTER)}
        raise HTTPException(409, f"the job is still {owned_job.status.state}; follow its events", again)
    return await state.client.transfer(partial(fetch_result, owned_job.job.blocking))
