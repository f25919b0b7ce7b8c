"""Rules that hold for every object, whatever the values: security, probes, references and budgets."""

import re
from typing import Any

import pytest

from ocrfarm.recognize.profiles import find_profile
from ocrfarm.settings import Settings
from tests.support.helm_chart import (
    ANYWHERE,
    CASES,
    GPU_POOL,
    MINIMAL_VALUES,
    Helm,
    Object,
    container_environment,
    find_object,
    iter_containers,
    iter_pods,
    select_kind,
    with_pool,
)
from tests.support.source_tree import ROOT

every_case = pytest.mark.parametrize("values", CASES.values(), ids=list(CASES))


@every_case
def test_pods_are_restricted(helm: Helm, values: Object) -> None:
    """Pods meet the pod security level `restricted`, and their root is read-only."""
    objects = helm.render(values)
    for name, pod in iter_pods(objects):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security.get("runAsUser", 10001) > 0, name  # OpenShift assigns one
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
        kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret", "image"}, name
    for name, container in iter_containers(objects):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["readOnlyRootFilesystem"] is True, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert "privileged" not in security, name


@every_case
def test_pods_get_no_token_and_no_variables_that_look_like_settings(helm: Helm, values: Object) -> None:
    """A service ocrfarm-flower would set OCRFARM_FLOWER_PORT, which every process rejects as an unknown setting."""
    for name, pod in iter_pods(helm.render(values)):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name


@every_case
def test_containers_have_requests_and_a_limit_of_memory(helm: Helm, values: Object) -> None:
    for name, container in iter_containers(helm.render(values)):
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"].keys() >= {"cpu", "memory", "ephemeral-storage"}, name


@every_case
def test_scratch_folders_are_bounded(helm: Helm, values: Object) -> None:
    for name, pod in iter_pods(helm.render(values)):
        volumes = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
        assert volumes, name
        assert all(volume["sizeLimit"] for volume in volumes), name


@every_case
def test_secrets_come_by_reference(helm: Helm, values: Object) -> None:
    objects = helm.render(values)
    assert not select_kind(objects, "Secret")
    for name, container in iter_containers(objects):
        for variable, value in container_environment(container).items():
            if re.search("PASSWORD|USERNAME|SECRET|AWS_ACCESS", variable):
                assert value.keys() == {"secretKeyRef"}, f"{name}: {variable}"
        assert "secret" not in " ".join(container.get("command", ())), name


@every_case
def test_processes_understand_their_settings(helm: Helm, values: Object) -> None:
    for name, container in iter_containers(helm.render(values)):
        plain = {key: value for key, value in container_environment(container).items() if isinstance(value, str)}
        settings = Settings.from_env(plain)
        assert settings.endpoints.broker.startswith(("redis://$(BROKER_USERNAME)", "rediss://$(BROKER_USERNAME)")), name
        names = list(container_environment(container))
        assert names.index("BROKER_PASSWORD") < names.index("OCRFARM_BROKER"), name  # else it is not filled in


@every_case
def test_pools_hold_profiles_that_workers_read(helm: Helm, values: Object, tmp_path: Any) -> None:
    objects = helm.render(values)
    for name, container in iter_containers(objects):
        if name.endswith("/recognize"):
            path = container["command"][container["command"].index("--profile") + 1].rpartition("/")[2]
            text = find_object(objects, "ConfigMap", f"-recognize-{path.removesuffix('.toml')}")["data"][path]
            (tmp_path / path).write_text(text)
            profile = find_profile(str(tmp_path / path))
            assert (profile.runtime.device == "gpu:0") == ("gpu" in container["image"])


@every_case
def test_nothing_is_let_in_or_out_unless_it_is_named(helm: Helm, values: Object) -> None:
    objects = helm.render(values)
    if not values.get("networkPolicy", {}).get("enabled", True):
        assert not select_kind(objects, "NetworkPolicy")
        return
    default = find_object(objects, "NetworkPolicy", "-default")["spec"]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    for item in select_kind(objects, "Deployment", "Job"):
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert default["podSelector"]["matchLabels"].items() <= labels.items(), item["metadata"]["name"]
    assert all(rule["ports"] for rule in default["egress"])
    assert all(
        rule["to"] for rule in default["egress"] if rule not in values.get("networkPolicy", {}).get("extraEgress", ())
    )


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("s3://ocr", 443),
        ("s3://ocr?endpoint=https://s3.example", 443),
        ("s3://ocr/a?endpoint=http://s3.data:8333/&region=eu", 8333),
        ("s3://ocr/a?region=eu&endpoint=http://s3.data", 80),
    ],
)
def test_the_way_to_the_store_is_open(helm: Helm, url: str, port: int) -> None:
    values = MINIMAL_VALUES | {"store": {"url": url}, "networkPolicy": {"store": ANYWHERE}}
    policy = find_object(helm.render(values), "NetworkPolicy", "-default")
    assert [rule["ports"][0]["port"] for rule in policy["spec"]["egress"]] == [53, 6379, port]


@every_case
def test_a_gpu_pod_has_one_gpu_and_its_image(helm: Helm, values: Object) -> None:
    objects = helm.render(values)
    for name, container in iter_containers(objects):
        gpus = {key: count for key, count in container["resources"]["limits"].items() if "/" in key}
        assert list(gpus.values()) == ([1] if "gpu" in container["image"] and name.endswith("/recognize") else []), name


def test_a_gpu_pod_goes_where_the_gpus_are(helm: Helm) -> None:
    pod = find_object(helm.render(MINIMAL_VALUES | {"recognize": {"pools": [GPU_POOL]}}), "Deployment", "-accurate")[
        "spec"
    ]["template"]
    assert pod["spec"]["tolerations"] == GPU_POOL["tolerations"]
    assert pod["spec"]["nodeSelector"] == GPU_POOL["nodeSelector"]
    assert pod["spec"]["runtimeClassName"] == "nvidia"


