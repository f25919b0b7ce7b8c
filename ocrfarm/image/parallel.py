"""Bounded parallel map: work on tiles in threads while the next tiles are decoded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch_map(work: Callable[[T], R], items: Iterable[T], *, threads: int = 2) -> Iterator[R]:
    """Yield `work(item)` for every item, in order and as soon as possible.

    The calling thread iterates over the items, so decoding continues while earlier tiles are encoded or stored. At the
    start the number of waiting items grows only with the number of results, so that the first results are not delayed.

    Args:
        work: Called in a thread; should release the interpreter's lock for its heavy part, as libvips and sockets do.
        items: The items; at most `threads` + 1 of them are in memory.
        threads: Number of threads.

    Examples:
        >>> list(prefetch_map(abs, [-1, -2, 3]))
        [1, 2, 3]
    """
    waiting: deque[Future[R]] = deque()
    yielded = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="tiles") as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            while len(waiting) > min(threads, yielded) or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
                yielded += 1
        while waiting:
            yield waiting.popleft().result()
