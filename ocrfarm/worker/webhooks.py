"""The worker that sends webhooks: the only process of a farm that needs access to the internet."""

import logging
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor

from ocrfarm.errors import OcrfarmError
from ocrfarm.server.outbox import DueJob, SlotLimits
from ocrfarm.server.webhooks import WebhookDispatcher
from ocrfarm.settings import Settings
from ocrfarm.worker.heartbeat import make_file_heartbeat

_log = logging.getLogger(__name__)

_IDLE_DELAY = 0.5
"""Seconds between two polls of the outbox while nothing is due."""

_BUSY_DELAY = 0.1
"""Seconds between two polls while deliveries run, whose end may free a slot."""

_NEXT_DELAY = 0.02
"""Seconds until the next poll after one that began deliveries: many of them end at once, if their host is busy."""


def serve(settings: Settings, *, name: str) -> int:
    """Send webhooks until SIGTERM or SIGINT.

    Args:
        settings: The farm's settings.
        name: The name of the health file, NAME.alive, that is touched while the worker lives.

    Returns:
        The exit code, 0.

    Raises:
        SettingsError: The webhook secret or the list of allowed hosts is malformed.
    """
    signals, dispatcher = {signal.SIGTERM, signal.SIGINT}, WebhookDispatcher(settings)
    beat = make_file_heartbeat(settings.endpoints.health_dir, name)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # in the threads too
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(SlotLimits().max_total) as threads:
        delay = 0.0
        while not signal.sigtimedwait(signals, delay):
            beat()
            started = time.monotonic()
            begun = {threads.submit(_dispatch, dispatcher, due) for due in _select_due(dispatcher)}
            running |= begun
            ended = {each for each in running if each.done()}
            for each in ended:
                each.result()  # an unexpected error ends the process, and the supervisor starts it again
            running -= ended
            pause = _NEXT_DELAY if begun else _BUSY_DELAY if running else _IDLE_DELAY
            delay = max(pause, time.monotonic() - started)
    return 0


def _select_due(dispatcher: WebhookDispatcher) -> list[DueJob]:
    try:
        return dispatcher.select_due()
    except OcrfarmError as error:
        _log.warning("webhooks have to wait: %s", error)
        return []


def _dispatch(dispatcher: WebhookDispatcher, due: DueJob) -> None:
    try:
        event = dispatcher.dispatch(due)
    except OcrfarmError as error:
        _log.warning("the webhook has to wait: %s", error, extra={"job": due.id, "owner": due.owner})
        return
    if event:
        text = "webhook %s: %s, attempt %s: %s"
        extra = {"job": due.id, "owner": due.owner}
        _log.info(text, event.id, event.state, event.attempts, event.response, extra=extra)
