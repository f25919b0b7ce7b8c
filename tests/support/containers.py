"""Containers without an engine: processes with files and folders of their own that share one network; needs root.

The image's files are this machine's, with the project and its environment among them; what a container writes outside
its mounts is refused where it is read-only, and is gone with it elsewhere.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ocrfarm.settings import Settings
from tests.support.process_watch import MARK
from tests.support.source_tree import ROOT

_TIMEOUT = 90
"""Models are loaded in five, on a machine that has other work too."""

_NETWORK = "ip link set lo up && echo up && exec cat"
"""Holds a network without a way out for as long as its standard input is open."""

_CONTAINER = """
root=$1 all=$1/all hosts="$2 $0" read_only=$3
shift 3
echo "$0" >/proc/sys/kernel/hostname
mount -t tmpfs container "$root"
mkdir "$root/up" "$root/work" "$all"
mount -t overlay container -o "lowerdir=/,upperdir=$root/up,workdir=$root/work" "$all"
echo "127.0.0.1 $hosts" >"$all/etc/hosts"
for place in /proc /dev /sys; do mount --rbind "$place" "$all$place"; done
while [ "$1" != -- ]; do
    if [ -z "$2" ]; then
        mkdir -p "$all$1"
        mount -t tmpfs -o mode=1777 container "$all$1"
    else
        if [ -d "$2" ]; then mkdir -p "$all$1"; else mkdir -p "$all${1%/*}"; touch "$all$1"; fi
        mount --rbind "$2" "$all$1"
    fi
    shift 2
done
shift
[ -z "$read_only" ] || mount -o remount,ro "$all"
exec chroot "$all" env -i -C /tmp "$@"
"""
"""Arguments: its name, which is its host's too, an empty folder, names of this machine, whether to refuse writing,
pairs of a place inside and what is mounted there (nothing: an empty folder in memory), --, variables and command."""


@dataclass(frozen=True)
class Container:
    """What an engine would be told. mounts: place inside -> a file or folder, or None for an empty one in memory."""

    command: list[str]
    environment: dict[str, str]
    mounts: dict[str, Path | None]
    read_only: bool = True


@dataclass
class ContainerNetwork:
    """Containers that reach one another by these names, and nobody else."""

    folder: Path
    names: tuple[str, ...]
    holder_pid: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _containers: dict[str, Container] = field(default_factory=dict)

    def start(self, name: str, container: Container) -> None:
        """Start a container; its log is read by `log`."""
        root = self.folder / f"{name}.root"
        root.mkdir()
        mounts = {"/tmp": None, **container.mounts, str(ROOT): ROOT, sys.base_prefix: Path(sys.base_prefix)}
        pairs = [str(part or "") for pair in mounts.items() for part in pair]
        command = ["nsenter", "--target", str(self.holder_pid), "--net", "unshare", "--mount", "--uts"]
        command += ["sh", "-euc", _CONTAINER, name, str(root), " ".join(("localhost", *self.names))]
        command += ["1" if container.read_only else "", *pairs]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [*command, "--", *_variables(container), *container.command], stdout=log, stderr=log, process_group=0
            )
        self._containers[name] = container

    def run(self, name: str, command: list[str], seconds: float = _TIMEOUT) -> subprocess.CompletedProcess[str]:
        """Run one more command in a running container."""
        inside = ["nsenter", "--target", str(self.running[name].pid), "--net", "--mount", "--root", "--wd", "env", "-i"]
        whole = [*inside, *_variables(self._containers[name]), *command]
        return subprocess.run(whole, check=False, capture_output=True, text=True, timeout=seconds)

    def wait_until(self, done: Callable[[], bool], *, what: str) -> None:
        """Wait for something; no container may end meanwhile."""
        deadline = time.monotonic() + _TIMEOUT
        while not done():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            assert time.monotonic() < deadline, f"{what}\n" + "\n".join(map(self.log, self.running))
            time.sleep(0.2)

    def succeeds(self, name: str, command: list[str]) -> bool:
        """Say whether a command ends well there."""
        return self.run(name, command).returncode == 0

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """Tell a container to end, and give its exit code."""
        process = self.running.pop(name)
        process.send_signal(how)
        return process.wait(_TIMEOUT)

    def wait(self, name: str, seconds: float) -> int:
        """Wait for a container that ends by itself, and give its exit code."""
        return self.running.pop(name).wait(seconds)

    def log(self, name: str) -> str:
        """Give the end of what the container said."""
        return f"--- {name}\n{(self.folder / f'{name}.log').read_text(errors='replace')[-2000:]}"


@contextmanager
def run_network(folder: Path, *names: str) -> Iterator[ContainerNetwork]:
    """Give a network; skip at home as in CI, and say so, where the kernel does not allow one."""
    allowed = not os.geteuid() and all(map(shutil.which, ("unshare", "nsenter", "ip")))
    if not allowed or subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode:
        pytest.skip("no container was started: they need root, util-linux, the command ip and a kernel's leave")
    command = ["unshare", "--net", "sh", "-euc", _NETWORK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        network = ContainerNetwork(folder, names, holder.pid)
        try:
            yield network
        finally:
            for process in network.running.values():
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def image_environment() -> dict[str, str]:
    """Give the variables of the image, as `workers/Dockerfile` sets them, but for where its packages are."""
    (block,) = re.findall(
        r"FROM system AS runtime.*?\nENV (.*?)\n[A-Z]", (ROOT / "workers/Dockerfile").read_text(), re.DOTALL
    )
    found = dict(re.findall(r"(\w+)=(\S+)", block))
    return {name: value for name, value in found.items() if name not in ("PATH", "PYTHONPATH")}


def health_check_command() -> list[str]:
    """Give the command that tells of the image's containers whether they are healthy."""
    (command,) = re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])\n", (ROOT / "workers/Dockerfile").read_text(), re.DOTALL)
    found: list[str] = json.loads(command)
    return found


def weights_mount() -> dict[str, Path | None]:
    """Give the mount of the image's weights: those of this machine."""
    return {"/models": Settings.from_env(os.environ).cache_path}


def _variables(container: Container) -> list[str]:
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", MARK: os.environ.get(MARK, "")}
    return [f"{name}={value}" for name, value in (own | container.environment).items()]
