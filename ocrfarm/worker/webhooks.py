"""Tells the addresses that asked for it of the ends of jobs; the only process of a farm that needs a way out."""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ocrfarm.errors import OcrfarmError
from ocrfarm.farm.webhooks import WebhookDispatcher
from ocrfarm.settings import Settings
from ocrfarm.worker import health

_log = logging.getLogger(__name__)

_THREAD_COUNT = 8
"""A receiver that is slow holds up one of them."""

_IDLE_DELAY = 1.0
"""Between two looks where nothing is to be told."""


def serve(settings: Settings, *, name: str) -> int:
    """Tell until told to stop; `SettingsError` without a secret. NAME.alive among the health files is touched."""
    signals, stop, dispatcher = {signal.SIGTERM, signal.SIGINT}, threading.Event(), WebhookDispatcher(settings)
    beat = health.make_heartbeat(settings.endpoints.health_dir, name)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # in the threads too
    with ThreadPoolExecutor(_THREAD_COUNT) as threads:
        running = [threads.submit(_dispatch_loop, dispatcher, stop, beat=beat) for _ in range(_THREAD_COUNT)]
        try:
            while not signal.sigtimedwait(signals, _IDLE_DELAY):
                for each in running:
                    if each.done():
                        each.result()  # a fault: end with it, and be started again
        finally:
            stop.set()
    return 0


def _dispatch_loop(dispatcher: WebhookDispatcher, stop: threading.Event, *, beat: Callable[[], None]) -> None:
    while not stop.is_set():
        beat()  # by whoever works: a process whose threads all hang is not alive
        if not _dispatch_next(dispatcher):
            stop.wait(_IDLE_DELAY)


def _dispatch_next(dispatcher: WebhookDispatcher) -> bool:
    try:
        event = dispatcher.dispatch_next()
    except OcrfarmError as error:
        _log.warning("webhooks have to wait: %s", error)
        return False
    if event:
        _log.info("webhook %s: %s, try %s: %s", event.id, event.state, event.attempts, event.response)
    return event is not None
