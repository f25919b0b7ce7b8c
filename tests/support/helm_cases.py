"""Values that make sense, from the least to everything at once."""

from tests.support.helm_chart import GPU_POOL, MINIMAL_VALUES, Object, with_pool

MONITORED: Object = {
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True},
    }
}
FLOWER: Object = {"flower": {"ingress": {"host": "flower.example", "className": "nginx", "tlsSecret": "flower-tls"}}}
TLS: Object = {"broker": {"host": "valkey.data", "port": 6380, "tls": {"enabled": True, "caSecret": "broker-ca"}}}
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

CASES: dict[str, Object] = {
    "least": MINIMAL_VALUES,
    "pools": MINIMAL_VALUES | POOLS,
    "scaled": with_pool(keda={"enabled": True, "minReplicas": 1, "maxReplicas": 40, "messagesPerReplica": 2}),
    "slice of a GPU": with_pool(gpu={"resource": "nvidia.com/mig-1g.10gb"}, processes=2, processMemoryMB=2000),
    "paddle": with_pool(gpu={"resource": "nvidia.com/gpu"}, engine="paddle", precision="fp16"),
    "claim": MINIMAL_VALUES | {"weights": {"from": "pvc", "claim": "weights"}},
    "image volume": MINIMAL_VALUES | {"weights": {"from": "imageVolume", "image": "registry.example/weights:6"}},
    "bucket": MINIMAL_VALUES
    | {"weights": {"from": "initContainer", "url": "s3://weights/v6?endpoint=http://s3.data:8333"}},
    "registry": MINIMAL_VALUES | {"weights": {"from": "initContainer"}},
    "monitored": MINIMAL_VALUES | MONITORED,
    "bare": MINIMAL_VALUES
    | {"metrics": {"enabled": False}, "flower": {"enabled": False}, "networkPolicy": {"enabled": False}},
    "roles": MINIMAL_VALUES
    | {
        "store": {"url": "s3://ocr", "secret": ""},
        "serviceAccounts": {"split": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/split"}},
    },
    "keys": MINIMAL_VALUES
    | {"store": {"url": "s3://ocr", "secrets": {"split": "s3-split", "recognize": "s3-recognize"}}},
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
"""By name; each is a complete values file."""
