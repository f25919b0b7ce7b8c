"""Invalid values are rejected before anything is installed: by the schema, or with a sentence that says what to do."""

import copy
from dataclasses import fields
from typing import Any

import pytest

from ocrfarm.settings import ENV_PREFIX, Settings
from tests.support.helm_chart import CASES, GPU_POOL, MINIMAL_VALUES, Helm, Object, ValuesRejected, schema, with_pool

KEDA, HPA = {"keda": {"enabled": True}}, {"hpa": {"enabled": True}}
ON_GPU = {"gpu": {"resource": "nvidia.com/gpu"}}


def _pools(*pools: Object) -> Object:
    return MINIMAL_VALUES | {"recognize": {"pools": list(pools)}}


NO_REQUEST = MINIMAL_VALUES | {
    "recognize": {"defaults": {"resources": {"requests": {"cpu": None}}}, "pools": [{"name": "fast", **HPA}]}
}

CONTRADICTIONS: dict[str, tuple[Object, str]] = {
    "no broker": ({"store": MINIMAL_VALUES["store"]}, "broker.host is empty"),
    "a broker's URL": (MINIMAL_VALUES | {"broker": {"host": "redis://valkey:6379"}}, "set it to the host alone"),
    "no store": ({"broker": MINIMAL_VALUES["broker"]}, "store.url is"),
    "a folder as store": (MINIMAL_VALUES | {"store": {"url": "/data/store"}}, "pods share no folder"),
    "a key in the store's URL": (
        MINIMAL_VALUES | {"store": {"url": "s3://key:secret@ocr?endpoint=http://s3.data.svc"}},
        "put them into store.secret",
    ),
    "a CA without TLS": (MINIMAL_VALUES | {"broker": {"host": "a", "tls": {"caSecret": "ca"}}}, "sent unencrypted"),
    "no claim": (MINIMAL_VALUES | {"weights": {"from": "pvc"}}, "weights.claim is empty"),
    "an unused claim": (MINIMAL_VALUES | {"weights": {"claim": "weights"}}, 'weights.from is "image"'),
    "no image of weights": (MINIMAL_VALUES | {"weights": {"from": "imageVolume"}}, "weights.image is empty"),
    "keda and hpa": (with_pool(**KEDA, **HPA), "undo each other's work"),
    "keda and replicas": (with_pool(**KEDA, replicas=3), "keda decides their number"),
    "hpa and replicas": (with_pool(**HPA, replicas=3), "hpa decides their number"),
    "keda: least above greatest": (
        with_pool(keda={"enabled": True, "minReplicas": 5, "maxReplicas": 2}),
        "keda.minReplicas 5 is more than keda.maxReplicas 2",
    ),
    "too many fallback replicas": (
        with_pool(keda={"enabled": True, "fallbackReplicas": 20}),
        "more than keda.maxReplicas 10",
    ),
    "hpa: least above greatest": (
        with_pool(hpa={"enabled": True, "minReplicas": 5, "maxReplicas": 2}),
        "hpa.minReplicas 5 is more than hpa.maxReplicas 2",
    ),
    "hpa on a GPU": (with_pool(**HPA, **ON_GPU), "low while a GPU works"),
    "hpa without a CPU request": (NO_REQUEST, "which is not set"),
    "one queue, two scalers": (_pools({"name": "a", **KEDA}, {"name": "b", **KEDA}), "count twice"),
    "one name, two pools": (_pools({"name": "a"}, {"name": "a"}), 'two pools are named "a"'),
    "fp16 on a CPU": (with_pool(precision="fp16", engine="paddle"), "fp16 needs gpu.resource"),
    "TensorRT on a CPU": (with_pool(provider="tensorrt"), "provider tensorrt needs gpu.resource"),
    "a runtime class for no GPU": (with_pool(gpu={"runtimeClassName": "nvidia"}), "it would get no GPU"),
    "too little memory": (with_pool(processes=2), "8000 MB, but resources.limits.memory is 4Gi"),
    "too few cores": (with_pool(threads=8, resources={"limits": {"cpu": "2500m"}}), "wait for one another"),
    "a grace period that is too short": (
        MINIMAL_VALUES | {"termination": {"shutdownTimeout": 50}},
        "must be 65 or more",
    ),
    "Flower without TLS": (
        MINIMAL_VALUES | {"flower": {"ingress": {"host": "a.example"}}},
        "needs flower.ingress.tlsSecret",
    ),
    "an ingress without Flower": (
        MINIMAL_VALUES | {"flower": {"enabled": False, "ingress": {"host": "a.example", "tlsSecret": "a"}}},
        "flower.enabled is false",
    ),
    "an API without TLS": (
        MINIMAL_VALUES | {"api": {"enabled": True, "ingress": {"host": "a.example"}}},
        "needs api.ingress.tlsSecret",
    ),
    "a route without API": (
        MINIMAL_VALUES | {"api": {"httpRoute": {"parentRefs": [{"name": "a"}], "hostnames": ["a.example"]}}},
        "api.enabled is false",
    ),
    "a route for every host": (
        MINIMAL_VALUES | {"api": {"enabled": True, "httpRoute": {"parentRefs": [{"name": "a"}]}}},
        "answer for every host",
    ),
    "a store anywhere": (
        MINIMAL_VALUES | {"store": {"url": "s3://ocr?endpoint=https://s3.example.com"}},
        "networkPolicy.store is empty, and s3.example.com is no service of the cluster",
    ),
    "AWS anywhere": (MINIMAL_VALUES | {"store": {"url": "s3://ocr"}}, "list its addresses"),
    "a broker anywhere": (MINIMAL_VALUES | {"broker": {"host": "valkey.example.com"}}, "networkPolicy.broker is empty"),
    "a proxy that is out of reach": (MINIMAL_VALUES | {"proxy": {"https": "http://proxy:3128"}}, "reach it"),
    "a collector that is out of reach": (
        MINIMAL_VALUES | {"settings": {"OCRFARM_OTLP_ENDPOINT": "http://otel:4318"}},
        "reach it",
    ),
    "a registry that is out of reach": (MINIMAL_VALUES | {"weights": {"from": "initContainer"}}, "package registry"),
    "an age without Prometheus": (
        with_pool(keda={"enabled": True, "maxMessageAge": 60}),
        "keda.maxMessageAge needs keda.prometheusUrl",
    ),
    "keys of the API in the values": (MINIMAL_VALUES | {"settings": {"OCRFARM_API_KEYS": "a:b"}}, "api.secret"),
    "alerts without metrics": (
        MINIMAL_VALUES | {"metrics": {"enabled": False, "rules": {"enabled": True}}},
        "no metrics",
    ),
    "a setting that duplicates a value": (
        MINIMAL_VALUES | {"settings": {"OCRFARM_SHUTDOWN_TIMEOUT": "90"}},
        "termination.shutdownTimeout",
    ),
    "a password in the values": (MINIMAL_VALUES | {"settings": {"OCRFARM_FLOWER_PASSWORD": "x"}}, "flower.secret"),
}
"""Name -> values, and words of the sentence that rejects them."""


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS.values(), ids=list(CONTRADICTIONS))
def test_contradictory_values_are_rejected_with_a_sentence(helm: Helm, values: Object, words: str) -> None:
    with pytest.raises(ValuesRejected) as caught:
        helm.render(values)
    (sentence,) = [line for line in str(caught.value).splitlines() if line.startswith("- ")]
    assert words in sentence


