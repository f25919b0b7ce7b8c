"""Files, folders and globs -> the images to read, each with a name for its results; and back from result to image."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ocrfarm.cli.journal import JOURNAL_NAME, read_image_paths
from ocrfarm.client import check_file
from ocrfarm.errors import ImageNotFound, NoImagesFound, SettingsError, UnidentifiedImage
from ocrfarm.export import resolve
from ocrfarm.storage import layout, open_store

IMAGE_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".jp2", ".j2k", ".jpx"),
    *(".bmp", ".gif", ".heic", ".heif", ".pdf"),
}
"""Files with these suffixes are read from a folder; a file that is named itself is tried whatever its suffix."""

_PREVIEW = re.compile(r"(\.p\d+)?\.preview\.(png|webp)$")
"""End of the name of a preview, which is an image as well but must not be read."""

_GLOB_CHARACTERS = frozenset("*?[")
"""A path that does not exist but holds one of these is a glob."""


class InputImage(NamedTuple):
    """A file to read.

    Attributes:
        path: Path of the file, as it was named.
        stem: First part of its results' names, relative to the folder for results; `1911/p1` gives `1911/p1.json`.
    """

    path: Path
    stem: str


def find_images(paths: Iterable[Path], *, out: Path) -> list[InputImage]:
    """Return the images that the paths stand for, each with a unique name for its results.

    Results are laid out like the images: relative to the folder that was named, or to the fixed part of a glob. Hidden
    files and files in `out` are skipped in folders, and previews of an earlier run are skipped everywhere.

    Args:
        paths: Files, folders and globs.
        out: Folder for the results.

    Raises:
        NoImagesFound: A folder or a glob holds no image.
    """
    found = dict(each for path in paths for each in _expand_path(path, resolve(out)))
    return list(_assign_stems(found))


def content_key(source: Path | str, options: dict[str, Any]) -> str:
    """Return a key that is equal for equal bytes of a file (or an equal URL) and equal options.

    >>> content_key("s3://bucket/a.png", {"dpi": 100}) == content_key("s3://bucket/a.png", {"dpi": 200})
    False

    Args:
        source: A path, whose file is hashed, or a URL, which is hashed itself.
        options: Everything that decides the result, as JSON.

    Raises:
        ImageNotFound: There is no such file.
        UnidentifiedImage: The file is empty or cannot be opened.
    """
    if isinstance(source, str):
        digest = hashlib.sha256(os.fsencode(source))
    else:
        try:
            with check_file(source).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise UnidentifiedImage(f"{source}: cannot be read ({error.strerror}); check its permissions") from error
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def is_multiple(path: Path) -> bool:
    """Return whether a path stands for several images: a folder or a glob.

    >>> is_multiple(Path("scans/*.tif")), is_multiple(Path("scan.tif"))
    (True, False)
    """
    return _is_folder(path) or (not os.path.lexists(path) and bool(_GLOB_CHARACTERS & set(str(path))))


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder; a path that the system refuses, such as a too long one, is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_bucket_images(prefix: str, *, store: str) -> list[str]:
    """Return the `s3://` URLs of all images under a prefix, except the objects that the farm itself keeps there.

    Args:
        prefix: `s3://bucket/prefix`; all object names that begin with the prefix are listed.
        store: URL of the farm's store; its endpoint and region are used.

    Raises:
        SettingsError: The prefix is no `s3://` URL.
        NoImagesFound: No object under the prefix is an image.
        StoreError: The bucket cannot be listed.
    """
    bucket, _, start = prefix.removeprefix("s3://").partition("/")
    if not prefix.startswith("s3://") or not bucket:
        raise SettingsError(f"{prefix!r} names no bucket; write s3://bucket/prefix")
    options = store.partition("?")[2]
    own = f"{store.partition('?')[0].rstrip('/')}/{layout.job_prefix('any').partition('any')[0]}"
    with closing(open_store(f"s3://{bucket}{'?' + options if options else ''}")) as opened:
        names = [name for name in opened.list(start) if PurePath(name).suffix.lower() in IMAGE_SUFFIXES]
    found = [url for name in names if not (url := f"s3://{bucket}/{name}").startswith(own)]
    if not found:
        raise NoImagesFound(
            f"{prefix}: there are no images under this prefix; names must end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return found


def _expand_path(path: Path, out: Path) -> Iterator[tuple[Path, PurePath]]:
    """Yield each file, and its place relative to the folder or pattern that was named."""
    if _is_folder(path):
        yield from _find_in_folder(path, path, out)
    elif is_multiple(path):
        yield from _find_in_glob(path, out)
    else:
        yield path, PurePath(path.name)


def _find_in_folder(folder: Path, base: Path, out: Path) -> list[tuple[Path, PurePath]]:
    results = out if out != resolve(folder) else None
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    shown = [path for path in found if not _is_hidden(path.relative_to(folder)) and not _is_preview(path)]
    seen = [path for path in shown if results not in resolve(path).parents]
    if not seen:
        raise NoImagesFound(f"{folder}: holds no image; files must end in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return [(path, path.relative_to(base)) for path in seen]


def _find_in_glob(pattern: Path, out: Path) -> Iterator[tuple[Path, PurePath]]:
    fixed = next(parent for parent in pattern.parents if not _GLOB_CHARACTERS & set(str(parent)))
    found = sorted(fixed.glob(str(pattern.relative_to(fixed))))
    if not found:
        raise NoImagesFound(f"{pattern}: nothing matches this pattern; check the path")
    for path in found:
        if _is_folder(path):
            yield from _find_in_folder(path, fixed, out)
        elif not _is_preview(path):
            yield path, path.relative_to(fixed)


def _is_hidden(place: PurePath) -> bool:
    return any(part.startswith(".") for part in place.parts)


def _is_preview(path: Path) -> bool:
    """Return whether the journal of a folder above lists an image whose preview this is."""
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
    """Yield the place without its suffix, then with it, then with a number, until one is not taken.

    >>> names = _stem_candidates(PurePath("1911/p1.tif"))
    >>> next(names), next(names), next(names)
    ('1911/p1', '1911/p1.tif', '1911/p1.tif.2')
    """
    yield place.with_suffix("").as_posix()
    yield place.as_posix()
    yield from (f"{place.as_posix()}.{number}" for number in count(2))


def find_image(result: Path, folder: Path | None = None) -> Path:
    """Return the image that a result was read from, by the journal beside the result or by its name.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     image = Path(name, "sheet.png")
    ...     image.touch()
    ...     find_image(Path(name, "out", "sheet.json")) == image
    True

    Args:
        result: Path of a result in JSON.
        folder: Folder to look in. Defaults to the result's folder, the one above it and the current folder.

    Raises:
        ImageNotFound: The image is in none of these folders.
    """
    own = result.absolute().parent
    folders = [folder] if folder else [own, own.parent, Path.cwd()]
    recorded = [] if folder else _recorded_paths(result.absolute())
    for file in (*recorded, *_same_named_files(result.stem, folders)):
        if file.is_file():
            return file
    searched = ", ".join(dict.fromkeys(map(str, folders)))
    raise ImageNotFound(f"{result}: its image is not in {searched}; pass the image or its folder with --image")


def _recorded_paths(result: Path) -> Iterator[Path]:
    """Yield the path in the journal of a folder above, relative to the current folder, to that folder or above it."""
    for out in result.parents:
        if (out / JOURNAL_NAME).is_file():
            stem = result.relative_to(out).with_suffix("").as_posix()
            recorded = read_image_paths(out / JOURNAL_NAME).get(stem)
            yield from (place / recorded for place in (Path.cwd(), *out.parents, out) if recorded)
            return


def _same_named_files(stem: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the images in the folders whose results would have this name."""
    for folder in folders:
        found = (file for file in sorted(folder.glob("*")) if file.suffix.lower() in IMAGE_SUFFIXES)
        yield from (file for file in found if stem in (file.name, file.stem))
