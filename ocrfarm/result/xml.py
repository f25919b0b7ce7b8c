"""XML, written element by element: no tree of a page with 100,000 lines is ever in memory."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO
from xml.sax.saxutils import XMLGenerator

_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even as a reference: control characters, surrogates, U+FFFE and U+FFFF."""

Attributes = Mapping[str, object]


def replace_forbidden(text: str) -> str:
    """Put U+FFFD, the sign for what cannot be shown, in the place of each character that XML forbids."""
    return _FORBIDDEN.sub("\ufffd", text)


class XmlWriter:
    """Writes elements as they come; whatever text holds is escaped."""

    def __init__(self, file: BinaryIO, *, doctype: str = "") -> None:
        """Begin the document in UTF-8."""
        self._out = XMLGenerator(file, "utf-8", short_empty_elements=True)
        self._out.startDocument()
        self._out.ignorableWhitespace(doctype)

    @contextmanager
    def element(self, name: str, attributes: Attributes | None = None) -> Iterator[None]:
        """Write an element around what is written inside, which begins in a new row."""
        self._start(name, attributes)
        self._out.ignorableWhitespace("\n")
        yield
        self._end(name, "\n")

    def leaf(self, name: str, attributes: Attributes | None = None, *, text: str = "", end: str = "\n") -> None:
        """Write an element that holds text or nothing, and the white space behind it."""
        self._start(name, attributes)
        if text:
            self._out.characters(replace_forbidden(text))
        self._end(name, end)

    def _start(self, name: str, attributes: Attributes | None) -> None:
        values = {key: replace_forbidden(str(value)) for key, value in (attributes or {}).items()}
        self._out.startElement(name, values)  # type: ignore[arg-type]  # any mapping does

    def _end(self, name: str, space: str) -> None:
        self._out.endElement(name)
        self._out.ignorableWhitespace(space)
