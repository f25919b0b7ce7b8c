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
from ocrfarm.farm.manifest import Request
from ocrfarm.farm.outbox import Outbox, Taken
from ocrfarm.farm.outside import checked, connect, target
from ocrfarm.farm.progress import JobStatus, Progress, Told
from ocrfarm.farm.remember import remembered
from ocrfarm.farm.services import open_progress
from ocrfarm.settings import Settings
from ocrfarm.storage import keys, open_store
from ocrfarm.storage.store import Store

AGAIN_SECONDS = (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""Between tries: a receiver may be away for a day."""

_ANSWER_SECONDS = 10.0
"""The longest silence of a receiver."""

_TRY_SECONDS = 20.0
"""A receiver that drips is hung up on."""

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)

_OF_STATUS = ("id", "state", "name", "tiles", "blank", "done", "failed", "error", "error_kind")


@dataclass(frozen=True, slots=True)
class Event:
    """What is told, in the store before the first try: whoever tells it again tells the same, under the same id.

    finished: when the job ended; another end is another event. said: what came of the last try.
    """

    id: str
    finished: float
    body: str
    tries: int = 0
    told: Told = "asked"
    said: str = ""

    @classmethod
    def of(cls, status: JobStatus) -> "Event":
        """Make the event of a job's end."""
        data = {name: getattr(status, name) for name in _OF_STATUS}
        times = {"submitted": _iso(status.submitted), "finished": _iso(status.finished)}
        body = {"type": f"job.{status.state}", "timestamp": _iso(status.finished or time.time()), "data": data | times}
        return cls(f"msg_{uuid.uuid4().hex}", status.finished, json.dumps(body, ensure_ascii=False))

    def to_bytes(self) -> bytes:
        """Give JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    def after(self, said: str, *, heard: bool, final: bool) -> "Event":
        """Give what it is after one more try."""
        tries = self.tries + 1
        over = final or tries > len(AGAIN_SECONDS)
        return replace(self, tries=tries, said=said, told="delivered" if heard else "given up" if over else "asked")


class Teller:
    """Tells of the ends of jobs, one at a time; several may do so side by side."""

    def __init__(self, settings: Settings) -> None:
        """Contact nothing yet; `SettingsError` where the secret is none."""
        self._secret = secret_bytes(settings)
        self._store: Store = open_store(settings.places.store)
        self._progress: Progress = open_progress(settings)
        self._outbox = Outbox(Broker(settings.places.broker), prefix=settings.places.prefix)

    def tell(self) -> Event | None:
        """Tell of the next job whose turn has come and give what came of it; None where there is nothing to tell.

        StoreError and BrokerError pass through: the job's turn comes again when its lease ends.
        """
        if not (taken := self._outbox.take()):
            return None
        try:
            status = self._status(taken.job)
            request = Request.from_bytes(self._store.get(keys.request(taken.job)))
        except (UnknownJob, ObjectNotFound):
            status = None
        if not status or not status.ended:  # it was removed, or taken up again: then it ends again
            self._outbox.settle(taken, "")
            return None
        return self._tell(taken, request, status=status)

    def _tell(self, taken: Taken, request: Request, *, status: JobStatus) -> Event:
        event = self._event(status)
        if event.told == "asked":
            event = _tried(event, request, secret=secret_of(self._secret, request.owner))
            self._store.put(keys.webhook(taken.job), event.to_bytes())
        again = AGAIN_SECONDS[event.tries - 1] if event.told == "asked" else 0
        self._outbox.settle(taken, event.told, seconds=again)
        return event

    def _event(self, status: JobStatus) -> Event:
        """Give the event of the job's end, that of an earlier try where there was one."""
        made, key = Event.of(status), keys.webhook(status.id)
        if self._store.put(key, made.to_bytes(), if_absent=True):
            return made
        known = Event(**json.loads(self._store.get(key)))
        if status.finished in (0, known.finished):  # 0: the broker has forgotten when it was
            return known
        self._store.put(key, made.to_bytes())
        return made

    def _status(self, job: str) -> JobStatus:
        try:
            return self._progress.status(job)
        except UnknownJob:
            return remembered(self._store, job)


def secret_bytes(settings: Settings) -> bytes:
    """Give the farm's secret; `SettingsError` where there is none, or where it is not as it should be."""
    text = settings.access.webhook_secret
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not text.startswith(_PREFIX) or len(found) not in _SECRET_BYTES:
        raise SettingsError(f"webhooks need OCRFARM_WEBHOOK_SECRET: {_PREFIX} and 24 to 64 bytes by chance as base64")
    return found


def secret_of(secret: bytes, owner: str) -> bytes:
    """Give what signs for an owner: no owner can sign what another one believes."""
    return hmac.digest(secret, f"webhooks of {owner}".encode(), "sha256") if owner else secret


def shown_secret(secret: bytes) -> str:
    """Write a secret as receivers' libraries read it."""
    return _PREFIX + base64.b64encode(secret).decode()


def signature(event: Event, at: int, *, secret: bytes) -> str:
    """Sign an event that is sent at this second."""
    mac = hmac.digest(secret, f"{event.id}.{at}.{event.body}".encode(), "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


def _tried(event: Event, request: Request, *, secret: bytes) -> Event:
    try:
        status = _post(request.webhook, event, secret=secret)
    except (OcrfarmError, OSError, http.client.HTTPException, ValueError) as error:
        return event.after(f"{type(error).__name__}: {error}", heard=False, final=False)
    return event.after(f"HTTP {status}", heard=200 <= status < 300, final=status == http.HTTPStatus.GONE)


def _post(url: str, event: Event, *, secret: bytes) -> int:
    parts, at = checked(url, "a webhook"), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "ocrfarm",
        "webhook-id": event.id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(event, at, secret=secret),
    }
    with closing(connect(parts, _ANSWER_SECONDS)) as connection:
        connection.connect()
        alarm = Timer(_TRY_SECONDS, _hang_up, [connection.sock])
        alarm.start()
        try:
            connection.request("POST", target(parts), event.body.encode(), headers)
            with connection.getresponse() as response:
                return response.status
        finally:
            alarm.cancel()


def _hang_up(connection: socket.socket) -> None:
    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS: whoever reads finds the end


def _iso(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
