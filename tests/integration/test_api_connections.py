"""Connections that send nothing, or little, do not keep the API from answering others."""

import json
import resource
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

import httpx
import pytest

from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.server.connections import raise_file_limit
from ocrfarm.settings import Api
from tests.support.api_server import KEYS, STUB_IMAGE, ApiServer, run_api_server
from tests.support.hostile_clients import run_hostile_clients
from tests.support.servers import find_free_ports

SILENT = 600
REQUESTS = 40
MAX_P95 = 1.0
SLOW_HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "


@pytest.fixture(scope="module")
def server(synthetic_farm: EmbeddedFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    api = Api(api_rate_limit=100_000, api_header_timeout=3)
    with run_api_server(synthetic_farm.settings, tmp_path_factory.mktemp("api"), api=api) as server:
        yield server


def connect(server: ApiServer) -> socket.socket:
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port or 0), timeout=20)


@contextmanager
def open_connections(server: ApiServer, count: int, *, send: bytes = b"") -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(server)) for _ in range(count)]
        for connection in connections:
            connection.sendall(send)
        yield connections


@contextmanager
def dripping(connections: list[socket.socket]) -> Iterator[None]:
    """Send a byte of a header on each connection every half a second."""
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.5):
            for connection in connections:
                try:
                    connection.send(b"x")
                except OSError:
                    connection.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure_p95(server: ApiServer) -> float:
    seconds = []
    for number in range(REQUESTS):
        path = ("/healthz", "/readyz", "/v1/jobs", "/v1/jobs?limit=1")[number % 4]
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {KEYS['alice']}"}
        assert httpx.get(f"{server.url}{path}", headers=headers, timeout=20).status_code == 200
        seconds.append(time.monotonic() - started)
        time.sleep(0.05)
    return quantiles(seconds, n=20)[-1]


@pytest.mark.parametrize(("idle", "slow"), [(SILENT, 0), (0, SILENT), (SILENT, SILENT)])
def test_silent_connections_delay_no_one(synthetic_farm: EmbeddedFarm, tmp_path: Path, *, idle: int, slow: int) -> None:
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=Api(api_rate_limit=100_000)) as server,
        open_connections(server, idle),
        open_connections(server, slow, send=SLOW_HEAD) as slow_connections,
        dripping(slow_connections),
    ):
        p95 = measure_p95(server)
    print(f"{idle} idle, {slow} slow heads: p95 {p95:.3f} s")  # noqa: T201 - a figure
    assert p95 <= MAX_P95


def read_to_end(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(4096):
        data += chunk
    return data


def test_a_connection_without_a_byte_is_closed(server: ApiServer) -> None:
    with connect(server) as connection:
        started = time.monotonic()
        assert read_to_end(connection) == b""
        assert 2 < time.monotonic() - started < 10


def test_a_head_that_drips_gets_408(server: ApiServer) -> None:
    with connect(server) as connection:
        connection.sendall(SLOW_HEAD)
        with dripping([connection]):
            assert b" 408 " in read_to_end(connection)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx",
        b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["keep-alive", "unread body", "unread chunks"],
)
def test_a_connection_is_closed_after_its_response(server: ApiServer, request_bytes: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(request_bytes)
        started = time.monotonic()
        with dripping([connection]):
            try:
                answer = read_to_end(connection)
            except ConnectionResetError:
                answer = b"HTTP/1.1 reset"
        assert answer.startswith(b"HTTP/1.1 ")
        assert time.monotonic() - started < 10


def test_a_head_of_too_many_lines_gets_431(server: ApiServer) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 400)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431 ")


def test_chunks_of_a_request_without_a_key_are_not_read(server: ApiServer) -> None:
    with connect(server) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(3)
        with pytest.raises(OSError, match=r"timed out|reset|Broken"):  # the server does not read
            connection.sendall(b"1\r\nx\r\n" * 10_000_000)
        assert b" 401 " in connection.recv(4096)


def test_a_connection_is_used_again_after_a_request_without_a_key(server: ApiServer) -> None:
    with httpx.Client(base_url=server.url) as client:
        for content in (b"x" * 100_000, b"x"):
            assert client.post("/v1/jobs", content=content).status_code == 401
            assert client.get("/healthz").status_code == 200


def test_pipelined_requests_are_answered_in_order(server: ApiServer) -> None:
    paths = ("/healthz", "/v1/jobs", "/nowhere", "/healthz")
    with connect(server) as connection:
        connection.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        answer = read_to_end(connection)
    assert [int(status[:3]) for status in answer.split(b"HTTP/1.1 ")[1:]] == [200, 401, 404, 200]


