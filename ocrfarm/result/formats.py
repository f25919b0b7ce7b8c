"""The output formats by name: the suffix of their files, their writer, and the package that it needs."""

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
"""Matches what `page_suffix` returns."""


class Writer(Protocol):
    """A function that writes a document in one format."""

    def __call__(self, document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
        """Write a document from the start of a file.

        Args:
            document: The document to write; a single page of it if the format is per page.
            file: A file that is open for writing bytes.
            source: The image that the document was read from.

        Raises:
            OSError: There is no room for the file.
        """
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """An output format.

    Attributes:
        name: Name on the command line.
        suffix: End of its file names.
        write: The function that writes it.
        is_per_page: Whether each page is a file of its own.
        required_package: Package that must be installed; empty if none.
    """

    name: str
    suffix: str
    write: Writer
    is_per_page: bool = False
    required_package: str = ""

    def file_name(self, stem: str, page: int = 0) -> str:
        """Return the name of a file of this format.

        Args:
            stem: What the name begins with.
            page: Index of the page (0 = first), for a format with one file for each page.

        Examples:
            >>> FORMATS["alto"].file_name("sheet")
            'sheet.alto.xml'
            >>> FORMATS["preview"].file_name("sheet", page=11)
            'sheet.p0011.preview.png'
        """
        return f"{stem}{page_suffix(page)}{self.suffix}"

    def possible_stems(self, name: str) -> set[str]:
        """Return the stems for which this format writes a file of the given name, for any page.

        Examples:
            >>> sorted(FORMATS["page"].possible_stems("sheet.p0002.page.xml"))
            ['sheet', 'sheet.p0002']
            >>> FORMATS["pdf"].possible_stems("sheet.txt")
            set()
        """
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
    """Return the formats of a comma-separated list of names, each once and in the order of the list.

    Raises:
        UnknownFormat: No format has one of the names, or the list is empty.
        MissingPackage: A format needs a package that is not installed.

    Examples:
        >>> [each.suffix for each in find_formats("txt, pdf,TXT")]
        ['.txt', '.pdf']
    """
    wanted = dict.fromkeys(name.strip().lower() for name in names.split(",") if name.strip())
    found = tuple(_find_format(name) for name in wanted)
    if not found:
        raise UnknownFormat(f"no format was named; choose from {', '.join(FORMATS)}")
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
