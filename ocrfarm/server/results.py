"""A job's result in a format -> a file to send, its media type and its ETag."""

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
"""Of each format."""


@dataclass(frozen=True, slots=True)
class ResultRequest:
    """A format; of one of which each page is a file of its own, that page (1 = first); and where it will be found."""

    form: Format
    page: int
    base_url: str

    def etag(self, content: bytes) -> str:
        """Give what stays the same for as long as the result does, in the eyes of whoever reads it."""
        seen = sha256(content)
        seen.update(f"{self.form.name} {self.page} {self.base_url} {SOFTWARE_VERSION}".encode())
        return f'W/"{seen.hexdigest()[:32]}"'


def write_result(job: Job, content: bytes, *, request: ResultRequest, folder: Path, limits: Mapping[str, int]) -> Path:
    """Write a result, whose JSON is at hand, into the folder and give the file.

    `SettingsError` where there is no such page; a format that needs the image may raise what opening it raises.
    """
    form, number = request.form, request.page - 1
    path = folder / form.file_name(job.id, number if form.is_per_page else 0)
    if form.write is write_json:  # which is what the store has
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
