"""Webhooks: the end of a job becomes a signed POST request, which is repeated until the receiver accepts it.

The requests follow the Standard Webhooks specification (https://www.standardwebhooks.com). Jobs whose end has to be
reported stand in an outbox (see `outbox`).

```
 job ends ---> outbox ---claim---> store event (if absent) ---> POST ---2xx, 410---> finish
                  ^                                               |
                  +------------- RETRY_DELAYS[attempts] ----------+ any other answer
```

Delivery is at least once: a dispatcher that dies between the request and `finish` causes a second request with the
same event id.
"""

import base64
import binascii
import hmac
import http.client
import json
import socket
import ssl
import time
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from ocrfarm.errors import ObjectNotFound, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.job_store import JobStatus, JobStore
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.manifest import Request, restore_status
from ocrfarm.public_http import AllowedHosts, limit_duration, open_connection, parse_webhook_url, request_target
from ocrfarm.server.outbox import Claim, DeliverySlots, DueJob, Outbox
from ocrfarm.settings import Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.objects import load_object
from ocrfarm.storage.store import Store

RETRY_DELAYS = (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""Seconds between attempts: a receiver may be away for a day."""

_RESPONSE_TIMEOUT = 10.0
"""Seconds without a byte from the receiver after which an attempt fails."""

_REQUEST_TIMEOUT = 20.0
"""Seconds for a whole attempt, from the connection to the answer, even if the receiver sends a byte now and then."""

_POSTPONE_DELAY = 2.0
"""Seconds after which a job is due again whose receiver already gets as many requests as it may."""

_SECRET_PREFIX = "whsec_"
_SECRET_LENGTHS = range(24, 65)
"""Bytes, as Standard Webhooks asks for."""

EventState = Literal["pending", "delivered", "failed"]
"""Whether another attempt follows, or how the attempts ended."""

_STATUS_FIELDS = ("id", "state", "name", "tiles", "blank", "done", "failed", "error", "error_kind")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a receiver is sent. It is in the store before the first attempt, so every attempt sends the same.

    Attributes:
        id: The id that receivers use to drop duplicates.
        finished: When the job ended, in seconds since the epoch. A job that ends again is another event.
        body: The request's body, JSON.
        attempts: How many requests were made.
        state: `pending`, `delivered` or `failed`.
        response: What the last attempt gave: an HTTP status or an error.
    """

    id: str
    finished: float
    body: str
    attempts: int = 0
    state: EventState = "pending"
    response: str = ""

    @classmethod
    def from_status(cls, status: JobStatus) -> "WebhookEvent":
        """Return the event of a job that has ended."""
        data = {name: getattr(status, name) for name in _STATUS_FIELDS}
        times = {"submitted": _to_iso(status.submitted), "finished": _to_iso(status.finished)}
        body = {
            "type": f"job.{status.state}",
            "timestamp": _to_iso(status.finished or time.time()),
            "data": data | times,
        }
        return cls(f"msg_{uuid.uuid4().hex}", status.finished, json.dumps(body, ensure_ascii=False))

    def to_bytes(self) -> bytes:
        """Return the event as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def record_attempt(self, response: str, *, is_delivered: bool, is_final: bool) -> "WebhookEvent":
        """Return the event after one more attempt.

        Args:
            response: What the attempt gave, for people who look for the reason.
            is_delivered: Whether the receiver accepted the event.
            is_final: Whether no further attempt may follow.
        """
        attempts = self.attempts + 1
        is_over = is_final or attempts > len(RETRY_DELAYS)
        state: EventState = "delivered" if is_delivered else "failed" if is_over else "pending"
        return replace(self, attempts=attempts, response=response, state=state)


class WebhookDispatcher:
    """Reports the ends of jobs. Threads may share a dispatcher, and several dispatchers may run side by side."""

    def __init__(self, settings: Settings) -> None:
        """Contact nothing yet; raise `SettingsError` if the secret or the list of allowed hosts is malformed."""
        self._secret = parse_secret(settings)
        self._allowed = AllowedHosts(settings.security.webhook_allowed_hosts)
        self._store: Store = open_store(settings.endpoints.store)
        self._jobs: JobStore = open_job_store(settings)
        self._outbox = Outbox(Broker(settings.endpoints.broker), Keys(settings.endpoints.key_prefix))
        self._slots = DeliverySlots()

    def select_due(self) -> list[DueJob]:
        """Return the due jobs that have a slot; each must be passed to `dispatch`, which releases its slot.

        Raises:
            BrokerError: The broker failed.
        """
        return self._slots.select(self._outbox.list_due())

    def dispatch(self, due: DueJob) -> WebhookEvent | None:
        """Report the end of a job that was selected.

        Returns:
            The event after the attempt, or None if there was none: the job was claimed by another dispatcher, resumed
            or removed, or its receiver has to be asked later.

        Raises:
            StoreError: The store failed. The job is due again when its claim expires.
            BrokerError: The broker failed. The same holds.
        """
        try:
            claim = self._outbox.claim(due)
            return self._dispatch(due, claim) if claim else None
        finally:
            self._slots.release(due)

    def _dispatch(self, due: DueJob, claim: Claim) -> WebhookEvent | None:
        try:
            status = self._get_status(claim.job)
            request = load_object(self._store, layout.request(claim.job), parse=Request.from_bytes)
        except (UnknownJob, ObjectNotFound):
            status = None
        if not status or not status.has_ended:  # it was removed, or it was resumed and will end again
            self._outbox.discard(claim)
            return None
        with self._slots.host(due, urlsplit(request.webhook).netloc) as is_free:
            if not is_free:
                self._outbox.postpone(claim, _POSTPONE_DELAY)
                return None
            return self._attempt(claim, request, status=status)

    def _attempt(self, claim: Claim, request: Request, *, status: JobStatus) -> WebhookEvent:
        event, error = self._load_or_create_event(status), ""
        if event.state == "pending":
            event, error = self._deliver(event, request)
            self._store.put(layout.webhook(claim.job), event.to_bytes())
        if event.state == "pending":
            self._outbox.reschedule(claim, RETRY_DELAYS[event.attempts - 1], error=error)
        else:
            self._outbox.finish(claim, event.state, error=error)
        return event

    def _deliver(self, event: WebhookEvent, request: Request) -> tuple[WebhookEvent, str]:
        """Return the event after one more attempt, and why that failed in words that its owner may read."""
        try:
            status = _post(request.webhook, event, derive_secret(self._secret, request.owner), allowed=self._allowed)
        except (OcrfarmError, OSError, http.client.HTTPException, ValueError) as error:
            text = f"{type(error).__name__}: {error}"
            return event.record_attempt(text, is_delivered=False, is_final=False), describe_failure(error)
        is_delivered, is_final = 200 <= status < 300, status == http.HTTPStatus.GONE
        event = event.record_attempt(f"HTTP {status}", is_delivered=is_delivered, is_final=is_final)
        return event, "" if is_delivered else f"the receiver answered with status {status}"

    def _load_or_create_event(self, status: JobStatus) -> WebhookEvent:
        """Return the event of the job's end: that of an earlier attempt if there was one."""
        new_event, key = WebhookEvent.from_status(status), layout.webhook(status.id)
        if self._store.put(key, new_event.to_bytes(), if_absent=True):
            return new_event
        stored_event = load_object(self._store, key, parse=lambda data: WebhookEvent(**json.loads(data)))
        if status.finished in (0, stored_event.finished):  # 0: the broker has lost the time
            return stored_event
        self._store.put(key, new_event.to_bytes())
        return new_event

    def _get_status(self, job: str) -> JobStatus:
        try:
            return self._jobs.get_status(job)
        except UnknownJob:
            return restore_status(self._store, job)


def parse_secret(settings: Settings) -> bytes:
    """Return the farm's secret; raise `SettingsError` if it is missing or malformed."""
    text = settings.security.webhook_secret
    try:
        secret = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(_SECRET_PREFIX) or len(secret) not in _SECRET_LENGTHS:
        raise SettingsError(
            f"webhooks need OCRFARM_WEBHOOK_SECRET: {_SECRET_PREFIX} followed by 24 to 64 random bytes in base64"
        )
    return secret


def derive_secret(secret: bytes, owner: str) -> bytes:
    """Return the secret that signs for an owner, so that no owner can forge another owner's events.

    Args:
        secret: The farm's secret.
        owner: The owner's name; "" returns the farm's secret itself.

    >>> derive_secret(b"s" * 24, "") == b"s" * 24
    True
    >>> derive_secret(b"s" * 24, "a") == derive_secret(b"s" * 24, "b")
    False
    """
    return hmac.digest(secret, f"webhooks of {owner}".encode(), "sha256") if owner else secret


def format_secret(secret: bytes) -> str:
    """Return a secret in the form that receivers' libraries read.

    >>> format_secret(b"0123456789abcdefghijklmn")
    'whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u'
    """
    return _SECRET_PREFIX + base64.b64encode(secret).decode()


def sign(event: WebhookEvent, timestamp: int, *, secret: bytes) -> str:
    """Return the signature of an event: HMAC-SHA256 over id, time and body.

    Args:
        event: The event.
        timestamp: When it is sent, in seconds since the epoch.
        secret: The receiver's secret.
    """
    mac = hmac.digest(secret, f"{event.id}.{timestamp}.{event.body}".encode(), "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


def describe_failure(error: Exception) -> str:
    """Return why an attempt failed, without addresses: an owner must not learn to what a name resolves here.

    >>> describe_failure(ConnectionRefusedError(111, "Connection refused"))
    'the receiver refuses connections'
    """
    return next((text for kind, text in _FAILURES if isinstance(error, kind)), "the connection was lost")


_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (OcrfarmError, "the receiver's address is not public"),
    (socket.gaierror, "the receiver's name cannot be resolved"),
    (ssl.SSLCertVerificationError, "the receiver's certificate is not valid"),
    (ssl.SSLError, "the receiver does not speak TLS as it should"),
    (TimeoutError, "the receiver did not answer in time"),
    (ConnectionRefusedError, "the receiver refuses connections"),
    (ConnectionError, "the receiver closed the connection without an answer"),
    (http.client.HTTPException, "the receiver does not answer in HTTP"),
)
"""Class of error -> what the owner reads; the first match counts."""


def _post(url: str, event: WebhookEvent, secret: bytes, *, allowed: AllowedHosts) -> int:
    parts, timestamp = parse_webhook_url(url, allowed), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "ocrfarm",
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(event, timestamp, secret=secret),
    }
    with (
        closing(open_connection(parts, _RESPONSE_TIMEOUT, allowed=allowed)) as connection,
        limit_duration(connection, _REQUEST_TIMEOUT),
    ):
        connection.request("POST", request_target(parts), event.body.encode(), headers)
        with connection.getresponse() as response:
            return response.status


def _to_iso(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
