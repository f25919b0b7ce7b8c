"""The bodies of the API's responses; their descriptions are part of the OpenAPI document."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from ocrfarm.farm.job_store import JobStatus, WebhookState
from ocrfarm.farm.protocol import JobState
from ocrfarm.server.problems import public_error

_EXAMPLE: JsonDict = {
    "id": "01J8Z3T6W8Q5N4R2K7M9X1C0VB",
    "state": "recognizing",
    "name": "drawing.tif",
    "tiles": 81,
    "blank": 12,
    "done": 40,
    "failed": 0,
    "error": "",
    "error_kind": "",
    "waiting": "",
    "webhook": "",
    "webhook_error": "",
    "submitted": "2026-11-25T09:00:00Z",
    "started": "2026-11-25T09:00:01Z",
    "finished": None,
}


class JobView(BaseModel):
    """The status of a job. Each of its `tiles` ends as `blank`, `done` or `failed`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str = Field(description="The job's id, a ULID: ids sort by time.")
    state: JobState = Field(description="What happens to the job, or how it ended.")
    name: str = Field(description="The image's name.")
    tiles: int = Field(description="Tiles of all pages; 0 until the image is split.")
    blank: int = Field(description="Tiles without anything to read.")
    done: int = Field(description="Tiles that have been read.")
    failed: int = Field(description="Tiles that could not be read; the result holds their areas and the reasons.")
    error: str = Field(description="Why the job failed.")
    error_kind: str = Field(description="The class of that error.")
    waiting: str = Field(description="What the job waits for, if it may wait for ever.")
    webhook: WebhookState = Field(description="Whether the job's end has been reported to its webhook, if it has one.")
    webhook_error: str = Field(description="Why the last delivery to the webhook failed.")
    submitted: datetime | None = Field(description="When the job was submitted.")
    started: datetime | None = Field(description="When the job was split.")
    finished: datetime | None = Field(description="When the job ended.")

    @classmethod
    def of(cls, status: JobStatus) -> "JobView":
        """Return the view of a status.

        >>> view = JobView.of(JobStatus(id="x", state="complete", tiles=4, done=4, submitted=1.0))
        >>> view.done, view.submitted.isoformat(), view.finished
        (4, '1970-01-01T00:00:01+00:00', None)
        """
        known: dict[str, Any] = {name: getattr(status, name) for name in cls.model_fields}
        known["error_kind"], known["error"] = public_error(status.error_kind, status.error)
        times = {name: _to_datetime(known[name]) for name in ("submitted", "started", "finished")}
        return cls.model_validate(known | times)


class JobList(BaseModel):
    """A page of your jobs, newest first."""

    jobs: list[JobView] = Field(description="The jobs.")
    next: str | None = Field(description="The `after` of the next page; null on the last page.")


class CancelResponse(BaseModel):
    """The answer to a request to cancel or delete a job."""

    cancelled: bool = Field(description="Whether the job was cancelled now; false if it had already ended.")
    deleted: bool | None = Field(default=None, description="True if the job, its image and its results were deleted.")


class WebhookSecret(BaseModel):
    """The secret that signs your webhooks."""

    secret: str = Field(
        description="The secret, in the form that libraries for Standard Webhooks read.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class Health(BaseModel):
    """The answer of a server that is healthy."""

    status: str = Field(default="ok", description="Always `ok`.")


def _to_datetime(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
