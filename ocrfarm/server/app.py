"""The HTTP API as an ASGI app: `create_app(settings)`."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI, Request, Response

from ocrfarm._version import __version__
from ocrfarm.client import AsyncClient
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.server import jobs, problems
from ocrfarm.server.api_keys import ApiKeys
from ocrfarm.server.dependencies import OwnerDep, ServerState, StateDep, refuse_unknown_parameters
from ocrfarm.server.middleware import AccessLog, FramingCheck, SecurityHeaders
from ocrfarm.server.rate_limit import JobQuota, RateLimiter
from ocrfarm.server.readiness import Readiness
from ocrfarm.server.schemas import Health, WebhookSecret
from ocrfarm.server.webhooks import derive_secret, format_secret, parse_secret
from ocrfarm.settings import Settings

_DESCRIPTION = (
    "Submit an image with `POST /v1/jobs`, follow the job's events or poll its status, and get the result in one of "
    "many formats. Every request but those for health needs an API key. Errors are problem details (RFC 9457)."
)


def create_app(settings: Settings) -> FastAPI:
    """Return the app, which contacts the farm when it starts to serve.

    Raises:
        SettingsError: There are no API keys, or the broker or the store is not set.
    """
    state = ServerState(
        settings,
        AsyncClient(settings=settings),
        ApiKeys(settings.api),
        RateLimiter(settings.api.api_rate_limit, settings.api.api_max_concurrent),
        JobQuota(settings.api.api_max_jobs),
    )
    app = _make_fastapi(state)
    app.state.server = state
    app.include_router(jobs.router)
    app.add_api_route(
        "/v1/webhook-secret",
        _get_webhook_secret,
        summary="Get Webhook Secret",
        tags=["webhooks"],
        responses=jobs.COMMON_RESPONSES,
        response_description="The secret.",
    )
    _add_health_routes(app, Readiness(state.client))
    app.add_route("/openapi.json", _make_openapi_route(app), include_in_schema=False)
    app.add_middleware(FramingCheck)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog, metrics=state.metrics)
    problems.install_handlers(app)
    return app


def _make_openapi_route(app: FastAPI) -> Callable[[Request], Response]:
    """Return the route of the OpenAPI document, which needs no key and is therefore serialized only once."""

    @cache
    def render() -> bytes:
        return json.dumps(app.openapi(), ensure_ascii=False).encode()

    def respond(request: Request) -> Response:
        return Response(render(), media_type="application/json")

    return respond


def _add_health_routes(app: FastAPI, readiness: Readiness) -> None:
    unavailable = jobs.problem_responses(_503="The broker or the store does not answer.")
    options: dict[str, Any] = {"tags": ["health"], "response_description": "All is well."}
    app.add_api_route("/healthz", _check_liveness, summary="Check Liveness", **options)
    app.add_api_route("/readyz", readiness.check, summary="Check Readiness", responses=unavailable, **options)


def _make_fastapi(state: ServerState) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for purpose in ("upload", "result"):
            with scratch_dir(purpose):
                """Making a folder removes those that a killed server has left."""
        async with state.client:
            yield

    return FastAPI(
        title="ocrfarm",
        summary="Reads the text in large images.",
        description=_DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        dependencies=[Depends(refuse_unknown_parameters)],
        openapi_url=None,  # FastAPI would serialize the document for each request
        docs_url=None,  # the pages that show an OpenAPI document fetch scripts from a foreign host
        redoc_url=None,
    )


async def _get_webhook_secret(state: StateDep, owner: OwnerDep) -> WebhookSecret:
    """Get the secret that signs your webhooks; the status is 400 if this farm sends no webhooks."""
    return WebhookSecret(secret=format_secret(derive_secret(parse_secret(state.settings), owner)))


async def _check_liveness() -> Health:
    """Check that this server runs."""
    return Health()
