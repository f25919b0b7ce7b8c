"""A job's result -> a file in the requested format, its media type and its ETag."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from ocrfarm.client import Job
from ocrfarm.client.job import make_source_info
from ocrfarm.errors import SettingsError
from ocrfarm.result import document_from_json
from ocrfarm.result.formats import Format
from ocrfarm.result.generator import SOFTWARE_VERSION
from ocrfarm.result.json import write_json

MEDIA_TYPES = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "hocr": "text/html; charset=utf-8",
    "alto": "application/xml",
    "page": "application/xml",
    "pdf": "application/pdf",
    "geojson": "application/geo+json",
    "coco": "application/json",
    "iiif": 'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"',
    "preview": "image/png",
    "webp": "image/webp",
}
"""Format -> media type."""


@dataclass(frozen=True, slots=True)
class ResultRequest:
    """What a client requests.

    Attributes:
        form: The format.
        page: The page, 1 = first, if the format has a file for each page.
        base_url: The URL of the job, to which links in the result refer.
    """

    form: Format
    page: int
    base_url: str

    def etag(self, content: bytes) -> str:
        """Return a weak ETag, which changes if the stored result, this request or the software changes.

        >>> from ocrfarm.result.formats import find_formats
        >>> (txt,) = find_formats("txt")
        >>> one, two = (ResultRequest(txt, page, "https://ocr.example/").etag(b"{}") for page in (1, 2))
        >>> one.startswith('W/"'), one == two
        (True, False)
        """
        digest = sha256(content)
        digest.update(f"{self.form.name} {self.page} {self.base_url} {SOFTWARE_VERSION}".encode())
        return f'W/"{digest.hexdigest()[:32]}"'


def write_result(job: Job, content: bytes, *, request: ResultRequest, folder: Path, limits: Mapping[str, int]) -> Path:
    """Write a result in the requested format and return the file.

    Args:
        job: The job, from which a format that shows the image downloads it.
        content: The result as JSON.
        request: The format and the page.
        folder: The folder for the file.
        limits: Limits on the image, as `ocrfarm.image.Limits` names them.

    Raises:
        SettingsError: The result has no such page.
        OcrfarmError: The format needs the image, and the image cannot be downloaded or opened.
    """
    form, number = request.form, request.page - 1
    path = folder / form.file_name(job.id, number if form.is_per_page else 0)
    if form.write is write_json:  # the store holds this format
        path.write_bytes(content)
        return path
    document = document_from_json(content)
    source = make_source_info(job, document, folder=folder, base=request.base_url, limits=limits)
    if form.is_per_page:
        if number not in document.page_numbers:
            raise SettingsError(f"page {request.page} is none of the {len(document.pages)} that were read")
        document = replace(document, pages=(document.pages[document.page_numbers.index(number)],))
        source = replace(source, page_offset=number - document.page_numbers[0])
    with path.open("wb") as file:
        form.write(document, file, source=source)
    return path
