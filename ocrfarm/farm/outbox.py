"""Whose end is still to be told, and when the next try is, in Redis.

Who takes a job puts its next try off by a lease: if he dies, another one takes it then.
"""

from typing import NamedTuple

from ocrfarm.farm.broker import Broker
from ocrfarm.farm.job_store import WebhookState
from ocrfarm.farm.keys import Keys

CLAIM_TTL = 120
"""A try takes 40 seconds at most."""


class Claim(NamedTuple):
    """A job that is to be told of, for as long as the lease lasts."""

    job: str
    lease: str


class Outbox:
    """Ended jobs that are to be told of; every method raises `BrokerUnreachable` or `BrokerError`. Safe for threads."""

    def __init__(self, broker: Broker, keys: Keys) -> None:
        self._broker, self._keys = broker, keys
        self._claim, self._complete = broker.load_script("claim_webhook"), broker.load_script("complete_webhook")

    def claim(self) -> Claim | None:
        """Take the job whose turn has come the longest ago, if there is one."""
        with self._broker.translate_errors():
            found = self._claim(keys=[self._keys.webhooks], args=[CLAIM_TTL])
        return Claim(*found) if found else None

    def complete(self, claim: Claim, state: WebhookState, *, retry_delay: float = 0) -> None:
        """Write down what came of it, "" where nothing is to be told; while it is `pending`, the next try follows."""
        keys = [self._keys.webhooks, self._keys.job(claim.job).record]
        with self._broker.translate_errors():
            self._complete(keys=keys, args=[claim.job, claim.lease, state, retry_delay])
