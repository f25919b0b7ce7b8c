"""`ocrfarm submit`: submit one image or ten thousand, each once, however often the command is started."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click

from ocrfarm.cli.batch import concerns_one_image, describe_failure, exit_code_of
from ocrfarm.cli.journal import Journal, JournalEntry
from ocrfarm.cli.main import echo
from ocrfarm.cli.options import ReadOptions, group_options, read_options
from ocrfarm.cli.sources import content_key, find_images, is_multiple, list_bucket_images
from ocrfarm.client import Client, Job, JobMetadata, check_file
from ocrfarm.client.sources import REMOTE_PREFIXES
from ocrfarm.errors import FarmBusy, NoImagesFound
from ocrfarm.farm import protocol
from ocrfarm.printable import printable_json
from ocrfarm.public_http import AllowedHosts, parse_webhook_url
from ocrfarm.settings import Settings

DEFAULT_JOURNAL = Path("submitted.csv")


class SourceOptions(NamedTuple):
    """Where more sources are named, and the path of the journal."""

    prefix: tuple[str, ...]
    sources_from: Path | None
    journal: Path


_source_options = group_options(
    "more",
    SourceOptions,
    click.option(
        "--prefix", multiple=True, metavar="URL", help="Submit all images under s3://bucket/prefix; may be repeated."
    ),
    click.option(
        "--sources-from",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Submit the sources in this file, one per line; - reads stdin.",
    ),
    click.option(
        "--journal",
        type=click.Path(path_type=Path),
        default=DEFAULT_JOURNAL,
        show_default=True,
        help="File that records the job of each source, if there are several.",
    ),
)


@click.command(short_help="Submit images to a farm and print the job ids.")
@click.argument("sources", nargs=-1)
@_source_options
@read_options
@click.option(
    "--priority",
    type=click.Choice(["0", "5", "9"]),
    show_default="derived from the image size",
    help="0 is served first, 9 last.",
)
@click.option("--webhook", metavar="URL", help="An https:// URL to notify when each job ends.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line for each job.")
def submit(
    sources: tuple[str, ...],
    more: SourceOptions,
    *,
    options: ReadOptions,
    priority: str | None,
    webhook: str | None,
    as_json: bool,
) -> None:
    """Submit SOURCES to a farm and print the id of each job.

    A source is a file, a folder, a glob in quotes, an s3:// URL, or an https:// URL if OCRFARM_ALLOW_URL_SOURCES=1.
    OCRFARM_BROKER and OCRFARM_STORE name the farm.

    If there are several sources, the journal records the job of each. The same command, started again, submits only
    those that are missing.

    \f
    Args:
        sources: Files, folders, globs or URLs.
        more: Other places that name sources.
        options: Profile and selection.
        priority: Priority of the jobs; None derives it from the size of each image.
        webhook: URL to notify when a job ends.
        as_json: Whether to print JSON.
    """
    settings = Settings.from_env(os.environ)
    if webhook is not None:
        parse_webhook_url(webhook, AllowedHosts(settings.security.webhook_allowed_hosts))
    metadata = JobMetadata(webhook=webhook or "")
    client = Client(settings=settings)
    chosen_priority = int(priority) if priority else None
    submit_one = partial(client.submit, profile=options.profile, selection=options.selection, priority=chosen_priority)
    format_row = _json_row if as_json else "{0}  {1}".format
    if len(sources) == 1 and not more.prefix and not more.sources_from and _is_single(sources[0]):
        job = submit_one(_parse_source(sources[0]), metadata=metadata).id
        echo(format_row(job, sources[0]) if as_json else job)
        return
    with Journal(more.journal) as journal:
        submitter = BulkSubmitter(submit_one, options, metadata=metadata, journal=journal, format_row=format_row)
        raise SystemExit(submitter.run(_collect_sources(sources, more, store=settings.endpoints.store)))


@dataclass(slots=True)
class BulkSubmitter:
    """Submits one source after the other and records each in the journal."""

    submit: Callable[..., Job]
    options: ReadOptions
    metadata: JobMetadata
    journal: Journal
    format_row: Callable[[str, str], str]

    def run(self, sources: Iterator[str]) -> int:
        """Submit the sources that are not yet submitted; return the exit code of the first that failed, or 0."""
        codes = [0]
        for source in sources:
            try:
                self._submit_once(source)
            except Exception as error:
                if not concerns_one_image(error):
                    raise
                codes.append(self._record_failure(source, error))
        return next((code for code in codes if code), 0)

    def _submit_once(self, source: str) -> None:
        """Submit a source that is not yet submitted; its job id is recorded before the farm knows it."""
        key, before = self._content_key(source), self.journal.find(source)
        if before and before.key == key and before.state == "submitted":
            return
        job = before.job if before and before.key == key else protocol.new_job_id()
        row = replace(self._new_row(source), job=job, key=key)
        self.journal.add(row)
        self._submit_with_retries(source, job)
        self.journal.add(replace(row, state="submitted", ended=time.time()))
        echo(self.format_row(job, source))

    def _new_row(self, source: str) -> JournalEntry:
        return JournalEntry(file=source, state="submitting", profile=self.options.profile.name, result=source)

    def _record_failure(self, source: str, error: Exception) -> int:
        """Record why a source could not be submitted; return the exit code."""
        reason, row = describe_failure(error, source), self.journal.find(source) or self._new_row(source)
        echo(f"ocrfarm: {reason}", err=True)
        self.journal.add(replace(row, state="failed", reason=reason, ended=time.time()))
        return exit_code_of(error)

    def _submit_with_retries(self, source: str, job: str) -> None:
        while True:
            try:
                self.submit(_parse_source(source), metadata=replace(self.metadata, id=job))
            except FarmBusy as busy:
                echo(f"ocrfarm: {busy}", err=True)
                time.sleep(busy.retry_after)
            else:
                return

    def _content_key(self, source: str) -> str:
        """Return a key made from a file's bytes, or from the URL of a remote source, which is not downloaded here."""
        return content_key(source if source.startswith(REMOTE_PREFIXES) else Path(source), self.options.to_json())


def _is_single(source: str) -> bool:
    return source.startswith(REMOTE_PREFIXES) or Path(source).is_file() or not is_multiple(Path(source))


def _parse_source(source: str) -> str | Path:
    return source if source.startswith(REMOTE_PREFIXES) else Path(source)


def _collect_sources(sources: tuple[str, ...], more: SourceOptions, *, store: str) -> Iterator[str]:
    """Return every source that is named on the command line, in a file of sources or by a prefix, each once."""
    rows = _read_source_list(more.sources_from) if more.sources_from else []
    below = chain.from_iterable(list_bucket_images(prefix, store=store) for prefix in more.prefix)
    named = chain(chain.from_iterable(map(_expand_source, (*sources, *rows))), below)
    found = dict.fromkeys(named)
    if not found:
        raise NoImagesFound("nothing to submit; name files, or pass --prefix or --sources-from")
    return iter(found)


def _expand_source(source: str) -> list[str]:
    if source.startswith(REMOTE_PREFIXES):
        return [source]
    return [str(image.path) for image in find_images([Path(source)], out=Path(os.devnull))]


def _read_source_list(path: Path) -> list[str]:
    """Return the lines of a file of sources without empty ones and comments."""
    if str(path) == "-":
        text = sys.stdin.read()
    else:
        text = check_file(path).read_text(encoding="utf-8", errors="surrogateescape")
    rows = (row.strip() for row in text.splitlines())
    return [row for row in rows if row and not row.startswith("#")]


def _json_row(job: str, source: str) -> str:
    return printable_json({"job": job, "source": source})
