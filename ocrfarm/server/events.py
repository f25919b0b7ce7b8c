"""A job's progress as server-sent events: each is the whole status, so that only the newest matters."""

import time
from collections.abc import AsyncIterator
from hashlib import sha256
from threading import Event

from fastapi.sse import format_sse_event

from ocrfarm.client import AsyncJob
from ocrfarm.errors import OcrfarmError
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.server.problems import problem_of
from ocrfarm.server.schemas import JobView

HEARTBEAT_INTERVAL = 15.0
"""Proxies cut a connection that is silent for a minute, some for half of it."""

_RECONNECT_DELAY_MS = 2_000
"""When a client that lost the connection comes back."""


def event_id(status: JobStatus) -> str:
    """Give an id that stands for what is told of the status."""
    return sha256(JobView.of(status).model_dump_json().encode()).hexdigest()[:16]


async def stream_events(job: AsyncJob, last_event_id: str, *, shutdown: Event) -> AsyncIterator[bytes]:
    """Give an event whenever the status is another than the one of the id `last_event_id`, up to the job's end.

    Where the farm is away, an event `problem` says so and ends the stream; where the server is leaving, the stream just
    ends: the client comes back by itself.
    """
    yield format_sse_event(retry=_RECONNECT_DELAY_MS)
    spoke = time.monotonic()
    try:
        async for status in job.progress(heartbeat=True):
            now, known = time.monotonic(), event_id(status)
            if shutdown.is_set():
                return
            if known != last_event_id:
                yield format_sse_event(id=known, event="status", data_str=JobView.of(status).model_dump_json())
            elif now - spoke >= HEARTBEAT_INTERVAL:
                yield format_sse_event(comment="still here")
            else:
                continue
            last_event_id, spoke = known, now
    except OcrfarmError as error:
        yield format_sse_event(event="problem", data_str=problem_of(error).model_dump_json())
