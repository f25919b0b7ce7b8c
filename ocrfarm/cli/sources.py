"""Files, folders and globs -> the images to read, each with the name that its results begin with."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ocrfarm.cli.journal import JOURNAL_NAME, read_image_paths
from ocrfarm.client import check_file
from ocrfarm.errors import NoImagesFound, SettingsError, UnidentifiedImage
from ocrfarm.storage import layout, open_store

IMAGE_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpx"),
    *(".bmp", ".gif", ".heic", ".heif", ".pdf"),
}
"""What is taken out of a folder; a file that is named is tried whatever it is called."""

_PREVIEW = re.compile(r"(\.p\d+)?\.preview\.(png|webp)$")
"""What ends the name of a result that is an image itself."""

_GLOB_CHARACTERS = frozenset("*?[")
"""What makes a glob of a path that does not exist."""


class InputImage(NamedTuple):
    """A file to read, and what the names of its results begin with, below the folder for results."""

    path: Path
    stem: str


def find_images(paths: Iterable[Path], *, out: Path) -> list[InputImage]:
    """Give the files, and those in folders and their sub-folders.

    Of a folder, what is hidden or lies in `out` is left out; of a glob too, previews that an earlier run left. Results
    lie below `out` as the images do below the folder, or below the part of a glob that is no pattern.
    `NoImagesFound` for a folder or a glob without any.
    """
    found = dict(each for path in paths for each in _expand_path(path, out.resolve()))
    return list(_assign_stems(found))


def content_key(source: Path | str, options: dict[str, Any]) -> str:
    """Give what is the same for the same bytes of a file (or the same address) and the same options.

    `UnidentifiedImage` for a file that is not there, empty or cannot be opened.
    """
    if isinstance(source, str):
        digest = hashlib.sha256(source.encode())
    else:
        try:
            with check_file(source).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise UnidentifiedImage(f"{source}: cannot be read ({error.strerror}); check its permissions") from error
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def is_multiple(path: Path) -> bool:
    """Say whether a path stands for several images: a folder or a glob."""
    return path.is_dir() or (not path.exists() and bool(_GLOB_CHARACTERS & set(str(path))))


def list_bucket_images(prefix: str, *, store: str) -> list[str]:
    """Give the s3:// URLs of all images in a bucket whose names begin so, but for what the farm itself keeps there.

    The endpoint and the region are those of the farm's store. `NoImagesFound` where there are none, `StoreError`.
    """
    bucket, _, start = prefix.removeprefix("s3://").partition("/")
    if not prefix.startswith("s3://") or not bucket:
        raise SettingsError(f"{prefix!r} is no part of a bucket; write s3://bucket/prefix")
    options = store.partition("?")[2]
    own = f"{store.partition('?')[0].rstrip('/')}/{layout.job_prefix('any').partition('any')[0]}"
    names = open_store(f"s3://{bucket}{'?' + options if options else ''}").list(start)
    urls = (f"s3://{bucket}/{name}" for name in names if PurePath(name).suffix.lower() in IMAGE_SUFFIXES)
    found = [url for url in urls if not url.startswith(own)]
    if not found:
        raise NoImagesFound(
            f"{prefix}: no image has such a name; names must end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return found


def _expand_path(path: Path, out: Path) -> Iterator[tuple[Path, PurePath]]:
    """Give each file and its place."""
    if path.is_dir():
        yield from _find_in_folder(path, path, out)
    elif is_multiple(path):
        yield from _find_in_glob(path, out)
    else:
        yield path, PurePath(path.name)


def _find_in_folder(folder: Path, base: Path, out: Path) -> list[tuple[Path, PurePath]]:
    results = out if out != folder.resolve() else None
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    shown = [path for path in found if not _is_hidden(path.relative_to(folder)) and not _is_preview(path)]
    seen = [path for path in shown if results not in path.resolve().parents]
    if not seen:
        raise NoImagesFound(f"{folder}: holds no image; files must end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return [(path, path.relative_to(base)) for path in seen]


def _find_in_glob(pattern: Path, out: Path) -> Iterator[tuple[Path, PurePath]]:
    fixed = next(parent for parent in pattern.parents if not _GLOB_CHARACTERS & set(str(parent)))
    found = sorted(fixed.glob(str(pattern.relative_to(fixed))))
    if not found:
        raise NoImagesFound(f"{pattern}: nothing has such a name; check the path")
    for path in found:
        if path.is_dir():
            yield from _find_in_folder(path, fixed, out)
        elif not _is_preview(path):
            yield path, path.relative_to(fixed)


def _is_hidden(place: PurePath) -> bool:
    return any(part.startswith(".") for part in place.parts)


def _is_preview(path: Path) -> bool:
    """Say whether the table of a folder above has an image of which this is the preview."""
    stem = _PREVIEW.sub("", str(path))
    if stem == str(path):
        return False
    tables = (out / JOURNAL_NAME for out in path.parents)
    return any(Path(stem).relative_to(table.parent).as_posix() in read_image_paths(table) for table in tables)


def _assign_stems(found: dict[Path, PurePath]) -> Iterator[InputImage]:
    taken: set[str] = set()
    for path, place in found.items():
        stem = next(name for name in _stem_candidates(place) if name not in taken)
        taken.add(stem)
        yield InputImage(path, stem)


def _stem_candidates(place: PurePath) -> Iterator[str]:
    """Give the place without its suffix, then as a whole, then with a number: images may share the first of these."""
    yield place.with_suffix("").as_posix()
    yield place.as_posix()
    yield from (f"{place.as_posix()}.{number}" for number in count(2))
