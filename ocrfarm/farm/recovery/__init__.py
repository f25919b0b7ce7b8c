"""Store and broker -> what is done about jobs that lost something: looks that decide, and what a job still needs.

    decisions   what can be done with a job
    carry_out   does it
    remaining   what a job still needs, from the store alone
    comparison  jobs that the store knows and the broker does not, or knows in an older state
    expiry      jobs whose retention is over, or that were deleted
    stalled     jobs that make no progress
    watch       jobs whose tiles are all read, and messages of workers that are gone; every few seconds

The task `reconcile` takes `RECOVERY_STEPS` every minute and carries their decisions out. Every step may be repeated,
and may be interrupted at any moment: it looks at what is there, remembers nothing that it has not done, and goes on
where it was interrupted.
"""

from collections.abc import Callable, Iterable

from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.recovery.comparison import compare_with_store
from ocrfarm.farm.recovery.decisions import Delete, Fail, Forget, RecoveryDecision, Requeue, Restore
from ocrfarm.farm.recovery.expiry import delete_job, find_deleted_jobs, find_expired_jobs
from ocrfarm.farm.recovery.remaining import RemainingWork, clear_dead_letters, find_remaining_work
from ocrfarm.farm.recovery.stalled import recover_stalled_jobs

RECOVERY_STEPS: tuple[Callable[[WorkerContext], Iterable[RecoveryDecision]], ...] = (
    compare_with_store,
    find_deleted_jobs,
    find_expired_jobs,
    recover_stalled_jobs,
)
"""In this order: each decision is carried out before the next one is asked for."""

__all__ = [
    "RECOVERY_STEPS",
    "Delete",
    "Fail",
    "Forget",
    "RecoveryDecision",
    "RemainingWork",
    "Requeue",
    "Restore",
    "clear_dead_letters",
    "compare_with_store",
    "delete_job",
    "find_deleted_jobs",
    "find_expired_jobs",
    "find_remaining_work",
    "recover_stalled_jobs",
]
