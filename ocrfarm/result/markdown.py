"""Document -> Markdown (CommonMark 0.31): a heading for each page, a paragraph for each block.

Each line of text is a row of its own, and each area that was not read is a block quote.
"""

import re
from typing import BinaryIO

from ocrfarm.document import Document, Gap, Page
from ocrfarm.result.blocks import group_blocks
from ocrfarm.result.source_info import SourceInfo, enumerate_pages

_INLINE_MARKUP = re.compile(r"([\\`*_\[\]<>&|~$])")
_LINE_START_MARKUP = re.compile(r"^([#+=-]|\d+(?=[.)]))")
"""Characters that begin a heading, a list or a rule."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINE_BREAK = "  \n"
"""Two spaces at the end of a row, the line break that every dialect of Markdown has."""


def write_markdown(document: Document, file: BinaryIO, *, source: SourceInfo) -> None:
    """Write CommonMark in UTF-8, with characters that have a meaning in Markdown escaped.

    Args:
        document: The document to write.
        file: A file that is open for writing bytes.
        source: The image that the document was read from; its name is the first heading.
    """
    file.write(f"# {_escape(source.name)}\n".encode())
    for number, page in enumerate_pages(document, source.page_offset):
        if len(document.pages) > 1:
            file.write(f"\n## Page {number}\n".encode())
        file.writelines(f"\n{paragraph}\n".encode() for paragraph in _build_paragraphs(page))


def _build_paragraphs(page: Page) -> list[str]:
    rows = ([_escape(line.text) for line in block] for block in group_blocks(page.lines))
    return [_LINE_BREAK.join(filter(None, row)) for row in rows if any(row)] + [
        _describe_gap(gap) for gap in page.coverage.gaps
    ]


def _describe_gap(gap: Gap) -> str:
    box = gap.box
    return f"> Not read: {box.width} x {box.height} pixels at ({box.x0}, {box.y0}): {_escape(gap.reason)}"


def _escape(text: str) -> str:
    r"""Return the text so that Markdown shows it as it is.

    Examples:
        >>> print(_escape("1. *DN 80* [see A_3]"))
        1\. \*DN 80\* \[see A\_3\]
    """
    plain = _INLINE_MARKUP.sub(r"\\\1", _CONTROL.sub(" ", text).strip())
    return _LINE_START_MARKUP.sub(lambda found: f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}", plain)
