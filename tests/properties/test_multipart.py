"""A form gives the same parts, however its bytes are cut into chunks."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.errors import SettingsError
from ocrfarm.server.multipart import FormParser, Part

BOUNDARY = b"xyz"
FIELDS = st.lists(st.tuples(st.sampled_from(["file", "mask", "dpi", "ü"]), st.booleans(), st.binary()), max_size=5)
LIKE_A_BOUNDARY = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--xy", b"\r\n--xy", b"\r\n--", b"z"])).map(b"".join)


def write_form(fields: list[tuple[str, bool, bytes]]) -> bytes:
    rows = []
    for name, is_file, value in fields:
        filename = '; filename="a b.png"' if is_file else ""
        rows.append(b"--xyz\r\n" + f'Content-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode())
        rows.append(value + b"\r\n")
    return b"".join([*rows, b"--xyz--\r\n"])


def parse(parser: FormParser, chunks: list[bytes]) -> list[tuple[Part, bytes]]:
    found: list[tuple[Part, bytes]] = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            found = (
                [*found, (event, b"")]
                if isinstance(event, Part)
                else [*found[:-1], (found[-1][0], found[-1][1] + event)]
            )
    return found


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [*chunks, data]


@given(FIELDS, st.lists(st.integers(1, 40)))
def test_every_way_to_cut_a_form_gives_the_same_parts(fields: list[tuple[str, bool, bytes]], sizes: list[int]) -> None:
    fields = [(name, is_file, value.replace(BOUNDARY, b"")) for name, is_file, value in fields]
    parser = FormParser(BOUNDARY)
    expected = [(Part(name, "a b.png" if is_file else None), value) for name, is_file, value in fields]
    assert parse(parser, cut(write_form(fields), sizes)) == expected
    assert parser.has_ended


@given(LIKE_A_BOUNDARY, st.integers(1, 5))
def test_bytes_that_resemble_a_boundary_are_kept(value: bytes, size: int) -> None:
    value = value.replace(b"\r\n--xyz", b"")
    data = write_form([("file", True, value)])
    parser = FormParser(BOUNDARY)
    ((_, found),) = parse(parser, [data[at : at + size] for at in range(0, len(data), size)])
    assert found == value


@given(st.binary(max_size=300), st.integers(1, 50))
def test_arbitrary_bytes_are_refused_or_ignored(data: bytes, size: int) -> None:
    parser = FormParser(BOUNDARY)
    with suppress(SettingsError):
        for at in range(0, len(data), size):
            list(parser.feed(data[at : at + size]))


@pytest.mark.parametrize(
    "data",
    [
        b"--xyz\r\n\r\n\r\n--xyz--",
        b"--xyz junk\r\n",
        b"--xyz\r\n" + b"x" * 9_000,
        b"--xyz\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 101,
    ],
)
def test_a_malformed_form_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsError):
        list(FormParser(BOUNDARY).feed(data))
