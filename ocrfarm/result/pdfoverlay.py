"""Text laid over the pages of a PDF, which stay as they are. Needs pikepdf (`ocrfarm[pdf]`)."""

import importlib
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"%PDF-"
_WITHIN = 1024
"""Bytes in which viewers look for it."""


def is_pdf(path: Path) -> bool:
    """Say whether the file is a PDF."""
    with path.open("rb") as file:
        return _MAGIC in file.read(_WITHIN)


def lay_over(path: Path, text: BinaryIO, file: BinaryIO, *, first: int) -> None:
    """Write the PDF at `path` with the pages of `text` over its pages, from page `first` (0 = first) on."""
    pikepdf = importlib.import_module("pikepdf")
    with pikepdf.open(path) as pdf, pikepdf.open(text) as layer:
        for page, words in zip(pdf.pages[first:], layer.pages, strict=False):
            page.add_overlay(words, page.mediabox)
        pdf.save(file)
