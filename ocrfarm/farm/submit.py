"""What a client does: hand a picture in, and cancel a job; needs no engine and no image library."""

import time
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError

from ocrfarm.errors import BrokerUnreachable, OcrfarmError
from ocrfarm.farm import wire
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.progress import JobStatus, Progress
from ocrfarm.storage import keys
from ocrfarm.storage.store import Store

_HASTE = {"max_retries": 3, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2}
"""A person waits: three seconds, where a worker tries for a minute."""


def submit(app: Celery, store: Store, *, progress: Progress, request: Request, source: Path | bytes) -> str:
    """Hand in a picture and give the job's id.

    `BrokerUnreachable`, `StoreError`: then the job has failed, and no worker has heard of it.
    """
    job = wire.new_job_id()
    progress.create(JobStatus(job, "queued", request.name, submitted=request.submitted))
    try:
        store.put(keys.request(job), request.to_bytes())
        if isinstance(source, Path):
            store.put_file(keys.source(job), source)
        else:
            store.put(keys.source(job), source)
        _publish(app, job)
    except OcrfarmError as error:
        end_failed(progress, job, error=error)
        raise
    return job


def _publish(app: Celery, job: str) -> None:
    split = app.signature(wire.SPLIT, wire.job_message(job), task_id=wire.split_id(job), ignore_result=True)
    try:
        split.apply_async(retry_policy=_HASTE)
    except OperationalError as error:
        raise BrokerUnreachable(
            f"the broker does not answer ({error}); is it running, is OCRFARM_BROKER right?"
        ) from error


def cancel(progress: Progress, job: str) -> bool:
    """Cancel the job: its queued tiles are skipped, running ones end; False where it had ended before."""
    progress.status(job)
    return progress.change(job, state="cancelled", finished=time.time())


def end_failed(progress: Progress, job: str, *, error: BaseException) -> None:
    """End the job as failed; a client can raise the same error again."""
    kind = type(error).__name__
    text = str(error) if isinstance(error, OcrfarmError) else f"a fault inside ocrfarm ({kind}: {error}); see the log"
    progress.change(job, state="failed", error=text, error_kind=kind, finished=time.time())
