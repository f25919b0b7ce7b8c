"""XML that is written element by element, so that no tree of a page with 100,000 lines is in memory."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO
from xml.sax.saxutils import XMLGenerator

_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 forbids, even as references: control characters, surrogates, U+FFFE and U+FFFF."""

Attributes = Mapping[str, object]


def replace_forbidden(text: str) -> str:
    r"""Replace each character that XML forbids by U+FFFD, the replacement character.

    Examples:
        >>> ascii(replace_forbidden("8\x00mm"))
        "'8\\ufffdmm'"
    """
    return _FORBIDDEN.sub("\ufffd", text)


class XmlWriter:
    """Writes elements one by one and escapes their text.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> xml = XmlWriter(file)
        >>> with xml.element("Line", {"ID": "l1"}):
        ...     xml.leaf("Text", text="A & B")
        >>> print(file.getvalue().decode())
        <?xml version="1.0" encoding="utf-8"?>
        <Line ID="l1">
        <Text>A &amp; B</Text>
        </Line>
        <BLANKLINE>
    """

    def __init__(self, file: BinaryIO, *, doctype: str = "") -> None:
        """Begin a document in UTF-8.

        Args:
            file: A file that is open for writing bytes.
            doctype: A document type declaration, with its line end.
        """
        self._out = XMLGenerator(file, "utf-8", short_empty_elements=True)
        self._out.startDocument()
        self._out.ignorableWhitespace(doctype)

    @contextmanager
    def element(self, name: str, attributes: Attributes | None = None) -> Iterator[None]:
        """Write an element around what is written inside the `with` block.

        Args:
            name: Name of the element.
            attributes: Names and values of its attributes.
        """
        self._start(name, attributes)
        self._out.ignorableWhitespace("\n")
        yield
        self._end(name, "\n")

    def leaf(self, name: str, attributes: Attributes | None = None, *, text: str = "", end: str = "\n") -> None:
        """Write an element that contains text or nothing.

        Args:
            name: Name of the element.
            attributes: Names and values of its attributes.
            text: Its text.
            end: White space after it.
        """
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
