"""Messages that this version of the farm does not understand: rejected before Celery sees them, counted and logged.

```
 queue --BRPOP--> text --JSON--> message --find_fault--> Celery
                   |               |          |
                   '---------------'----------'--> rejected: a line in the log, `ocrfarm_rejected_messages_total`
```

Celery and kombu trust what lies in a queue: an exception at a message that is no JSON, or in which a header is missing,
ends the parent process of the worker. No job is lost with a message that is rejected, such as one of a newer version:
recovery finds that none is left of the job, and sends what the job still needs.

Invariant: what Celery gets has the form of a message that `ocrfarm.farm` sends. Cost: the body is parsed once more,
which takes 0.1 ms.
"""

import logging
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from celery.worker import state
from kombu.transport import redis as redis_transport
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from ocrfarm.errors import BrokerError
from ocrfarm.farm import protocol
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.metrics import MetricsStore
from ocrfarm.printable import printable
from ocrfarm.settings import Settings

_log = logging.getLogger(__name__)

MAX_MESSAGE_SIZE = 1_000_000
"""Characters of a message: the largest of ours names some thousand tiles and has less than a tenth of this."""

_MAX_EXCERPT = 200
"""Characters of a rejected message that the log shows."""

_MALFORMED = (TypeError, ValueError, LookupError, AttributeError)
"""What kombu and Celery raise at messages that are not as they expect."""

_Check = Callable[[object], bool]


def _is_a(*types: type) -> _Check:
    return lambda value: isinstance(value, types) and not (isinstance(value, bool) and bool not in types)


_TEXT, _MAYBE_TEXT, _MAYBE_INT = _is_a(str), _is_a(str, type(None)), _is_a(int, type(None))


def _is_time(value: object) -> bool:
    with suppress(ValueError, TypeError):
        return value is None or bool(datetime.fromisoformat(value))  # type: ignore[arg-type]  # then it is a TypeError
    return False


def _are_time_limits(value: object) -> bool:
    is_limit = _is_a(int, float, type(None))
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(is_limit, value)))


_HEADERS: Mapping[str, _Check] = {
    **dict.fromkeys(("id", "task"), _TEXT),
    **dict.fromkeys(("root_id", "parent_id", "group", "shadow", "lang", "origin"), _MAYBE_TEXT),
    **dict.fromkeys(("argsrepr", "kwargsrepr"), _MAYBE_TEXT),
    **dict.fromkeys(("group_index", "retries", "replaced_task_nesting"), _MAYBE_INT),
    "ignore_result": _is_a(bool, type(None)),
    **dict.fromkeys(("eta", "compression"), _is_a(type(None))),
    **dict.fromkeys(("stamped_headers", "stamps"), lambda value: value in (None, [], {})),
    "timelimit": _are_time_limits,
    "expires": _is_time,
}
"""Headers that Celery reads, and what they may hold. All but `id` and `task` may be missing; others are ignored."""

_PROPERTIES: Mapping[str, _Check] = {
    "delivery_tag": _TEXT,
    "body_encoding": lambda value: value == "base64",
    "reply_to": _MAYBE_TEXT,
    "correlation_id": _MAYBE_TEXT,
    "priority": _MAYBE_INT,
}


