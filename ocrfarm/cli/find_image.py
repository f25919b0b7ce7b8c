"""A result -> the image that it was read from, by the table of outcomes or by its name."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ocrfarm.cli.journal import JOURNAL_NAME, read_image_paths
from ocrfarm.cli.sources import IMAGE_SUFFIXES
from ocrfarm.errors import ImageNotFound


def find_image(result: Path, folder: Path | None = None) -> Path:
    """Find the image of a result in JSON, in the folder where one is given; `ImageNotFound` where there is none."""
    own = result.absolute().parent
    folders = [folder] if folder else [own, own.parent, Path.cwd()]
    recorded = [] if folder else _recorded_paths(result.absolute())
    for file in (*recorded, *_same_named_files(result.stem, folders)):
        if file.is_file():
            return file
    where = ", ".join(dict.fromkeys(map(str, folders)))
    raise ImageNotFound(f"{result}: its image is not in {where}; name it, or the folder where it lies, with --image")


def _recorded_paths(result: Path) -> Iterator[Path]:
    """Give where the table of a folder above has the image: as seen from here, from that folder, or from above it."""
    for out in result.parents:
        if (out / JOURNAL_NAME).is_file():
            stem = result.relative_to(out).with_suffix("").as_posix()
            named = read_image_paths(out / JOURNAL_NAME).get(stem)
            yield from (place / named for place in (Path.cwd(), *out.parents, out) if named)
            return


def _same_named_files(stem: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Give the images in the folders whose results would have this name."""
    for folder in folders:
        found = (file for file in sorted(folder.glob("*")) if file.suffix.lower() in IMAGE_SUFFIXES)
        yield from (file for file in found if stem in (file.name, file.stem))
