"""What can be submitted over HTTP: bodies and forms, every parameter, and images in S3."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from ocrfarm.client import Client
from ocrfarm.farm import protocol
from ocrfarm.farm.embedded.farm import EmbeddedFarm
from ocrfarm.farm.job_store import JobStatus
from ocrfarm.farm.manifest import Request
from ocrfarm.geometry import Box, Size
from ocrfarm.image import encode_tile
from ocrfarm.recognize.profiles import PROFILES
from ocrfarm.recognize.synthetic_engine import make_synthetic_page
from ocrfarm.result import document_from_json
from ocrfarm.result.formats import FORMATS
from ocrfarm.selection import PageRange
from ocrfarm.server.schemas import JobView
from ocrfarm.settings import Api, Endpoints, Settings
from ocrfarm.storage import layout, open_store
from ocrfarm.storage.s3 import S3Store
from tests.support.api_server import KEYS, STUB_IMAGE, ApiServer, run_api_server
from tests.support.servers import S3Server, ValkeyServer
from tests.support.small_disk import mount_small_disk

SYNTHETIC = {"profile": "synthetic"}
OWN_PROFILE = 'detector = "PP-OCRv6_small_det"\nrecognizer = "PP-OCRv6_tiny_rec"\ndetector_scale = 0.7\n'


@pytest.fixture(scope="module")
def page() -> bytes:
    return encode_tile(make_synthetic_page(Size(900, 900), seed=1, lines=8)[0])


@pytest.fixture(scope="module")
def server(synthetic_farm: EmbeddedFarm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with run_api_server(
        synthetic_farm.settings, tmp_path_factory.mktemp("api"), api=Api(api_rate_limit=100_000)
    ) as server:
        yield server


@pytest.fixture
def alice(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client("alice") as client:
        yield client


def wait(client: httpx.Client, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while not (found := client.get(f"/v1/jobs/{job}").raise_for_status().json())["finished"]:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return dict(found)


def request_of(farm: EmbeddedFarm, answer: httpx.Response) -> Request:
    assert answer.status_code == 202, answer.text
    store = open_store(farm.settings.endpoints.store)
    return Request.from_bytes(store.get(layout.request(answer.json()["id"])))


def detail_of(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    return str(answer.json()["detail"])


def test_curl_uploads_a_form(server: ApiServer, alice: httpx.Client, page: bytes, tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(page)
    command = ["curl", "--silent", "-H", f"Authorization: Bearer {KEYS['alice']}", "-F", f"file=@{tmp_path}/a b.png"]
    command += ["-F", "profile=synthetic", f"{server.url}/v1/jobs"]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True).stdout
    job = httpx.Response(200, text=answer).json()
    assert job["name"] == "a b.png"
    assert wait(alice, job["id"])["state"] == "complete"


def test_a_form_has_every_parameter(alice: httpx.Client, synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    Image.fromarray(np.tile(np.array([0, 255], np.uint8), (2, 1))).save(tmp_path / "m.png")
    fields = {
        "profile": "accurate",
        "tile_size": "1024",
        "overlap": "128",
        "pages": "1-3,7",
        "dpi": "200",
        "region": ["0,0,100,100", "5,5,9,9"],
        "priority": "9",
        "name": "sheet",
    }
    files = {"file": ("x.png", STUB_IMAGE), "mask": ("m.png", (tmp_path / "m.png").read_bytes())}
    request = request_of(synthetic_farm, alice.post("/v1/jobs", data=fields, files=files))
    assert (request.name, request.priority, request.owner) == ("sheet", 9, "alice")
    assert request.profile == PROFILES["accurate"].with_tiling(side=1024, overlap=128)
    selection = request.selection
    assert (selection.pages, selection.dpi) == ((PageRange(1, 3), PageRange(7, 7)), 200)
    assert selection.regions == (Box(0, 0, 100, 100), Box(5, 5, 9, 9))
    assert selection.mask
    assert (selection.mask.size, selection.mask.rows) == (Size(2, 2), (2, 2))


def test_a_body_has_its_parameters_in_the_query(alice: httpx.Client, synthetic_farm: EmbeddedFarm) -> None:
    params: dict[str, Any] = {
        "pages": "2-",
        "dpi": 300,
        "region": ["0,0,10,10", "1,1,2,2"],
        "profile_toml": OWN_PROFILE,
    }
    request = request_of(synthetic_farm, alice.post("/v1/jobs", content=STUB_IMAGE, params=params))
    assert len(request.selection.regions) == 2
    assert (request.profile.name, request.profile.detector_scale) == ("custom", 0.7)
    assert request.profile.runtime == PROFILES["fast"].runtime


def test_a_region_restricts_what_is_read(alice: httpx.Client, page: bytes) -> None:
    jobs = [
        alice.post("/v1/jobs", content=page, params={**SYNTHETIC, **more}).json()["id"]
        for more in ({}, {"region": "0,0,900,300"})
    ]
    counts = []
    for job in jobs:
        assert wait(alice, job)["state"] == "complete"
        counts.append(len(document_from_json(alice.get(f"/v1/jobs/{job}/result").content).lines))
    assert 0 < counts[1] < counts[0]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("POST", "/v1/jobs?dpy=300", "there is no parameter 'dpy'; the parameters are profile, profile_toml"),
        ("POST", "/v1/jobs?priority=0&priority=9", "priority is there 2 times"),
        ("GET", "/v1/jobs?limits=3", "the parameters are limit, after"),
        ("GET", "/v1/jobs/01J8Z3T6W8Q5N4R2K7M9X1C0VB?x=1", "this request takes none"),
        ("GET", "/v1/jobs/01J8Z3T6W8Q5N4R2K7M9X1C0VB/result?formats=txt", "the parameters are format, page"),
        ("GET", "/healthz?x", "this request takes none"),
    ],
)
def test_an_unknown_parameter_is_refused(alice: httpx.Client, method: str, path: str, words: str) -> None:
    found = detail_of(alice.request(method, path, content=STUB_IMAGE if method == "POST" else None), 400)
    assert words in found


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"pages": "3-1"}, "not a range of pages"),
        ({"dpi": "5000"}, "dpi"),
        ({"region": "1,2,3"}, "not a region"),
        ({"tile_size": "100"}, "multiple of 32"),
        ({"profile_toml": "x ="}, "not TOML"),
        ({"profile_toml": OWN_PROFILE + "[runtime]\ndevice = 'gpu:7'"}, "only workers have"),
        ({"profile_toml": OWN_PROFILE.replace("PP-OCRv6_tiny_rec", "/etc/passwd")}, "is a path"),
        ({"profile_toml": OWN_PROFILE.replace("PP-OCRv6_tiny_rec", "nothing")}, "no recognizer is named"),
        ({"profile": "nothing"}, "choose from fast, accurate, mixed, cascade"),
        ({"id": "x"}, "ULID"),
        ({"source": "/etc/passwd"}, "may not read it"),
        ({"source": "s3://bucket/key"}, "may not read it"),
        ({"source": "file:///etc/passwd"}, "may not read it"),
        ({"source": "https://example.org/a.png"}, "downloads are disabled"),
    ],
)
def test_an_invalid_parameter_is_refused_in_the_query_and_in_a_form(
    alice: httpx.Client, params: dict[str, str], words: str
) -> None:
    content = None if "source" in params else STUB_IMAGE
    in_query = detail_of(alice.post("/v1/jobs", content=content, params=params), 400)
    files = {"file": ("x.png", content or b"")}
    in_form = detail_of(alice.post("/v1/jobs", data=params, files=files), 400)
    for found in (in_query, in_form):
        assert words in found
        assert "synthetic" not in found
        assert "/tmp" not in found


@pytest.mark.parametrize(
    ("fields", "files", "words"),
    [
        ({"dpy": "3"}, {"file": STUB_IMAGE}, "there is no parameter 'dpy'"),
        ({"dpi": ["3", "4"]}, {"file": STUB_IMAGE}, "2 times"),
        ({}, {"image": STUB_IMAGE}, "files are file and mask"),
        ({}, {"file": STUB_IMAGE, "mask": b"no mask"}, "mask: this mask is no PNG"),
    ],
)
def test_a_wrong_form_is_refused(alice: httpx.Client, fields: Any, files: Any, words: str) -> None:
    assert words in detail_of(alice.post("/v1/jobs", data=fields, files=files), 400)


def test_a_form_without_an_image_is_422_and_a_broken_one_400(alice: httpx.Client) -> None:
    mask = {"mask": ("m.png", encode_tile(np.full((4, 4, 3), 255, np.uint8)))}
    assert "the file `file` of a form" in detail_of(alice.post("/v1/jobs", files=mask), 422)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert "ends before" in detail_of(alice.post("/v1/jobs", content=b"--x\r\n", headers=headers), 400)
    headers = {"Content-Type": "multipart/form-data"}
    assert "boundary" in detail_of(alice.post("/v1/jobs", content=b"--x\r\n", headers=headers), 400)
    answer = alice.post("/v1/jobs?dpi=3", data={"dpi": "3"}, files={"file": STUB_IMAGE})
    assert "in the query and in the form" in detail_of(answer, 400)


def test_a_request_with_an_id_can_be_repeated(server: ApiServer, alice: httpx.Client, page: bytes) -> None:
    job = protocol.new_job_id()
    params = {**SYNTHETIC, "id": job}
    assert alice.post("/v1/jobs", content=page, params=params).json()["id"] == job
    assert wait(alice, job)["state"] == "complete"
    assert alice.post("/v1/jobs", content=page, params=params).json()["id"] == job
    with server.client("bob") as bob:
        assert "taken" in detail_of(bob.post("/v1/jobs", content=page, params=params), 409)


def test_images_in_s3_are_read_if_the_prefix_is_the_owners(
    s3: S3Store, aws: S3Server, valkey_server: ValkeyServer, tmp_path: Path, page: bytes
) -> None:
    prefix = f"s3://{s3._address.bucket}/{s3._address.prefix}".rstrip("/")
    for name, data in (("alice/a.png", page), ("bob/b.png", page), ("alice/no.png", b"text")):
        s3.put(name, data)
    store_url = aws.url(s3._address.bucket, uuid.uuid4().hex)
    settings = Settings(Endpoints(valkey_server.url, store_url, key_prefix=f"{uuid.uuid4().hex}:"))
    api = Api(api_sources=f"alice:{prefix}/alice/, bob:{prefix}/bob/")
    with run_api_server(settings, tmp_path, api=api) as server, server.client("alice") as alice:

        def submit(name: str, content: bytes = b"") -> httpx.Response:
            return alice.post("/v1/jobs", params={"source": f"{prefix}/{name}"}, content=content)

        answer = submit("alice/a.png")
        assert answer.status_code == 202, answer.text
        stored = open_store(settings.endpoints.store)
        assert stored.get(layout.source(answer.json()["id"])) == page
        assert "may not read it" in detail_of(submit("bob/b.png"), 400)
        assert "may not read it" in detail_of(submit("alice/../bob/b.png"), 400)
        assert "there is no such object" in detail_of(submit("alice/none.png"), 422)
        assert "first bytes" in detail_of(submit("alice/no.png"), 422)
        assert "send one of them" in detail_of(submit("alice/a.png", STUB_IMAGE), 400)


def test_a_new_start_removes_what_a_killed_server_has_left(synthetic_farm: EmbeddedFarm, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEYS['alice']}\r\nContent-Length: 9000\r\n\r\n"
    with run_api_server(synthetic_farm.settings, tmp_path, TMPDIR=str(temporary)) as server:
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(head.encode() + bytes(400))
            deadline = time.monotonic() + 10
            while not list(temporary.glob("ocrfarm-upload-*/file")):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
    assert list(temporary.glob("ocrfarm-upload-*"))
    with run_api_server(synthetic_farm.settings, tmp_path, TMPDIR=str(temporary)):
        assert not list(temporary.glob("ocrfarm-*"))


def test_a_full_disk_is_507_everywhere(synthetic_farm: EmbeddedFarm, tmp_path: Path, page: bytes) -> None:
    with (
        mount_small_disk(tmp_path / "tmp", 4_000) as disk,
        run_api_server(synthetic_farm.settings, tmp_path, TMPDIR=str(disk.folder)) as server,
        server.client("alice") as alice,
    ):
        job = alice.post("/v1/jobs", content=page, params=SYNTHETIC).json()["id"]
        assert wait(alice, job)["state"] == "complete"
        (disk.folder / "filling").write_bytes(bytes(os.statvfs(disk.folder).f_bavail * 4096))
        answers = {form: alice.get(f"/v1/jobs/{job}/result", params={"format": form}) for form in FORMATS}
        answers["upload"] = alice.post("/v1/jobs", content=page, params=SYNTHETIC)
        answers["form"] = alice.post("/v1/jobs", data=SYNTHETIC, files={"file": page})
        for name, answer in answers.items():
            assert (name, answer.status_code, answer.json()["code"]) == (name, 507, "StoreFull")
            assert str(tmp_path) not in answer.text
        assert alice.get("/healthz").status_code == 200
        (disk.folder / "filling").unlink()
        assert alice.get(f"/v1/jobs/{job}/result").status_code == 200
        assert not list(Path(tempfile.gettempdir(), disk.folder).glob("ocrfarm-result-*/x"))


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("StoreUnreachable", "cannot read s3://secret-bucket at http://10.0.0.7:8333", "StoreUnreachable"),
        ("KeyError", "a bug in ocrfarm (KeyError: 'x'); the worker's log on secret-host has it", "JobFailed"),
        ("ObjectNotFound", "there is no object at /secret/store/jobs/x", "ObjectNotFound"),
        ("BrokerError", "the broker at redis://secret", "BrokerError"),
        ("EngineError", "/secret/models cannot be loaded", "EngineError"),
        ("WeightsError", "/secret/models: wrong hash", "WeightsError"),
    ],
)
def test_no_status_names_hosts_or_folders(kind: str, text: str, shown: str) -> None:
    view = JobView.of(JobStatus(id="x", state="failed", error=text, error_kind=kind))
    assert "secret" not in view.model_dump_json()
    assert "10.0.0.7" not in view.model_dump_json()
    assert view.error_kind == shown
    assert view.error


def test_no_result_names_hosts(alice: httpx.Client, synthetic_farm: EmbeddedFarm) -> None:
    """A job that ended by an error whose message names a host is a problem without it."""
    job = alice.post("/v1/jobs", content=STUB_IMAGE, params={"profile": "fast"}).json()["id"]
    with Client(settings=synthetic_farm.settings) as client:
        jobs = client._connections.job_store
        jobs.update(job, state="failed", error="s3://secret-bucket: no answer", error_kind="StoreUnreachable")
    answer = alice.get(f"/v1/jobs/{job}/result")
    assert answer.status_code >= 400
    assert "secret" not in answer.text + alice.get(f"/v1/jobs/{job}").text + alice.get(f"/v1/jobs/{job}/events").text


def test_the_farm_of_the_tests_is_no_part_of_messages(alice: httpx.Client) -> None:
    assert "synthetic" not in alice.get("/openapi.json").text
    assert replace(PROFILES["synthetic"]).name == "synthetic"
