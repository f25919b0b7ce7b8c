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

from ocrfarm.api import events, uploads
from ocrfarm.api.callers import Owned, Owner, TheDesk, TheJob, the_job
from ocrfarm.api.problems import Problem
from ocrfarm.api.rates import Rates
from ocrfarm.api.results import MEDIA, Wanted, write
from ocrfarm.api.views import Cancelled, JobList, JobView
from ocrfarm.client import Ticket
from ocrfarm.client.job import content_of
from ocrfarm.errors import SettingsError, UnknownProfile
from ocrfarm.farm.webhooks import secret_bytes
from ocrfarm.recognize.profiles import PROFILES
from ocrfarm.result.formats import find_formats

_MOST_LISTED = 1_000
_AGAIN_SECONDS = 2
"""When to ask again for the result of a job that has not ended."""

Responses = dict[int | str, dict[str, Any]]


def problems(**texts: str) -> Responses:
    """Describe answers for the OpenAPI document: `_404="why"`, ..."""
    return {int(code[1:]): {"model": Problem, "description": text} for code, text in texts.items()}


_UNKNOWN = problems(_404="you have no such job")

COMMON = problems(
    _400="a parameter makes no sense",
    _401="no key, or nobody's",
    _429="too many requests or unfinished jobs; `Retry-After` says when to come back",
    _503="the farm is busy or away; `Retry-After` may say when to come back",
)
"""Answers to every request with a key."""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=COMMON)


class Asked(BaseModel):
    """What can be said of a picture that is handed in."""

    profile: str = Field("fast", description=f"one of {', '.join(PROFILES)}", examples=["accurate"])
    priority: int | None = Field(None, description="0 (first), 5 or 9; by the picture's size unless given")
    name: str = Field("upload", max_length=255, description="what the picture is called", examples=["drawing.tif"])
    webhook: str = Field("", max_length=2_000, description="an https:// address that is told of the job's end")

    def checked(self) -> dict[str, Any]:
        """Give the options of `Client.submit`; `SettingsError` for what makes no sense."""
        if self.profile not in PROFILES:  # a path would be read here
            raise UnknownProfile(f"no profile is named {self.profile[:40]!r}; choose from {', '.join(PROFILES)}")
        if not self.name.isprintable():
            raise SettingsError("a name holds printable characters only")
        return self.model_dump(exclude={"webhook"})


@router.post("", status_code=202, responses=problems(_413="the picture has too many bytes", _507="there is no room"))
async def submit(
    request: Request, response: Response, *, desk: TheDesk, owner: Owner, asked: Annotated[Asked, Query()]
) -> JobView:
    """Hand in a picture: its bytes are the body, of whatever media type; chunks will do. `Location` names the job."""
    options = asked.checked()
    if asked.webhook:
        secret_bytes(desk.settings)  # a farm without one tells nobody
    with desk.rates.hold(owner), TemporaryDirectory(prefix="ocrfarm-upload-") as folder:
        async with desk.quota.place(owner, desk.client.unfinished):
            path = Path(folder) / "picture"
            await uploads.save(request, path, limits=desk.settings.api)
            ticket = Ticket(owner=owner, webhook=asked.webhook)
            job = await desk.client.submit(path, ticket=ticket, **options)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return JobView.of(await job.status())


@router.get("", responses=_UNKNOWN)
async def jobs(
    desk: TheDesk,
    owner: Owner,
    *,
    limit: Annotated[int, Query(ge=1, le=_MOST_LISTED)] = 100,
    after: Annotated[str, Query(description="a job of yours, as `next` of the page before names it")] = "",
) -> JobList:
    """List your jobs, newest first, page by page: `next` is the `after` of the next one."""
    last = (await the_job(after, desk, owner=owner)).status if after else None
    found = await desk.client.jobs(owner, limit + 1, after=last)
    page = [JobView.of(status) for status in found[:limit]]
    return JobList(jobs=page, next=page[-1].id if len(found) > limit else None)


@router.get("/{job_id}", responses=_UNKNOWN)
async def job(owned: TheJob) -> JobView:
    """Say how far the job is."""
    return JobView.of(owned.status)


@router.delete("/{job_id}", responses=_UNKNOWN)
async def cancel(owned: TheJob) -> Cancelled:
    """Stop the job: queued tiles are skipped, running ones end."""
    return Cancelled(cancelled=await owned.job.cancel())


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **_UNKNOWN,
        200: {"content": {"text/event-stream": {}}, "description": "events `status`, whose data is the job's status"},
        204: {"description": "nothing more will happen, and `Last-Event-ID` is the last event"},
    },
)
async def follow(
    owned: TheJob, desk: TheDesk, *, owner: Owner, last_event_id: Annotated[str, Header()] = ""
) -> Response:
    """Follow the job to its end by server-sent events; `Last-Event-ID` goes on where a connection broke."""
    if owned.status.ended and events.event_id(owned.status) == last_event_id:
        return Response(status_code=204)
    body = _held(events.stream(owned.job, last_event_id, leaving=desk.leaving), desk.rates, owner=owner)
    first = await anext(body)  # where there are too many streams, it says so before anything is sent
    return StreamingResponse(_joined(first, body), media_type="text/event-stream")


async def _held(stream: AsyncIterator[bytes], rates: Rates, *, owner: str) -> AsyncIterator[bytes]:
    with rates.hold(owner):
        async for event in stream:
            yield event


async def _joined(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for event in others:
        yield event


@router.get(
    "/{job_id}/result",
    response_class=FileResponse,
    responses={
        **_UNKNOWN,
        **problems(_409="the job has not ended, or has no result", _422="the picture cannot be read"),
        200: {"content": {kind: {} for kind in dict.fromkeys(MEDIA.values())}, "description": "the result"},
        304: {"description": "it is what `If-None-Match` names"},
    },
)
async def result(
    request: Request,
    owned: TheJob,
    *,
    desk: TheDesk,
    form: Annotated[str, Query(alias="format", description=f"one of {', '.join(MEDIA)}")] = "json",
    page: Annotated[int, Query(ge=1, description="of a format of which each page is a file of its own")] = 1,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Fetch what was read, complete or partial, in any format."""
    found, *others = find_formats(form)
    if others:
        raise SettingsError("a result is fetched in one format at a time")
    content = await _content(owned, desk)
    wanted = Wanted(found, page, f"{request.base_url}v1/jobs/{owned.job.id}/")
    headers = {"ETag": wanted.etag(content), "Cache-Control": "private, no-cache"}
    if headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    folder = TemporaryDirectory(prefix="ocrfarm-result-")
    make = partial(write, owned.job.blocking, content, wanted=wanted, folder=Path(folder.name))
    try:
        path = await desk.client.carry(partial(make, limits=desk.settings.limits.given))
    except BaseException:
        folder.cleanup()
        raise
    tidy = BackgroundTask(folder.cleanup)
    return FileResponse(path, headers=headers, media_type=MEDIA[found.name], filename=path.name, background=tidy)


async def _content(owned: Owned, desk: TheDesk) -> bytes:
    if not owned.status.ended:
        again = {"Retry-After": str(_AGAIN_SECONDS)}
        raise HTTPException(409, f"the job is still {owned.status.state}; follow its events", again)
    return await desk.client.carry(partial(content_of, owned.job.blocking))
