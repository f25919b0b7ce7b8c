"""One job is one trace, sent to a collector by every process that had a part in it."""

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Endpoints, Settings, TaskLimits
from tests.support.farm_fixture import CONTROL, RECOGNIZER, draw_page, run_farm
from tests.support.servers import ValkeyServer


@dataclass(frozen=True)
class Span:
    """What the test looks at: who did what, in which trace, called by which other span."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes


@dataclass
class Collector:
    """Takes spans at /v1/traces."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def receive(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Span(names["service.name"], span.name, span.trace_id, span.span_id, span.parent_span_id)
                    for span in scope.spans
                ]


@contextmanager
def _run_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                collector.receive(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _submit(settings: Settings, image: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ocrfarm.cli", "submit", str(image), "--profile", "synthetic"]
    return subprocess.run(command, env=os.environ | settings.to_env(), capture_output=True, text=True, check=False)


def test_a_job_is_one_trace_from_the_client_to_the_stitcher(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with _run_collector() as collector:
        places = Endpoints(
            valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:", otlp_endpoint=collector.url
        )
        settings = Settings(places, task_limits=TaskLimits(shutdown_timeout=1))
        (tmp_path / "page.png").write_bytes(draw_page(8, 8).png)
        with run_farm(settings, tmp_path) as farm:
            farm.start("control", CONTROL)
            farm.start("reader", RECOGNIZER)
            job = _submit(settings, tmp_path / "page.png").stdout.strip()
            assert farm.wait(job).state == "complete", farm.logs()
            farm.wait_until(lambda: "run/ocrfarm.stitch" in {span.name for span in collector.spans})
            assert farm.stop("reader") == farm.stop("control") == 0
    spans = list(collector.spans)
    (stitch,) = (span for span in spans if span.name == "run/ocrfarm.stitch")
    mine = {span.id: span for span in spans if span.trace == stitch.trace}
    read = [span for span in mine.values() if span.name == "run/ocrfarm.recognize"]
    assert {span.service for span in mine.values()} == {"ocrfarm-client", "ocrfarm-control", "ocrfarm-reader"}
    assert len(read) >= 2
    for span in (stitch, *read):
        assert _root(span, mine).name == "apply_async/ocrfarm.split"
    assert _root(stitch, mine).service == "ocrfarm-client"


def _root(span: Span, spans: dict[bytes, Span]) -> Span:
    while span.parent:
        span = spans[span.parent]
    return span


def test_a_collector_that_is_away_costs_no_job(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    away = "http://127.0.0.1:1"
    places = Endpoints(valkey_server.url, f"{tmp_path}/store", key_prefix=f"{uuid.uuid4().hex}:", otlp_endpoint=away)
    with run_farm(Settings(places, task_limits=TaskLimits(shutdown_timeout=1)), tmp_path) as farm:
        farm.start("control", CONTROL)
        farm.start("reader", RECOGNIZER)
        farm.wait_ready()
        began = time.monotonic()
        job = farm.submit(draw_page(2, 1).png)
        assert farm.wait(job).state == "complete", farm.logs()
        assert time.monotonic() - began < 30


def test_missing_tracing_packages_are_reported(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError('there is no opentelemetry here')\n")
    (tmp_path / "page.png").write_bytes(draw_page(1, 1).png)
    settings = Settings(replace(Endpoints("redis://127.0.0.1:1/0", str(tmp_path)), otlp_endpoint="http://127.0.0.1:1"))
    command = [sys.executable, "-m", "ocrfarm.cli", "submit", str(tmp_path / "page.png"), "--profile", "synthetic"]
    environment = os.environ | settings.to_env() | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (SettingsError.exit_code, 1)
    assert "ocrfarm[tracing]" in done.stderr
