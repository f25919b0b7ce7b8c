"""Messages: small, plain, and never a path."""

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.errors import UnknownJob
from ocrfarm.farm import protocol
from ocrfarm.tile import TileId

_INDEX = st.integers(0, 9999)
_TILES = st.builds(TileId, page_index=_INDEX, level=st.integers(0, 9), row=_INDEX, col=_INDEX)


@given(st.lists(_TILES, max_size=30))
def test_a_batch_message_is_json_and_names_its_tiles(tiles: list[TileId]) -> None:
    job, names = json.loads(json.dumps(protocol.batch_args(protocol.new_job_id(), tiles)))
    assert protocol.validate_job_id(job) == job
    assert protocol.parse_tile_ids(names) == tuple(tiles)


def test_job_ids_sort_by_time_and_differ() -> None:
    first = [protocol.new_job_id() for _ in range(100)]
    time.sleep(0.002)
    last = protocol.new_job_id()
    assert len(set(first)) == 100
    assert all(job < last for job in first)


@given(st.text(max_size=40))
def test_nothing_but_a_job_id_is_taken_for_one(text: str) -> None:
    with pytest.raises(UnknownJob):
        protocol.validate_job_id(text)


@pytest.mark.parametrize(
    "text", ["../../etc/passwd", "A" * 25 + "/", "A" * 25 + "\n", "a" * 26, "A" * 27, "I" * 26, ""]
)
def test_paths_and_near_misses_are_no_job_ids(text: str) -> None:
    with pytest.raises(UnknownJob):
        protocol.validate_job_id(text)


@pytest.mark.parametrize("model", ["", "a:b", "a/b", "a b", "-x", "ä", "x" * 101, "x\n"])
def test_a_queue_has_no_name_that_a_redis_key_could_misread(model: str) -> None:
    with pytest.raises(ValueError, match="queue"):
        protocol.recognize_queue(model)


def test_each_task_of_a_job_has_an_id_of_its_own_that_never_changes() -> None:
    job = protocol.new_job_id()
    waves = [
        protocol.Generation(),
        protocol.Generation(1),
        protocol.Generation(is_second_pass=True),
        protocol.Generation(1, is_second_pass=True),
    ]
    ids = [protocol.split_id(job), protocol.resume_id(job)]
    ids += [name(job, wave) for wave in waves for name in (protocol.chord_id, protocol.stitch_id)]
    ids += [protocol.batch_id(job, index, generation=wave) for wave in waves for index in (0, 1)]
    assert len(set(ids)) == len(ids)
    assert protocol.batch_id(job, 7, generation=protocol.Generation()) == protocol.batch_id(
        job, 7, generation=protocol.Generation()
    )


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_smaller_job_is_never_served_later(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert protocol.choose_priority(small) <= protocol.choose_priority(large)
    assert {protocol.choose_priority(small), protocol.choose_priority(large)} <= set(protocol.PRIORITIES)


def test_the_wire_needs_no_celery() -> None:
    code = "import sys, ocrfarm.farm.protocol; print([m for m in ('celery', 'redis', 'kombu') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
