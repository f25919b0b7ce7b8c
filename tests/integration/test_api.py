"""The HTTP API with real requests, a real server and an embedded farm."""

import hashlib
import io
import json
import socket
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from PIL import Image

from ocrfarm import errors
from ocrfarm.client import Client
from ocrfarm.errors import FarmError, OcrfarmError, SettingsError
from ocrfarm.farm import protocol
from ocrfarm.farm.context import open_job_store
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.geometry import Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.result import document_from_json
from ocrfarm.result.formats import FORMATS
from ocrfarm.server.problems import http_status_of
from ocrfarm.server.results import MEDIA_TYPES
from ocrfarm.settings import Api, Endpoints, Settings
from ocrfarm.storage import open_store
from ocrfarm.worker import api as worker
from tests.support.api_server import KEYS, STUB_IMAGE, ApiServer, key_digest, run_api_server
from tests.support.servers import ValkeyServer

MAX_UPLOAD_BYTES = 3_000_000
SYNTHETIC = {"profile": "synthetic"}
FUZZED_PARAMETERS = ["format", "page", "limit", "after", "priority", "profile", "name", "webhook"]
ERRORS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, OcrfarmError)]


def draw_image(seed: int, *, side: int = 900, lines: int = 8) -> tuple[bytes, list[str]]:
    pixels, truth = make_synthetic_page(Size(side, side), seed=seed, lines=lines)
    return encode_tile(pixels), sorted(line.text for line in truth)


