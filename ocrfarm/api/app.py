"""The API as an ASGI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocrfarm.api import jobs, problems
from ocrfarm.api.callers import Desk, Owner, TheDesk
from ocrfarm.api.keys import Keys
from ocrfarm.api.rates import Quota, Rates
from ocrfarm.api.views import Health, Secret
from ocrfarm.client import AsyncClient
from ocrfarm.errors import UnknownJob
from ocrfarm.farm.webhooks import secret_bytes, secret_of, shown_secret
from ocrfarm.farm.wire import new_job_id
from ocrfarm.settings import Settings

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What a browser may do with an answer: nothing but keep it for whoever asked."""


def make_api(settings: Settings) -> FastAPI:
    """Give the app; `SettingsError` without keys or a farm. Nothing is contacted yet."""
    rates, quota = Rates(settings.api.api_rate, settings.api.api_open), Quota(settings.api.api_jobs)
    desk = Desk(settings, AsyncClient(settings=settings), Keys(settings.api), rates, quota)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk.client:
            yield

    # The pages that show an OpenAPI document fetch their scripts from a foreign host.
    app = FastAPI(title="ocrfarm", version=version("ocrfarm"), lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.include_router(jobs.router)
    app.add_api_route("/v1/webhook-secret", _secret, tags=["webhooks"], responses=jobs.COMMON)
    app.add_api_route("/healthz", _alive, tags=["health"])
    app.add_api_route("/readyz", _ready, tags=["health"], responses=jobs.problems(_503="the farm does not answer"))
    app.add_middleware(_Headers)
    problems.install(app)
    return app


async def _secret(desk: TheDesk, owner: Owner) -> Secret:
    """Give what your webhooks are signed with; 400 where this farm has none."""
    return Secret(secret=shown_secret(secret_of(secret_bytes(desk.settings), owner)))


async def _alive() -> Health:
    """Say that this server lives."""
    return Health()


async def _ready(desk: TheDesk) -> Health:
    """Say that the farm's broker and store answer: both say that they know no such job."""
    with suppress(UnknownJob):
        await desk.client.job(new_job_id()).status()
    return Health()


class _Headers:
    """Gives every answer the headers that it lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
