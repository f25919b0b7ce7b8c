"""The worker that sends webhooks: the only process of a farm that needs access to the internet."""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ocrfarm.errors import OcrfarmError
from ocrfarm.server.webhooks import WebhookDispatcher
from ocrfarm.settings import Settings
from ocrfarm.worker.heartbeat import make_file_heartbeat

_log = logging.getLogger(__name__)

_THREAD_COUNT = 8
"""A slow receiver blocks one of them."""

_IDLE_DELAY = 1.0
"""Seconds between two polls of the outbox while no job is due."""


def serve(settings: Settings, *, name: str) -> int:
    """Send webhooks until SIGTERM or SIGINT.

    Args:
        settings: The farm's settings.
        name: The name of the health file, NAME.alive, that is touched while the worker lives.

    Returns:
        The exit code, 0.

    Raises:
        SettingsError: The webhook secret is missing or malformed.
    """
    signals, stop, dispatcher = {signal.SIGTERM, signal.SIGINT}, threading.Event(), WebhookDispatcher(settings)
    beat = make_file_heartbeat(settings.endpoints.health_dir, name)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # in the threads too
    with ThreadPoolExecutor(_THREAD_COUNT) as threads:
        running = [threads.submit(_dispatch_loop, dispatcher, stop, beat=beat) for _ in range(_THREAD_COUNT)]
        try:
            while not signal.sigtimedwait(signals, _IDLE_DELAY):
                for each in running:
                    if each.done():
                        each.result()  # an unexpected error ends the process, and the supervisor starts it again
        finally:
            stop.set()
    return 0


def _dispatch_loop(dispatcher: WebhookDispatcher, stop: threading.Event, *, beat: Callable[[], None]) -> None:
    while not stop.is_set():
        beat()  # each thread touches the file: a process whose threads all hang is not alive
        if not _dispatch_next(dispatcher):
            stop.wait(_IDLE_DELAY)


def _dispatch_next(dispatcher: WebhookDispatcher) -> bool:
    try:
        event = dispatcher.dispatch_next()
    except OcrfarmError as error:
        _log.warning("webhooks have to wait: %s", error)
        return False
    if event:
        _log.info("webhook %s: %s, attempt %s: %s", event.id, event.state, event.attempts, event.response)
    return event is not None