@pytest.fixture(scope="module")
def server(synthetic_farm: EmbeddedFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    api = Api(api_max_upload_bytes=MAX_UPLOAD_BYTES, api_upload_timeout=3, api_max_concurrent=3, api_rate_limit=100_000)
    with run_api_server(synthetic_farm.settings, tmp_path_factory.mktemp("api"), api=api) as server:
        yield server


@pytest.fixture
def alice(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client("alice") as client:
        yield client


@pytest.fixture
def bob(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client("bob") as client:
        yield client


@pytest.fixture(scope="module")
def finished_job(server: ApiServer) -> tuple[str, list[str]]:
    """Return a job of Alice that has ended, and its texts."""
    data, expected = draw_image(1)
    with server.client("alice") as client:
        answer = client.post("/v1/jobs", content=data, params={**SYNTHETIC, "name": "drawing.png"})
        assert answer.status_code == 202, answer.text
        job = answer.json()["id"]
        assert answer.headers["location"] == f"/v1/jobs/{job}"
        wait(client, job)
    return job, expected


def wait(client: httpx.Client, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        found: dict[str, Any] = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        if found["state"] in ("complete", "partial", "failed", "cancelled"):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"], found["type"]) == (status, code, f"urn:ocrfarm:{code}")
    return found


def test_a_job_from_upload_to_result(alice: httpx.Client, finished_job: tuple[str, list[str]]) -> None:
    job, expected = finished_job
    view = alice.get(f"/v1/jobs/{job}").json()
    assert (view["state"], view["name"], view["failed"]) == ("complete", "drawing.png", 0)
    assert view["submitted"] <= view["started"] <= view["finished"]
    assert "owner" not in view
    document = document_from_json(alice.get(f"/v1/jobs/{job}/result").content)
    assert sorted(line.text for line in document.lines) == expected
    assert alice.get("/v1/jobs", params={"limit": 1}).json()["jobs"]


@pytest.mark.parametrize("form", FORMATS)
def test_the_result_in_every_format(alice: httpx.Client, finished_job: tuple[str, list[str]], form: str) -> None:
    job, expected = finished_job
    answer = alice.get(f"/v1/jobs/{job}/result", params={"format": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPES[form]
    assert answer.headers["content-disposition"] == f'attachment; filename="{FORMATS[form].file_name(job)}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    _check_content(form, answer.content, expected)
    again = alice.get(
        f"/v1/jobs/{job}/result", params={"format": form}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])


def _check_content(form: str, content: bytes, expected: list[str]) -> None:
    match form:
        case "txt":
            assert sorted(content.decode().splitlines()) == expected
        case "preview" | "webp":
            assert Image.open(io.BytesIO(content)).size == (900, 900)
        case "alto" | "page" | "hocr":
            assert ET.fromstring(content) is not None
        case "pdf":
            assert content.startswith(b"%PDF-")
        case "json" | "geojson" | "coco" | "iiif":
            assert json.loads(content)
        case "parquet":
            assert content.startswith(b"PAR1")
        case _:
            assert expected[0].split()[0].encode() in content.replace(b"\\", b"")


def test_every_format_has_a_media_type_and_another_tag(
    alice: httpx.Client, finished_job: tuple[str, list[str]]
) -> None:
    assert MEDIA_TYPES.keys() == FORMATS.keys()
    tags = {
        alice.get(f"/v1/jobs/{finished_job[0]}/result", params={"format": form}).headers["etag"] for form in FORMATS
    }
    assert len(tags) == len(FORMATS)


def test_pages_of_an_image_with_several(alice: httpx.Client) -> None:
    pages = [
        Image.fromarray(make_synthetic_page(Size(500 + 100 * seed, 500), seed=seed, lines=3)[0]) for seed in range(3)
    ]
    data = io.BytesIO()
    pages[0].save(data, "TIFF", save_all=True, append_images=pages[1:])
    job = alice.post("/v1/jobs", content=data.getvalue(), params=SYNTHETIC).json()["id"]
    assert wait(alice, job)["state"] == "complete"
    url = f"/v1/jobs/{job}/result"
    second = alice.get(url, params={"format": "preview", "page": 2})
    assert Image.open(io.BytesIO(second.content)).size == (600, 500)
    assert f"{job}.p0001.preview.png" in second.headers["content-disposition"]
    found = assert_problem(alice.get(url, params={"format": "page", "page": 4}), 400, "SettingsError")
    assert "none of the 3 that were read" in found["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/{job}"),
        ("GET", "/v1/jobs/{job}/events"),
        ("GET", "/v1/jobs/{job}/result"),
        ("DELETE", "/v1/jobs/{job}"),
    ],
)
def test_another_owner_sees_no_job_of_mine(
    bob: httpx.Client, server: ApiServer, finished_job: tuple[str, list[str]], method: str, path: str
) -> None:
    mine = assert_problem(bob.request(method, path.format(job=finished_job[0])), 404, "UnknownJob")
    missing_id = protocol.new_job_id()
    unknown = assert_problem(bob.request(method, path.format(job=missing_id)), 404, "UnknownJob")
    assert mine["detail"].replace(finished_job[0], "") == unknown["detail"].replace(missing_id, "")
    assert mine["title"] == unknown["title"]
    assert finished_job[0] not in [job["id"] for job in bob.get("/v1/jobs").json()["jobs"]]
    for key in ("", "Bearer", "Bearer wrong", f"Basic {KEYS['alice']}", f"Bearer {key_digest(KEYS['alice'])}"):
        headers = {"Authorization": key} if key else {}
        answer = httpx.request(method, f"{server.url}{path.format(job=finished_job[0])}", headers=headers)
        assert_problem(answer, 401, "Unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_jobs_of_the_library_are_no_owners(alice: httpx.Client, synthetic_farm: EmbeddedFarm) -> None:
    with Client(settings=synthetic_farm.settings) as client:
        job = client.submit(draw_image(2)[0], profile="synthetic")
        assert job.status().owner == ""
        assert_problem(alice.get(f"/v1/jobs/{job.id}"), 404, "UnknownJob")
        job.wait(60)


@pytest.mark.parametrize("path", ["../../etc/passwd", "..%2f..%2fetc", "%00", "x" * 2000, "01J8Z3T6W8Q5N4R2K7M9X1C0V'"])
def test_an_invalid_id_is_an_unknown_job(alice: httpx.Client, path: str) -> None:
    answer = alice.get(f"/v1/jobs/{path}")
    assert answer.status_code == 404
    assert len(answer.content) < 1_000


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"profile": "/etc/passwd"}, "UnknownProfile", "no profile"),
        ({"profile": "x.toml"}, "UnknownProfile", "no profile"),
        ({"priority": "7"}, "SettingsError", "priority 7"),
        ({"priority": "high"}, "BadRequest", "priority"),
        ({"name": "a\nb"}, "SettingsError", "printable"),
        ({"name": "x" * 256}, "BadRequest", "name"),
    ],
)
def test_an_invalid_parameter_is_rejected(alice: httpx.Client, params: dict[str, str], code: str, words: str) -> None:
    found = assert_problem(alice.post("/v1/jobs", content=STUB_IMAGE, params={**SYNTHETIC, **params}), 400, code)
    assert words in found["detail"]


