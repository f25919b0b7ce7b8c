"""The API as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocrfarm._version import __version__
from ocrfarm.client import AsyncClient
from ocrfarm.errors import UnknownJob
from ocrfarm.farm.protocol import new_job_id
from ocrfarm.server import jobs, problems
from ocrfarm.server.api_keys import ApiKeys
from ocrfarm.server.dependencies import OwnerDep, ServerState, StateDep
from ocrfarm.server.rate_limit import JobQuota, RateLimiter
from ocrfarm.server.schemas import Health, WebhookSecret
from ocrfarm.server.webhooks import derive_secret, format_secret, parse_secret
from ocrfarm.settings import Settings

_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What a browser may do with an answer: nothing but keep it for whoever asked."""


def create_app(settings: Settings) -> FastAPI:
    """Give the app; `SettingsError` without keys or a farm. Nothing is contacted yet."""
    rate_limiter, job_quota = (
        RateLimiter(settings.api.api_rate_limit, settings.api.api_max_concurrent),
        JobQuota(settings.api.api_max_jobs),
    )
    state = ServerState(settings, AsyncClient(settings=settings), ApiKeys(settings.api), rate_limiter, job_quota)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with state.client:
            yield

    # The pages that show an OpenAPI document fetch their scripts from a foreign host.
    app = FastAPI(title="ocrfarm", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.server = state
    app.include_router(jobs.router)
    app.add_api_route("/v1/webhook-secret", _get_webhook_secret, tags=["webhooks"], responses=jobs.COMMON_RESPONSES)
    app.add_api_route("/healthz", _check_liveness, tags=["health"])
    app.add_api_route(
        "/readyz", _check_readiness, tags=["health"], responses=jobs.problem_responses(_503="the farm does not answer")
    )
    app.add_middleware(_SecurityHeaders)
    problems.install_handlers(app)
    return app


async def _get_webhook_secret(state: StateDep, owner: OwnerDep) -> WebhookSecret:
    """Give what your webhooks are signed with; 400 where this farm has none."""
    return WebhookSecret(secret=format_secret(derive_secret(parse_secret(state.settings), owner)))


async def _check_liveness() -> Health:
    """Say that this server lives."""
    return Health()


async def _check_readiness(state: StateDep) -> Health:
    """Say that the farm's broker and store answer: both say that they know no such job."""
    with suppress(UnknownJob):
        await state.client.job(new_job_id()).status()
    return Health()


class _SecurityHeaders:
    """Gives every answer the headers that it lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
