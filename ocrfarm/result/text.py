"""Document -> plain text in reading order."""

from ocrfarm.document import Document


def document_to_text(document: Document) -> bytes:
    """Give UTF-8 text: a row a line, an empty row between pages."""
    return (document.text + "\n").encode()
