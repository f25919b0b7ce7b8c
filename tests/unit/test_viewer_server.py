"""The web server: who is let in, and what is sent."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ocrfarm.errors import FarmError, UnknownJob
from ocrfarm.viewer.bundle import STATIC_DIR
from ocrfarm.viewer.server import CONTENT_SECURITY_POLICY, MAX_CONNECTIONS, PathHandler, Reply, reply_with_file, serve

Answer = tuple[int, http.client.HTTPMessage, bytes]


class ViewerClient:
    """Asks as a browser would, and keeps the cookie."""

    def __init__(self, address: str) -> None:
        self.port, self.key = int(urlsplit(address).port or 0), urlsplit(address).query
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers={"Cookie": self.cookie} | headers)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def enter(self) -> Answer:
        found = self.ask(f"/?{self.key}")
        self.cookie = found[1]["Set-Cookie"].partition(";")[0]
        return found


def _pages(folder: Path) -> PathHandler:
    def find(path: str) -> Reply | None:
        if path == "/wrong":
            raise UnknownJob("no job of this name")
        if path == "/saved":
            return Reply(b"1", save_as='a "b"\r\nX: 1.txt')
        return reply_with_file(folder, path)

    return find


@pytest.fixture
def client(tmp_path: Path) -> Iterator[ViewerClient]:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / "index.html").write_text("<p>hello", encoding="utf-8")
    (folder / "a b.txt").write_text("a b", encoding="utf-8")
    (folder / "way-out").symlink_to(tmp_path / "secret.txt")
    with serve(_pages(folder)) as address:
        yield ViewerClient(address)


def test_who_has_no_key_sees_nothing(client: ViewerClient) -> None:
    for path in ("/", "/index.html", "/?key=", "/?key=wrong", "/?key=%ff"):
        status, _, body = client.ask(path)
        assert status == HTTPStatus.FORBIDDEN
        assert b"hello" not in body
    for cookie in ("ocrfarm-1=x", f"ocrfarm-{client.port}=wrong", "\x01;=;"):
        assert client.ask("/", Cookie=cookie)[0] == HTTPStatus.FORBIDDEN


def test_the_key_becomes_a_cookie_and_leaves_the_address(client: ViewerClient) -> None:
    status, headers, _ = client.enter()
    assert (status, headers["Location"]) == (HTTPStatus.SEE_OTHER, "/")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Strict" in headers["Set-Cookie"]
    assert client.ask("/")[::2] == (HTTPStatus.OK, b"<p>hello")


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:80", "", "localhost.example.com", "127.0.0.1.example.com"]
)
def test_other_names_of_this_machine_are_refused(client: ViewerClient, host: str) -> None:
    client.enter()
    assert client.ask("/", Host=host)[0] == HTTPStatus.MISDIRECTED_REQUEST
    assert client.ask("/", Host="localhost:1")[0] == HTTPStatus.OK, "by way of a tunnel"


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/way-out", "//etc/passwd", "/none", "/%00"]
)
def test_nothing_outside_the_folder_is_sent(client: ViewerClient, path: str) -> None:
    client.enter()
    status, _, body = client.ask(path)
    assert status == HTTPStatus.NOT_FOUND
    assert b"secret" not in body
    assert b"root:" not in body


def test_every_answer_forbids_what_a_page_does_not_need(client: ViewerClient) -> None:
    for path in ("/", "/none", "/a%20b.txt", "/wrong"):
        _, headers, _ = client.ask(path)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_files_errors_and_downloads(client: ViewerClient) -> None:
    client.enter()
    assert client.ask("/a%20b.txt")[2] == b"a b"
    assert client.ask("/a%20b.txt", "HEAD")[1:2][0]["Content-Length"] == "3"
    status, headers, body = client.ask("/wrong")
    assert (status, body) == (HTTPStatus.CONFLICT, b"UnknownJob: no job of this name\n")
    assert headers["Content-Type"].startswith("text/plain")
    _, headers, _ = client.ask("/saved")
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20%22b%22%0D%0AX%3A%201.txt"
    assert client.ask("/", "POST")[0] == HTTPStatus.NOT_IMPLEMENTED


def test_a_port_that_is_taken_is_said(client: ViewerClient, tmp_path: Path) -> None:
    with pytest.raises(FarmError, match="choose another"), serve(partial(reply_with_file, tmp_path), port=client.port):
        pass


def test_the_viewer_has_the_same_policy_on_any_server() -> None:
    page = (STATIC_DIR / "index.html").read_text(encoding="utf-8")
    assert re.findall('Content-Security-Policy" content="(.*?)"', page) == [CONTENT_SECURITY_POLICY]


def test_a_bug_and_an_address_that_makes_no_sense_are_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def find(path: str) -> Reply | None:
        raise ValueError(f"embedded null byte in {tmp_path}")

    with serve(find) as address:
        client = ViewerClient(address)
        client.enter()
        status, _, body = client.ask("/jobs")
        assert status == HTTPStatus.INTERNAL_SERVER_ERROR
        assert str(tmp_path).encode() not in body
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
            connection.sendall(b"GET http://[/ HTTP/1.1\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert client.key.partition("=")[2] not in caplog.text


def test_idle_connections_take_few_threads_and_do_not_hinder_others(client: ViewerClient) -> None:
    client.enter()
    before, sockets, waited = threading.active_count(), [], []
    try:
        for number in range(600):
            sockets.append(socket.create_connection(("127.0.0.1", client.port), timeout=10))
            if number % 2:
                sockets[-1].sendall(b"GET / HTTP/1.1\r\nHost: 127")  # a header that never ends
            if number % 50 == 49:
                since = time.monotonic()
                assert client.ask("/")[0] == HTTPStatus.OK
                waited.append(time.monotonic() - since)
        assert threading.active_count() - before <= MAX_CONNECTIONS + 8
        assert max(waited) < 1
    finally:
        for each in sockets:
            each.close()
