"""The connection to Redis or Valkey, and the one place where its errors become errors of ours."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import redis
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialBackoff
from redis.client import Pipeline
from redis.commands.core import Script
from redis.retry import Retry

from ocrfarm.errors import BrokerError, BrokerFull, BrokerUnreachable, OcrfarmError

WORKER_RETRIES = 30
"""Attempts of a worker at a command, at most 5 seconds apart: it waits two minutes for a broker that restarts."""

CLIENT_RETRIES = 2
"""Attempts of a client at a command: a person is waiting."""

_SOCKET_TIMEOUT = 10
"""Seconds to wait for an answer; every command of ours takes microseconds."""

_CONNECTION_ERRORS = (OperationalError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


class Broker:
    """A connection to a server that is opened when it is first used. Safe for threads, and for a child after a fork.

    Attributes:
        address: Where the server is, without a password.
        redis: The client of redis-py, whose errors `translate_errors` translates.
    """

    def __init__(self, url: str, *, retries: int = CLIENT_RETRIES) -> None:
        """Connect to nothing yet.

        Args:
            url: Where the server is, as Celery writes it: redis://, rediss:// or redis+socket://.
            retries: How often a command is repeated while the server is away.
        """
        self.address = _strip_password(url)
        self.redis = redis.Redis.from_url(
            _redis_py_url(url),
            decode_responses=True,
            socket_timeout=_SOCKET_TIMEOUT,
            retry=Retry(ExponentialBackoff(cap=5, base=0.1), retries),
        )

    def load_script(self, name: str) -> Script:
        """Return a script of the folder `lua`, which says what its keys and arguments are.

        The script is sent to the server when it is first called. It must be called inside `translate_errors`.
        """
        return self.redis.register_script((files("ocrfarm.farm") / "lua" / f"{name}.lua").read_text(encoding="utf-8"))

    def load_all_scripts(self) -> None:
        """Send every script of the folder `lua` to the server, for clients, which may call scripts but not load any."""
        with self.pipeline() as pipe:
            for file in (files("ocrfarm.farm") / "lua").iterdir():
                pipe.script_load(file.read_text(encoding="utf-8"))

    def read_memory(self) -> tuple[int, int]:
        """Return the bytes of memory that the server uses, and those that it may use (0: no limit)."""
        with self.translate_errors():
            info = self.redis.info("memory")
        return int(info["used_memory"]), int(info.get("maxmemory", 0))

    def read_time(self) -> float:
        """Return the time of the server's clock, in seconds since 1970; clocks of other machines may be wrong."""
        with self.translate_errors():
            seconds, micros = self.redis.time()
        return int(seconds) + int(micros) / 1e6

    def close(self) -> None:
        """Close the connections; the next command opens one again."""
        self.redis.close()

    @contextmanager
    def pipeline(self) -> Iterator[Pipeline]:
        """Return a context manager whose value collects commands; at its end they are sent in one round trip."""
        with self.translate_errors(), self.redis.pipeline(transaction=False) as pipe:
            yield pipe
            pipe.execute()

    def translate_errors(self) -> AbstractContextManager[None]:
        """Turn errors of redis-py into `BrokerUnreachable`, `BrokerFull` and `BrokerError`."""
        return translate_errors(self.address)


@contextmanager
def translate_errors(address: str = "") -> Iterator[None]:
    """Turn errors of redis-py, and those that Celery passes on, into errors of ours.

    Args:
        address: Which broker it is, without a password; "" for the one that Celery talks to.

    Raises:
        BrokerUnreachable: It does not answer.
        BrokerFull: It has no memory left.
        BrokerError: It refused a command.
    """
    at = f" at {address}" if address else ""
    try:
        yield
    except _CONNECTION_ERRORS as error:
        message = f"the broker{at} does not answer ({error}); is it running, is OCRFARM_BROKER right?"
        raise BrokerUnreachable(message) from error
    except redis.exceptions.OutOfMemoryError as error:
        raise BrokerFull(f"the broker{at} has no memory left ({error}); raise its maxmemory") from error
    except redis.exceptions.NoPermissionError as error:
        if "script|load" not in str(error):
            raise BrokerError(f"the broker{at} refused a command: {error}") from error
        message = f"the broker{at} has lost the farm's scripts; workers load them every few seconds, so try again"
        raise BrokerUnreachable(message) from error
    except redis.exceptions.RedisError as error:
        raise BrokerError(f"the broker{at} refused a command: {error}") from error


def is_transient(error: BaseException) -> bool:
    """Return whether an error, of ours or of Celery's at the broker, has to do with a service that was away or full.

    So has a time limit that ends while nothing of ours runs: then Celery waits for the broker.
    """
    if isinstance(error, OcrfarmError):
        return error.retryable
    return isinstance(error, (*_CONNECTION_ERRORS, redis.exceptions.OutOfMemoryError, SoftTimeLimitExceeded))


def _redis_py_url(url: str) -> str:
    """Turn Celery's URL of a unix socket into redis-py's."""
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return url
    database = parse_qs(parts.query).get("virtual_host", ["0"])[0].lstrip("/")
    return f"unix://{parts.path}?db={database}"


def _strip_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
