"""What every route depends on: the server's state, the owner of the request's key, and the owner's job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Annotated

from fastapi import Depends, HTTPException, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ocrfarm.client import AsyncClient, AsyncJob
from ocrfarm.errors import SettingsError, UnknownJob
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.server.api_keys import ApiKeys
from ocrfarm.server.metrics import ApiMetrics
from ocrfarm.server.rate_limit import JobQuota, RateLimiter
from ocrfarm.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the routes share.

    Attributes:
        settings: The farm's settings.
        client: The client of the farm.
        keys: The API keys and their owners.
        rate_limiter: Limits requests, uploads and streams.
        job_quota: Limits unfinished jobs.
        metrics: Counts requests.
        shutdown: Is set when the server is about to stop, so that streams end.
    """

    settings: Settings
    client: AsyncClient
    keys: ApiKeys
    rate_limiter: RateLimiter
    job_quota: JobQuota
    metrics: ApiMetrics = field(default_factory=ApiMetrics)
    shutdown: Event = field(default_factory=Event)


@dataclass(frozen=True, slots=True)
class OwnedJob:
    """A job of the request's owner, and its current status."""

    job: AsyncJob
    status: JobStatus


def get_state(request: Request) -> ServerState:
    """Return the state of the app that handles the request."""
    state: ServerState = request.app.state.server
    return state


StateDep = Annotated[ServerState, Depends(get_state)]

_bearer = HTTPBearer(auto_error=False, description="The API key, as `Authorization: Bearer KEY`.")


async def get_current_owner(
    request: Request, state: StateDep, *, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Return the owner of the request's key, and count the request.

    Args:
        request: The request, whose `state.owner` is set for the log.
        state: The server's state.
        credentials: The key, if the request has one.

    Raises:
        HTTPException: 401, since the key is missing or unknown; 429, since the owner sends too many requests.
    """
    owner = state.keys.find_owner(credentials.credentials) if credentials else ""
    if not owner:
        detail = "the API key is missing or unknown; send the header Authorization: Bearer KEY"
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})
    request.state.owner = owner
    state.rate_limiter.acquire(owner)
    return owner


OwnerDep = Annotated[str, Depends(get_current_owner)]

JobId = Annotated[str, Path(description="The job's id, as `POST /v1/jobs` returns it.")]


async def get_owned_job(job_id: JobId, state: StateDep, *, owner: OwnerDep) -> OwnedJob:
    """Return a job of the owner.

    Args:
        job_id: The job's id.
        state: The server's state.
        owner: The owner of the request's key.

    Raises:
        UnknownJob: There is no such job, or it is another owner's; the message does not tell which.
    """
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
    return UnknownJob(f"you have no job {job_id[:40]!r}")


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `SettingsError` if the query has a parameter that the route does not have, or repeats one.

    A parameter that is ignored looks like one that works: `?dpy=300` would read the image at another resolution.
    """
    route, names = request.scope["route"], request.query_params
    if not names:
        return
    operation = request.app.openapi()["paths"].get(route.path, {}).get(request.method.lower(), {})
    parameters = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    known = {each["name"]: each["schema"].get("type") == "array" for each in parameters}
    for name in names:
        check_parameter(name, len(names.getlist(name)), known=known)


def check_parameter(name: str, count: int, *, known: Mapping[str, bool]) -> None:
    """Raise `SettingsError` if a parameter is unknown or must not be repeated.

    Args:
        name: The parameter.
        count: How often it is there.
        known: All parameters, and whether each may be repeated.
    """
    if name not in known:
        all_names = f"the parameters are {', '.join(known)}" if known else "this request takes none"
        raise SettingsError(f"there is no parameter {name[:40]!r}; {all_names}")
    if count > 1 and not known[name]:
        raise SettingsError(f"the parameter {name} is there {count} times; send it once")
