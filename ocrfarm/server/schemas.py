"""What the API says of a job."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from ocrfarm.farm.job_store import JobStatus, WebhookState
from ocrfarm.farm.protocol import JobState

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
    "submitted": "2026-11-25T09:00:00Z",
    "started": "2026-11-25T09:00:01Z",
    "finished": None,
}


class JobView(BaseModel):
    """How far a job is; `tiles` is how many there are, of which some are `blank`, `done` or `failed`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str = Field(description="a ULID: ids sort by time")
    state: JobState
    name: str = Field(description="what the image was called")
    tiles: int
    blank: int
    done: int
    failed: int = Field(description="tiles that could not be read; the result says where they are and why")
    error: str = Field(description="why the job failed")
    error_kind: str = Field(description="the class of that error")
    waiting: str = Field(description="what the job waits for that may never come")
    webhook: WebhookState = Field(description="whether an address is to be told of the job's end, or was")
    submitted: datetime | None
    started: datetime | None
    finished: datetime | None

    @classmethod
    def of(cls, status: JobStatus) -> "JobView":
        """Give the view of a status."""
        known: dict[str, Any] = {name: getattr(status, name) for name in cls.model_fields}
        times = {name: _to_datetime(known[name]) for name in ("submitted", "started", "finished")}
        return cls.model_validate(known | times)


class JobList(BaseModel):
    """A page of your jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="give it as `after` for the next page; null: this is the last one")


class CancelResponse(BaseModel):
    """Whether the job was stopped now; it had ended before otherwise."""

    cancelled: bool


class WebhookSecret(BaseModel):
    """What your webhooks are signed with, as libraries for Standard Webhooks read it."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class Health(BaseModel):
    """The server answers."""

    status: str = "ok"


def _to_datetime(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
