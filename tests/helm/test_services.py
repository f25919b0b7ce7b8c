"""The HTTP API, webhooks, and what clusters differ in: where pods run, certificates, proxies, disks, users."""

from typing import Any

import pytest
import yaml

from ocrfarm.settings import Settings
from tests.support.broker_users import PASSWORDS
from tests.support.helm_chart import (
    CHART,
    MINIMAL_VALUES,
    VALUE_FILES,
    Helm,
    Object,
    container_environment,
    find_object,
    iter_containers,
    iter_pods,
    select_kind,
)

API: Object = {"api": {"enabled": True}, "webhooks": {"enabled": True}}


def test_there_are_ten_value_files() -> None:
    assert len(VALUE_FILES) >= 10


def test_the_api_has_its_keys_its_probes_and_its_ports(helm: Helm) -> None:
    deployment = find_object(helm.render(MINIMAL_VALUES | API), "Deployment", "-api")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = container_environment(container)
    plain = {name: value for name, value in variables.items() if isinstance(value, str)}
    settings = Settings.from_env(plain)
    assert settings.api.api_keys_file == "/etc/ocrfarm/keys/keys"
    assert {"name": "keys", "mountPath": "/etc/ocrfarm/keys", "readOnly": True} in container["volumeMounts"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8700, "metrics": settings.api.api_metrics_port}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert variables["OCRFARM_WEBHOOK_SECRET"]["secretKeyRef"] == {"name": "ocrfarm-webhooks", "key": "secret"}


def test_without_webhooks_the_api_has_no_secret_to_sign_them(helm: Helm) -> None:
    objects = helm.render(MINIMAL_VALUES | {"api": {"enabled": True}})
    (container,) = find_object(objects, "Deployment", "-api")["spec"]["template"]["spec"]["containers"]
    assert "OCRFARM_WEBHOOK_SECRET" not in container_environment(container)


def test_each_process_has_the_user_of_its_role(helm: Helm) -> None:
    roles = {"split": "", "recognize": "", "stitch": "", "api": "client-", "read-sample": "client-"}
    roles |= {name: f"{name}-" for name in ("webhooks", "metrics", "flower")}
    assert {prefix.strip("-") or "worker" for prefix in roles.values()} == PASSWORDS.keys() - {"scaler"}
    for name, container in iter_containers(helm.render(MINIMAL_VALUES | API)):
        key = container_environment(container)["BROKER_USERNAME"]["secretKeyRef"]["key"]
        assert key == f"{roles[name.rpartition('/')[2]]}username", name


def test_monitoring_has_no_key_of_the_store(helm: Helm) -> None:
    for name, container in iter_containers(helm.render(MINIMAL_VALUES | API)):
        is_monitor = name.endswith(("/flower", "/metrics"))
        assert ("OCRFARM_STORE" in container_environment(container)) != is_monitor, name
    accounts = {name: pod["serviceAccountName"] for name, pod in iter_pods(helm.render(MINIMAL_VALUES | API))}
    assert accounts["farm-ocrfarm-flower"] != accounts["farm-ocrfarm-metrics"] != accounts["farm-ocrfarm-api"]


def test_a_route_leads_to_the_api(helm: Helm) -> None:
    (route,) = select_kind(helm.render(VALUE_FILES["gateway"]), "HTTPRoute")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": ["ocr.example"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "farm-ocrfarm-api", "port": 80}],
            }
        ],
    }


def test_cilium_follows_the_names_of_broker_and_store(helm: Helm) -> None:
    (policy,) = select_kind(helm.render(VALUE_FILES["gateway"]), "CiliumNetworkPolicy")
    dns, *hosts = policy["spec"]["egress"]
    assert dns["toPorts"][0]["rules"] == {"dns": [{"matchPattern": "*"}]}
    found = {rule["toFQDNs"][0]["matchName"]: rule["toPorts"][0]["ports"][0]["port"] for rule in hosts}
    assert found == {"s3.example.com": "443", "valkey.example.com": "6380"}


def test_pods_that_decode_images_reach_no_public_host(helm: Helm) -> None:
    objects = helm.render(VALUE_FILES["api"])
    default = find_object(objects, "NetworkPolicy", "-default")["spec"]["egress"]
    assert not [peer for rule in default for peer in rule["to"] if "ipBlock" in peer]
    public = [item["metadata"]["name"] for item in select_kind(objects, "NetworkPolicy") if _has_blocks(item)]
    assert public == ["farm-ocrfarm-api-public", "farm-ocrfarm-webhooks-public"]
    webhooks = find_object(objects, "NetworkPolicy", "-webhooks-public")["spec"]["egress"]
    assert "10.0.0.0/8" in webhooks[0]["to"][0]["ipBlock"]["except"]
    assert webhooks[1]["to"] == VALUE_FILES["api"]["networkPolicy"]["webhooks"]


def _has_blocks(policy: Object) -> bool:
    rules = policy["spec"].get("egress", ())
    return any("ipBlock" in peer for rule in rules for peer in rule.get("to", ()))


