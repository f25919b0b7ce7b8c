"""A job's status from the store alone: what can be told of a job that the broker has forgotten."""

import json
from typing import Any

from ocrfarm.errors import ObjectNotFound, UnknownJob
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Request
from ocrfarm.result.json import document_from_json
from ocrfarm.storage import layout
from ocrfarm.storage.store import Store


def restore_status(store: Store, job: str) -> JobStatus:
    """Give the status; `queued` for a job that has not ended. `UnknownJob` where the store has no request of it."""
    try:
        request = Request.from_bytes(store.get(layout.request(job)))
    except ObjectNotFound as error:
        raise UnknownJob(f"neither the broker nor the store knows job {job}; `ocrfarm jobs` lists them") from error
    known = request_fields(request)
    for read_fields in (_read_document, _read_end_note):
        try:
            return JobStatus(id=job, **known | read_fields(store, job))
        except ObjectNotFound:
            continue
    return JobStatus(id=job, state="queued", **known)


def request_fields(request: Request) -> dict[str, Any]:
    """Give what a job's status says of its request."""
    known = {"name": request.name, "owner": request.owner, "submitted": request.submitted}
    return {**known, "model": request.profile.recognizer, "webhook": "pending" if request.webhook else ""}


def make_end_note(status: JobStatus) -> bytes:
    """Give the note of how a job without a document ended."""
    said = {"error": status.error, "error_kind": status.error_kind, "finished": status.finished}
    return json.dumps({"state": status.state, **said}, ensure_ascii=False).encode()


def _read_end_note(store: Store, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(store.get(layout.final_status(job)))
    return found


def _read_document(store: Store, job: str) -> dict[str, Any]:
    document = document_from_json(store.get(layout.result(job)))
    coverages = [page.coverage for page in document.pages]
    counts = {name: sum(getattr(each, name) for each in coverages) for name in ("tiles", "blank", "failed")}
    return {
        **counts,
        "done": sum(each.read for each in coverages),
        "state": "complete" if document.is_complete else "partial",
    }
