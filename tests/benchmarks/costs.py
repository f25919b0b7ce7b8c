"""What a farm of real processes has used so far: seconds of CPU, commands to the broker, requests to the store."""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support.engines import count_requests
from tests.support.farm_fixture import ProcessFarm
from tests.support.servers import S3Server, ValkeyServer

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class MeasuredFarm:
    """A farm and the servers under it; `store` is None where a folder is the store."""

    farm: ProcessFarm
    broker: ValkeyServer
    store: S3Server | None


@dataclass(frozen=True)
class Costs:
    """Counts since the start. cpu: seconds by process. commands: by name. bytes: to and from the broker."""

    wall: float
    cpu: Counter[str]
    commands: Counter[str]
    requests: Counter[str]
    bytes: int

    def __sub__(self, before: "Costs") -> "Costs":
        return Costs(
            self.wall - before.wall,
            _subtract(self.cpu, before.cpu),
            _subtract(self.commands, before.commands),
            _subtract(self.requests, before.requests),
            self.bytes - before.bytes,
        )


def measure_costs(site: MeasuredFarm) -> Costs:
    """Look at everything once."""
    with redis.Redis.from_url(site.broker.url) as server:
        commands = {
            name.removeprefix("cmdstat_"): values["calls"] for name, values in server.info("commandstats").items()
        }
        traffic = server.info("stats")
    cpu = Counter({name: _seconds(pid) for name, pid in _processes(site).items()})
    count = int(traffic["total_net_input_bytes"]) + int(traffic["total_net_output_bytes"])
    return Costs(time.monotonic(), cpu, Counter(commands), count_requests(site.farm.folder), count)


def _processes(site: MeasuredFarm) -> dict[str, int]:
    servers = {"broker": site.broker.pid, "store": site.store.pid if site.store else 0, "client": os.getpid()}
    parents = {f"{name}, parent": process.pid for name, process in site.farm.running.items()}
    children = {
        f"{name}, child {number}": pid
        for name in site.farm.running
        for number, pid in enumerate(sorted(site.farm.children(name)))
    }
    return servers | parents | children


def _seconds(pid: int) -> float:
    """Give what a process has had of the CPU, its own time and the system's for it; 0 where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _subtract(now: "Counter[str]", before: "Counter[str]") -> "Counter[str]":
    return Counter({name: count - before[name] for name, count in now.items() if count - before[name]})