def install_message_check(settings: Settings) -> None:
    """Make this process's worker reject every message that it does not understand.

    Args:
        settings: The farm's settings.
    """
    rejections = _Rejections(open_job_store(settings, retries=0).metrics)

    class CheckedQoS(redis_transport.QoS):
        """Returns messages to their queues, but those that cannot be parsed."""

        def restore_by_tag(self, tag: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - kombu's own
            """Return a message to its queue.

            Args:
                tag: Its tag.
                args: Kombu's own.
                options: Kombu's own.
            """
            try:
                super().restore_by_tag(tag, *args, **options)
            except _MALFORMED as error:
                self.reject(tag)
                rejections.record("taken", error, content=tag)

    class CheckedChannel(redis_transport.Channel):
        """Hands each message to Celery only if it has the form of one of ours."""

        QoS = CheckedQoS

        def basic_consume(self, queue: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - kombu's own
            """Consume from a queue.

            Args:
                queue: The queue's name.
                args: Kombu's own.
                options: Kombu's own.
            """
            tag = super().basic_consume(queue, *args, **options)
            channel: Any = self  # whose private parts the stubs leave out
            channel.connection._callbacks[queue] = _CheckedQueue(channel, queue, rejections).deliver
            return tag

    transport: Any = redis_transport  # whose module the stubs do not let change
    transport.loads = _parse
    transport.Transport.Channel = CheckedChannel


class _Rejections:
    """Writes into the log and counts what was rejected."""

    def __init__(self, metrics: MetricsStore) -> None:
        self._metrics = metrics

    def record(self, queue: str, reason: object, *, content: object) -> None:
        excerpt = str(content.text if isinstance(content, _Unreadable) else content)[:_MAX_EXCERPT]
        _log.error("rejected a message in %s: %s: %s", queue, printable(str(reason)[:_MAX_EXCERPT]), printable(excerpt))
        with suppress(BrokerError):  # then the log has to do
            self._metrics.increment("rejected_messages", queue)


class _Unreadable:
    """A text that is no JSON."""

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason


def _parse(text: str | bytes) -> Any:  # noqa: ANN401 - what the text holds
    """Return what a text in the broker holds; `_Unreadable` if it is no JSON or too long."""
    if len(text) > MAX_MESSAGE_SIZE:
        return _Unreadable(bytes_to_str(text[:_MAX_EXCERPT]), f"{len(text)} bytes are too many")
    try:
        return loads(text)
    except Exception as error:  # noqa: BLE001 - kombu makes objects of other types from JSON, too
        return _Unreadable(bytes_to_str(text[:_MAX_EXCERPT]), str(error))


class _CheckedQueue:
    """Hands the messages of one queue to Celery, or rejects them."""

    def __init__(self, channel: Any, queue: str, rejections: _Rejections) -> None:  # noqa: ANN401 - kombu's
        self._channel, self._queue, self._rejections = channel, queue, rejections
        self._hand_to_celery: Callable[[object], object] = channel.connection._callbacks[queue]
        self._is_broadcast = queue in channel._fanout_queues

    def deliver(self, message: Any) -> None:  # noqa: ANN401 - what lay in the queue
        """Hand a message to Celery, or reject it. Nothing depends on broadcasts, Celery's remote control."""
        if not self._is_broadcast and (fault := find_fault(message, self._queue)):
            self._rejections.record(self._queue, fault, content=message)
            return
        try:
            self._hand_to_celery(message)
        except _MALFORMED as error:
            self._reject(message, error)

    def _reject(self, message: Any, error: Exception) -> None:  # noqa: ANN401 - what lay in the queue
        """Reject a message at which Celery failed; raises the error if it has begun to run it."""
        if not self._is_broadcast:
            tag = message["properties"]["delivery_tag"]
            if any(request.message.delivery_tag == tag for request in state.reserved_requests):
                raise error
            self._channel.qos.reject(tag)
        self._rejections.record("broadcasts" if self._is_broadcast else self._queue, error, content=message)


def find_fault(message: Any, queue: str) -> str:  # noqa: ANN401 - what lay in the queue
    """Return what is wrong with a message; "" if it has the form of one that this version sends.

    Args:
        message: What lay in the queue, parsed from JSON.
        queue: The name of the queue.

    >>> find_fault([], "split"), find_fault({"headers": None}, "split")
    ('it is no JSON object', 'headers or properties are no JSON object')
    """
    if isinstance(message, _Unreadable):
        return message.reason
    if not isinstance(message, dict):
        return "it is no JSON object"
    headers, properties = message.get("headers"), message.get("properties")
    if not isinstance(headers, dict) or not isinstance(properties, dict):
        return "headers or properties are no JSON object"
    return (
        _find_wrong(headers, _HEADERS, required=("id", "task"))
        or _find_wrong(properties, _PROPERTIES, required=("delivery_tag", "body_encoding"))
        or _find_wrong_envelope(message, properties.get("delivery_info"), queue)
        or _find_wrong_body(headers["task"], message.get("body"))
    )


def _find_wrong(values: Mapping[str, object], checks: Mapping[str, _Check], *, required: tuple[str, ...]) -> str:
    for name in required:
        if not values.get(name):
            return f"{name} is missing"
    return next(
        (f"{name} is wrong" for name, check in checks.items() if name in values and not check(values[name])), ""
    )


def _find_wrong_envelope(message: Mapping[str, object], delivery_info: object, queue: str) -> str:
    if (message.get("content-type"), message.get("content-encoding")) != ("application/json", "utf-8"):
        return "the content type is not JSON in UTF-8"
    match delivery_info:
        case {"exchange": "", "routing_key": str(key)} if key == queue:
            return ""
    return "delivery_info is wrong"


def _find_wrong_body(task: str, body: object) -> str:
    if task not in protocol.TASKS:
        return "the task is unknown"
    try:
        content = loads(b64decode(str(body), validate=True))
    except Exception:  # noqa: BLE001 - kombu makes objects of other types from JSON, too
        return "the body is no JSON"
    match content:
        case [list(args), dict(options), dict(embed)] if not options and _are_args(task, args):
            return "" if all(map(_is_chord_or_none, embed.items())) else "what follows the task is wrong"
    return f"the arguments of {task} are wrong, or of another version of ocrfarm"


def _are_args(task: str, args: list[Any]) -> bool:
    match args:
        case []:
            return task == protocol.RECONCILE
        case [str(job)]:
            return task in (protocol.SPLIT, protocol.STITCH, protocol.RESUME) and protocol.is_job_id(job)
        case [str(job), [str(), *_] as tiles]:
            return task == protocol.RECOGNIZE and protocol.is_job_id(job) and _are_tiles(tiles)
    return False


def _are_tiles(names: list[Any]) -> bool:
    with suppress(ValueError, TypeError):
        return bool(protocol.parse_tile_ids(names))
    return False


def _is_chord_or_none(item: tuple[str, Any]) -> bool:
    match item:
        case "chord", {"task": protocol.STITCH, "args": list(args), "options": dict()}:
            return _are_args(protocol.STITCH, args)
    return not item[1]