@pytest.mark.parametrize("form", ["nonsense", "", "json,txt", "../x"])
def test_an_unknown_format_is_rejected(alice: httpx.Client, finished_job: tuple[str, list[str]], form: str) -> None:
    assert alice.get(f"/v1/jobs/{finished_job[0]}/result", params={"format": form}).status_code == 400


def test_an_image_that_cannot_be_read_is_the_same_error_as_everywhere(alice: httpx.Client) -> None:
    assert_problem(alice.post("/v1/jobs", params=SYNTHETIC), 422, "UnidentifiedImage")
    params = {**SYNTHETIC, "name": "scan.png"}
    found = assert_problem(alice.post("/v1/jobs", content=b"only text", params=params), 422, "UnidentifiedImage")
    assert found["detail"].startswith("scan.png: its first bytes are of no format that ocrfarm reads")
    job = alice.post("/v1/jobs", content=STUB_IMAGE, params=params).json()["id"]
    view = wait(alice, job)
    assert (view["state"], view["error_kind"]) == ("failed", "DamagedImage")
    assert "scan.png" in assert_problem(alice.get(f"/v1/jobs/{job}/result"), 422, "DamagedImage")["detail"]


def test_an_upload_beyond_the_limit_is_refused(alice: httpx.Client) -> None:
    found = assert_problem(
        alice.post("/v1/jobs", content=bytes(MAX_UPLOAD_BYTES + 1), params=SYNTHETIC), 413, "TooLarge"
    )
    assert f"{MAX_UPLOAD_BYTES:,}" in found["detail"]

    def endless() -> Iterator[bytes]:
        for _ in range(1_000):
            yield bytes(100_000)

    with suppress(httpx.TransportError):  # the server may have hung up before it was told all
        assert_problem(alice.post("/v1/jobs", content=endless(), params=SYNTHETIC), 413, "TooLarge")


def test_an_upload_that_drips_is_ended(server: ApiServer) -> None:
    request = f"POST /v1/jobs?profile=synthetic HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS['alice']}\r\n"
    with _connected(server) as connection:
        connection.sendall(f"{request}Content-Length: 1000\r\n\r\nxxx".encode())
        assert b" 408 " in connection.recv(100)


def _connected(server: ApiServer) -> socket.socket:
    url = httpx.URL(server.url)
    return socket.create_connection((url.host, url.port or 0), timeout=20)


def test_an_upload_is_kept_out_of_memory(server: ApiServer, alice: httpx.Client) -> None:
    before = _resident_bytes(server)
    with ThreadPoolExecutor(3) as threads:
        answers = threads.map(
            lambda _: alice.post("/v1/jobs", content=STUB_IMAGE.ljust(MAX_UPLOAD_BYTES), params=SYNTHETIC), range(9)
        )
        assert {answer.status_code for answer in answers} <= {202, 429}
    assert _resident_bytes(server) - before < 20_000_000


def _resident_bytes(server: ApiServer) -> int:
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def test_whoever_hangs_up_leaves_nothing(server: ApiServer, alice: httpx.Client) -> None:
    request = f"POST /v1/jobs?profile=synthetic HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEYS['alice']}\r\n"
    for _ in range(5):  # more than may be open at the same time
        with _connected(server) as connection:
            connection.sendall(f"{request}Content-Length: 1000\r\n\r\nxxx".encode())
        time.sleep(0.1)
    assert alice.post("/v1/jobs", content=STUB_IMAGE, params=SYNTHETIC).status_code == 202
    assert "Traceback" not in server.log.read_text()


