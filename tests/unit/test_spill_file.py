"""Pixels that wait in a file come back as they were, and the file does not grow without need."""

import os

import numpy as np
import pytest

from ocrfarm.errors import StoreFull
from ocrfarm.image.spill_file import SpillFile


def test_what_was_written_comes_back_and_room_is_used_again() -> None:
    first, second = np.arange(24, dtype=np.uint8).reshape(2, 4, 3), np.full((2, 4, 3), 7, np.uint8)
    with SpillFile() as slots:
        places = [slots.allocate(24), slots.allocate(24)]
        slots.write(places[0], first)
        slots.write(places[1], second[:, ::-1])
        assert np.array_equal(slots.read(places[0], first.shape), first)
        assert np.array_equal(slots.read(places[1], second.shape), second)
        slots.release(places[0], 24)
        assert slots.allocate(24) == places[0]
        assert slots.allocate(12) == 48


def test_a_disk_without_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with (
        SpillFile() as slots,
        pytest.raises(StoreFull, match=r"no space for the rows of a page \(No space left on device\); free some space"),
    ):
        slots.write(slots.allocate(4), np.zeros((2, 2), np.uint8))
