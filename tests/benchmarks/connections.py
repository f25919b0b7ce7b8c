"""`scripts/bench connections`: how soon the HTTP API answers others while hostile clients hold its connections."""

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
import httpx

from ocrfarm.settings import Api, Endpoints, Settings
from tests.benchmarks.record import record_figures, record_option
from tests.benchmarks.soak import measure_megabytes
from tests.support.api_server import KEYS, ApiServer, run_api_server
from tests.support.hostile_clients import KINDS, run_hostile_clients
from tests.support.servers import run_valkey

_PATHS = ("/healthz", "/readyz", "/v1/jobs", "/v1/jobs?limit=1")
"""What the others request in turn, on a new connection each time."""

_NOBODY = "none"


class Measured(NamedTuple):
    """What the others saw.

    Attributes:
        seconds: The time of each answer.
        refused: How many requests were not answered with status 200.
        megabytes: The memory of the server in the end.
    """

    seconds: list[float]
    refused: int
    megabytes: float

    @property
    def p95(self) -> float:
        """The seconds within which 95 of 100 requests were answered."""
        return sorted(self.seconds)[(len(self.seconds) * 19 - 1) // 20]


@click.command()
@click.option("--clients", default=600, show_default=True, help="Hostile clients of a kind at the same time.")
@click.option("--duration", default=15.0, show_default=True, metavar="SECONDS", help="Time for each kind.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([_NOBODY, *KINDS]), help="Defaults to all.")
@record_option
def connections(clients: int, duration: float, kinds: tuple[str, ...], record: bool) -> None:
    """Let hostile clients of each kind connect to the HTTP API, and time the answers to others."""
    rows = [["hostile clients", "requests", "refused", "median", "p95", "longest", "server's memory"]]
    worst = 0.0
    for kind in kinds or (_NOBODY, *KINDS):
        found = _measure_kind(kind, clients, duration=duration)
        worst = max(worst, found.p95)
        times = (f"{1000 * each:.0f} ms" for each in (median(found.seconds), found.p95, max(found.seconds)))
        rows.append([kind, str(len(found.seconds)), str(found.refused), *times, f"{found.megabytes:.0f} MB"])
        click.echo("connections  {:36} {:>6} {:>6}  {:>8} {:>8} {:>8}  {:>7}".format(*rows[-1]))
    if record:
        record_figures({"api.connections": (rows, "table"), "api.connections.p95": (round(1000 * worst), "ms")})


def _measure_kind(kind: str, clients: int, *, duration: float) -> Measured:
    with tempfile.TemporaryDirectory() as name, run_valkey(Path(name)) as broker:
        settings = Settings(Endpoints(broker.url, f"{name}/store"))
        with run_api_server(settings, Path(name), api=Api(api_rate_limit=1_000_000)) as server:
            if kind == _NOBODY:
                return measure_answers(server, duration)
            port = httpx.URL(server.url).port or 0
            with run_hostile_clients(port, kind, count=clients, key=KEYS["bob"]):
                return measure_answers(server, duration)


def measure_answers(server: ApiServer, duration: float) -> Measured:
    """Send requests as another client, one after the other, and time them.

    Args:
        server: The server.
        duration: The time in seconds.
    """
    headers, refused = {"Authorization": f"Bearer {KEYS['alice']}"}, 0
    seconds: list[float] = []
    end = time.monotonic() + duration
    while (started := time.monotonic()) < end:
        path = _PATHS[len(seconds) % len(_PATHS)]
        try:
            refused += httpx.get(f"{server.url}{path}", headers=headers, timeout=20).status_code != 200
        except httpx.TransportError:
            refused += 1
        seconds.append(time.monotonic() - started)
        time.sleep(0.05)
    return Measured(seconds, refused, measure_megabytes(server.process.pid))
