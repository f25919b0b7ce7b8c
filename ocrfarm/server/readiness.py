"""Whether the farm's broker and store answer: asked without a key, so many who ask share one look at them."""

import asyncio
import time
from contextlib import suppress

from ocrfarm.client import AsyncClient
from ocrfarm.errors import BrokerUnreachable, UnknownJob
from ocrfarm.farm.protocol import new_job_id
from ocrfarm.server.schemas import Health

_MAX_AGE = 1.0
"""Seconds for which an answer is given again. Probes ask every few seconds."""

_TIMEOUT = 10.0
"""Seconds after which a farm that is silent counts as one that does not answer."""


class Readiness:
    """Asks the broker and the store at most once a second, however many requests there are."""

    def __init__(self, client: AsyncClient) -> None:
        """Ask nothing yet; `client` belongs to the farm."""
        self._client = client
        self._check: asyncio.Task[None] | None = None
        self._expires = 0.0

    async def check(self) -> Health:
        """Check that the farm's broker and store answer."""
        if not self._check or (self._check.done() and time.monotonic() > self._expires):
            self._check = asyncio.create_task(self._ask())
        try:
            async with asyncio.timeout(_TIMEOUT):
                await asyncio.shield(self._check)
        except TimeoutError as error:
            raise BrokerUnreachable(f"the broker or the store has not answered for {_TIMEOUT:.0f} seconds") from error
        return Health()

    async def _ask(self) -> None:
        try:
            with suppress(UnknownJob):  # the id is new, so the broker and the store are both asked for it
                await self._client.job(new_job_id()).status()
        finally:
            self._expires = time.monotonic() + _MAX_AGE
