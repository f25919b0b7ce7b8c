"""`ocrfarm status|wait|fetch|cancel|resume|jobs`: talk to a farm that OCRFARM_BROKER and OCRFARM_STORE name."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.backends import make_no_worker_warning
from ocrfarm.cli.output import describe_written_files, flower_tasks_url, format_summary, results_options
from ocrfarm.client import Client
from ocrfarm.client.job import make_source_info
from ocrfarm.errors import PartialResult
from ocrfarm.export import Target, export
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.job_store import JobStatus

_job_argument = click.argument("job_id", metavar="JOB")
_timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), help="Seconds; without it, as long as it takes."
)


@click.command(short_help="Say how far the job is.")
@_job_argument
def status(job_id: str) -> None:
    """Say how far the job is, what became of its webhook, and where Flower shows it if OCRFARM_FLOWER_URL is set."""
    settings = Settings.from_env(os.environ)
    found = Client(settings=settings).job(job_id).status()
    click.echo(_format_status(found))
    if found.webhook:
        click.echo(f"    webhook: {found.webhook}")
    if settings.security.flower_url:
        click.echo(f"    {flower_tasks_url(settings.security.flower_url, job_id)}")


@click.command()
@_job_argument
@_timeout_option
def wait(job_id: str, timeout: float | None) -> None:
    """Wait for the job's end; the exit code tells how it ended."""
    warn = make_no_worker_warning()
    for ended in Client().job(job_id).progress(timeout, heartbeat=True):
        warn(ended)
    click.echo(_format_status(ended))
    if ended.state in ("failed", "cancelled"):
        raise ended.make_error()
    if ended.state == "partial":
        raise SystemExit(PartialResult.exit_code)


@click.command(short_help="Wait for the job's end and write its results.")
@_job_argument
@results_options
@_timeout_option
def fetch(job_id: str, target: Target, *, timeout: float | None) -> None:
    """Wait for the job's end and write OUT/JOB.json, OUT/JOB.txt and OUT/JOB.preview.png, or what --formats names."""
    job = Client().job(job_id)
    document = job.result(timeout)
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        limits = Settings.from_env(os.environ).limits.overrides
        source = make_source_info(job, document, folder=Path(folder), base=target.base_url, limits=limits)
        export(document, target, source=source)
    click.echo(f"{describe_written_files(target, job_id)}\n{format_summary(document)}")
    if not document.is_complete:
        raise SystemExit(PartialResult.exit_code)


@click.command()
@_job_argument
def cancel(job_id: str) -> None:
    """Stop the job: queued tiles are skipped, running ones end."""
    click.echo("cancelled" if Client().job(job_id).cancel() else "had ended before")


@click.command(short_help="Take the job up again where it stands.")
@_job_argument
def resume(job_id: str) -> None:
    """Take the job up again where it stands; what could not be read is tried again."""
    Client().job(job_id).resume()
    click.echo("taken up again")


@click.command()
def jobs() -> None:
    """List the jobs that the broker remembers, newest first."""
    for each in Client().jobs():
        click.echo(_format_status(each))


def _format_status(status: "JobStatus") -> str:
    settled = status.done + status.blank + status.failed
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.submitted))
    row = f"{status.id}  {when}  {status.state:<11}  {settled}/{status.tiles} tiles  {status.name}"
    more = f"{status.error_kind}: {status.error}" if status.error else status.waiting
    return f"{row}\n    {more}" if more else row