def _events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return id, name and data of each event."""
    known: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            known[name] = value
        elif "data" in known:
            yield known["id"], known["event"], json.loads(known["data"])
            known = {}


def test_events_tell_a_job_to_its_end_and_go_on_after_a_break(alice: httpx.Client) -> None:
    data, _ = draw_image(3, side=3000, lines=60)
    job = alice.post("/v1/jobs", content=data, params=SYNTHETIC).json()["id"]
    url = f"/v1/jobs/{job}/events"
    with alice.stream("GET", url) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        broken, name, status = next(_events(answer.iter_lines()))
    assert (name, status["id"]) == ("status", job)
    with alice.stream("GET", url, headers={"Last-Event-ID": broken}) as answer:
        rest = list(_events(answer.iter_lines()))
    assert broken not in [known for known, _, _ in rest]
    assert rest[-1][2]["state"] == "complete"
    settled = [status["done"] for _, _, status in rest]
    assert settled == sorted(settled)
    last = rest[-1][0]
    assert alice.get(url, headers={"Last-Event-ID": last}).status_code == 204
    with alice.stream("GET", url) as answer:
        assert [known for known, _, _ in _events(answer.iter_lines())] == [last]


def test_a_silent_job_has_a_heartbeat(alice: httpx.Client) -> None:
    """No worker has loaded the recognizer of `fast`, so the job waits."""
    job = alice.post("/v1/jobs", content=draw_image(4)[0], params={"profile": "fast"}).json()["id"]
    deadline = time.monotonic() + 40
    with alice.stream("GET", f"/v1/jobs/{job}/events") as answer:
        for line in answer.iter_lines():
            assert time.monotonic() < deadline
            if line.startswith(":"):
                break
    assert_problem(alice.get(f"/v1/jobs/{job}/result"), 409, "Conflict")
    assert alice.delete(f"/v1/jobs/{job}").json() == {"cancelled": True}
    assert alice.delete(f"/v1/jobs/{job}").json() == {"cancelled": False}
    assert wait(alice, job)["state"] == "cancelled"
    assert_problem(alice.get(f"/v1/jobs/{job}/result"), 409, "JobCancelled")


def test_one_owner_cannot_hold_all_streams(server: ApiServer, alice: httpx.Client, bob: httpx.Client) -> None:
    job = alice.post("/v1/jobs", content=draw_image(5)[0], params={"profile": "fast"}).json()["id"]
    url, ends, all_open = f"/v1/jobs/{job}/events", threading.Event(), threading.Barrier(4)

    def hold() -> None:
        with server.client("alice") as client, client.stream("GET", url) as answer:
            lines = answer.iter_lines()
            next(lines)
            all_open.wait(30)
            ends.wait(30)

    holders = [threading.Thread(target=hold) for _ in range(3)]
    for holder in holders:
        holder.start()
    all_open.wait(30)
    answer = alice.get(url)
    assert_problem(answer, 429, "TooManyRequests")
    assert int(answer.headers["retry-after"]) > 0
    assert bob.post("/v1/jobs", content=STUB_IMAGE, params=SYNTHETIC).status_code == 202
    ends.set()
    for holder in holders:
        holder.join()
    assert alice.delete(f"/v1/jobs/{job}").json() == {"cancelled": True}
    deadline = time.monotonic() + 10
    while (code := alice.get(url).status_code) == 429:  # the server learns of a stream's end by itself
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert code == 200


def test_requests_have_a_rate(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    limited = Api(api_rate_limit=5)
    with (
        run_api_server(synthetic_farm.settings, tmp_path, api=limited) as server,
        server.client("alice") as alice,
        server.client("bob") as bob,
    ):
        answers = [alice.get("/v1/jobs") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
        assert assert_problem(answers[-1], 429, "TooManyRequests")["retryable"]
        assert bob.get("/v1/jobs").status_code == 200
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.fixture
def workerless_settings(valkey_server: ValkeyServer, tmp_path: Path) -> Settings:
    """Return the settings of a farm without workers, in which jobs wait."""
    return Settings(Endpoints(valkey_server.url, str(tmp_path / "store"), key_prefix=f"{uuid.uuid4().hex}:"))


def submit_job(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/jobs", content=STUB_IMAGE, params=SYNTHETIC)


def test_jobs_are_listed_page_by_page(workerless_settings: Settings, tmp_path: Path) -> None:
    with (
        run_api_server(workerless_settings, tmp_path) as server,
        server.client("alice") as alice,
        server.client("bob") as bob,
    ):
        mine = [submit_job(alice).json()["id"] for _ in range(5)][::-1]
        theirs = submit_job(bob).json()["id"]

        def page(limit: int, after: str = "") -> tuple[list[str], str | None]:
            found = alice.get("/v1/jobs", params={"limit": limit, "after": after}).raise_for_status().json()
            return [job["id"] for job in found["jobs"]], found["next"]

        assert page(2) == (mine[:2], mine[1])
        newest = submit_job(alice).json()["id"]
        assert page(2, mine[1]) == (mine[2:4], mine[3])  # a new job moves nothing
        assert page(2, mine[3]) == (mine[4:], None)
        assert page(5, newest) == (mine, None)
        assert page(1_000) == ([newest, *mine], None)
        for stranger in (theirs, protocol.new_job_id(), "../x"):
            assert_problem(alice.get("/v1/jobs", params={"after": stranger}), 404, "UnknownJob")
        for limit in (0, 1_001):
            assert_problem(alice.get("/v1/jobs", params={"limit": limit}), 400, "BadRequest")
        open_job_store(workerless_settings).recovery.delete_job(mine[1])
        assert page(2, mine[1]) == (mine[2:4], mine[3])  # the store still knows when it was


def test_an_owner_has_so_many_unfinished_jobs(workerless_settings: Settings, tmp_path: Path) -> None:
    limited = Api(api_max_jobs=3)
    with (
        run_api_server(workerless_settings, tmp_path, api=limited) as server,
        server.client("alice") as alice,
        server.client("bob") as bob,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = [*threads.map(lambda _: submit_job(alice), range(8)), *(submit_job(alice) for _ in range(4))]
        taken = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        assert len(taken) == 3
        for answer in answers:
            if answer.status_code != 202:
                assert answer.status_code != 500, server.log.read_text()
                found = assert_problem(answer, 429, "TooManyRequests")
                assert (found["retryable"], "3 unfinished jobs" in found["detail"]) == (True, True)
                assert int(answer.headers["retry-after"]) > 0
        assert {key.split("/")[1] for key in open_store(workerless_settings.endpoints.store).list("jobs/")} == {*taken}
        assert {job["id"] for job in alice.get("/v1/jobs").json()["jobs"]} == {*taken}
        assert submit_job(bob).status_code == 202
        assert alice.delete(f"/v1/jobs/{taken[0]}").json() == {"cancelled": True}
        assert submit_job(alice).status_code == 202
        assert submit_job(alice).status_code == 429


def test_health_and_a_farm_that_is_away(server: ApiServer, tmp_path: Path) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}
    away = Settings(Endpoints("redis://:secret-9@127.0.0.1:1/0", str(tmp_path / "store")))
    with run_api_server(away, tmp_path) as lonely, lonely.client("alice") as alice:
        assert alice.get("/healthz").status_code == 200
        for answer in (alice.get("/readyz"), alice.get("/v1/jobs"), alice.post("/v1/jobs", content=STUB_IMAGE)):
            found = assert_problem(answer, 503, "BrokerUnreachable")
            assert found["retryable"]
            assert "127.0.0.1" not in answer.text
            assert found["instance"] in lonely.log.read_text()
        assert "secret-9" not in lonely.log.read_text()


def test_headers_forbid_browsers_to_run_or_cache_responses(server: ApiServer, alice: httpx.Client) -> None:
    for answer in (alice.get("/v1/jobs"), httpx.get(f"{server.url}/nowhere"), httpx.get(f"{server.url}/v1/jobs")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    assert_problem(httpx.get(f"{server.url}/nowhere"), 404, "NotFound")
    assert_problem(httpx.put(f"{server.url}/v1/jobs"), 405, "MethodNotAllowed")
    assert httpx.get(f"{server.url}/docs").status_code == 404


def test_the_openapi_document_is_valid_and_has_examples(server: ApiServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    routes = {(method, path) for path, each in document["paths"].items() for method in each}
    assert ("post", "/v1/jobs") in routes
    assert document["components"]["securitySchemes"]
    assert document["components"]["schemas"]["JobView"]["examples"]
    assert set(document["paths"]["/v1/jobs/{job_id}/result"]["get"]["responses"]["200"]["content"]) == set(
        MEDIA_TYPES.values()
    )


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status(kind: type[OcrfarmError]) -> None:
    assert 400 <= http_status_of(kind) < 600


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", "needs keys"),
        ("alice:short", "number 1"),
        (f"alice:{key_digest('a')},plain-key-of-bob", "number 2"),
        (f":{key_digest('a')}", "number 1"),
        (f"a b:{key_digest('a')}", "number 1"),
    ],
)
def test_a_server_without_sound_keys_does_not_start(synthetic_farm: EmbeddedFarm, keys: str, words: str) -> None:
    settings = replace(synthetic_farm.settings, api=Api(api_keys=keys))
    with pytest.raises(SettingsError, match=words) as caught:
        worker.serve(settings, address="127.0.0.1", port=1)
    assert "plain-key" not in str(caught.value)


def test_a_file_of_keys_that_is_not_there(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    settings = replace(synthetic_farm.settings, api=Api(api_keys_file=str(tmp_path / "none")))
    with pytest.raises(SettingsError, match="OCRFARM_API_KEYS_FILE"):
        worker.serve(settings, address="127.0.0.1", port=1)


def test_a_port_that_is_taken(synthetic_farm: EmbeddedFarm) -> None:
    settings = replace(synthetic_farm.settings, api=Api(api_keys=f"a:{hashlib.sha256(b'a').hexdigest()}"))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(FarmError, match="another --port"):
        worker.serve(settings, address="127.0.0.1", port=taken.getsockname()[1])


def test_it_stops_on_sigterm(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with run_api_server(synthetic_farm.settings, tmp_path) as server:
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert "Traceback" not in server.log.read_text()


@given(
    st.sampled_from(["/v1/jobs", "/v1/jobs/{job}", "/v1/jobs/{job}/result", "/v1/jobs/{text}/result", "/v1/{text}"]),
    st.dictionaries(st.sampled_from(FUZZED_PARAMETERS), st.text()),
    st.text(),
)
def test_arbitrary_requests_get_a_problem_or_an_answer(
    server: ApiServer, finished_job: tuple[str, list[str]], path: str, params: dict[str, str], text: str
) -> None:
    url = path.format(job=finished_job[0], text=quote(text, safe=""))
    with server.client("alice") as client:
        for method in ("GET", "POST"):
            answer = client.request(method, url, params=params, headers={"If-None-Match": quote(text)})
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"


def test_a_server_that_stops_does_not_wait_for_streams(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    with run_api_server(synthetic_farm.settings, tmp_path) as server, server.client("alice") as alice:
        job = alice.post("/v1/jobs", content=draw_image(6)[0], params={"profile": "fast"}).json()["id"]
        with alice.stream("GET", f"/v1/jobs/{job}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines)
            server.process.terminate()
            assert server.process.wait(15) == 0
            with suppress(httpx.TransportError):
                list(lines)
    with Client(settings=synthetic_farm.settings) as client:
        client.job(job).cancel()
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_answers_do_not_wait_for_receipts(address: str) -> None:
    with worker._listen(address, 0) as place, socket.create_connection(place.getsockname()[:2]):
        accepted, _ = place.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
