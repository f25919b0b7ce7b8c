"""The site: built without a finding, diagrams and licences as they would be made now, and no word to a foreign host."""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker

from tests.support.chromium import run_chromium
from tests.support.doc_pages import DOCS
from tests.support.source_tree import ROOT

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|link(?! rel="canonical"))[^>]*?(?:src|href)=["']?((?:https?:)?//[^"'> ]+)"""
)
_IN_STYLE = re.compile(r"""(?:url\(|@import )["']?((?:https?:)?//[^"') ]+)""")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=variables, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    program = str(Path(sys.executable).with_name("mkdocs"))
    done = _run(program, "build", "--strict", "--quiet", "--site-dir", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


def test_every_page_is_there_and_no_tool(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        place = page.relative_to(DOCS).with_suffix("")
        assert (site / ("" if place.name == "index" else place) / "index.html").is_file(), page
    assert not (site / "tools").exists()


def test_links_into_the_repository_lead_to_copies(site: Path) -> None:
    assert 'href="../source/ocrfarm/settings.py"' in (site / "operations/index.html").read_text()
    assert (site / "source/ocrfarm/settings.py").read_bytes() == (ROOT / "ocrfarm/settings.py").read_bytes()


def test_the_reference_tells_what_the_docstrings_tell(site: Path) -> None:
    client = (site / "reference/client/index.html").read_text()
    assert "Submit an image for recognition" in client
    assert "&gt;&gt;&gt;" in client  # the example is code, not a quotation
    assert "<blockquote>" not in client
    settings = (site / "reference/settings/index.html").read_text()
    assert re.search(r"<td><code>(?:<span[^>]*>)?batch_pixels(?:</span>)?</code></td>", settings)


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = {}
    for file in site.rglob("*"):
        if file.suffix == ".html":
            found[file] = _LOADED.findall(file.read_text())
        elif file.suffix == ".css":
            found[file] = _IN_STYLE.findall(file.read_text())
    assert not {str(file): hosts for file, hosts in found.items() if hosts}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_browser_asks_no_foreign_host_and_finds_a_word(address: str) -> None:
    with run_chromium(log_requests=True) as browser:
        for page in ("", "how-it-works/", "troubleshooting/", "reference/client/"):
            browser.open(f"{address}/{page}")
            browser.wait_for("ocrfarm")
        browser.type_into("input.md-search__input", "eviction")
        browser.wait_for("matching document", "broker.eviction")
        assert not browser.console_errors()
        hosts = {url.split("/")[2] for url in browser.requests() if url.startswith(("http", "ws"))}
    assert hosts == {address.split("/")[2]}


def test_the_diagrams_are_what_the_code_draws(tmp_path: Path) -> None:
    done = _run(sys.executable, "docs/tools/diagrams.py", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for diagram in tmp_path.iterdir():
        assert diagram.read_bytes() == (DOCS / "images" / diagram.name).read_bytes(), "run docs/tools/diagrams.py"


def test_the_licences_are_those_of_the_lock() -> None:
    text = (DOCS / "licences.md").read_text()
    lock = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert dict(re.findall(r"^\| ([\w.-]+) \| (\S+) \|", text, re.MULTILINE)) == {"package": "version"} | lock
    if sys.version_info[:2] == (3, 11) and sys.platform == "linux":  # elsewhere other packages are installed
        assert _run(sys.executable, "docs/tools/licences.py", "--check").returncode == 0, "run docs/tools/licences.py"


def test_the_licence_is_the_apache_license() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()


def test_the_citation_is_what_its_format_allows() -> None:
    (schema,) = [file for file in distribution("cffconvert").files or () if str(file).endswith("1.2.0/schema.json")]
    validator = Draft7Validator(json.loads(schema.read_text()), format_checker=FormatChecker())
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert [error.message for error in validator.iter_errors(told)] == []
    assert [error.message for error in validator.iter_errors(told | {"license": "free"})] != []
