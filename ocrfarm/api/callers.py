"""Who asks, and whose job it is: what every route goes through."""

from dataclasses import dataclass, field
from threading import Event
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ocrfarm.api.keys import Keys
from ocrfarm.api.rates import Quota, Rates
from ocrfarm.client import AsyncClient, AsyncJob
from ocrfarm.errors import UnknownJob
from ocrfarm.farm.progress import JobStatus
from ocrfarm.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes share: the farm's client, the keys, the limits, and whether this server is about to leave."""

    settings: Settings
    client: AsyncClient
    keys: Keys
    rates: Rates
    quota: Quota
    leaving: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class Owned:
    """A job of whoever asks, and how far it is now."""

    job: AsyncJob
    status: JobStatus


def the_desk(request: Request) -> Desk:
    """Give the app's desk."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(the_desk)]

_bearer = HTTPBearer(auto_error=False, description="`Authorization: Bearer KEY`")


async def the_owner(desk: TheDesk, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    """Say who asks, and count it; HTTPException 401 or 429."""
    owner = desk.keys.owner(given.credentials) if given else ""
    if not owner:
        raise HTTPException(401, "say who you are: Authorization: Bearer KEY", headers={"WWW-Authenticate": "Bearer"})
    desk.rates.take(owner)
    return owner


Owner = Annotated[str, Depends(the_owner)]


async def the_job(job_id: str, desk: TheDesk, *, owner: Owner) -> Owned:
    """Give the job; `UnknownJob` too where it is another owner's, in the same words."""
    try:
        job = desk.client.job(job_id)
        status = await job.status()
    except UnknownJob:
        raise _unknown(job_id) from None
    if status.owner != owner:
        raise _unknown(job_id)
    return Owned(job, status)


TheJob = Annotated[Owned, Depends(the_job)]


def _unknown(job_id: str) -> UnknownJob:
    return UnknownJob(f"there is no job {job_id[:40]!r} of yours")
