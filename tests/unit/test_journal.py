"""The table of a batch: rows survive whatever cuts a run off, and one that was cut off itself is forgotten."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.cli.journal import Journal, JournalEntry
from ocrfarm.errors import SettingsError

ROWS = [
    JournalEntry(
        file="a.png", state="complete", lines=3, seconds=1.5, megapixels=0.25, ended=7.125, result="a", key="1f"
    ),
    JournalEntry(
        file='b, \n"ü\udc80".png', state="failed", reason="=cmd; no\r\nuse", result="b\u2028", job="J", key="2f"
    ),
    JournalEntry(file="c.png", state="submitted", profile="fast", result="sub/c", job="K", key="3f"),
]


def filled(path: Path) -> bytes:
    with Journal(path) as journal:
        for row in ROWS:
            journal.add(row)
    return path.read_bytes()


def read(path: Path) -> list[JournalEntry]:
    with Journal(path) as journal:
        return journal.entries


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    filled(tmp_path / "new/t.csv")
    assert read(tmp_path / "new/t.csv") == ROWS


def test_nothing_is_made_where_nothing_is_added(tmp_path: Path) -> None:
    assert read(tmp_path / "new/t.csv") == []
    assert list(tmp_path.iterdir()) == []


def test_the_last_row_of_an_image_counts(tmp_path: Path) -> None:
    with Journal(tmp_path / "t.csv") as journal:
        for state in ("submitted", "failed", "complete"):
            journal.add(JournalEntry(file="a", state=state, result="a"))
            assert read_only(tmp_path / "t.csv").count("\n") > 1  # there before the end
        assert journal.find("a") == JournalEntry(file="a", state="complete", result="a")
    assert read_only(tmp_path / "t.csv").count("\n") == 2


def read_only(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


@given(st.data())
def test_what_is_cut_off_anywhere_is_a_beginning_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "t.csv"
    whole = filled(path)
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with Journal(path) as journal:
        found = journal.entries
        journal.add(JournalEntry(file="z", state="complete", result="z"))
    kept = [row for row in found if row in ROWS]
    assert kept == ROWS[: len(kept)]
    assert len(found) <= len(kept) + 1  # the last one's key may be cut: it tells no image then
    assert read(path) == [*found, JournalEntry(file="z", state="complete", result="z")]


@pytest.mark.parametrize("other", [b"", b"\xff\xfe\0", b"a,b\n1,2\n", b'"' * 200_000])
def test_what_is_no_such_table_counts_for_nothing(tmp_path: Path, other: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(other)
    assert read(tmp_path / "t.csv") == []


def test_one_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "t.csv") as journal:
        journal.add(ROWS[0])
        with pytest.raises(SettingsError, match="another ocrfarm"), Journal(tmp_path / "t.csv"):
            pass
    assert read(tmp_path / "t.csv") == ROWS[:1]
