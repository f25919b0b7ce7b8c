"""Work on tiles in threads beside the decoder, a few at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_map(work: Callable[[T], R], items: Iterable[T], *, threads: int = 2) -> Iterator[R]:
    """Give `work(item)` for every item in order, soon after it is done; at most threads + 1 items are in memory.

    The calling thread draws the items, so that decoding goes on while tiles are encoded or stored; the work must let
    go of the interpreter's lock for its heavy part, as libvips and sockets do. At first no more items wait than were
    given, so that whoever is idle until then has the first ones before long.
    """
    waiting: deque[Future[R]] = deque()
    given = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="tiles") as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            while len(waiting) > min(threads, given) or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
                given += 1
        while waiting:
            yield waiting.popleft().result()
