"""The table of a batch: rows survive whatever cuts a run off, and one that was cut off itself is forgotten."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.cli.ledger import Entry, Ledger
from ocrfarm.errors import SettingsError

ROWS = [
    Entry(file="a.png", state="complete", lines=3, seconds=1.5, megapixels=0.25, ended=7.125, result="a", key="1f"),
    Entry(file="b, \n\"ü\udc80\".png", state="failed", reason="=cmd; no\r\nuse", result="b\u2028", job="J", key="2f"),
    Entry(file="c.png", state="submitted", profile="fast", result="sub/c", job="K", key="3f"),
]  # fmt: skip


def filled(path: Path) -> bytes:
    with Ledger(path) as ledger:
        for row in ROWS:
            ledger.add(row)
    return path.read_bytes()


def read(path: Path) -> list[Entry]:
    with Ledger(path) as ledger:
        return ledger.entries


def test_rows_come_back(tmp_path: Path) -> None:
    filled(tmp_path / "new/t.csv")
    assert read(tmp_path / "new/t.csv") == ROWS


def test_nothing_is_made_where_nothing_is_added(tmp_path: Path) -> None:
    assert read(tmp_path / "new/t.csv") == []
    assert list(tmp_path.iterdir()) == []


def test_the_last_row_of_a_picture_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "t.csv") as ledger:
        for state in ("submitted", "failed", "complete"):
            ledger.add(Entry(file="a", state=state, result="a"))
            assert read_only(tmp_path / "t.csv").count("\n") > 1  # there before the end
        assert ledger.find("a") == Entry(file="a", state="complete", result="a")
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
    with Ledger(path) as ledger:
        found = ledger.entries
        ledger.add(Entry(file="z", state="complete", result="z"))
    kept = [row for row in found if row in ROWS]
    assert kept == ROWS[: len(kept)]
    assert len(found) <= len(kept) + 1  # the last one's key may be cut: it tells no picture then
    assert read(path) == [*found, Entry(file="z", state="complete", result="z")]


@pytest.mark.parametrize("other", [b"", b"\xff\xfe\0", b"a,b\n1,2\n", b'"' * 200_000])
def test_what_is_no_such_table_counts_for_nothing(tmp_path: Path, other: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(other)
    assert read(tmp_path / "t.csv") == []


def test_one_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path / "t.csv") as ledger:
        ledger.add(ROWS[0])
        with pytest.raises(SettingsError, match="another ocrfarm"), Ledger(tmp_path / "t.csv"):
            pass
    assert read(tmp_path / "t.csv") == ROWS[:1]