def test_all_contradictions_are_reported_at_once(helm: Helm) -> None:
    with pytest.raises(ValuesRejected) as caught:
        helm.render({"recognize": {"pools": [{"name": "a", **KEDA, **HPA}]}})
    assert str(caught.value).count("\n- ") == 3


def test_an_image_volume_is_rejected_if_kubernetes_would_drop_it(helm: Helm) -> None:
    with pytest.raises(ValuesRejected, match=r"Kubernetes v1\.30 does not support"):
        helm.render(CASES["image volume"], "--kube-version", "1.30")


def _with_value(path: str, value: Any) -> Object:
    values: Object = copy.deepcopy(MINIMAL_VALUES)
    *folders, last = path.split(".")
    place = values
    for name in folders:
        place = place.setdefault(name, {})
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("brokr.host", "valkey"),
        ("broker.hostt", "valkey"),
        ("broker.password", "secret"),
        ("broker.port", "6379"),
        ("broker.port", 70_000),
        ("store.accessKey", "AKIA"),
        ("weights.from", "hub"),
        ("split.replicas", 0),
        ("split.replicas", -1),
        ("stitch.replicas", "two"),
        ("split.resources.limit", {"memory": "1Gi"}),
        ("settings.OCRFARM_BROKR", "x"),
        ("settings.OCRFARM_MAX_ATTEMPTS", 5),
        ("probes.heartbeatTimeout", 5),
        ("flower.password", "secret"),
        ("api.keys", "alice:1"),
        ("api.replicas", 0),
        ("webhooks.secret", "whsec_SECRET"),
        ("pods.extraEnv", {"A": "b"}),
        ("proxy.https", "proxy:3128"),
        ("networkPolicy.dns", [{"cidr": "10.0.0.0/8"}]),
        ("recognize.pools", []),
        ("recognize.pools", [{"profile": "fast"}]),
        ("recognize.pools", [{"name": "Fast"}]),
        ("recognize.pools", [{"name": "fast", "recognizer": "a:b"}]),
        ("recognize.pools", [{"name": "fast", "engine": "tensorrt"}]),
        ("recognize.pools", [{"name": "fast", "threads": 0}]),
        ("recognize.pools", [{"name": "fast", "gpu": {"resource": "gpu"}}]),
        ("recognize.pools", [{"name": "fast", "gpu": {"count": 2}}]),
        ("recognize.pools", [{"name": "fast", "keda": {"minReplicas": -1}}]),
        ("recognize.pools", [{"name": "fast", "keda": {"fallbackReplicas": 0}}]),
        ("recognize.pools", [{"name": "fast", "hpa": {"minReplicas": 0}}]),
        ("recognize.pools", [{"name": "fast", "maxUnavailable": "half"}]),
        ("recognize.defaults.name", "fast"),
    ],
)
def test_the_schema_rejects(helm: Helm, path: str, value: Any) -> None:
    with pytest.raises(ValuesRejected, match="values don't meet the specifications of the schema"):
        helm.render(_with_value(path, value))


def test_the_schema_lists_all_settings() -> None:
    """A misspelt setting is rejected before a worker rejects it."""
    names = {
        f"{ENV_PREFIX}{item.name.upper()}"
        for group in fields(Settings)
        for item in fields(getattr(Settings(), group.name))
    }
    assert schema()["properties"]["settings"]["propertyNames"]["enum"] == sorted(names)


def test_a_pool_on_a_gpu_is_accepted(helm: Helm) -> None:
    assert helm.render(_pools(GPU_POOL))
