"""Document -> Markdown: a heading a page, a paragraph a block, every line in a row of its own."""

import re
from typing import BinaryIO

from ocrfarm.document import Document, Gap, Page
from ocrfarm.result.blocks import blocks
from ocrfarm.result.origin import Origin, numbered

_ANYWHERE = re.compile(r"([\\`*_\[\]<>&|~$])")
_IN_FRONT = re.compile(r"^([#+=-]|\d+(?=[.)]))")
"""What begins a heading, a list or a rule."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BREAK = "  \n"
"""Two spaces: the line break that every dialect knows."""


def write_markdown(document: Document, file: BinaryIO, *, origin: Origin) -> None:
    """Write CommonMark in UTF-8; signs that would format are escaped, and what was not read is said."""
    file.write(f"# {_escaped(origin.name)}\n".encode())
    for number, page in numbered(document, origin.first):
        if len(document.pages) > 1:
            file.write(f"\n## Page {number}\n".encode())
        for paragraph in _paragraphs(page):
            file.write(f"\n{paragraph}\n".encode())


def _paragraphs(page: Page) -> list[str]:
    rows = ([_escaped(line.text) for line in block] for block in blocks(page.lines))
    return [_BREAK.join(filter(None, row)) for row in rows if any(row)] + [_missing(gap) for gap in page.coverage.gaps]


def _missing(gap: Gap) -> str:
    box = gap.box
    return f"> Not read: {box.width} x {box.height} pixels at ({box.x0}, {box.y0}): {_escaped(gap.reason)}"


def _escaped(text: str) -> str:
    plain = _ANYWHERE.sub(r"\\\1", _CONTROL.sub(" ", text).strip())
    return _IN_FRONT.sub(lambda found: f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}", plain)
