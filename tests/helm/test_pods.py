"""Every pod of the chart, started with exactly the command that helm renders, and `helm test` with all of them."""

import re
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ocrfarm.errors import EngineError
from tests.support.compose_containers import NAMES, start_services
from tests.support.compose_stack import load_services
from tests.support.containers import Container, ContainerNetwork, image_environment, run_network, weights_mount
from tests.support.helm_chart import GPU_POOL, Helm, Object, find_object, select_kind
from tests.support.prometheus_text import parse_samples, sample_value

VALUES: Object = {
    "broker": {"host": "broker"},
    "store": {"url": "s3://ocrfarm?endpoint=http://s3:8333"},
    "recognize": {"pools": [{"name": "fast"}, GPU_POOL]},
    "api": {"enabled": True},
    "webhooks": {"enabled": True},
}
DEPLOYED = ("split", "stitch", "recognize-fast", "flower", "metrics", "api", "webhooks")
API_KEY = "key-of-the-api"

_PROBE = {
    "httpGet": "from urllib.request import urlopen; urlopen('http://127.0.0.1:{port}{path}')",
    "tcpSocket": "from socket import create_connection; create_connection(('127.0.0.1', {port})).close()",
}
"""What the kubelet does if a probe has no command."""


def _secrets() -> dict[tuple[str, str], str]:
    """Return the contents of the chart's secrets: the passwords of compose.yaml, whose broker and store are used."""
    broker, s3, flower = (load_services()[name]["environment"] for name in ("broker", "s3", "flower"))
    passwords = {role: broker[f"{role.upper()}_PASSWORD"] for role in ("worker", "client", "webhooks")}
    passwords |= dict.fromkeys(("metrics", "flower"), broker["MONITOR_PASSWORD"])
    users: dict[tuple[str, str], str] = {}
    for role, password in passwords.items():
        prefix = "" if role == "worker" else f"{role}-"
        users["ocrfarm-broker", f"{prefix}username"] = f"ocrfarm-{role}"
        users["ocrfarm-broker", f"{prefix}password"] = password
    return users | {
        ("ocrfarm-api", "keys"): f"alice:{sha256(API_KEY.encode()).hexdigest()}\n",
        ("ocrfarm-webhooks", "secret"): "whsec_d2ViaG9va3Mtb2YtdGhpcy10ZXN0LW9ubHktMTIzNA==",
        ("ocrfarm-flower", "password"): flower["OCRFARM_FLOWER_PASSWORD"],
        **{("ocrfarm-store", name): s3[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }


def _variables(spec: Object) -> dict[str, str]:
    """Resolve secrets, and $(NAME) of earlier variables, as the kubelet does."""
    found: dict[str, str] = {}
    for item in spec["env"]:
        if "valueFrom" in item:
            key = item["valueFrom"]["secretKeyRef"]
            found[item["name"]] = _secrets()[key["name"], key["key"]]
        else:
            found[item["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], item["value"])
    return found


def _container(objects: list[Object], pod: Object, folder: Path) -> Container:
    """Return the only container of a pod; config maps are written into the folder."""
    (spec,) = pod["containers"]
    volumes = {volume["name"]: _volume(objects, volume, folder) for volume in pod["volumes"]}
    mounts = dict(weights_mount()) | {mount["mountPath"]: volumes[mount["name"]] for mount in spec["volumeMounts"]}
    assert spec["securityContext"]["readOnlyRootFilesystem"]
    return Container(spec["command"], image_environment() | _variables(spec), mounts)


def _volume(objects: list[Object], volume: Object, folder: Path) -> Path | None:
    if "emptyDir" in volume:
        return None
    if "secret" in volume:
        name = volume["secret"]["secretName"]
        data = {key: text for (secret, key), text in _secrets().items() if secret == name}
    else:
        name = volume["configMap"]["name"]
        data = find_object(objects, "ConfigMap", name)["data"]
    place = folder / str(name)
    place.mkdir(exist_ok=True)
    for file, text in data.items():
        (place / file).write_text(text)
    return place


@pytest.fixture(scope="module")
def objects(helm: Helm) -> list[Object]:
    return helm.render(VALUES)


def _pod(objects: list[Object], component: str) -> Object:
    (found,) = [
        item["spec"]["template"]["spec"]
        for item in select_kind(objects, "Deployment", "Job")
        if item["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return dict(found)


@pytest.fixture(scope="module")
def cluster(objects: list[Object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerNetwork]:
    """Run every deployment except the one for GPUs, with the broker and the store of compose.yaml."""
    with run_network(tmp_path_factory.mktemp("cluster"), *NAMES) as place:
        start_services(place)
        for component in DEPLOYED:
            place.start(component, _container(objects, _pod(objects, component), place.folder))
        yield place


def _command(container: Object, probe: Object) -> list[str]:
    if "exec" in probe:
        return list(probe["exec"]["command"])
    (kind,) = probe.keys() & _PROBE.keys()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    where: dict[str, Any] = probe[kind] | {"port": ports[probe[kind]["port"]]}
    return ["python", "-c", _PROBE[kind].format(**where)]


@pytest.mark.parametrize("component", DEPLOYED)
def test_a_pod_gets_ready_and_is_alive(cluster: ContainerNetwork, objects: list[Object], component: str) -> None:
    """Each pod is asked by its own probes."""
    (container,) = _pod(objects, component)["containers"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        if kind in container:
            command = _command(container, container[kind])
            cluster.wait_until(partial(cluster.succeeds, component, command), what=f"{kind} of {component}")


def test_the_charts_own_test_passes_and_is_counted(cluster: ContainerNetwork, objects: list[Object]) -> None:
    """`helm test` reads a page and compares; then the exporter is scraped like a service monitor does."""
    cluster.start("test", _container(objects, _pod(objects, "test"), cluster.folder))
    assert cluster.wait("test", 120) == 0, cluster.log("test") + cluster.log("recognize-fast")
    assert re.search(r"\d+ of \d+ lines are right", cluster.log("test"))
    ask = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:9808/metrics').read().decode())"
    found = parse_samples(cluster.run("metrics", ["python", "-c", ask]).stdout)
    assert sample_value(found, "broker_up") == 1
    assert sample_value(found, "jobs_total", state="complete") == 1
    assert sample_value(found, "tiles_total", outcome="read") == 1
    assert sample_value(found, "lines_total", model="PP-OCRv6_tiny_rec") > 100
    for queue in ("split", "stitch", "recognize.PP-OCRv6_tiny_rec"):
        assert sample_value(found, "workers", queue=queue) == 1


def test_the_api_knows_its_keys(cluster: ContainerNetwork) -> None:
    ask = (
        "from urllib.request import Request, urlopen; "
        "headers = {'Authorization': 'Bearer %s'}; "
        "print(urlopen(Request('http://127.0.0.1:8700/v1/jobs', headers=headers)).read().decode())"
    )
    done = cluster.run("api", ["python", "-c", ask % API_KEY])
    assert '"jobs":[]' in done.stdout.replace(" ", ""), done.stderr + cluster.log("api")
    assert cluster.run("api", ["python", "-c", ask % "another"]).returncode != 0
    metrics = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:9809/metrics').read().decode())"
    assert "ocrfarm_api" in cluster.run("api", ["python", "-c", metrics]).stdout


def test_a_pool_on_gpus_reports_that_the_gpu_is_missing(cluster: ContainerNetwork, objects: list[Object]) -> None:
    cluster.start("gpu", _container(objects, _pod(objects, "recognize-accurate"), cluster.folder))
    assert cluster.wait("gpu", 60) == EngineError.exit_code
    assert "device gpu:0 is asked for, and NVIDIA's driver shows 0 GPUs" in cluster.log("gpu")


def test_a_pod_stops_cleanly_on_sigterm(cluster: ContainerNetwork) -> None:
    """This is the last test of the file, since it stops the farm."""
    for component in DEPLOYED:
        assert cluster.stop(component) == 0, cluster.log(component)
