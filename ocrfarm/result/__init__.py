"""Page -> bytes that others read: one file a format, and `formats` knows them all."""

from ocrfarm.result.json import document_from_json, document_to_json, write_document
from ocrfarm.result.source_info import ImageTiles, SourceInfo

__all__ = ["ImageTiles", "SourceInfo", "document_from_json", "document_to_json", "write_document"]
