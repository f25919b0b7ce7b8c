"""Every command, setting, metric, alert, error and message that a document names is there."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
import yaml

import ocrfarm
from ocrfarm.cli.main import ocrfarm as command_line
from ocrfarm.cli.worker import worker
from ocrfarm.settings import ENV_PREFIX, Settings
from tests.support.doc_pages import PAGES, code_lines, inline_code, iter_code, message_texts, page_name
from tests.support.error_classes import ERRORS
from tests.support.source_tree import ROOT

every_page = pytest.mark.parametrize("page", PAGES, ids=page_name)

SETTINGS = {
    f"{ENV_PREFIX}{item.name.upper()}"
    for group in fields(Settings())
    for item in fields(getattr(Settings(), group.name))
}
NO_SETTINGS = {"OCRFARM_FLOWER_PORT"}
"""What Kubernetes would make of a service, given as an example of what is refused."""

PLACEHOLDERS = {"P": "fast", "N": "1", "JOB": "0" * 32, "NAME": "one", "OTHER": "other"}

ALERTS = yaml.safe_load((ROOT / "helm/ocrfarm/files/alerts.yaml").read_text())["groups"][0]["rules"]
METRICS = set(re.findall(r"\bocrfarm_[a-z_]+\b", (ROOT / "docs/monitoring.md").read_text()))
"""Those of this page are held against the exporter by `tests/integration/test_metrics.py`."""

FOREIGN_NAMES = {"AbortIncompleteMultipartUpload", "OOMKilled", "RequestTimeTooSkewed"}
FOREIGN_MESSAGES = {"libGL.so.1: cannot open shared object file", "No space left on device"}

_COMMAND = re.compile(r"(?:^|[;|&$(]\s*|(?:\b[A-Z_]+=\S+\s+))(?:\S*/bin/)?ocrfarm +([^;|&>)]+)")


def _commands(page: Path) -> Iterator[list[str]]:
    """Give the arguments of each call of ocrfarm, on a command line or in a sentence."""
    for piece in iter_code(page):
        for found in _COMMAND.finditer(piece):
            yield [PLACEHOLDERS.get(word, word) for word in shlex.split(found[1]) if word != "..."]


@every_page
def test_every_command_is_there_with_its_options(page: Path) -> None:
    for words in _commands(page):
        command: click.Command = command_line
        rest = list(words)
        context = click.Context(command_line)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            found = command.get_command(context, rest.pop(0))
            assert found, f"ocrfarm {' '.join(words)}"
            command = found
        known = {option for each in command.get_params(context) for option in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert used <= known | {"-h", "--help", "--version"}, f"ocrfarm {' '.join(words)}"


@every_page
def test_every_worker_is_started_as_it_can_be(page: Path) -> None:
    for program, *words in _commands(page):
        if program == "worker" and words:
            choices = words[0].split("|")  # split|recognize|stitch: each of them
            for choice in choices:
                worker.make_context("worker", [choice, *words[1:]])


@every_page
def test_every_setting_is_there(page: Path) -> None:
    named = set(re.findall(rf"\b{ENV_PREFIX}[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named - SETTINGS - NO_SETTINGS == set()


def test_every_setting_is_explained() -> None:
    rows = [span for page in PAGES for span in inline_code(page) if re.fullmatch(r"[A-Z_]+", span)]
    whole, before = set(), ""
    for row in rows:  # `OCRFARM_LIMIT_PIXELS`, `_SIDE`: the second one shares the beginning of the first
        before = row if row.startswith(ENV_PREFIX) else f"{before.rpartition('_')[0]}{row}"
        whole.add(before)
    quiet = {
        "OCRFARM_HEALTH_DIR",
        "OCRFARM_MODEL_LOAD_TIMEOUT",
        "OCRFARM_MAX_REQUEUES",
    }  # those who start workers set them
    assert SETTINGS - whole - quiet == set()


@every_page
def test_every_metric_and_alert_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\bocrfarm_[a-z_]+\b", text)) <= METRICS
    assert set(re.findall(r"\bOcrfarm(?!Error)[A-Z]\w+", text)) <= {rule["alert"] for rule in ALERTS}


@every_page
def test_every_error_is_there(page: Path) -> None:
    named = {span for span in inline_code(page) if re.fullmatch(r"[A-Z]\w+Error", span)}
    assert named <= {error.__name__ for error in ERRORS}


@pytest.mark.parametrize("page", ["doctor", "faq", "kubernetes", "operations", "quickstart", "troubleshooting"])
def test_every_name_in_capitals_is_one_of_ours_or_known(page: str) -> None:
    """Errors whose names do not say that they are."""
    ours = {error.__name__ for error in ERRORS} | set(ocrfarm.__all__) | {rule["alert"] for rule in ALERTS}
    named = {span for span in inline_code(ROOT / f"docs/{page}.md") if re.fullmatch(r"(?:[A-Z]+[a-z]+){2,}", span)}
    assert named - ours - FOREIGN_NAMES == set()


@every_page
def test_every_script_is_there(page: Path) -> None:
    named = {found for piece in iter_code(page) for found in re.findall(r"(?<![\w/])scripts/[a-z]+", piece)}
    assert not [each for each in named if not (ROOT / each).is_file()]


def test_every_message_of_troubleshooting_is_said() -> None:
    """What is filled in stands there as three dots; each part between them must be in a text of the code."""
    said = message_texts()
    page = ROOT / "docs/troubleshooting.md"
    messages = [span for span in inline_code(page) if _is_message(span)]
    assert len(messages) > 20
    for message in messages:
        parts = [part.strip(" :") for part in message.split("...")]
        assert all(part in said for part in parts), message


def _is_message(span: str) -> bool:
    words = span.split()
    beginnings = (
        "ocrfarm",
        "python",
        "docker",
        "pip",
        "apt-get",
        "timedatectl",
        "--",
        "appendonly",
        "device =",
        "levels =",
    )
    short = len(words) < 3 or span.startswith((*beginnings, "detector_scale =", "threads ="))
    return not short and span not in FOREIGN_MESSAGES


def test_every_finding_of_the_doctor_is_one() -> None:
    named = set()
    for page in PAGES:
        named |= {
            span for span in inline_code(page) if re.fullmatch(r"(broker|store|gpu)\.(?!host|url|tls)[a-z]+", span)
        }
    assert named
    texts = set(message_texts().splitlines())
    assert named - texts - {"store.secret", "store.secrets", "broker.secret"} == set()


def test_every_value_of_the_chart_is_there() -> None:
    """Such as `split.concurrency`; those of a pool are named without what stands above them."""
    values = yaml.safe_load((ROOT / "helm/ocrfarm/values.yaml").read_text())
    values |= values["recognize"]["defaults"]
    page = ROOT / "docs/kubernetes.md"
    named = {span.partition(":")[0] for span in inline_code(page) if re.match(r"[a-zA-Z]+(\.[a-zA-Z]+)+(:|$)", span)}
    named |= {found for line in code_lines(page) for found in re.findall(r"--set ([\w.]+)=", line)}
    paths = [path.split(".") for path in named if path.split(".")[0] in values]
    assert len(paths) > 5
    for path in paths:
        found = values
        for part in path:
            assert part in found, path
            found = found[part]


def test_there_are_commands_to_be_checked() -> None:
    assert sum(len(list(_commands(page))) for page in PAGES) > 60
    assert any("ocrfarm doctor" in line for page in PAGES for line in code_lines(page))
