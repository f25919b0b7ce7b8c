"""Messages: small, plain, and never a path."""

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.errors import UnknownJob
from ocrfarm.farm import wire
from ocrfarm.tile import TileId

_INDEX = st.integers(0, 9999)
_TILES = st.builds(TileId, page=_INDEX, level=st.integers(0, 9), row=_INDEX, col=_INDEX)


@given(st.lists(_TILES, max_size=30))
def test_a_batch_message_is_json_and_names_its_tiles(tiles: list[TileId]) -> None:
    job, names = json.loads(json.dumps(wire.batch_message(wire.new_job_id(), tiles)))
    assert wire.checked_job_id(job) == job
    assert wire.tiles_of(names) == tuple(tiles)


def test_job_ids_sort_by_time_and_differ() -> None:
    first = [wire.new_job_id() for _ in range(100)]
    time.sleep(0.002)
    last = wire.new_job_id()
    assert len(set(first)) == 100
    assert all(job < last for job in first)


@given(st.text(max_size=40))
def test_nothing_but_a_job_id_is_taken_for_one(text: str) -> None:
    with pytest.raises(UnknownJob):
        wire.checked_job_id(text)


@pytest.mark.parametrize(
    "text", ["../../etc/passwd", "A" * 25 + "/", "A" * 25 + "\n", "a" * 26, "A" * 27, "I" * 26, ""]
)
def test_paths_and_near_misses_are_no_job_ids(text: str) -> None:
    with pytest.raises(UnknownJob):
        wire.checked_job_id(text)


@pytest.mark.parametrize("model", ["", "a:b", "a/b", "a b", "-x", "ä", "x" * 101, "x\n"])
def test_a_queue_has_no_name_that_a_redis_key_could_misread(model: str) -> None:
    with pytest.raises(ValueError, match="queue"):
        wire.recognize_queue(model)


def test_each_task_of_a_job_has_an_id_of_its_own_that_never_changes() -> None:
    job = wire.new_job_id()
    waves = [wire.Wave(), wire.Wave(1), wire.Wave(again=True), wire.Wave(1, again=True)]
    ids = [wire.split_id(job), wire.stitch_id(job), wire.resume_id(job)]
    ids += [name(job, wave) for wave in waves for name in (wire.group_id, wire.stitch_id)]
    ids += [wire.batch_id(job, index, wave=wave) for wave in waves for index in (0, 1)]
    assert len(set(ids)) == len(ids)
    assert wire.batch_id(job, 7, wave=wire.Wave()) == wire.batch_id(job, 7, wave=wire.Wave())


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_smaller_job_is_never_served_later(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert wire.priority(small) <= wire.priority(large)
    assert {wire.priority(small), wire.priority(large)} <= set(wire.PRIORITIES)


def test_the_wire_needs_no_celery() -> None:
    code = "import sys, ocrfarm.farm.wire; print([m for m in ('celery', 'redis', 'kombu') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
