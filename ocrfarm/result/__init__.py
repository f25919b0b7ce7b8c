"""Page -> bytes that others read: one file a format."""

from ocrfarm.result.formats import FORMATS, USUAL, Format, find_formats
from ocrfarm.result.json import document_from_json, document_to_json
from ocrfarm.result.origin import Origin, Pieces

__all__ = [
    "FORMATS",
    "USUAL",
    "Format",
    "Origin",
    "Pieces",
    "document_from_json",
    "document_to_json",
    "find_formats",
]
