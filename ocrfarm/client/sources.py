"""What can be submitted: a path, the bytes of an image, or a URL; bad sources are refused before anything is sent.

URLs are fetched by the client, never by a worker: the splitter, which decodes images from strangers, needs no access to
the internet. Downloads are off unless `OCRFARM_ALLOW_URL_SOURCES=1`, because whoever submits a URL makes this machine
send a request to it. They are limited in size and time, and only public addresses are contacted.
"""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ocrfarm.errors import ImageNotFound, InputError, SettingsError, TooLarge, UnidentifiedImage
from ocrfarm.printable import printable
from ocrfarm.settings import Security, Settings
from ocrfarm.storage import open_store

ImageInput = str | Path | bytes
"""An image to read: a path, the bytes of the file, or an `s3://` or `https://` URL."""

REMOTE_PREFIXES = ("s3://", "https://", "http://")
"""A string that begins with one of these is a URL; every other string is a path."""

_CHUNK_BYTES = 1 << 16
"""Bytes that are read at a time; the deadline is checked after each chunk."""

_READ_TIMEOUT = 15.0
"""Seconds that a server may stay silent."""


@dataclass(frozen=True, slots=True)
class JobMetadata:
    """What a service adds to a job that it submits for somebody.

    Args:
        id: Job id, made with `ocrfarm.farm.protocol.new_job_id`. If a submission fails half-way, it can be repeated
            with the same id, and the image is read only once. Generated if empty.
        owner: User whose job this is; stored in the job's status.
        webhook: An `https://` URL that is notified when the job ends, if the farm runs `ocrfarm worker webhooks`.

    """

    id: str = ""
    owner: str = ""
    webhook: str = ""


NO_METADATA = JobMetadata()
"""A generated id, no owner and no webhook."""


class InputContent(NamedTuple):
    """What is uploaded, and its display name on the farm."""

    name: str
    data: Path | bytes


@contextmanager
def open_content(source: ImageInput, settings: Settings) -> Iterator[InputContent]:
    """Yield the content of a source; a download is kept in a temporary folder until the context ends.

    >>> with open_content(b"the bytes of an image", Settings()) as content:
    ...     print(content.name)
    bytes

    Args:
        source: A path, bytes or a URL.
        settings: Settings of the client: the limits of downloads, and the store whose credentials read `s3://` URLs.

    Raises:
        ImageNotFound: There is no file at the path.
        UnidentifiedImage: The path is a folder, or the file is empty.
        InputError, SettingsError, StoreError: The URL cannot be fetched, or must not be.

    """
    if isinstance(source, bytes):
        yield InputContent("bytes", source)
    elif isinstance(source, str) and source.startswith(REMOTE_PREFIXES):
        with TemporaryDirectory(prefix="ocrfarm-") as folder:
            path, name = Path(folder) / "source", source.partition("?")[0]
            download_source(source, path, settings=settings)
            yield InputContent(name, check_file(path, name=name))
    else:
        path = check_file(Path(source))
        yield InputContent(printable(path.name), path)


def check_file(path: Path, *, name: str = "") -> Path:
    """Return the path if it is a file that is not empty.

    >>> check_file(Path("nowhere.png"))
    Traceback (most recent call last):
    ocrfarm.errors.ImageNotFound: nowhere.png: there is no such file

    Args:
        path: Path to check.
        name: Name of the file in error messages. Defaults to the path.

    Raises:
        ImageNotFound: There is nothing at the path.
        UnidentifiedImage: The path is a folder, or the file is empty or cannot be opened.

    """
    try:
        if path.is_dir():
            raise UnidentifiedImage(f"{name or path}: is a folder; name the files in it")
        if not path.is_file():
            raise ImageNotFound(f"{name or path}: there is no such file")
        with path.open("rb") as file:
            if not file.read(1):
                raise UnidentifiedImage(f"{name or path}: is empty")
    except OSError as error:
        raise UnidentifiedImage(f"{name or path}: cannot be read ({error.strerror}); check its permissions") from error
    return path


def download_source(url: str, path: Path, *, settings: Settings) -> None:
    """Download an `s3://` or `https://` URL to a file.

    Args:
        url: The URL.
        path: File to write.
        settings: The limits of downloads, and the store whose endpoint and credentials read `s3://` URLs.

    Raises:
        InputError, SettingsError, StoreError: The URL cannot be fetched, or must not be.

    """
    if not url.startswith("s3://"):
        download_url(url, path, access=settings.security)
        return
    bucket, _, key = url.removeprefix("s3://").partition("/")
    _, _, options = settings.endpoints.store.partition("?")
    with closing(open_store(f"s3://{bucket}{'?' + options if options else ''}")) as store:
        store.get_file(key, path)


def download_url(url: str, path: Path, *, access: Security) -> None:
    """Download an `https://` URL to a file.

    >>> download_url("https://example.org/sheet.png", Path("sheet.png"), access=Security())
    Traceback (most recent call last):
    ocrfarm.errors.SettingsError: downloads are disabled: fetch the file yourself, or set OCRFARM_ALLOW_URL_SOURCES=1

    Args:
        url: URL of the image. Its host must resolve to public addresses only; redirects are not followed.
        path: File to write.
        access: Whether downloads are allowed, and their limits in bytes and seconds.

    Raises:
        SettingsError: Downloads are not allowed.
        TooLarge: The image has more than `access.url_max_bytes` bytes.
        InputError: The URL is not plain `https://`, leads to a private address, or cannot be fetched in time.

    """
    if not access.allow_url_sources:
        raise SettingsError("downloads are disabled: fetch the file yourself, or set OCRFARM_ALLOW_URL_SOURCES=1")
    from ocrfarm.public_http import limit_duration, open_connection, parse_https_url, redact_url, request_target

    parts = parse_https_url(url, "an image's address")
    shown_url = redact_url(parts)
    deadline = time.monotonic() + access.url_timeout
    headers = {"Accept-Encoding": "identity", "User-Agent": "ocrfarm"}
    try:
        with (
            closing(open_connection(parts, min(_READ_TIMEOUT, access.url_timeout))) as connection,
            limit_duration(connection, access.url_timeout),
        ):
            connection.request("GET", request_target(parts), headers=headers)
            with connection.getresponse() as response:
                _save(response, path, url=shown_url, access=access, deadline=deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{shown_url}: cannot be fetched ({error}); download it and submit the file") from error


def _save(response: http.client.HTTPResponse, path: Path, *, url: str, access: Security, deadline: float) -> None:
    if response.status != http.HTTPStatus.OK:
        raise InputError(f"{url}: the server answered {response.status}; redirects are not followed, use the final URL")
    advice = "download it and submit the file"
    size = 0
    with path.open("wb") as file:
        while chunk := response.read1(_CHUNK_BYTES):
            size += len(chunk)
            if max(size, response.length or 0) > access.url_max_bytes:
                raise TooLarge(f"{url}: has more than {access.url_max_bytes:,} bytes; {advice}")
            if time.monotonic() > deadline:
                raise InputError(f"{url}: did not arrive within {access.url_timeout} s; {advice}")
            file.write(chunk)
