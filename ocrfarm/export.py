"""A document -> its files: the formats that were asked for, beside one another in a folder, each whole or not there."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocrfarm.document import Document
from ocrfarm.errors import OcrfarmError, SettingsError, StoreFull
from ocrfarm.result import SourceInfo
from ocrfarm.result.formats import Format
from ocrfarm.storage.atomic import atomic_write, translate_os_errors


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go, in which formats, and the URL (ending in `/`) under which the folder will be found."""

    folder: Path
    formats: tuple[Format, ...]
    base_url: str = ""

    def check(self, stems: Collection[str], images: Iterable[Path]) -> None:
        """`SettingsError` where a result could take the place of an image."""
        here = self.folder.resolve()
        for path in images:
            place = path.resolve()
            if place.is_relative_to(here) and (
                stem := self._find_overwriting_stem(place.relative_to(here).as_posix(), stems)
            ):
                raise SettingsError(f"{path}: would be replaced by a result of {stem}; name another folder")

    def result_paths(self, stem: str, pages: Sequence[int]) -> list[Path]:
        """Give the paths of all results of an image of which these pages (0 = first) were read."""
        each = ((form, pages if form.is_per_page else (0,)) for form in self.formats)
        return [self.folder / form.file_name(stem, page) for form, numbers in each for page in numbers]

    def has_results(self, stem: str) -> bool:
        """Say whether the results of an image are there, those of single pages aside, which may be any."""
        return all(path.is_file() for path in self.result_paths(stem, ()))

    def _find_overwriting_stem(self, name: str, stems: Collection[str]) -> str | None:
        """Give the stem that has a result of this name."""
        return next((stem for form in self.formats for stem in form.possible_stems(name) if stem in stems), None)


def export(document: Document, target: Target, *, source: SourceInfo) -> None:
    """Write the document in every format, then raise the first error that one of them ended with.

    `StoreDenied` where a file cannot be written; `StoreFull` ends it at once. A format that needs the image may raise
    what opening it raises, and `MissingPackage`.
    """
    errors = []
    for form in target.formats:
        try:
            _export(document, target, form, source)
        except StoreFull:
            raise
        except OcrfarmError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _export(document: Document, target: Target, form: Format, source: SourceInfo) -> None:
    if not form.is_per_page:
        _write(target.folder / form.file_name(source.stem), form, document, source)
        return
    for number, page in zip(document.page_numbers, document.pages, strict=True):
        single = replace(document, pages=(page,))
        single_source = replace(source, page_offset=number - single.page_numbers[0])
        _write(target.folder / form.file_name(source.stem, number), form, single, single_source)


def _write(path: Path, form: Format, document: Document, source: SourceInfo) -> None:
    with translate_os_errors(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as unfinished, unfinished.open("wb") as file:
        form.write(document, file, source=source)
