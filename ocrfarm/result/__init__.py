"""Page -> bytes that others read: one file a format."""

from ocrfarm.result.json import document_from_json, document_to_json
from ocrfarm.result.preview import page_to_preview
from ocrfarm.result.text import document_to_text

__all__ = ["document_from_json", "document_to_json", "document_to_text", "page_to_preview"]
