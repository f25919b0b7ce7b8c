"""A few at a time: all are done, never too many at once, items are drawn as there is room, and an error ends it."""

import threading
import time
from collections.abc import Iterator
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocrfarm.client.batch import run_concurrently


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(0, 12))
def test_all_are_done_a_few_at_a_time(count: int, items: int) -> None:
    lock, running, max_running, drawn, done = threading.Lock(), 0, 0, 0, 0

    def draw() -> Iterator[int]:
        nonlocal drawn
        for number in range(items):
            drawn += 1
            assert drawn - done <= count
            yield number

    def work(number: int) -> int:
        nonlocal running, max_running, done
        with lock:
            running += 1
            max_running = max(max_running, running)
        time.sleep(0.001)
        with lock:
            running -= 1
            done += 1
        return number

    assert sorted(run_concurrently(work, draw(), max_concurrent=count, stop=Event())) == list(range(items))
    assert max_running <= count


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_error_stops_the_others(kind: type[BaseException]) -> None:
    stop, ended = Event(), []

    def work(number: int) -> None:
        if number == 1:
            raise kind("on purpose")
        assert stop.wait(10)
        ended.append(number)

    with pytest.raises(kind, match="on purpose"):
        list(run_concurrently(work, range(100), max_concurrent=3, stop=stop))
    assert len(ended) <= 2
