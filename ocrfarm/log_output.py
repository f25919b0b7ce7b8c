r"""What every process of a farm logs: one line a record, as text or as JSON, with the job that it is about.

```
 text   2026-05-04 09:12:03,120 INFO celery.app.trace Task ocrfarm.split[01J.split] succeeded  job=01J owner=maps
 JSON   {"time": "2026-05-04T09:12:03.120Z", "level": "info", "logger": "celery.app.trace", "message": "Task ...",
         "job": "01J", "owner": "maps", "task": "split", "worker": "split@host"}
```

Every record passes through one of two formatters. They escape what is not printable and remove secrets, so the code
that logs does not have to.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from ocrfarm.printable import printable, printable_json

FIELDS = ("job", "tiles", "owner", "task", "worker", "state", "status", "seconds")
"""What a record may be about, in the order in which it is written; an `extra` of these names is written as well."""

FORMATS = ("text", "json")

LEVELS = ("debug", "info", "warning", "error")

NOISY_LOGGERS = ("pyvips", "botocore", "boto3", "s3transfer", "urllib3")
"""Loggers that write several lines for each tile, and what an S3 request is signed with."""

_SECRET = "***"
"""What stands in place of one."""

_MIN_SECRET_LENGTH = 4
"""Characters; a shorter text is a part of many words."""

_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+@")
"""User and password in a URL."""

_INDENT = "    "
"""Begins each line of a traceback in the text format, so that none can pass for a record."""

_log = logging.getLogger(__name__)

_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default={})  # noqa: B039 - it is never changed


def set_log_context(**values: Any) -> None:  # noqa: ANN401 - what JSON can hold
    """Write these fields, named as in `FIELDS`, with every record of this thread from now on, in place of others."""
    _context.set(values)


@contextmanager
def log_context(**values: Any) -> Iterator[None]:  # noqa: ANN401
    """Write these fields, named as in `FIELDS`, with every record that is logged inside the block.

    >>> with log_context(job="01J"), log_context(owner="maps"):
    ...     _fields_of(logging.makeLogRecord({}))
    {'job': '01J', 'owner': 'maps'}
    """
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


def configure_logging(form: str, level: str, *, worker: str = "", secrets: Iterable[str] = ()) -> None:
    """Send all records of this process to stderr in one format, in place of any handler that the root logger has.

    Warnings, and exceptions that end a thread or the process, become records as well.

    Args:
        form: text or json, as in `FORMATS`.
        level: The least level that is written, as in `LEVELS`.
        worker: Name of the process, which each record carries in JSON; "" writes none.
        secrets: Texts that must not be written, such as passwords.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonFormatter if form == "json" else TextFormatter)(worker, secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_exception
    threading.excepthook = _log_thread_exception


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("this process ends: %s", error, exc_info=(kind, error, trace))


def _log_thread_exception(ended: threading.ExceptHookArgs) -> None:
    error = ended.exc_value or ended.exc_type()
    _log.error("a thread ends: %s", error, exc_info=(ended.exc_type, error, ended.exc_traceback))


class _Formatter(logging.Formatter):
    """What both formats share."""

    def __init__(self, worker: str = "", secrets: Iterable[str] = ()) -> None:
        """Set what each record has in common.

        Args:
            worker: Name of the process.
            secrets: Texts that are replaced by asterisks.
        """
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._worker, self._secrets = worker, [secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH]

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _SECRET)
        return _URL_PASSWORD.sub(rf"\1:{_SECRET}@", text)

    def _traceback(self, record: logging.LogRecord) -> str:
        return self._redact(self.formatException(record.exc_info)) if record.exc_info else ""


class TextFormatter(_Formatter):
    """Writes a record as a line of text; a traceback follows it in indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        record.message, record.asctime = record.getMessage(), self.formatTime(record)
        fields = {name: _shorten(value) for name, value in _fields_of(record).items()}
        more = (f"{name}={value}" for name, value in fields.items() if value not in record.message)
        line = self._redact("  ".join(filter(None, (self.formatMessage(record), " ".join(more)))))
        trace = self._traceback(record).splitlines()
        return "\n".join([printable(line), *(_INDENT + printable(each) for each in trace)])


class JsonFormatter(_Formatter):
    """Writes a record as one JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        data: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redact(record.getMessage()),
            **({"worker": self._worker} if self._worker else {}),
            **_fields_of(record),
        }
        if record.exc_info and (kind := record.exc_info[0]):
            data |= {"error": kind.__name__, "traceback": self._traceback(record)}
        return printable_json(data)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record is about: by its `extra`, by the context in which it was logged, or by Celery's `data`."""
    own = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    values = {**_celery_fields(getattr(record, "data", None)), **_context.get(), **own}
    return {name: values[name] for name in FIELDS if values.get(name) not in (None, "", [])}


def _shorten(value: object) -> str:
    """Return a value for a line of text: of a list, the first item and the number of the others.

    >>> _shorten(["p0000-l0-r000-c000", "p0000-l0-r000-c001"]), _shorten(1.23456)
    ('p0000-l0-r000-c000+1', '1.235')
    """
    match value:
        case [first, *others]:
            return f"{first}+{len(others)}" if others else str(first)
        case float():
            return f"{value:.3f}"
    return str(value)


def _celery_fields(data: object) -> dict[str, Any]:
    """Return the task and the job of a record that Celery logs about a message, whose id begins with that of the job.

    >>> _celery_fields({"id": "01J.b0-1-00003", "name": "ocrfarm.recognize"})
    {'task': 'recognize', 'job': '01J'}
    """
    match data:
        case {"id": str(task_id), "name": str(name)}:
            job, dot, _ = task_id.partition(".")
            return {"task": name.removeprefix("ocrfarm."), "job": job if dot else ""}
    return {}