def test_an_upgrade_needs_no_second_gpu(helm: Helm) -> None:
    deployment = find_object(
        helm.render(MINIMAL_VALUES | {"recognize": {"pools": [GPU_POOL]}}), "Deployment", "-accurate"
    )
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


@every_case
def test_a_batch_is_back_in_its_queue_before_the_pod_is_killed(helm: Helm, values: Object) -> None:
    for name, pod in iter_pods(helm.render(values)):
        (container,) = pod["containers"]
        if shutdown := container_environment(container).get("OCRFARM_SHUTDOWN_TIMEOUT"):
            assert pod["terminationGracePeriodSeconds"] >= int(shutdown) + 15, name
            assert container["command"][:2] == ["ocrfarm", "worker"], name  # the signal reaches it, not a shell
            assert "lifecycle" not in container, name


@every_case
def test_workers_are_watched_by_their_files(helm: Helm, values: Object) -> None:
    """A probe that asked the broker would restart all workers, with their models, during an outage."""
    for name, container in iter_containers(helm.render(values)):
        if name.endswith(("/split", "/stitch", "/recognize")):
            assert "exec" in container["startupProbe"], name
            assert ".alive" in container["livenessProbe"]["exec"]["command"][2], name
            load = int(container_environment(container).get("OCRFARM_MODEL_LOAD_TIMEOUT", 600))
            assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] > load


@every_case
def test_drained_nodes_leave_some_workers(helm: Helm, values: Object) -> None:
    objects = helm.render(values)
    guarded = {item["metadata"]["name"] for item in select_kind(objects, "PodDisruptionBudget")}
    deployed = {item["metadata"]["name"] for item in select_kind(objects, "Deployment")}
    assert guarded == {name for name in deployed if not name.endswith(("-flower", "-metrics"))}


@every_case
def test_selectors_find_one_component_each(helm: Helm, values: Object) -> None:
    deployments = select_kind(helm.render(values), "Deployment")
    for item in deployments:
        wanted = item["spec"]["selector"]["matchLabels"].items()
        found = [each for each in deployments if wanted <= each["spec"]["template"]["metadata"]["labels"].items()]
        assert found == [item]


@every_case
def test_every_reference_has_its_object(helm: Helm, values: Object) -> None:
    """References to service accounts, config maps, services and scaled deployments of the chart."""
    objects = helm.render(values)
    there = {(item["kind"], item["metadata"]["name"]) for item in objects}
    for _, pod in iter_pods(objects):
        assert ("ServiceAccount", pod["serviceAccountName"]) in there
        for volume in pod["volumes"]:
            if "configMap" in volume and not volume["configMap"].get("optional"):
                assert ("ConfigMap", volume["configMap"]["name"]) in there
        mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    for item in select_kind(objects, "ScaledObject", "HorizontalPodAutoscaler"):
        assert ("Deployment", item["spec"]["scaleTargetRef"]["name"]) in there
    for item in select_kind(objects, "Ingress"):
        path = item["spec"]["rules"][0]["http"]["paths"][0]
        assert ("Service", path["backend"]["service"]["name"]) in there
    for item in select_kind(objects, "HTTPRoute"):
        assert ("Service", item["spec"]["rules"][0]["backendRefs"][0]["name"]) in there


@every_case
def test_a_deployment_has_one_master(helm: Helm, values: Object) -> None:
    objects = helm.render(values)
    scaled = [item["spec"]["scaleTargetRef"]["name"] for item in select_kind(objects, "ScaledObject")]
    scaled += [item["spec"]["scaleTargetRef"]["name"] for item in select_kind(objects, "HorizontalPodAutoscaler")]
    assert len(scaled) == len(set(scaled))
    for item in select_kind(objects, "Deployment"):
        assert ("replicas" in item["spec"]) != (item["metadata"]["name"] in scaled)


@pytest.mark.parametrize("name", ["claim", "image volume", "bucket", "registry"])
def test_mounted_weights_lie_where_workers_look(helm: Helm, name: str) -> None:
    pod = find_object(helm.render(CASES[name]), "Deployment", "-fast")["spec"]["template"]["spec"]
    (mount,) = [item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "models"]
    assert mount == {"name": "models", "mountPath": "/models", "readOnly": True}
    assert "OCRFARM_MODELS_DIR=/models" in (ROOT / "workers" / "Dockerfile").read_text()
    for init in pod.get("initContainers", ()):
        assert container_environment(init)["OCRFARM_CACHE_DIR"] == "/models"
        assert init["command"][-2:] == ["PP-OCRv6_tiny_det", "PP-OCRv6_tiny_rec"]


def test_roles_have_their_own_keys(helm: Helm) -> None:
    used = {
        name.partition("/")[2]: container_environment(container)
        .get("AWS_ACCESS_KEY_ID", {})
        .get("secretKeyRef", {})
        .get("name")
        for name, container in iter_containers(helm.render(CASES["keys"]))
    }
    assert used["split"] == "s3-split"
    assert used["recognize"] == "s3-recognize"
    assert used["stitch"] == used["read-sample"] == "ocrfarm-store"
    assert used["flower"] is used["metrics"] is None
    by_role = iter_containers(helm.render(CASES["roles"]))
    assert not [name for name, container in by_role if "AWS_ACCESS_KEY_ID" in container_environment(container)]


def test_a_changed_profile_starts_its_pool_anew(helm: Helm) -> None:
    def mark(**pool: Any) -> str:
        template = find_object(helm.render(with_pool(**pool)), "Deployment", "-fast")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/profile"])

    assert mark() == mark(replicas=2)
    assert mark() != mark(batch=16)
