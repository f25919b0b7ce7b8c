"""A font for invisible text, with which any Unicode text can be searched and copied.

Each character of a document gets a number (CID). The font maps it back to the character (ToUnicode) and to one glyph:

    text  "Ventil"  ->  <000100020003...>  ->  ToUnicode: 0001 -> V, ...     for search and copy
                                           ->  CIDToGIDMap: every CID -> 1   the only glyph

The font file therefore has 300 bytes, is the same for every document, and supports characters beyond U+FFFF. The
glyph is a stroke without area across the square of a letter. It would not be visible, but pdfium derives the size of
a letter from it; without it, pdfium highlights a found word as a line below the word, or not at all.
"""

import struct
from collections.abc import Iterator

from ocrfarm.result.pdf.file import PdfFile

UNITS_PER_EM = 1000
"""Units of the font in one font size, and the width of every character."""

ASCENT, DESCENT = 0.8, 0.2
"""Fractions of the font size above and below the baseline."""

_FONT = b"""<< /Type /Font /Subtype /Type0 /BaseFont /Unseen /Encoding /Identity-H
/DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>"""
_CID_FONT = b"""<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Unseen /DW 1000 /CIDToGIDMap %d 0 R
/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R >>"""
_DESCRIPTOR = b"""<< /Type /FontDescriptor /FontName /Unseen /Flags 4 /FontBBox [0 -200 1000 800]
/ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 800 /StemV 80 /FontFile2 %d 0 R >>"""
_CMAP_HEAD = b"""/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
"""
_CMAP_TAIL = b"""endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
_FONT_DATE = 2_082_844_800
"""Seconds from 1904 to 1970: a constant date, so that the font is always the same."""

_MAX_CMAP_ROWS = 100
"""Largest number of entries in one block of a CMap, by its specification."""


class PdfFont:
    """Numbers characters as they are encoded; `write` adds the font to a file when all of them are known.

    Examples:
        >>> font = PdfFont()
        >>> font.encode("ABBA")
        b'<0001000200020001>'
    """

    def __init__(self) -> None:
        """Create a font without characters."""
        self._cids: dict[str, int] = {}

    def encode(self, text: str) -> bytes:
        """Return the text as a hexadecimal string for a content stream."""
        numbers = (self._cids.setdefault(char, len(self._cids) + 1) for char in text)
        return b"<%b>" % b"".join(b"%04X" % number for number in numbers)

    def write(self, pdf: PdfFile, *, number: int) -> None:
        """Write the font.

        Args:
            pdf: The file.
            number: The number that was reserved for the font.
        """
        file = _build_true_type()
        program = pdf.add_compressed_stream([file], entries=b"/Length1 %d" % len(file))
        shapes = pdf.add_compressed_stream([b"\0\0" + b"\0\1" * len(self._cids)])
        descriptor = pdf.add_object(_DESCRIPTOR % program)
        cid_font = pdf.add_object(_CID_FONT % (shapes, descriptor))
        pdf.add_object(_FONT % (cid_font, pdf.add_compressed_stream(self._iter_cmap())), number=number)

    def _iter_cmap(self) -> Iterator[bytes]:
        yield _CMAP_HEAD
        chars = list(self._cids)
        for start in range(0, len(chars), _MAX_CMAP_ROWS):
            part = chars[start : start + _MAX_CMAP_ROWS]
            rows = (b"<%04X> <%b>\n" % (self._cids[char], _encode_utf16(char)) for char in part)
            yield b"%d beginbfchar\n%bendbfchar\n" % (len(part), b"".join(rows))
        yield _CMAP_TAIL


def _encode_utf16(char: str) -> bytes:
    return char.encode("utf-16-be").hex().upper().encode()


def _build_true_type() -> bytes:
    """Return a TrueType font with two glyphs, an empty one and a stroke, and only the tables that a PDF needs."""
    high, low = round(UNITS_PER_EM * ASCENT), -round(UNITS_PER_EM * DESCENT)
    bounds = (0, low, UNITS_PER_EM, high)
    stroke = struct.pack(">2H2b4h", 1, 0, 1, 1, 0, UNITS_PER_EM, low, high - low)
    shape = struct.pack(">h4h", 1, *bounds) + stroke
    tables = {
        b"glyf": shape,
        b"head": struct.pack(
            ">4I2H2q4h2H3h",
            0x10000,
            0x10000,
            0,
            0x5F0F3CF5,
            3,
            UNITS_PER_EM,
            _FONT_DATE,
            _FONT_DATE,
            *bounds,
            0,
            8,
            2,
            1,
            0,
        ),
        b"hhea": struct.pack(">I3hH11hH", 0x10000, high, low, 0, UNITS_PER_EM, 0, 0, 0, 1, *[0] * 7, 1),
        b"hmtx": struct.pack(">Hhh", UNITS_PER_EM, 0, 0),
        b"loca": struct.pack(">3I", 0, 0, len(shape)),
        b"maxp": struct.pack(">I14H", 0x10000, 2, 2, 1, 0, 0, 2, *[0] * 8),
    }
    offset, directory = 12 + 16 * len(tables), b""
    for tag, data in tables.items():
        directory += struct.pack(">4s3I", tag, _checksum(data), offset, len(data))
        offset += len(data) + -len(data) % 4
    head = struct.pack(">I4H", 0x10000, len(tables), 64, 2, 16 * len(tables) - 64)
    return head + directory + b"".join(data + b"\0" * (-len(data) % 4) for data in tables.values())


def _checksum(data: bytes) -> int:
    words = data + b"\0" * (-len(data) % 4)
    return int(sum(struct.unpack(f">{len(words) // 4}I", words))) & 0xFFFFFFFF
