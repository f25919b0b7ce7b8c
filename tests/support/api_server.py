"""The HTTP API as its own process, as operators start it."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from ocrfarm.settings import Api, Settings
from tests.support.servers import find_free_ports

KEYS = {"alice": "key-of-alice-1", "bob": "key-of-bob-2"}
STUB_IMAGE = b"\x89PNG\r\n\x1a\n!"
"""Begins as an image does, so that the API accepts it; no worker can read it."""

_READY_TIMEOUT = 30


def key_digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass
class ApiServer:
    """Where it is, its process, and what it says."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, owner: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {KEYS[owner]}"} if owner else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@contextmanager
def run_api_server(
    settings: Settings, folder: Path, *, api: Api | None = None, **environment: str
) -> Iterator[ApiServer]:
    """Run the API with a key of each owner, given by a file and by the environment."""
    file = folder / "keys"
    file.write_text(f"# keys\nalice:{key_digest(KEYS['alice'])}\n")
    api = replace(api or Api(), api_keys=f"bob:{key_digest(KEYS['bob'])}", api_keys_file=str(file))
    port, log = find_free_ports(1)[0], folder / "api.log"
    command = [sys.executable, "-W", "error", "-m", "ocrfarm.cli", "worker", "api", "--port", str(port)]
    variables = os.environ | replace(settings, api=api).to_env() | environment
    with log.open("ab") as said, subprocess.Popen(command, env=variables, stdout=said, stderr=said) as process:
        server = ApiServer(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_ready(server)
            yield server
        finally:
            process.terminate()
            process.wait(20)


def _wait_ready(server: ApiServer) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/healthz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(server.log.read_text())
