"""A job's progress as server-sent events.

Each event holds the whole status, so a client that missed some needs only the newest. The id of an event is a digest of
its data: a client that connects again with `Last-Event-ID` gets the status only if it has changed since.
"""

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
"""Seconds. Proxies cut a connection that is silent for a minute, some for half a minute."""

_RECONNECT_DELAY_MS = 2_000
"""Milliseconds after which a client that lost the connection tries again."""


def event_id(status: JobStatus) -> str:
    """Return the id of the event that holds a status: equal for two statuses that look equal to the client."""
    return sha256(JobView.of(status).model_dump_json().encode()).hexdigest()[:16]


async def stream_events(job: AsyncJob, last_event_id: str, *, shutdown: Event) -> AsyncIterator[bytes]:
    """Yield an event whenever the status changes, until the job ends.

    If the farm does not answer, an event `problem` ends the stream. If the server stops, the stream ends; the client
    then connects again by itself.

    Args:
        job: The job.
        last_event_id: The id of the last event that the client has received; "" if there is none.
        shutdown: Is set when the server is about to stop.
    """
    yield format_sse_event(retry=_RECONNECT_DELAY_MS)
    last_sent_at = time.monotonic()
    try:
        async for status in job.progress(heartbeat=True):
            now, current_id = time.monotonic(), event_id(status)
            if shutdown.is_set():
                return
            if current_id != last_event_id:
                yield format_sse_event(id=current_id, event="status", data_str=JobView.of(status).model_dump_json())
            elif now - last_sent_at >= HEARTBEAT_INTERVAL:
                yield format_sse_event(comment="no change")
            else:
                continue
            last_event_id, last_sent_at = current_id, now
    except OcrfarmError as error:
        yield format_sse_event(event="problem", data_str=problem_of(error).model_dump_json())
