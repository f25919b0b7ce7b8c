"""The messages that a worker has taken: hidden from others while it works on them, and returned if it does not.

```
 taken --> running ----------------> acknowledged: gone
            |  ^ '-- renewed at intervals, so that no other worker gets it
            v  |
           not running, not acknowledged: at the second renewal in a row, returned to its queue
```

A message is neither running nor acknowledged if its task ended while the connection to the broker was lost: Celery can
no longer acknowledge or reject it then, and without this module it would stay hidden for the whole visibility timeout.
Returning a message whose work is done is harmless, because every task finds what was stored before.

Invariant: a message whose task still runs is never returned. Cost: one request to the broker for each renewal.
"""

import time
from typing import Any

from celery import Celery
from celery.signals import task_received, worker_ready
from celery.worker import state
from kombu.transport import redis as redis_transport

from ocrfarm.farm.celery_app import renewal_interval
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.queues import Queues
from ocrfarm.settings import Settings
from ocrfarm.worker.periodic import run_every


def schedule_renewal(app: Celery, settings: Settings, *, group: str) -> None:
    """Make the app's worker renew the messages of its running tasks at intervals, and return abandoned ones.

    Args:
        app: The Celery app.
        settings: The farm's settings.
        group: The group of workers whose unacknowledged messages share a key, as `protocol.worker_group` names it.
    """
    taken = _TakenMessages(open_job_store(settings, retries=0).queues, group)
    task_received.connect(taken.record, weak=False)
    worker_ready.connect(taken.connect, weak=False)
    run_every(app, renewal_interval(), action=taken.renew)


class _TakenMessages:
    """The messages that this process has taken and that it has not acknowledged or rejected."""

    def __init__(self, queues: Queues, group: str) -> None:
        self._queues, self._group = queues, group
        self._messages: dict[str, Any] = {}  # by tag
        self._idle: set[str] = set()  # tags whose task did not run at the last look
        self._consumer: Any = None

    def record(self, request: Any, **_: object) -> None:  # noqa: ANN401 - Celery's request
        """Remember a message that the worker has taken."""
        self._messages[request.message.delivery_tag] = request.message

    def connect(self, sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
        """Remember the consumer, through whose channel messages are returned."""
        self._consumer = sender

    def renew(self) -> None:
        """Renew the messages of running tasks, and return those whose task did not run at the last look either.

        Kombu compares visibility timeouts with the clock of the worker, so a worker whose clock is fast would redeliver
        messages that others still work on. Its Redis transport gets a `time` that follows the clock of the broker.
        """
        running = {request.message.delivery_tag for request in state.reserved_requests}
        now = self._queues.extend_visibility(self._group, running)
        _set_kombu_clock(now - time.time())
        self._messages = {tag: message for tag, message in self._messages.items() if not message.acknowledged}
        idle = self._messages.keys() - running
        for tag in idle & self._idle:
            self._consumer.task_consumer.channel.qos.restore_by_tag(tag, leftmost=True)
            del self._messages[tag]
        self._idle = idle & self._messages.keys()


def _set_kombu_clock(offset: float) -> None:
    """Replace the global function `time` of kombu's Redis transport by one that is `offset` seconds ahead."""
    transport: Any = redis_transport
    transport.time = lambda: time.time() + offset
