"""What recovery can do with a job; the task `reconcile` does it."""

from dataclasses import dataclass

from ocrfarm.farm.job_store import JobStatus


@dataclass(frozen=True, slots=True)
class Restore:
    """Record a job that the broker has forgotten, or that it knows in an older state than the store."""

    status: JobStatus
    replace_known: bool = False


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove a job from the broker, of which the store has nothing."""

    job: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a job whose time is over, or once more one that a client has deleted; the broker may have to know it."""

    job: str
    keep_record: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """End a job as failed, and say why."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Requeue:
    """Publish what a job still needs."""

    status: JobStatus


RecoveryDecision = Restore | Forget | Delete | Fail | Requeue
