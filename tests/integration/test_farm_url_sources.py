"""Images by address: from public https servers only, never by way of another, bounded in size and time."""

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocrfarm import public_http
from ocrfarm.client.sources import download_url
from ocrfarm.errors import InputError, TooLarge
from ocrfarm.settings import Security
from tests.support.certificates import create_certificate, make_server_context

ALLOWED = Security(allow_url_sources=1, url_max_bytes=100_000, url_timeout=2)


def _resolving(*addresses: str) -> Callable[..., list[tuple[object, ...]]]:
    return lambda host, port, *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "https:///a.png",
        "https://user:secret@example.org/a.png",
        "https://example.org:8443/a.png",
        "https://example.org:x/a.png",
        "https://example.org/a b",
        "https://example.org/a\r\nHost: other",
        "https://[::1/a.png",
    ],
)
def test_only_plain_https_addresses_are_taken(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        download_url(url, tmp_path / "a", access=ALLOWED)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *(
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1%eth0",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fec0::1"),
    ],
)
def test_addresses_that_are_not_public_are_refused_after_resolution(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _resolving("93.184.215.14", address))
    with pytest.raises(InputError, match="not a public address"):
        download_url("https://innocent.example/a.png", tmp_path / "a", access=ALLOWED)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "127.1"])
def test_this_machine_by_any_name_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        download_url(f"https://{host}/a.png", tmp_path / "a", access=ALLOWED)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/image")
            self.end_headers()
            return
        self.send_response(404 if path == "/nothing" else 200)
        if path == "/claims":
            self.send_header("Content-Length", str(10**12))
        self.end_headers()
        if path == "/endless":
            self._write_for_ever(b"x" * 10_000, 0)
        elif path == "/drips":
            self._write_for_ever(b"x", 0.05)
        else:
            self.wfile.write(b"image")

    def _write_for_ever(self, data: bytes, pause: float) -> None:
        for _ in range(1000):
            self.wfile.write(data)
            time.sleep(pause)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@pytest.fixture
def https_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the name of a server that is trusted and taken for a public one."""
    file = create_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=file)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = make_server_context(file).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setattr(public_http, "_PORT", server.server_address[1])
        monkeypatch.setattr(public_http, "_is_public", lambda address: True)
        monkeypatch.setattr(ssl, "create_default_context", lambda: trusting)
        monkeypatch.setattr(socket, "getaddrinfo", _resolving("127.0.0.1"))
        yield "localhost"
        server.shutdown()
        thread.join()


def test_what_is_there_is_fetched(https_host: str, tmp_path: Path) -> None:
    download_url(f"https://{https_host}/image?signature=1", tmp_path / "a", access=ALLOWED)
    assert (tmp_path / "a").read_bytes() == b"image"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("elsewhere?token=secret", InputError, "redirects are not followed"),
        ("nothing", InputError, "404"),
        ("claims", TooLarge, "100,000"),
        ("endless", TooLarge, "100,000"),
        ("drips", InputError, "2 s"),
    ],
)
def test_what_is_not_a_plain_small_quick_answer_is_refused(
    https_host: str, path: str, kind: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words) as caught:
        download_url(f"https://{https_host}/{path}", tmp_path / "a", access=ALLOWED)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_who_it_says_is_refused(
    https_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="certificate"):
        download_url("https://another.example/image", tmp_path / "a", access=ALLOWED)
