"""Valid values are rendered to objects that Kubernetes, KEDA and the Prometheus operator accept."""

import importlib
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

import ocrfarm
from tests.support.helm_chart import CASES, CHART, MINIMAL_VALUES, Helm, Object, schema, select_kind

VERSIONS = ("1.31", "1.34", "1.37")
"""Versions of Kubernetes that support image volumes (1.31 and later); 1.28 is tested without them."""

CUSTOM = {
    "ScaledObject": "cloudcoil.models.keda.v1alpha1",
    "TriggerAuthentication": "cloudcoil.models.keda.v1alpha1",
    "ServiceMonitor": "cloudcoil.models.prometheus_operator.v1",
    "PrometheusRule": "cloudcoil.models.prometheus_operator.v1",
}
"""Kind -> module with its model."""

UNKNOWN = ("HTTPRoute", "CiliumNetworkPolicy")
"""Kinds whose schemas no package has; `test_services.py` compares them with what their documentation shows."""

every_case = pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))


def _strict(schema: Any) -> Any:
    """Reject names that the schema does not know, such as typos."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return closed | {name: _strict(item) for name, item in schema.items()}


def _validator(kind: str) -> Draft202012Validator:
    model = getattr(importlib.import_module(CUSTOM[kind]), kind)
    return Draft202012Validator(_strict(model.model_json_schema()))


@every_case
def test_helm_lint_finds_nothing(helm: Helm, values: Object) -> None:
    assert "0 chart(s) failed" in helm.lint(values)


@every_case
def test_kubernetes_would_take_it(helm: Helm, values: Object) -> None:
    for item in helm.render(values, "--kube-version", VERSIONS[0]):
        if item["kind"] not in (*CUSTOM, *UNKNOWN):
            for version in VERSIONS:
                kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"image volume"}))
def test_the_oldest_kubernetes_would_take_it(helm: Helm, name: str) -> None:
    oldest = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"].strip(">=").removesuffix(".0-0")
    for item in helm.render(CASES[name], "--kube-version", oldest):
        if item["kind"] not in (*CUSTOM, *UNKNOWN):
            kubernetes_validate.validate(item, oldest, strict=True)


@every_case
def test_operators_would_take_it(helm: Helm, values: Object) -> None:
    for item in select_kind(helm.render(values), *CUSTOM):
        _validator(item["kind"]).validate(item)


@pytest.mark.parametrize(
    "spoil",
    [
        {"maxReplicaCountt": 3},
        {"maxReplicaCount": "three"},
        {"triggers": [{"type": "redis"}]},
        {"advanced": {"scalingModifiers": {"formulae": "a"}}},
    ],
)
def test_a_scaler_with_a_typo_would_be_seen(helm: Helm, spoil: Object) -> None:
    (scaler,) = select_kind(helm.render(CASES["scaled"]), "ScaledObject")
    assert not _validator("ScaledObject").is_valid(scaler | {"spec": scaler["spec"] | spoil})


@every_case
def test_no_two_objects_have_one_name(helm: Helm, values: Object) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in helm.render(values)]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


def test_the_longest_names_fit(helm: Helm) -> None:
    for item in helm.render(MINIMAL_VALUES | {"recognize": {"pools": [{"name": 20 * "p"}]}}, release=53 * "r"):
        assert len(item["metadata"]["name"]) <= 63


def test_values_are_few_and_the_schema_knows_them_all() -> None:
    text = (CHART / "values.yaml").read_text()
    assert len(text.splitlines()) <= 220
    values = yaml.safe_load(text)
    assert schema()["properties"].keys() - {"global"} == values.keys()
    own = {*values["pods"].keys() - {"labels", "annotations", "securityContext"}, "strategy", "scratchClaim"}
    assert schema()["definitions"]["pool"]["properties"].keys() == {"name", *values["recognize"]["defaults"], *own}
    for name in ("flower", "metrics", "api", "webhooks"):
        assert schema()["properties"][name]["properties"].keys() == {*values[name], *own}, name


def test_every_value_is_described() -> None:
    def nameless(part: Object, path: str) -> list[str]:
        items = part.get("properties", {}).items()
        here = [f"{path}.{name}" for name, item in items if not item.get("description")]
        return here + [found for name, item in items for found in nameless(item, f"{path}.{name}")]

    definitions = schema()["definitions"]
    assert nameless(schema(), "") + nameless(definitions["pool"], "pool") + nameless(definitions["control"], "") == []


def test_the_schema_is_closed() -> None:
    """Each object lists its properties, or is a map of strings, or is defined by Kubernetes."""

    def is_open(part: Any, name: str) -> list[str]:
        if isinstance(part, list):
            return [found for item in part for found in is_open(item, name)]
        if not isinstance(part, dict):
            return []
        here = [name] if part.get("type") == "object" and "additionalProperties" not in part else []
        return here + [found for key, item in part.items() for found in is_open(item, key)]

    kubernetes = {"affinity", "securityContext", "strategy", "podSelector", "namespaceSelector", "ipBlock", "global"}
    kubernetes |= {"items"}  # of lists that Kubernetes defines, such as topologySpreadConstraints
    assert set(is_open(schema(), "values")) == kubernetes


def test_versions_of_chart_and_package_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    version = chart["appVersion"]
    assert version == ocrfarm.__version__
    assert values["images"]["cpu"] == f"ocrfarm:{version}-cpu"
    assert values["images"]["gpu"] == f"ocrfarm:{version}-gpu"
