"""Document -> files: one file per requested format in one folder, each written atomically."""

import os
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
    """Where results are written.

    Attributes:
        folder: Folder of the results.
        formats: Formats to write.
        base_url: URL at which the folder will be published, with a slash at its end; for formats that contain links.
        raw_cells: Whether tables contain text that a spreadsheet would run as a formula as it was read.
    """

    folder: Path
    formats: tuple[Format, ...]
    base_url: str = ""
    raw_cells: bool = False

    def check(self, stems: Collection[str], images: Iterable[Path]) -> None:
        """Check that no result can overwrite an image.

        Args:
            stems: Names of the results, without extension.
            images: Paths of the images that are read.

        Raises:
            SettingsError: A result would overwrite one of the images.
        """
        folder = resolve(self.folder)
        for path in images:
            image = resolve(path)
            if image.is_relative_to(folder) and (
                stem := self._find_overwriting_stem(image.relative_to(folder).as_posix(), stems)
            ):
                raise SettingsError(f"{path}: would be overwritten by a result of {stem}; choose another folder")

    def result_paths(self, stem: str, pages: Sequence[int]) -> list[Path]:
        """Return the paths of all results of an image.

        Args:
            stem: Name of the results, without extension.
            pages: Indexes of the pages that were read (0 = first), for formats with one file per page.
        """
        indexes = ((form, pages if form.is_per_page else (0,)) for form in self.formats)
        return [self.folder / form.file_name(stem, page) for form, of_form in indexes for page in of_form]

    def has_results(self, stem: str) -> bool:
        """Return whether all results of an image exist, not counting formats with one file per page."""
        return all(path.is_file() for path in self.result_paths(stem, ()))

    def _find_overwriting_stem(self, name: str, stems: Collection[str]) -> str | None:
        """Return the stem whose results include a file of this name."""
        return next((stem for form in self.formats for stem in form.possible_stems(name) if stem in stems), None)


def resolve(path: Path) -> Path:
    """Return the absolute path without symbolic links; links in a circle stay as they are, and raise nothing."""
    return Path(os.path.realpath(path))


def export(document: Document, target: Target, *, source: SourceInfo) -> None:
    """Write a document in every format of the target; if formats fail, raise the first error at the end.

    Args:
        document: The document.
        target: Folder and formats.
        source: Name and image of the source, and how to open it.

    Raises:
        StoreFull: The disk is full; the remaining formats are not written.
        StoreDenied: A file cannot be written.
        MissingPackage: A format needs a package that is not installed.
        InputError: A format needs the image, and it cannot be opened.
    """
    errors, source = [], replace(source, raw_cells=target.raw_cells)
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
