"""What all images of a batch share, and which of them are done."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ocrfarm.cli.journal import Journal, JournalEntry
from ocrfarm.cli.read_options import ReadOptions
from ocrfarm.cli.sources import InputImage, content_key
from ocrfarm.errors import InputError
from ocrfarm.export import Target


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What all images of a batch share; `limits` are those on images, `force` reads what is done as well."""

    journal: Journal
    target: Target
    options: ReadOptions
    limits: dict[str, int]
    max_concurrent: int = 1
    force: bool = False

    def content_key(self, path: Path) -> str:
        """Give what is the same for the same bytes, read and written in the same way.

        `UnidentifiedImage` without a file.
        """
        options = {**self.options.to_json(), "formats": sorted(form.name for form in self.target.formats)}
        return content_key(path, options)

    def iter_pending(self, images: Iterable[InputImage]) -> Iterator[InputImage]:
        """Give each image that would be read, or is not there."""
        for image in images:
            with suppress(InputError):
                if self.find_done(self.start_row(image)):
                    continue
            yield image

    def new_row(self, image: InputImage) -> JournalEntry:
        """Give a row of which no more is known than the image."""
        profile = self.options.profile.name
        return JournalEntry(file=str(image.path), state="submitted", profile=profile, result=image.stem)

    def start_row(self, image: InputImage) -> JournalEntry:
        """Give the row that an image begins with, and the job that it may have been handed in as.

        `UnidentifiedImage` without a file.
        """
        row = replace(self.new_row(image), key=self.content_key(image.path))
        before = self.journal.find(row.result)
        return replace(row, job=before.job) if before and (before.key, before.state) == (row.key, row.state) else row

    def find_done(self, row: JournalEntry) -> JournalEntry | None:
        """Give the row of the same image, read in the same way, where its results are there and no more is wanted."""
        before = self.journal.find(row.result)
        same = before and (before.key, before.state) == (row.key, "complete") and not self.force
        return before if same and self.target.has_results(row.result) else None