PLACED = {
    "priorityClassName": "batch",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "ocr", "effect": "NoSchedule"}],
}


def test_every_pod_runs_where_the_values_say(helm: Helm) -> None:
    values = VALUE_FILES["proxy"] | API
    names = {name for name, _ in iter_pods(helm.render(values))}
    assert {name.removeprefix("farm-ocrfarm-") for name in names} == {
        *("split", "stitch", "recognize-fast", "flower", "metrics", "api", "webhooks", "test")
    }
    for name, pod in iter_pods(helm.render(values)):
        expected: Object = PLACED | ({"nodeSelector": {"pool": "system"}} if name.endswith("-flower") else {})
        assert {key: pod[key] for key in PLACED} == expected, name
        assert pod["affinity"] == values["pods"]["affinity"], name
        (container,) = pod["containers"]
        variables = container_environment(container)
        assert variables["HTTPS_PROXY"] == "http://proxy.example.com:3128", name
        assert variables["NO_PROXY"] == ".svc,.cluster.local", name
        assert variables["TZ"] == "Europe/Berlin", name
        assert {"name": "company", "mountPath": "/etc/company", "readOnly": True} in container["volumeMounts"], name


def test_one_workload_may_have_more_variables_than_others(helm: Helm) -> None:
    found = dict(iter_containers(helm.render(VALUE_FILES["proxy"])))
    limited = {name for name, item in found.items() if "OCRFARM_LIMIT_PAGES" in container_environment(item)}
    assert limited == {"farm-ocrfarm-split/split"}


def test_pods_spread_among_those_of_their_deployment(helm: Helm) -> None:
    for item in select_kind(helm.render(VALUE_FILES["hpa"]), "Deployment"):
        (constraint,) = item["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert constraint["labelSelector"] == item["spec"]["selector"]
        assert constraint["topologyKey"] == "topology.kubernetes.io/zone"


def test_certificates_of_broker_and_store_are_mounted_where_they_are_looked_for(helm: Helm) -> None:
    for name, container in iter_containers(helm.render(VALUE_FILES["proxy"])):
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        variables = container_environment(container)
        assert variables["OCRFARM_BROKER"].endswith("?ssl_ca_certs=/etc/ocrfarm/broker/ca.crt"), name
        assert {"/etc/ocrfarm/broker", "/etc/ocrfarm/store"} <= mounts, name
        if "OCRFARM_STORE" in variables:
            assert variables["AWS_CA_BUNDLE"] == "/etc/ocrfarm/store/ca.crt", name


def test_openshift_may_assign_users(helm: Helm) -> None:
    for name, pod in iter_pods(helm.render(VALUE_FILES["openshift"])):
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, name


def test_scratch_may_be_on_a_claim(helm: Helm) -> None:
    def scratch(values: Object, suffix: str) -> Any:
        pod = find_object(helm.render(values), "Deployment", suffix)["spec"]["template"]["spec"]
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "tmp"]
        return volume["ephemeral"]["volumeClaimTemplate"]["spec"]

    assert scratch(VALUE_FILES["proxy"], "-split")["resources"] == {"requests": {"storage": "40Gi"}}
    assert "storageClassName" not in scratch(VALUE_FILES["proxy"], "-split")
    assert scratch(VALUE_FILES["api"], "-api")["storageClassName"] == "fast-ssd"


def test_a_pool_grows_with_the_age_of_its_oldest_message(helm: Helm) -> None:
    (scaled,) = select_kind(helm.render(VALUE_FILES["keda"]), "ScaledObject")
    modifiers = scaled["spec"]["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == "max(first + middle + last + reading, age * 2 / 120)"
    trigger = scaled["spec"]["triggers"][-1]
    assert (trigger["type"], trigger["name"]) == ("prometheus", "age")
    metric = trigger["metadata"]["query"].partition("(")[2].partition("{")[0]
    alerts = (CHART / "files" / "dashboard.json").read_text()
    assert metric == "ocrfarm_queue_oldest_message_age_seconds"
    assert metric in alerts


def test_labels_and_annotations_of_all_objects(helm: Helm) -> None:
    for item in helm.render(VALUE_FILES["proxy"]):
        assert item["metadata"]["labels"]["cost-center"] == "4711", item["metadata"]["name"]
        assert item["metadata"]["annotations"]["example.com/owner"] == "archive", item["metadata"]["name"]
    job = find_object(helm.render(VALUE_FILES["proxy"]), "Job", "-test")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_a_strategy_of_ones_own_replaces_the_default(helm: Helm) -> None:
    deployment = find_object(helm.render(VALUE_FILES["mig"]), "Deployment", "-slices")
    assert deployment["spec"]["strategy"] == {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


@pytest.mark.parametrize("field", ["icon", "home", "sources", "keywords", "maintainers"])
def test_the_chart_says_where_it_is_from(field: str) -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())[field]


def test_logs_are_json(helm: Helm) -> None:
    for name, container in iter_containers(helm.render(MINIMAL_VALUES | API)):
        assert container_environment(container)["OCRFARM_LOG_FORMAT"] == "json", name
