"""Every service of compose.yaml, started with exactly its command, and one job that passes through all of them."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from ocrfarm.errors import EngineError
from ocrfarm.recognize import find_profile
from tests.support.compose_containers import NAMES, make_container, start_services
from tests.support.compose_stack import documented_exports, load_services
from tests.support.containers import (
    Container,
    ContainerNetwork,
    health_check_command,
    image_environment,
    run_network,
    weights_mount,
)
from tests.support.programs import find_program
from tests.support.prometheus_text import Samples, parse_samples, sample_value

WORKERS = ("split", "recognize", "recognize-accurate", "stitch")
SERVICES = ("flower", "metrics", "api", "webhooks")
GET = "from urllib.request import urlopen; print(urlopen('{}').read().decode())"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerNetwork]:
    """Run all services except Prometheus, Grafana and the one for GPUs, and a client."""
    with run_network(tmp_path_factory.mktemp("stack"), *NAMES) as place:
        start_services(place)
        found = load_services()
        for name in (*WORKERS, *SERVICES):
            place.start(name, make_container(found[name], place.folder))
        place.start(
            "client", Container(["sleep", "infinity"], image_environment() | documented_exports(), weights_mount())
        )
        yield place


def _healthy(stack: ContainerNetwork, name: str) -> bool:
    """Return what a container engine would report, by the service's own health check or the image's."""
    own = load_services()[name].get("healthcheck", {}).get("test")
    return stack.succeeds(name, own[1:] if own else health_check_command())


@pytest.mark.parametrize("name", [*WORKERS, *SERVICES])
def test_a_service_gets_healthy(stack: ContainerNetwork, name: str) -> None:
    stack.wait_until(lambda: _healthy(stack, name), what=f"{name} is healthy")


def _scraped(stack: ContainerNetwork) -> Samples:
    return parse_samples(stack.run("client", ["python", "-c", GET.format("http://metrics:9808/metrics")]).stdout)


@pytest.mark.parametrize("profile", ["fast", "accurate"])
def test_a_job_is_read_and_counted(stack: ContainerNetwork, profile: str) -> None:
    """The client exports the variables of docs/compose.md."""
    queue = frozenset({("queue", f"recognize.{find_profile(profile).recognizer}")})
    stack.wait_until(lambda: _scraped(stack).get(("ocrfarm_workers", queue)) == 1, what=f"one worker for {profile}")
    before = _scraped(stack)
    assert sample_value(before, "broker_up") == 1
    script = f"ocrfarm sample page.png --size 1024 && ocrfarm wait $(ocrfarm submit page.png --profile {profile})"
    done = stack.run("client", ["sh", "-euc", script])
    assert done.returncode == 0, done.stderr + stack.log("recognize")
    assert "complete" in done.stdout
    after = _scraped(stack)
    assert (
        sample_value(after, "jobs_total", state="complete") == sample_value(before, "jobs_total", state="complete") + 1
    )
    assert sample_value(after, "tiles_total", outcome="read") == sample_value(before, "tiles_total", outcome="read") + 1
    model = find_profile(profile).recognizer
    assert sample_value(after, "lines_total", model=model) > before.get(
        ("ocrfarm_lines_total", frozenset({("model", model)})), 0
    )


def test_prometheus_scrapes_the_exporter_with_the_file_that_it_is_given(stack: ContainerNetwork) -> None:
    program = find_program("prometheus", package="prometheus")
    service = make_container(load_services()["prometheus"], stack.folder)
    words = [program, "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]  # its image's
    stack.start("prometheus", Container(words, service.environment, service.mounts, read_only=service.read_only))

    def asked(query: str) -> list[object]:
        url = f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}"
        done = stack.run("client", ["python", "-c", GET.format(url)])
        return list(json.loads(done.stdout)["data"]["result"]) if done.returncode == 0 else []

    stack.wait_until(lambda: bool(asked("ocrfarm_broker_up == 1")), what="Prometheus knows the farm")
    assert asked('up{job="ocrfarm"} == 1')
    stack.wait_until(lambda: bool(asked('up{job="ocrfarm-api"} == 1')), what="Prometheus knows the API")


def test_the_api_takes_a_job_with_the_documented_key(stack: ContainerNetwork) -> None:
    script = (
        "from urllib.request import Request, urlopen; "
        "headers = {'Authorization': 'Bearer key-of-this-machine', 'Content-Type': 'image/png'}; "
        "data = open('api.png', 'rb').read(); "
        "print(urlopen(Request('http://api:8700/v1/jobs?profile=fast&name=api.png', data, headers)).status)"
    )
    done = stack.run("client", ["sh", "-euc", f'ocrfarm sample api.png --size 1024 >&2 && python -c "{script}"'])
    assert done.stdout.strip() == "202", done.stderr


def test_the_service_for_gpus_reports_that_the_gpu_is_missing(stack: ContainerNetwork) -> None:
    stack.start("gpu", make_container(load_services("--profile", "gpu")["recognize-gpu"], stack.folder))
    assert stack.wait("gpu", 60) == EngineError.exit_code
    assert "device gpu:0 is asked for, and NVIDIA's driver shows 0 GPUs" in stack.log("gpu")


def test_a_service_that_is_stopped_ends_well(stack: ContainerNetwork) -> None:
    """This is the last test of the file, since it stops the farm."""
    for name in (*WORKERS, *SERVICES):
        assert stack.stop(name) == 0, stack.log(name)
