"""The end of a job -> a signed request, as Standard Webhooks has it, to the address that asked, until it is heard."""

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

from ocrfarm.errors import ObjectNotFound, OcrfarmError, SettingsError, UnknownJob
from ocrfarm.farm.broker import Broker
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.egress import open_connection, parse_https_url, request_target
from ocrfarm.farm.job_store import JobStatus, JobStore, WebhookState
from ocrfarm.farm.keys import Keys
from ocrfarm.farm.manifest import Request, restore_status
from ocrfarm.farm.outbox import Claim, Outbox
from ocrfarm.settings import Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.store import Store

RETRY_DELAYS = (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""Between tries: a receiver may be away for a day."""

_RESPONSE_TIMEOUT = 10.0
"""The longest silence of a receiver."""

_REQUEST_TIMEOUT = 20.0
"""A receiver that drips is hung up on."""

_SECRET_PREFIX = "whsec_"
_SECRET_LENGTHS = range(24, 65)

_STATUS_FIELDS = ("id", "state", "name", "tiles", "blank", "done", "failed", "error", "error_kind")


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What is told, in the store before the first try: whoever tells it again tells the same, under the same id.

    finished: when the job ended; another end is another event. response: what came of the last try.
    """

    id: str
    finished: float
    body: str
    attempts: int = 0
    state: WebhookState = "pending"
    response: str = ""

    @classmethod
    def from_status(cls, status: JobStatus) -> "WebhookEvent":
        """Make the event of a job's end."""
        data = {name: getattr(status, name) for name in _STATUS_FIELDS}
        times = {"submitted": _to_iso(status.submitted), "finished": _to_iso(status.finished)}
        body = {
            "type": f"job.{status.state}",
            "timestamp": _to_iso(status.finished or time.time()),
            "data": data | times,
        }
        return cls(f"msg_{uuid.uuid4().hex}", status.finished, json.dumps(body, ensure_ascii=False))

    def to_bytes(self) -> bytes:
        """Give JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def record_attempt(self, response: str, *, is_delivered: bool, is_final: bool) -> "WebhookEvent":
        """Give what it is after one more try."""
        attempts = self.attempts + 1
        is_over = is_final or attempts > len(RETRY_DELAYS)
        state: WebhookState = "delivered" if is_delivered else "failed" if is_over else "pending"
        return replace(self, attempts=attempts, response=response, state=state)


class WebhookDispatcher:
    """Tells of the ends of jobs, one at a time; several may do so side by side."""

    def __init__(self, settings: Settings) -> None:
        """Contact nothing yet; `SettingsError` where the secret is none."""
        self._secret = parse_secret(settings)
        self._store: Store = open_store(settings.endpoints.store)
        self._jobs: JobStore = open_job_store(settings)
        self._outbox = Outbox(Broker(settings.endpoints.broker), Keys(settings.endpoints.key_prefix))

    def dispatch_next(self) -> WebhookEvent | None:
        """Tell of the next job whose turn has come and give what came of it; None where there is nothing to tell.

        StoreError and BrokerError pass through: the job's turn comes again when its lease ends.
        """
        if not (claim := self._outbox.claim()):
            return None
        try:
            status = self._get_status(claim.job)
            request = Request.from_bytes(self._store.get(layout.request(claim.job)))
        except (UnknownJob, ObjectNotFound):
            status = None
        if not status or not status.has_ended:  # it was removed, or taken up again: then it ends again
            self._outbox.complete(claim, "")
            return None
        return self._dispatch(claim, request, status=status)

    def _dispatch(self, claim: Claim, request: Request, *, status: JobStatus) -> WebhookEvent:
        event = self._load_event(status)
        if event.state == "pending":
            event = _deliver(event, request, secret=derive_secret(self._secret, request.owner))
            self._store.put(layout.webhook(claim.job), event.to_bytes())
        delay = RETRY_DELAYS[event.attempts - 1] if event.state == "pending" else 0
        self._outbox.complete(claim, event.state, retry_delay=delay)
        return event

    def _load_event(self, status: JobStatus) -> WebhookEvent:
        """Give the event of the job's end, that of an earlier try where there was one."""
        made, key = WebhookEvent.from_status(status), layout.webhook(status.id)
        if self._store.put(key, made.to_bytes(), if_absent=True):
            return made
        known = WebhookEvent(**json.loads(self._store.get(key)))
        if status.finished in (0, known.finished):  # 0: the broker has forgotten when it was
            return known
        self._store.put(key, made.to_bytes())
        return made

    def _get_status(self, job: str) -> JobStatus:
        try:
            return self._jobs.get_status(job)
        except UnknownJob:
            return restore_status(self._store, job)


def parse_secret(settings: Settings) -> bytes:
    """Give the farm's secret; `SettingsError` where there is none, or where it is not as it should be."""
    text = settings.security.webhook_secret
    try:
        found = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not text.startswith(_SECRET_PREFIX) or len(found) not in _SECRET_LENGTHS:
        raise SettingsError(
            f"webhooks need OCRFARM_WEBHOOK_SECRET: {_SECRET_PREFIX} and 24 to 64 bytes by chance as base64"
        )
    return found


def derive_secret(secret: bytes, owner: str) -> bytes:
    """Give what signs for an owner: no owner can sign what another one believes."""
    return hmac.digest(secret, f"webhooks of {owner}".encode(), "sha256") if owner else secret


def format_secret(secret: bytes) -> str:
    """Write a secret as receivers' libraries read it."""
    return _SECRET_PREFIX + base64.b64encode(secret).decode()


def sign(event: WebhookEvent, timestamp: int, *, secret: bytes) -> str:
    """Sign an event that is sent at this second."""
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
    parts, at = parse_https_url(url, "a webhook"), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "ocrfarm",
        "webhook-id": event.id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(event, at, secret=secret),
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
    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS: whoever reads finds the end


def _to_iso(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
