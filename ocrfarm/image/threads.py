"""Work on tiles in threads beside the decoder, a few at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(work: Callable[[T], R], items: Iterable[T], *, threads: int = 2) -> Iterator[R]:
    """Give `work(item)` for every item in order, soon after it is done; at most threads + 1 items are in memory.

    At first no more of them wait than were given: whoever is idle until then gets the first before long. The calling thread draws the items, so that decoding goes on while tiles are encoded or stored; the work must let
    go of the interpreter's lock for its heavy part, as libvips and sockets do.
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
