"""Who asks, and whose job it is: what every route goes through."""

from dataclasses import dataclass, field
from threading import Event
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ocrfarm.client import AsyncClient, AsyncJob
from ocrfarm.errors import UnknownJob
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.server.api_keys import ApiKeys
from ocrfarm.server.rate_limit import JobQuota, RateLimiter
from ocrfarm.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the routes share: the farm's client, the keys, the limits, and whether this server is about to leave."""

    settings: Settings
    client: AsyncClient
    keys: ApiKeys
    rate_limiter: RateLimiter
    job_quota: JobQuota
    shutdown: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class OwnedJob:
    """A job of whoever asks, and how far it is now."""

    job: AsyncJob
    status: JobStatus


def get_state(request: Request) -> ServerState:
    """Give the app's state."""
    state: ServerState = request.app.state.server
    return state


StateDep = Annotated[ServerState, Depends(get_state)]

_bearer = HTTPBearer(auto_error=False, description="`Authorization: Bearer KEY`")


async def get_current_owner(
    state: StateDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Say who asks, and count it; HTTPException 401 or 429."""
    owner = state.keys.find_owner(credentials.credentials) if credentials else ""
    if not owner:
        raise HTTPException(401, "say who you are: Authorization: Bearer KEY", headers={"WWW-Authenticate": "Bearer"})
    state.rate_limiter.acquire(owner)
    return owner


OwnerDep = Annotated[str, Depends(get_current_owner)]


async def get_owned_job(job_id: str, state: StateDep, *, owner: OwnerDep) -> OwnedJob:
    """Give the job; `UnknownJob` too where it is another owner's, in the same words."""
    try:
        job = state.client.job(job_id)
        status = await job.status()
    except UnknownJob:
        raise _unknown_job(job_id) from None
    if status.owner != owner:
        raise _unknown_job(job_id)
    return OwnedJob(job, status)


JobDep = Annotated[OwnedJob, Depends(get_owned_job)]


def _unknown_job(job_id: str) -> UnknownJob:
    return UnknownJob(f"there is no job {job_id[:40]!r} of yours")
