"""A result -> the picture that it was read from, by the table of outcomes or by its name."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrfarm.cli.ledger import OUTCOMES, files_of
from ocrfarm.cli.sources import SUFFIXES
from ocrfarm.errors import NoPicture


def picture_of(result: Path, folder: Path | None = None) -> Path:
    """Find the picture of a result in JSON, in the folder where one is given; `NoPicture` where there is none."""
    own = result.absolute().parent
    folders = [folder] if folder else [own, own.parent, Path.cwd()]
    told = [] if folder else _told(result.absolute())
    for file in (*told, *_alike(result.stem, folders)):
        if file.is_file():
            return file
    where = ", ".join(dict.fromkeys(map(str, folders)))
    raise NoPicture(f"{result}: its picture is not in {where}; name it, or the folder where it lies, with --picture")


def _told(result: Path) -> Iterator[Path]:
    """Give where the table of a folder above has the picture: as seen from here, from that folder, or from above it."""
    for out in result.parents:
        if (out / OUTCOMES).is_file():
            stem = result.relative_to(out).with_suffix("").as_posix()
            named = files_of(out / OUTCOMES).get(stem)
            yield from (place / named for place in (Path.cwd(), *out.parents, out) if named)
            return


def _alike(stem: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Give the pictures in the folders whose results would have this name."""
    for folder in folders:
        found = (file for file in sorted(folder.glob("*")) if file.suffix.lower() in SUFFIXES)
        yield from (file for file in found if stem in (file.name, file.stem))
