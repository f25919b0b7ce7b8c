"""Webhooks: the end of a job becomes a signed POST request, which is repeated until the receiver accepts it.

The requests follow the Standard Webhooks specification (https://www.standardwebhooks.com). Jobs whose end has to be
reported stand in a transactional outbox: a sorted set in Redis, by the time of the next attempt. A dispatcher claims a
job by moving that time `CLAIM_TTL` seconds ahead, so another dispatcher takes the job over if this one dies.

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
import time
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from threading import Timer
from typing import Literal, NamedTuple

from ocrfarm.errors import ObjectNotFound, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.job_store import JobStatus, JobStore, WebhookState
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.manifest import Request, restore_status
from ocrfarm.public_http import open_connection, parse_https_url, request_target
from ocrfarm.settings import Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.store import Store

CLAIM_TTL = 120
"""Seconds after which the claim of a dispatcher that died expires: three times what an attempt takes."""

RETRY_DELAYS = (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""Seconds between attempts: a receiver may be away for a day."""

_RESPONSE_TIMEOUT = 10.0
"""Seconds without a byte from the receiver after which an attempt fails."""

_REQUEST_TIMEOUT = 20.0
"""Seconds for a whole request: a receiver that sends a byte now and then is cut off.

With connecting, an attempt takes 40 seconds at most."""

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


class Claim(NamedTuple):
    """The right of one dispatcher to report the end of a job, until the claim expires.

    Attributes:
        job: Id of the job.
        token: The time at which the claim expires, in milliseconds, as a string. If the broker holds another value for
            the job, another dispatcher has claimed it, or the job has ended once more.
    """

    job: str
    token: str


class Outbox:
    """Ended jobs whose end has to be reported; safe for threads.

    Every method raises `BrokerUnreachable` or `BrokerError`.
    """

    def __init__(self, broker: Broker, keys: Keys) -> None:
        self._broker, self._keys = broker, keys
        self._claim, self._complete = broker.load_script("claim_webhook"), broker.load_script("complete_webhook")

    def claim(self) -> Claim | None:
        """Claim the job that has been due for the longest time; return None if no job is due."""
        with self._broker.translate_errors():
            job_and_token = self._claim(keys=[self._keys.webhooks], args=[CLAIM_TTL])
        return Claim(*job_and_token) if job_and_token else None

    def finish(self, claim: Claim, state: Literal["delivered", "failed"]) -> None:
        """Remove the job and record how its webhook ended, unless the claim has expired.

        Args:
            claim: The claim.
            state: How the webhook ended.
        """
        self._end_claim(claim, state)

    def reschedule(self, claim: Claim, delay: float) -> None:
        """Make the job due again, unless the claim has expired.

        Args:
            claim: The claim.
            delay: Seconds until the next attempt.
        """
        self._end_claim(claim, "pending", delay=delay)

    def discard(self, claim: Claim) -> None:
        """Remove the job without a report, unless the claim has expired."""
        self._end_claim(claim, "")

    def _end_claim(self, claim: Claim, state: WebhookState, *, delay: float = 0) -> None:
        keys = [self._keys.webhooks, self._keys.job(claim.job).record]
        with self._broker.translate_errors():
            self._complete(keys=keys, args=[claim.job, claim.token, state, delay])


class WebhookDispatcher:
    """Reports the ends of jobs, one at a time. Several dispatchers may run side by side."""

    def __init__(self, settings: Settings) -> None:
        """Contact nothing yet; raise `SettingsError` if the secret is missing or malformed."""
        self._secret = parse_secret(settings)
        self._store: Store = open_store(settings.endpoints.store)
        self._jobs: JobStore = open_job_store(settings)
        self._outbox = Outbox(Broker(settings.endpoints.broker), Keys(settings.endpoints.key_prefix))

    def dispatch_next(self) -> WebhookEvent | None:
        """Report the next job that is due.

        Returns:
            The event after the attempt, or None if no job is due.

        Raises:
            StoreError: The store failed. The job is due again when its claim expires.
            BrokerError: The broker failed. The same holds.
        """
        if not (claim := self._outbox.claim()):
            return None
        try:
            status = self._get_status(claim.job)
            request = Request.from_bytes(self._store.get(layout.request(claim.job)))
        except (UnknownJob, ObjectNotFound):
            status = None
        if not status or not status.has_ended:  # it was removed, or it was resumed and will end again
            self._outbox.discard(claim)
            return None
        return self._dispatch(claim, request, status=status)

    def _dispatch(self, claim: Claim, request: Request, *, status: JobStatus) -> WebhookEvent:
        event = self._load_or_create_event(status)
        if event.state == "pending":
            event = _deliver(event, request, secret=derive_secret(self._secret, request.owner))
            self._store.put(layout.webhook(claim.job), event.to_bytes())
        if event.state == "pending":
            self._outbox.reschedule(claim, RETRY_DELAYS[event.attempts - 1])
        else:
            self._outbox.finish(claim, event.state)
        return event

    def _load_or_create_event(self, status: JobStatus) -> WebhookEvent:
        """Return the event of the job's end: that of an earlier attempt if there was one."""
        new_event, key = WebhookEvent.from_status(status), layout.webhook(status.id)
        if self._store.put(key, new_event.to_bytes(), if_absent=True):
            return new_event
        stored_event = WebhookEvent(**json.loads(self._store.get(key)))
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


def _deliver(event: WebhookEvent, request: Request, *, secret: bytes) -> WebhookEvent:
    try:
        status = _post(request.webhook, event, secret=secret)
    except (OcrfarmError, OSError, http.client.HTTPException, ValueError) as error:
        return event.record_attempt(f"{type(error).__name__}: {error}", is_delivered=False, is_final=False)
    return event.record_attempt(
        f"HTTP {status}", is_delivered=200 <= status < 300, is_final=status == http.HTTPStatus.GONE
    )


def _post(url: str, event: WebhookEvent, *, secret: bytes) -> int:
    parts, timestamp = parse_https_url(url, "a webhook"), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "ocrfarm",
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(event, timestamp, secret=secret),
    }
    with closing(open_connection(parts, _RESPONSE_TIMEOUT)) as connection:
        connection.connect()
        alarm = Timer(_REQUEST_TIMEOUT, _hang_up, [connection.sock])
        alarm.start()
        try:
            connection.request("POST", request_target(parts), event.body.encode(), headers)
            with connection.getresponse() as response:
                return response.status
        finally:
            alarm.cancel()


def _hang_up(connection: socket.socket) -> None:
    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS: the blocked read returns


def _to_iso(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
