"""What `read` and `result` take in and leave behind: pictures, options for the results, a summary on the screen."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path

import click

from ocrfarm.document import Document
from ocrfarm.errors import NoImages
from ocrfarm.export import Target
from ocrfarm.result.formats import FORMATS, USUAL, find_formats

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpx", ".bmp", ".gif"}
"""What is taken out of a folder; a file that is named is tried whatever it is called."""

_LOCAL = "http://localhost:8000/"
"""Where `python -m http.server` shows a folder."""


def pictures(paths: Iterable[Path]) -> list[Path]:
    """Give the files, and for each folder the images in it; `NoImages` where there is none at all."""
    found = [file for path in paths for file in (_in_folder(path) if path.is_dir() else [path])]
    if not found:
        raise NoImages(f"no image to read; files in a folder must end in {', '.join(sorted(SUFFIXES))}")
    return found


def _in_folder(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise NoImages(f"{folder}: holds no image; files must end in {', '.join(sorted(SUFFIXES))}")
    return found


def stems(paths: list[Path]) -> Iterator[str]:
    """Name each picture's results: its stem, or its whole name where another picture has the same stem."""
    seen: set[str] = set()
    for path in paths:
        stem = path.stem if path.stem not in seen else path.name
        seen.add(stem)
        yield stem


def results_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --out, --formats and --base-url, and hand them to it as its argument `target`."""

    @click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
    @click.option("--formats", default=USUAL, show_default=True, help=f"Any of {', '.join(FORMATS)}; commas between.")
    @click.option("--base-url", default=_LOCAL, show_default=True, help="Where OUT will be found; for iiif.")
    @wraps(command)
    def with_target(*arguments: object, out: Path, formats: str, base_url: str, **others: object) -> None:
        target = Target(out, find_formats(formats), f"{base_url.rstrip('/')}/")
        command(*arguments, target=target, **others)

    return with_target


def left_behind(target: Target, stem: str) -> str:
    """Say which files were written: the first by its path, the others by what their names end in."""
    first, *others = (form.file_name(stem) for form in target.formats)
    return ", ".join([str(target.folder / first), *(name.removeprefix(stem) for name in others)])


def tasks_url(flower: str, job: str) -> str:
    """Give the page of Flower that lists a job's messages; of a link it takes a search by name, and what follows it."""
    return f"{flower.rstrip('/')}/tasks?name=ocrfarm%20args%3A{job}"


def summary(document: Document) -> str:
    """Say in a few words what became of the picture."""
    coverages = [page.coverage for page in document.pages]
    blank, read, failed = (sum(getattr(each, name) for each in coverages) for name in ("blank", "read", "failed"))
    area = sum(page.size.area for page in document.pages)
    covered = sum(page.coverage.area * page.size.area for page in document.pages) / area
    wall = document.timing.get("wall", 0.0)
    peak = max((value for name, value in document.timing.items() if name.endswith("_mb")), default=0.0)
    return "\n".join(
        [
            f"  tiles     {blank + read + failed} ({blank} blank, {read} read, {failed} failed)",
            f"  lines     {len(document.lines)}",
            f"  coverage  {covered:.2%}{'' if document.complete else ' - PARTIAL, see coverage.gaps in the JSON'}",
            f"  time      {wall:.1f} s, {area / 1e6 / max(wall, 1e-9):.1f} MP/s",
            f"  memory    {peak:.0f} MB in the largest process",
        ]
    )
