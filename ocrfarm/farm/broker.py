"""The connection to Redis or Valkey, and the one place where its errors become errors of ours."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialBackoff
from redis.client import Pipeline
from redis.retry import Retry

from ocrfarm.errors import BrokerError, BrokerFull, BrokerUnreachable, OcrfarmError

WORKER_RETRIES = 30
"""Attempts of a worker at a command, at most 5 seconds apart: it waits two minutes for a broker that restarts."""

CLIENT_RETRIES = 2
"""Attempts of a client at a command: a person is waiting."""

_SOCKET_TIMEOUT = 10
"""Seconds to wait for an answer; every command of ours takes microseconds."""

_CONNECTION_ERRORS = (OperationalError, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)

_FUNCTION_PREFIX = "ocrfarm_"


class ServerFunction:
    """A script of the folder `lua` as a function of the server (FUNCTION LOAD, FCALL), which keeps it like its data.

    Scripts that are sent with EVAL would need a right with which a client can block the server by a script of its own.
    The function's name ends with a hash of its code, so that several versions of the farm can share a server.
    """

    def __init__(self, client: "redis.Redis", script: str) -> None:
        """Send nothing yet.

        Args:
            client: The connection.
            script: The name of the file without its suffix.
        """
        body = (files("ocrfarm.farm") / "lua" / f"{script}.lua").read_text(encoding="utf-8")
        self.name = f"{_FUNCTION_PREFIX}{script}_{sha256(body.encode()).hexdigest()[:12]}"
        self._redis = client
        self._code = (
            f"#!lua name={self.name}\nredis.register_function('{self.name}', function(KEYS, ARGV)\n{body}\nend)\n"
        )

    def __call__(self, keys: Sequence[str], args: Sequence[str | float]) -> Any:  # noqa: ANN401 - what the script returns
        """Call the function, which is loaded first if the server does not know it.

        Args:
            keys: The script's KEYS.
            args: The script's ARGV.
        """
        call = partial(self._redis.fcall, self.name, len(keys), *keys, *args)
        try:
            return call()
        except redis.exceptions.ResponseError as error:
            if "Function not found" not in str(error):
                raise
        self.load()
        return call()

    def load(self) -> None:
        """Send the code to the server."""
        try:
            self._redis.function_load(self._code)
        except redis.exceptions.ResponseError as error:
            if "already exists" not in str(error):  # another process was faster
                raise


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
            encoding_errors="surrogateescape",  # a queue may hold bytes that are no message of ours
            socket_timeout=_SOCKET_TIMEOUT,
            retry=Retry(ExponentialBackoff(cap=5, base=0.1), retries),
        )

    def load_script(self, name: str) -> "ServerFunction":
        """Return a script of the folder `lua`, which says what its keys and arguments are.

        It must be called inside `translate_errors`.
        """
        return ServerFunction(self.redis, name)

    def load_all_scripts(self) -> None:
        """Make every script of the folder `lua` known to the server, for clients, which may not do so."""
        with self.translate_errors():
            known = str(
                self.redis.function_list(f"{_FUNCTION_PREFIX}*")
            )  # lists or mappings, by the protocol's version
            for file in (files("ocrfarm.farm") / "lua").iterdir():
                function = ServerFunction(self.redis, file.name.removesuffix(".lua"))
                if function.name not in known:
                    function.load()

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
        if "function|load" not in str(error):
            raise BrokerError(f"the broker{at} refused a command: {error}") from error
        message = f"the broker{at} lacks the farm's functions; a worker loads them when it starts, so try again then"
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
