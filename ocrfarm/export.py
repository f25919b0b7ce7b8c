"""A document -> its files: the formats that were asked for, beside one another in a folder, each whole or not there."""

from collections.abc import Sequence
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

    def check(self, stem: str, pictures: Sequence[Path]) -> None:
        """`SettingsError` where a result could take the place of a picture."""
        here = self.folder.resolve()
        for path in pictures:
            if path.resolve().parent == here and any(form.names(path.name, stem) for form in self.formats):
                raise SettingsError(f"{path}: would be replaced by a result of {stem}; name another folder")


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
    for number, page in enumerate(document.pages):
        single, place = replace(document, pages=(page,)), replace(origin, first=number)
        _write(target.folder / form.file_name(origin.stem, number), form, single, place)


def _write(path: Path, form: Format, document: Document, origin: Origin) -> None:
    with translated(f"cannot write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        form.write(document, file, origin=origin)
