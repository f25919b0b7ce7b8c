"""What all pictures of a batch share, and which of them are done."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ocrfarm.cli.ledger import Entry, Ledger
from ocrfarm.cli.order import Order
from ocrfarm.cli.sources import Picture, content_key
from ocrfarm.errors import InputError
from ocrfarm.export import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """What all pictures of a batch share; `limits` are those on pictures, `again` reads what is done as well."""

    ledger: Ledger
    target: Target
    order: Order
    limits: dict[str, int]
    jobs: int = 1
    again: bool = False

    def key(self, path: Path) -> str:
        """Give what is the same for the same bytes, read and written in the same way; `NotAnImage` without a file."""
        order = {**self.order.to_json(), "formats": sorted(form.name for form in self.target.formats)}
        return content_key(path, order)

    def left(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Give each picture that would be read, or is not there."""
        for picture in pictures:
            with suppress(InputError):
                if self.done(self.begun(picture)):
                    continue
            yield picture

    def row(self, picture: Picture) -> Entry:
        """Give a row of which no more is known than the picture."""
        profile = self.order.profile.name
        return Entry(file=str(picture.path), state="submitted", profile=profile, result=picture.stem)

    def begun(self, picture: Picture) -> Entry:
        """Give the row that a picture begins with, and the job that it may have been handed in as; `NotAnImage`."""
        row = replace(self.row(picture), key=self.key(picture.path))
        before = self.ledger.find(row.result)
        return replace(row, job=before.job) if before and (before.key, before.state) == (row.key, row.state) else row

    def done(self, row: Entry) -> Entry | None:
        """Give the row of the same picture, read in the same way, where its results are there and no more is wanted."""
        before = self.ledger.find(row.result)
        same = before and (before.key, before.state) == (row.key, "complete") and not self.again
        return before if same and self.target.has(row.result) else None
