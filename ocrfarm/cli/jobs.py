"""`ocrfarm status|wait|fetch|cancel|resume|rm|jobs`: jobs of the farm that OCRFARM_BROKER and OCRFARM_STORE name."""

import os
import time
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.backends import make_no_worker_warning
from ocrfarm.cli.display import describe_written_files, flower_tasks_url, format_summary
from ocrfarm.cli.main import echo, print_error
from ocrfarm.cli.options import results_options
from ocrfarm.client import Client
from ocrfarm.client.job import make_source_info
from ocrfarm.errors import PartialResult, UnknownJob
from ocrfarm.export import Target, export
from ocrfarm.farm.embedded.processes import scratch_dir
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_job_argument = click.argument("job_id", metavar="JOB")
_timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", show_default="no limit", help="Longest time to wait."
)


@click.command(short_help="Show the status of a job.")
@_job_argument
def status(job_id: str) -> None:
    """Show the status of JOB: its state, its tiles and the state of its webhook.

    If OCRFARM_FLOWER_URL is set, a link to the job's tasks in Flower follows.
    """
    settings = Settings.from_env(os.environ)
    job_status = Client(settings=settings).job(job_id).status()
    echo(*_format_status(job_status))
    if job_status.webhook:
        echo(f"    webhook: {job_status.webhook}")
    if settings.security.flower_url:
        echo(f"    {flower_tasks_url(settings.security.flower_url, job_id)}")


@click.command(short_help="Wait until a job has ended.")
@_job_argument
@_timeout_option
def wait(job_id: str, timeout: float | None) -> None:
    """Wait until JOB has ended and show its status; the exit code tells how it ended.

    \f
    Args:
        job_id: The job.
        timeout: Seconds to wait; None waits without limit.
    """
    warn = make_no_worker_warning()
    for ended in Client().job(job_id).progress(timeout, heartbeat=True):
        warn(ended)
    echo(*_format_status(ended))
    if ended.state in ("failed", "cancelled"):
        raise ended.make_error()
    if ended.state == "partial":
        raise SystemExit(PartialResult.exit_code)


@click.command(short_help="Wait until a job has ended and write its results.")
@_job_argument
@results_options
@_timeout_option
def fetch(job_id: str, target: Target, *, timeout: float | None) -> None:
    """Wait until JOB has ended and write its results to the folder OUT.

    By default these are OUT/JOB.json, OUT/JOB.txt and OUT/JOB.preview.png; --formats chooses others.

    \f
    Args:
        job_id: The job.
        target: Folder and formats of the results.
        timeout: Seconds to wait; None waits without limit.
    """
    job = Client().job(job_id)
    document = job.result(timeout)
    with scratch_dir("fetch") as folder:
        limits = Settings.from_env(os.environ).limits.overrides
        source = make_source_info(job, document, folder=folder, base=target.base_url, limits=limits)
        export(document, target, source=source)
    echo(describe_written_files(target, job_id), *format_summary(document))
    if not document.is_complete:
        raise SystemExit(PartialResult.exit_code)


@click.command(short_help="Cancel a job.")
@_job_argument
def cancel(job_id: str) -> None:
    """Cancel JOB: queued tiles are skipped, running ones are finished."""
    echo("cancelled" if Client().job(job_id).cancel() else "the job had already ended")


@click.command(short_help="Delete jobs with their images and results.")
@click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
def rm(job_ids: tuple[str, ...]) -> None:
    """Delete every JOB: its image, its tiles and its results. A running job is cancelled first.

    This cannot be undone. If a JOB is unknown, the others are deleted all the same.
    """
    client, codes = Client(), [0]
    for job_id in job_ids:
        try:
            client.job(job_id).delete()
        except UnknownJob as error:
            print_error(error)
            codes.append(error.exit_code)
        else:
            echo(f"{job_id}  deleted")
    raise SystemExit(max(codes))


@click.command(short_help="Continue a stalled, partial, failed or cancelled job.")
@_job_argument
def resume(job_id: str) -> None:
    """Continue JOB where it stopped, and retry the tiles that could not be read.

    A stalled, partial, failed or cancelled job can be resumed; a complete one stays as it is.
    """
    Client().job(job_id).resume()
    echo("resumed")


@click.command()
def jobs() -> None:
    """List the jobs of the farm, newest first."""
    for job_status in Client().jobs():
        echo(*_format_status(job_status))


def _format_status(status: "JobStatus") -> list[str]:
    """Return a line with the state, and another one if there is an error or something to wait for."""
    settled = status.done + status.blank + status.failed
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.submitted))
    row = f"{status.id}  {when}  {status.state:<11}  {settled}/{status.tiles} tiles  {status.name}"
    more = f"{status.error_kind}: {status.error}" if status.error else status.waiting
    return [row, f"    {more}"] if more else [row]
