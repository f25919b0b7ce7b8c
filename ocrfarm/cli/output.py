"""What `read` and `result` leave behind: files beside one another, a summary on the screen."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ocrfarm.document import Document
from ocrfarm.errors import NoImages, StoreDenied, StoreFull
from ocrfarm.result import document_to_json, document_to_text, page_to_preview

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpx", ".bmp", ".gif"}
"""What is taken out of a folder; a file that is named is tried whatever it is called."""


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


def write_results(folder: Path, stem: str, *, document: Document, overviews: Iterable[bytes]) -> None:
    """Write STEM.json, STEM.txt and STEM.preview.png (STEM.p0001.preview.png for further pages), each whole or not."""
    _write(folder / f"{stem}.json", document_to_json(document))
    _write(folder / f"{stem}.txt", document_to_text(document))
    for number, (page, overview) in enumerate(zip(document.pages, overviews, strict=True)):
        part = f".p{number:04d}" if number else ""
        _write(folder / f"{stem}{part}.preview.png", page_to_preview(page, overview))


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_bytes(data)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate what can go wrong while a file is written: `StoreDenied`, `StoreFull`."""
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StoreDenied
        raise kind(f"{path}: cannot be written ({error.strerror}); make room or name another place") from error


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
