"""What can be handed in: a path, bytes, or an address; and which of them are refused before anything is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ocrfarm.errors import UnidentifiedImage
from ocrfarm.settings import Settings
from ocrfarm.storage import open_store

ImageInput = str | Path | bytes
"""A path, the image's bytes, or the s3:// or https:// address of one."""


@dataclass(frozen=True, slots=True)
class JobMetadata:
    """What a service says of a job that it hands in.

    id: made by `new_job_id` before; who does not know whether an image was handed in may do so again under the same
    id, and it is read once. owner: whose job it is; it stands in the job's status. webhook: an https:// address that is
    told of the job's end, where the farm runs `ocrfarm worker webhooks`.
    """

    id: str = ""
    owner: str = ""
    webhook: str = ""


NO_METADATA = JobMetadata()


class InputContent(NamedTuple):
    """What is sent, and what the farm calls it."""

    name: str
    data: Path | bytes


@contextmanager
def open_content(source: ImageInput, settings: Settings) -> Iterator[InputContent]:
    """Give what the source stands for; `UnidentifiedImage` where no file is there, or what fetching it raises."""
    if isinstance(source, bytes):
        yield InputContent("bytes", source)
    elif isinstance(source, str) and source.startswith(("s3://", "https://", "http://")):
        with TemporaryDirectory(prefix="ocrfarm-") as folder:
            path = Path(folder) / "source"
            _download(source, path, settings=settings)
            yield InputContent(source.partition("?")[0], check_file(path))
    else:
        path = check_file(Path(source))
        yield InputContent(path.name, path)


def check_file(path: Path) -> Path:
    """Give the path back; `UnidentifiedImage` where no file with something in it is there."""
    if path.is_dir():
        raise UnidentifiedImage(f"{path}: is a folder; name the files in it")
    if not path.is_file():
        raise UnidentifiedImage(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise UnidentifiedImage(f"{path}: is empty")
    return path


def _download(url: str, path: Path, *, settings: Settings) -> None:
    if not url.startswith("s3://"):
        from ocrfarm.client.download import download_url

        download_url(url, path, access=settings.security)
        return
    bucket, _, key = url.removeprefix("s3://").partition("/")
    _, _, options = settings.endpoints.store.partition("?")
    open_store(f"s3://{bucket}{'?' + options if options else ''}").get_file(key, path)
