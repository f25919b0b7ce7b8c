"""What recovery decides is carried out here, one job at a time: a bad one does not stop the others."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery

from ocrfarm.errors import JobFailed
from ocrfarm.farm.batching import requeue
from ocrfarm.farm.broker import is_transient
from ocrfarm.farm.context import WorkerContext
from ocrfarm.farm.manifest import restore_status
from ocrfarm.farm.recovery import RECOVERY_STEPS
from ocrfarm.farm.recovery.decisions import Delete, Fail, Forget, RecoveryDecision, Requeue, Restore
from ocrfarm.farm.recovery.expiry import delete_job
from ocrfarm.farm.recovery.remaining import find_remaining_work, has_unread_tiles
from ocrfarm.farm.submit import fail_job

_log = logging.getLogger(__name__)


def recover(app: Celery, context: WorkerContext) -> None:
    """Take all steps of recovery.

    Args:
        app: The app that publishes.
        context: The store and the job states.

    Raises:
        StoreError: The store is away. The next run starts afresh.
        BrokerError: The broker is away; the same.
    """
    for step in RECOVERY_STEPS:
        with _logged(step.__name__):
            for decision in step(context):
                with _logged(decision):
                    carry_out(app, context, decision=decision)


@contextmanager
def _logged(what: object) -> Iterator[None]:
    """Log what goes wrong with one job, so that it does not stop the others; a service that is away stops them all."""
    try:
        yield
    except Exception as error:
        if is_transient(error):
            raise
        _log.exception("recovery goes on without this: %s", what)


def carry_out(app: Celery, context: WorkerContext, *, decision: RecoveryDecision) -> None:
    """Do what was decided. It may be done twice.

    Args:
        app: The app that publishes.
        context: The store and the job states.
        decision: What is done.
    """
    match decision:
        case Restore(status, replace_known):
            if context.jobs.create(status, replace_known=replace_known):
                context.jobs.recovery.renew_generation(status.id)
        case Forget(job):
            context.jobs.recovery.delete_job(job)
        case Delete(job, keep_record):
            delete_job(context, job, keep_record=keep_record)
        case Fail(job, why):
            fail_job(context.jobs, job, error=JobFailed(f"job {job}: {why}"), store=context.store)
        case Requeue(status):
            pixels = context.settings.task_limits.batch_pixels
            work = find_remaining_work(context.store, status.id, batch_pixels=pixels)
            context.jobs.recovery.count_requeue(status)
            context.jobs.recovery.set_done(status.id, work.tiles_read)
            requeue(app, context, job=status.id, work=work)


def requeue_unread(app: Celery, context: WorkerContext, *, job: str) -> bool:
    """Have the tiles read that are neither read nor given up although a message says that the job can be stitched.

    That happens if objects have vanished from the store, or if a message is older than the last requeue.

    Args:
        app: The app that publishes.
        context: The store and the job states.
        job: The job's id.

    Returns:
        Whether there are such tiles, and the job is not to be stitched now. If reading them again has brought nothing
        several times, it is stitched without them.
    """
    if not has_unread_tiles(context.store, job):
        return False
    if not context.jobs.get_statuses(job):
        context.jobs.create(restore_status(context.store, job))
    status = context.jobs.get_status(job)
    if context.jobs.queues.has_batches(job, status.model):
        return True
    if context.jobs.recovery.count_fruitless_requeues(status) >= context.settings.admission.max_requeues:
        return False
    _log.warning("job %s: tiles that were read have no results in the store; they are read again", job)
    carry_out(app, context, decision=Requeue(status))
    return True
