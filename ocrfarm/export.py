"""A document -> its files: the formats that were asked for, beside one another in a folder, each whole or not there."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocrfarm.document import Document
from ocrfarm.errors import OcrfarmError, SettingsError, StoreFull
from ocrfarm.result import Origin
from ocrfarm.result.formats import Format
from ocrfarm.storage.files import translated, whole_file


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go, in which formats, and the URL (ending in `/`) under which the folder will be found."""

    folder: Path
    formats: tuple[Format, ...]
    base: str = ""

    def check(self, stems: Collection[str], pictures: Iterable[Path]) -> None:
        """`SettingsError` where a result could take the place of a picture."""
        here = self.folder.resolve()
        for path in pictures:
            place = path.resolve()
            if place.is_relative_to(here) and (stem := self._writer(place.relative_to(here).as_posix(), stems)):
                raise SettingsError(f"{path}: would be replaced by a result of {stem}; name another folder")

    def files(self, stem: str, pages: Sequence[int]) -> list[Path]:
        """Give the paths of all results of a picture of which these pages (0 = first) were read."""
        each = ((form, pages if form.each_page else (0,)) for form in self.formats)
        return [self.folder / form.file_name(stem, page) for form, numbers in each for page in numbers]

    def has(self, stem: str) -> bool:
        """Say whether the results of a picture are there, those of single pages aside, which may be any."""
        return all(path.is_file() for path in self.files(stem, ()))

    def _writer(self, name: str, stems: Collection[str]) -> str | None:
        """Give the stem that has a result of this name."""
        return next((stem for form in self.formats for stem in form.stems(name) if stem in stems), None)


def export(document: Document, target: Target, *, origin: Origin) -> None:
    """Write the document in every format, then raise the first error that one of them ended with.

    `StoreDenied` where a file cannot be written; `StoreFull` ends it at once. A format that needs the picture may raise
    what opening it raises, and `MissingPackage`.
    """
    errors = []
    for form in target.formats:
        try:
            _export(document, target, form, origin)
        except StoreFull:
            raise
        except OcrfarmError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _export(document: Document, target: Target, form: Format, origin: Origin) -> None:
    if not form.each_page:
        _write(target.folder / form.file_name(origin.stem), form, document, origin)
        return
    for number, page in zip(document.numbers, document.pages, strict=True):
        single = replace(document, pages=(page,))
        place = replace(origin, first=number - single.numbers[0])
        _write(target.folder / form.file_name(origin.stem, number), form, single, place)


def _write(path: Path, form: Format, document: Document, origin: Origin) -> None:
    with translated(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        form.write(document, file, origin=origin)
