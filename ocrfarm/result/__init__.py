"""Document -> bytes that other programs read: one module for each format, listed in `formats`."""

from ocrfarm.result.json import document_from_json, document_to_json, write_document
from ocrfarm.result.source_info import ImageTiles, SourceInfo

__all__ = ["ImageTiles", "SourceInfo", "document_from_json", "document_to_json", "write_document"]
