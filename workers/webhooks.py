"""Tells the addresses that asked for it of the ends of jobs; the only process of a farm that needs a way out."""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ocrfarm.errors import OcrfarmError
from ocrfarm.farm.webhooks import Teller
from ocrfarm.settings import Settings
from workers import health

_log = logging.getLogger(__name__)

_THREADS = 8
"""A receiver that is slow holds up one of them."""

_PAUSE_SECONDS = 1.0
"""Between two looks where nothing is to be told."""


def serve(settings: Settings, *, name: str) -> int:
    """Tell until told to stop; `SettingsError` without a secret. NAME.alive among the health files is touched."""
    told, stop, teller = {signal.SIGTERM, signal.SIGINT}, threading.Event(), Teller(settings)
    beat = health.heartbeat(settings.places.health, name)
    signal.pthread_sigmask(signal.SIG_BLOCK, told)  # in the threads too
    with ThreadPoolExecutor(_THREADS) as threads:
        running = [threads.submit(_work, teller, stop, beat=beat) for _ in range(_THREADS)]
        try:
            while not signal.sigtimedwait(told, _PAUSE_SECONDS):
                for each in running:
                    if each.done():
                        each.result()  # a fault: end with it, and be started again
        finally:
            stop.set()
    return 0


def _work(teller: Teller, stop: threading.Event, *, beat: Callable[[], None]) -> None:
    while not stop.is_set():
        beat()  # by whoever works: a process whose threads all hang is not alive
        if not _tell(teller):
            stop.wait(_PAUSE_SECONDS)


def _tell(teller: Teller) -> bool:
    try:
        event = teller.tell()
    except OcrfarmError as error:
        _log.warning("webhooks have to wait: %s", error)
        return False
    if event:
        _log.info("webhook %s: %s, try %s: %s", event.id, event.told, event.tries, event.said)
    return event is not None
