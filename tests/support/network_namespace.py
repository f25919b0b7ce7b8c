"""A network of its own for a worker, joined to this machine by one wire that a test can unplug; needs root."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class NetworkNamespace:
    """`inside` begins the command of a process that shall live there; this machine is at `host` for it."""

    command_prefix: tuple[str, ...]
    host: str
    interface: str

    def unplug(self) -> None:
        """Lose every packet from now on, and tell nobody."""
        _ip("link", "set", self.interface, "down")

    def plug_in(self) -> None:
        """Let packets pass again."""
        _ip("link", "set", self.interface, "up")


@contextmanager
def create_namespace() -> Iterator[NetworkNamespace]:
    """Make it; where that is not allowed, at home as in CI, the test is skipped and says so."""
    name, network = f"ocrfarm{random.randrange(10**6)}", f"10.{random.randrange(200, 255)}.{random.randrange(255)}"
    if os.geteuid() or not shutil.which("ip") or not _try_ip("netns", "add", name):
        pytest.skip("no worker was cut off from its network: namespaces need root, the command ip and a kernel's leave")
    wire, end = f"{name}a", f"{name}b"
    try:
        _ip("link", "add", wire, "type", "veth", "peer", "name", end, "netns", name)
        for inside, device, address in (([], wire, 1), (["-n", name], end, 2)):
            _ip(*inside, "address", "add", f"{network}.{address}/30", "dev", device)
            _ip(*inside, "link", "set", device, "up")
        yield NetworkNamespace(("ip", "netns", "exec", name), f"{network}.1", wire)
    finally:
        _try_ip("link", "delete", wire)
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _try_ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], check=False, capture_output=True).returncode == 0
