"""`ocrfarm status|wait|result|cancel|resume|jobs`: talk to a farm that OCRFARM_BROKER and OCRFARM_STORE name."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ocrfarm.cli.output import left_behind, results_options, summary, tasks_url
from ocrfarm.cli.reading import unread_told
from ocrfarm.client import Client
from ocrfarm.client.origins import origin_of
from ocrfarm.errors import PartialResult
from ocrfarm.export import Target, export
from ocrfarm.settings import Settings

if TYPE_CHECKING:
    from ocrfarm.farm.progress import JobStatus

_job = click.argument("job_id", metavar="JOB")
_timeout = click.option("--timeout", type=click.FloatRange(min=0), help="Seconds; without it, as long as it takes.")


@click.command(short_help="Say how far the job is.")
@_job
def status(job_id: str) -> None:
    """Say how far the job is, what became of its webhook, and where Flower shows it if OCRFARM_FLOWER_URL is set."""
    settings = Settings.from_env(os.environ)
    found = Client(settings=settings).job(job_id).status()
    click.echo(_row(found))
    if found.webhook:
        click.echo(f"    webhook: {found.webhook}")
    if settings.access.flower_url:
        click.echo(f"    {tasks_url(settings.access.flower_url, job_id)}")


@click.command()
@_job
@_timeout
def wait(job_id: str, timeout: float | None) -> None:
    """Wait for the job's end; the exit code tells how it ended."""
    hear = unread_told()
    for ended in Client().job(job_id).progress(timeout, heartbeat=True):
        hear(ended)
    click.echo(_row(ended))
    if ended.state in ("failed", "cancelled"):
        raise ended.failure()
    if ended.state == "partial":
        raise SystemExit(PartialResult.exit_code)


@click.command(short_help="Wait for the job's end and write its results.")
@_job
@results_options
@_timeout
def result(job_id: str, target: Target, *, timeout: float | None) -> None:
    """Wait for the job's end and write OUT/JOB.json, OUT/JOB.txt and OUT/JOB.preview.png, or what --formats names."""
    job = Client().job(job_id)
    document = job.result(timeout)
    with tempfile.TemporaryDirectory(prefix="ocrfarm-") as folder:
        limits = Settings.from_env(os.environ).limits.given
        origin = origin_of(job, document, folder=Path(folder), base=target.base, limits=limits)
        export(document, target, origin=origin)
    click.echo(f"{left_behind(target, job_id)}\n{summary(document)}")
    if not document.complete:
        raise SystemExit(PartialResult.exit_code)


@click.command()
@_job
def cancel(job_id: str) -> None:
    """Stop the job: queued tiles are skipped, running ones end."""
    click.echo("cancelled" if Client().job(job_id).cancel() else "had ended before")


@click.command(short_help="Take the job up again where it stands.")
@_job
def resume(job_id: str) -> None:
    """Take the job up again where it stands; what could not be read is tried again."""
    Client().job(job_id).resume()
    click.echo("taken up again")


@click.command()
def jobs() -> None:
    """List the jobs that the broker remembers, newest first."""
    for each in Client().jobs():
        click.echo(_row(each))


def _row(status: "JobStatus") -> str:
    settled = status.done + status.blank + status.failed
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.submitted))
    row = f"{status.id}  {when}  {status.state:<11}  {settled}/{status.tiles} tiles  {status.name}"
    more = f"{status.error_kind}: {status.error}" if status.error else status.waiting
    return f"{row}\n    {more}" if more else row
