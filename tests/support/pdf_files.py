"""Small PDFs for tests: pages of text and images, and files that are made to harm."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
from PIL import Image

from tests.support.image_files import Array

LETTER_SIZE = (612.0, 792.0)


@dataclass
class PdfBuilder:
    """Puts a PDF together page by page; sizes and places are points, origin at the lower left."""

    pdf: Any = None

    def __post_init__(self) -> None:
        self.pdf = pikepdf.new()

    def add_page(self, size: tuple[float, float] = LETTER_SIZE, content: bytes = b"", **entries: Any) -> Any:
        """Add a page with this content stream and more entries of its dictionary."""
        self.pdf.add_blank_page(page_size=(10, 10))
        page = self.pdf.pages[-1]
        page.MediaBox = pikepdf.Array([0, 0, *size])
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font), XObject=pikepdf.Dictionary())
        page.Contents = pikepdf.Stream(self.pdf, content)
        for name, value in entries.items():
            page[f"/{name}"] = value
        return page

    def text_content(self, text: str, *, x: float = 72, y: float = 700, size: float = 12, mode: int = 0) -> bytes:
        """Give the content that writes a line; mode 3 hides it."""
        return b"BT /F %g Tf %d Tr %g %g Td (%b) Tj ET\n" % (size, mode, x, y, text.encode())

    def add_image(self, pixels: Array, size: tuple[float, float], *, kind: str = "png", **entries: Any) -> Any:
        """Add a page that is one image, as raw pixels (deflated), JPEG or JPEG-2000."""
        page = self.add_page(size, b"q %g 0 0 %g 0 0 cm /I Do Q\n" % size)
        stream = pikepdf.Stream(self.pdf, pixels.tobytes())
        if kind != "png":
            packed = io.BytesIO()
            Image.fromarray(pixels).save(packed, {"jpg": "JPEG", "jp2": "JPEG2000"}[kind])
            stream.write(packed.getvalue(), filter={"jpg": pikepdf.Name.DCTDecode, "jp2": pikepdf.Name.JPXDecode}[kind])
        colours = pikepdf.Name.DeviceGray if pixels.ndim == 2 else pikepdf.Name.DeviceRGB
        known = {"Type": pikepdf.Name.XObject, "Subtype": pikepdf.Name.Image, "ColorSpace": colours}
        height, width = pixels.shape[:2]
        for name, value in {**known, "Width": width, "Height": height, "BitsPerComponent": 8, **entries}.items():
            stream[f"/{name}"] = value
        page.Resources.XObject.I = stream
        return page

    def to_bytes(self, **options: Any) -> bytes:
        """Give the file."""
        written = io.BytesIO()
        self.pdf.save(written, **options)
        return written.getvalue()

    def save(self, path: Path, **options: Any) -> Path:
        """Write the file."""
        path.write_bytes(self.to_bytes(**options))
        return path


def make_encrypted_pdf() -> bytes:
    """Give a PDF that nobody opens without a password."""
    maker = PdfBuilder()
    maker.add_page(content=maker.text_content("secret"))
    return maker.to_bytes(encryption=pikepdf.Encryption(owner="owner", user="user"))


def make_pdf(
    content: bytes,
    *forms: bytes,
    box: bytes = b"[0 0 200 200]",
    kid: bytes = b"3 0 R",
    kids: int = 1,
    count: int = 1,
    is_compressed: bool = False,
) -> bytes:
    """Give a PDF by hand: object 2 lists the pages, 3 is the page, 4 its content, from 5 on what it draws as /X."""
    resources = b"/Resources << /XObject << /X 5 0 R >> >>" if forms else b""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join([kid] * kids), count),
        b"<< /Type /Page /Parent 2 0 R /MediaBox %b /Contents 4 0 R %b >>" % (box, resources),
        make_stream(b"/Filter /FlateDecode" if is_compressed else b"", content),
        *forms,
    ]
    data, begins = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        begins.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % begin for begin in begins)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(data))
    return data + head + table + end


def make_stream(entries: bytes, data: bytes) -> bytes:
    """Give the body of a stream object."""
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(data), data)


FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 200 200] "
"""Entries of a form, which is drawn by its name."""


def make_nested_forms(levels: int, count: int) -> bytes:
    """Give a PDF in which each form draws the next one so many times."""
    following = (b"/Resources << /XObject << /X %d 0 R >> >> " % (6 + level) for level in range(levels))
    forms = [make_stream(FORM + resources, b"/X Do " * count) for resources in following]
    return make_pdf(b"/X Do ", *forms, make_stream(FORM, b"0 0 10 10 re f"))


def make_endless_form(count: int = 3) -> bytes:
    """Give a PDF with a form that draws itself so many times."""
    resources = b"/Resources << /XObject << /X 5 0 R >> >> "
    return make_pdf(b"/X Do", make_stream(FORM + resources, b"/X Do " * count))


def make_slow_pdf() -> bytes:
    """Give a PDF of 700 bytes that pdfium draws for minutes: a pattern in steps of 1/24 of a pixel."""
    pattern = b"/Type /Pattern /PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep 0.01 /YStep 0.01"
    cell = make_stream(pattern + b" /Resources << >>", b"0 0 1 1 re f")
    page = make_pdf(b"/Pattern cs /X scn 0 0 200 200 re f", cell)
    return page.replace(b"/XObject", b"/Pattern", 1)
