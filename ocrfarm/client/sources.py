"""What can be handed in: a path, bytes, or an address; and which of them are refused before anything is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ocrfarm.client.connections import part
from ocrfarm.errors import NotAnImage
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store

Source = str | Path | bytes
"""A path, the picture's bytes, or the s3:// or https:// address of one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a service says of a job that it hands in.

    id: made by `new_job_id` before; who does not know whether a picture was handed in may do so again under the same
    id, and it is read once. owner: whose job it is; it stands in the job's status. webhook: an https:// address that is
    told of the job's end, where the farm runs `python -m workers webhooks`.
    """

    id: str = ""
    owner: str = ""
    webhook: str = ""


NO_TICKET = Ticket()


class Content(NamedTuple):
    """What is sent, and what the farm calls it."""

    name: str
    data: Path | bytes


@contextmanager
def content(source: Source, settings: Settings) -> Iterator[Content]:
    """Give what the source stands for; `NotAnImage` where no file is there, or what fetching it raises."""
    if isinstance(source, bytes):
        yield Content("bytes", source)
    elif isinstance(source, str) and source.startswith(("s3://", "https://", "http://")):
        with TemporaryDirectory(prefix="ocrfarm-") as folder:
            path = Path(folder) / "source"
            _fetch(source, path, settings=settings)
            yield Content(source.partition("?")[0], checked_file(path))
    else:
        path = checked_file(Path(source))
        yield Content(path.name, path)


def checked_file(path: Path) -> Path:
    """Give the path back; `NotAnImage` where no file with something in it is there."""
    if path.is_dir():
        raise NotAnImage(f"{path}: is a folder; name the files in it")
    if not path.is_file():
        raise NotAnImage(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise NotAnImage(f"{path}: is empty")
    return path


def _fetch(url: str, path: Path, *, settings: Settings) -> None:
    if not url.startswith("s3://"):
        part("fetch").fetch(url, path, access=settings.access)
        return
    bucket, _, key = url.removeprefix("s3://").partition("/")
    _, _, options = settings.places.store.partition("?")
    open_store(f"s3://{bucket}{'?' + options if options else ''}").get_file(key, path)