def test_a_client_that_does_not_read_loses_its_place(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    api = Api(api_max_connections=2, api_header_timeout=60)
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 400
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=api) as server,
        open_connections(server, 2, send=requests),
    ):
        time.sleep(1)
        for _ in range(3):
            assert httpx.get(f"{server.url}/healthz", timeout=20).status_code == 200


def test_readiness_is_asked_for_once_by_many_probes(server: ApiServer) -> None:
    request = b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with open_connections(server, 100, send=request) as connections:
        assert all(read_to_end(connection).startswith(b"HTTP/1.1 200 ") for connection in connections)


@pytest.mark.parametrize("kind", ["answers not read", "3,000 headers", "slow body", "WebSocket", "HTTP/1.0"])
def test_hostile_clients_delay_no_one(synthetic_farm: EmbeddedFarm, tmp_path: Path, kind: str) -> None:
    with run_api_server(synthetic_farm.settings, tmp_path, api=Api(api_rate_limit=100_000)) as server:
        port = httpx.URL(server.url).port or 0
        with run_hostile_clients(port, kind, count=50, key=KEYS["bob"]):
            assert measure_p95(server) <= MAX_P95


def test_a_new_connection_takes_the_place_of_the_longest_idle_one(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    api = Api(api_max_connections=10, api_header_timeout=60)
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=api) as server,
        open_connections(server, 10) as connections,
        server.client() as client,
    ):
        assert client.get("/healthz").status_code == 200
        with pytest.raises((ConnectionResetError, AssertionError)):
            assert connections[0].recv(1)
        connections[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 200 " in connections[-1].recv(4096)


def test_running_requests_are_not_evicted(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    api = Api(api_max_connections=2, api_header_timeout=60)
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEYS['alice']}\r\nContent-Length: 9\r\n\r\n"
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=api) as server,
        open_connections(server, 2, send=head.encode()) as uploads,
    ):
        time.sleep(0.3)
        answer = httpx.get(f"{server.url}/healthz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        uploads[0].sendall(STUB_IMAGE)
        assert b" 202 " in uploads[0].recv(4096)


def test_the_limit_of_open_files_is_raised_or_kept() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert raise_file_limit(100) == 100
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 740
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("length", ["5", "0"])
def test_a_request_with_two_lengths_is_refused(server: ApiServer, length: str) -> None:
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head.encode() + b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in answer


def test_metrics_count_requests_and_connections_on_their_own_port(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    port = find_free_ports(1)[0]
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=Api(api_metrics_port=port)) as server,
        server.client("alice") as alice,
    ):
        assert alice.get("/v1/jobs/01J8Z3T6W8Q5N4R2K7M9X1C0VB").status_code == 404
        assert alice.get(f"/{uuid.uuid4()}").status_code == 404
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert alice.get("/metrics").status_code == 404
    assert 'ocrfarm_api_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0' in text
    assert 'ocrfarm_api_requests_total{method="GET",route="unknown",status="404"} 1.0' in text
    assert "ocrfarm_api_connections 1.0" in text
    assert 'ocrfarm_api_connections_rejected_total{reason="evicted"} 0.0' in text
    assert 'ocrfarm_api_request_duration_seconds_bucket{le="0.5",method="GET",route="/v1/jobs/{job_id}"}' in text


def test_the_access_log_has_job_owner_and_status_but_no_secret(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    job = "01J8Z3T6W8Q5N4R2K7M9X1C0VB"
    with run_api_server(synthetic_farm.settings, tmp_path, OCRFARM_LOG_FORMAT="json") as server:
        with server.client("alice") as alice:
            alice.get(f"/v1/jobs/{job}/result", params={"format": "hidden-word"})
        httpx.get(f"{server.url}/v1/jobs", headers={"Authorization": "Bearer hidden-word"})
    log = server.log.read_text()
    rows = [json.loads(line) for line in log.splitlines() if "ocrfarm.server.middleware" in line]
    known, unknown = rows
    assert (known["job"], known["owner"], known["status"]) == (job, "alice", 404)
    assert known["seconds"] > 0
    assert "owner" not in unknown
    assert unknown["status"] == 401
    assert "hidden-word" not in log
    assert KEYS["alice"] not in log


def test_a_running_upload_ends_before_the_server_does(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEYS['alice']}\r\nContent-Length: 9\r\n\r\n"
    with run_api_server(synthetic_farm.settings, tmp_path) as server, connect(server) as connection:
        connection.sendall(head.encode())
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.5)
        connection.sendall(STUB_IMAGE)
        assert b"HTTP/1.1 " in connection.recv(4096)
        assert server.process.wait(20) == 0
    assert "Traceback" not in server.log.read_text()
