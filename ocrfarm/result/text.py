"""Document -> plain text in reading order."""

from typing import BinaryIO

from ocrfarm.document import Document
from ocrfarm.result.source_info import SourceInfo


def write_text(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    r"""Write UTF-8 text with one row for each line and an empty row between pages.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; not used.

    Examples:
        >>> import io
        >>> from pathlib import Path
        >>> from ocrfarm.document import Coverage, Line, Page
        >>> from ocrfarm.geometry import Quad, Size
        >>> line = Line("Valve DN80", Quad.from_bounds(0, 0, 200, 30), confidence=0.97)
        >>> document, file = Document((Page(Size(800, 600), (line,), Coverage(tiles=1)),), {}), io.BytesIO()
        >>> write_text(document, file, source=SourceInfo("sheet.png", Path, bytes, lambda page: []))
        >>> file.getvalue()
        b'Valve DN80\n'
    """
    file.write((document.text + "\n").encode())
