"""The formats by name: what their files are called, who writes them, and what that needs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import BinaryIO, Protocol

from ocrfarm.document import Document
from ocrfarm.errors import MissingPackage, UnknownFormat
from ocrfarm.result.alto import write_alto
from ocrfarm.result.coco import write_coco
from ocrfarm.result.geojson import write_geojson
from ocrfarm.result.hocr import write_hocr
from ocrfarm.result.iiif import write_iiif
from ocrfarm.result.json import write_json
from ocrfarm.result.jsonl import write_jsonl
from ocrfarm.result.markdown import write_markdown
from ocrfarm.result.page import write_page
from ocrfarm.result.parquet import write_parquet
from ocrfarm.result.pdf.writer import write_pdf
from ocrfarm.result.preview import write_preview, write_webp
from ocrfarm.result.source_info import SourceInfo, page_suffix
from ocrfarm.result.table import write_csv, write_tsv
from ocrfarm.result.text import write_text

_PAGE_SUFFIX = r"\.p\d+$"
"""What `page_suffix` gives."""


class Writer(Protocol):
    """Writes a document to a file that is open for bytes."""

    def __call__(self, document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
        """Write it from the file's start; OSError where there is no room."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """A format: the suffix of its files, its writer, whether each page is a file of its own, and a package it needs."""

    name: str
    suffix: str
    write: Writer
    is_per_page: bool = False
    required_package: str = ""

    def file_name(self, stem: str, page: int = 0) -> str:
        """Name the file; for a format of which each page is one, that of the page (0 = first)."""
        return f"{stem}{page_suffix(page)}{self.suffix}"

    def possible_stems(self, name: str) -> set[str]:
        """Give the stems for which the format would write a file of this name, of any page."""
        stem = name.removesuffix(self.suffix)
        if stem == name:
            return set()
        return {stem, re.sub(_PAGE_SUFFIX, "", stem)} if self.is_per_page else {stem}


FORMATS = {
    each.name: each
    for each in (
        Format("json", ".json", write_json),
        Format("jsonl", ".jsonl", write_jsonl),
        Format("txt", ".txt", write_text),
        Format("md", ".md", write_markdown),
        Format("csv", ".csv", write_csv),
        Format("tsv", ".tsv", write_tsv),
        Format("parquet", ".parquet", write_parquet, required_package="pyarrow"),
        Format("hocr", ".hocr", write_hocr),
        Format("alto", ".alto.xml", write_alto),
        Format("page", ".page.xml", write_page, is_per_page=True),
        Format("pdf", ".pdf", write_pdf),
        Format("geojson", ".geojson", write_geojson),
        Format("coco", ".coco.json", write_coco),
        Format("iiif", ".iiif.json", write_iiif),
        Format("preview", ".preview.png", write_preview, is_per_page=True),
        Format("webp", ".preview.webp", write_webp, is_per_page=True),
    )
}

DEFAULT_FORMATS = "json,txt,preview"


def find_formats(names: str) -> tuple[Format, ...]:
    """Give the formats of these names, which commas part; each once, in the order of the list.

    `UnknownFormat` for a name that is none, `MissingPackage` for a format whose package is not installed.
    """
    wanted = dict.fromkeys(name.strip().lower() for name in names.split(",") if name.strip())
    found = tuple(_find_format(name) for name in wanted)
    if not found:
        raise UnknownFormat(f"no format is named; choose from {', '.join(FORMATS)}")
    return found


def _find_format(name: str) -> Format:
    if name not in FORMATS:
        close: Sequence[str] = get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UnknownFormat(f"{name}: no such format; {hint}choose from {', '.join(FORMATS)}")
    found = FORMATS[name]
    if found.required_package and not find_spec(found.required_package):
        raise MissingPackage(f"{name}: needs {found.required_package}; pip install 'ocrfarm[{name}]'")
    return found
