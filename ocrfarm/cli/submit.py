"""`ocrfarm submit`: pictures handed to a farm, one or ten thousand, each once however often the command is started."""

import json
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

from ocrfarm.cli.gathered import gathered
from ocrfarm.cli.ledger import Entry, Ledger
from ocrfarm.cli.main import complain
from ocrfarm.cli.order import Order, order_options
from ocrfarm.cli.sources import content_key, listed, objects, pictures
from ocrfarm.client import Client, Job, Ticket, checked_file
from ocrfarm.errors import FarmBusy, InputError, NoImages, ObjectNotFound
from ocrfarm.farm import wire
from ocrfarm.farm.outside import checked_webhook
from ocrfarm.settings import Settings

LEDGER = Path("submitted.csv")

_REMOTE = ("s3://", "https://", "http://")


class Many(NamedTuple):
    """Where more sources are named, and the table of what was handed in."""

    prefix: tuple[str, ...]
    manifest: Path | None
    ledger: Path


_many = gathered(
    "many",
    Many,
    click.option("--prefix", multiple=True, help="All pictures of a bucket below s3://bucket/prefix; may be repeated."),
    click.option("--manifest", type=click.Path(path_type=Path), help="A file that names a source a row; - is stdin."),
    click.option("--ledger", type=click.Path(path_type=Path), default=LEDGER, show_default=True, help="For several."),
)


@click.command()
@click.argument("sources", nargs=-1)
@_many
@order_options
@click.option("--priority", type=click.Choice(["0", "5", "9"]), help="0 is first; by the picture's size unless given.")
@click.option("--webhook", metavar="URL", help="An https:// address that is told of the end of each job.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row for each job.")
def submit(
    sources: tuple[str, ...], many: Many, *, order: Order, priority: str | None, webhook: str | None, as_json: bool
) -> None:
    """Hand in SOURCES and print the id of each job.

    A source is a file, a folder, a glob in quotes, an s3:// URL or (with OCRFARM_URL_SOURCES=1) an https:// one. Where
    there are several, the table LEDGER says which job each became: started again, the command hands in what is left.
    """
    ticket = Ticket(webhook=checked_webhook(webhook)) if webhook is not None else Ticket()
    settings = Settings.from_env(os.environ)
    client = Client(settings=settings)
    chosen = int(priority) if priority else None
    hand_in = partial(client.submit, profile=order.profile, scope=order.scope, priority=chosen)
    show = _json_row if as_json else "{0}  {1}".format
    if len(sources) == 1 and not many.prefix and not many.manifest and _is_one(sources[0]):
        job = hand_in(_source(sources[0]), ticket=ticket).id
        click.echo(show(job, sources[0]) if as_json else job)
        return
    with Ledger(many.ledger) as ledger:
        counter = _Counter(hand_in, order, ticket=ticket, ledger=ledger, show=show)
        raise SystemExit(counter.run(_named(sources, many, store=settings.places.store)))


@dataclass(slots=True)
class _Counter:
    """Hands in source after source and keeps the table."""

    hand_in: Callable[..., Job]
    order: Order
    ticket: Ticket
    ledger: Ledger
    show: Callable[[str, str], str]

    def run(self, sources: Iterator[str]) -> int:
        """Hand in what is left; give the exit code of the first source that could not be."""
        codes = [0]
        for source in sources:
            try:
                self._submit(source)
            except (InputError, ObjectNotFound) as error:
                complain(error)
                codes.append(error.exit_code)
        return next((code for code in codes if code), 0)

    def _submit(self, source: str) -> None:
        """Hand in a source unless it was; its job has an id, and a row, before the farm hears of it."""
        key, before = self._key(source), self.ledger.find(source)
        if before and before.key == key and before.state == "submitted":
            return
        job = before.job if before and before.key == key else wire.new_job_id()
        row = Entry(file=source, state="begun", profile=self.order.profile.name, result=source, job=job, key=key)
        self.ledger.add(row)
        self._hand_in(source, job)
        self.ledger.add(replace(row, state="submitted", ended=time.time()))
        click.echo(self.show(job, source))

    def _hand_in(self, source: str, job: str) -> None:
        while True:
            try:
                self.hand_in(_source(source), ticket=replace(self.ticket, id=job))
            except FarmBusy as busy:
                click.echo(f"ocrfarm: {busy}", err=True)
                time.sleep(busy.retry_after)
            else:
                return

    def _key(self, source: str) -> str:
        """Tell a file by its bytes; what lies elsewhere by its address, for its bytes would have to be fetched."""
        return content_key(source if source.startswith(_REMOTE) else Path(source), self.order.to_json())


def _is_one(source: str) -> bool:
    return source.startswith(_REMOTE) or Path(source).is_file() or not listed(Path(source))


def _source(source: str) -> str | Path:
    return source if source.startswith(_REMOTE) else Path(source)


def _named(sources: tuple[str, ...], many: Many, *, store: str) -> Iterator[str]:
    """Give every source that is named anywhere, each once."""
    rows = _rows(many.manifest) if many.manifest else []
    below = chain.from_iterable(objects(prefix, store=store) for prefix in many.prefix)
    named = chain(chain.from_iterable(map(_expanded, (*sources, *rows))), below)
    found = dict.fromkeys(named)
    if not found:
        raise NoImages("nothing to hand in; name files, or give --prefix or --manifest")
    return iter(found)


def _expanded(source: str) -> list[str]:
    if source.startswith(_REMOTE):
        return [source]
    return [str(picture.path) for picture in pictures([Path(source)], out=Path(os.devnull))]


def _rows(manifest: Path) -> list[str]:
    """Give the rows that are no comment."""
    if str(manifest) == "-":
        text = sys.stdin.read()
    else:
        text = checked_file(manifest).read_text(encoding="utf-8", errors="surrogateescape")
    rows = (row.strip() for row in text.splitlines())
    return [row for row in rows if row and not row.startswith("#")]


def _json_row(job: str, source: str) -> str:
    return json.dumps({"job": job, "source": source}, ensure_ascii=False)
