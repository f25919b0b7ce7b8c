"""Logs: one line a record, with the job it is about, without what controls a terminal and without secrets."""

import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.log_output import JsonFormatter, TextFormatter, configure_logging, log_context
from ocrfarm.settings import Settings
from tests.support.hostile_names import HOSTILE_NAMES, find_unprintable

SECRETS = ("pa$$word", "whsec_abcdef")


@pytest.fixture
def _root_logger() -> Iterator[None]:
    """Restore afterwards what `configure_logging` changes in this process."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


def _format(formatter: logging.Formatter, message: str, **extra: object) -> str:
    return formatter.format(
        logging.makeLogRecord({"name": "a", "msg": message, "levelno": 20, "levelname": "INFO", **extra})
    )


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_one_printable_line(formatter: logging.Formatter, name: str) -> None:
    with log_context(owner=name, job=name):
        line = _format(formatter, f"cannot read {name}")
    assert not find_unprintable(line)


@given(st.text())
def test_any_text_is_one_printable_line(text: str) -> None:
    for formatter in (TextFormatter(), JsonFormatter(text)):
        assert not find_unprintable(_format(formatter, text, job=text))


def test_json_has_what_the_record_is_about() -> None:
    with log_context(job="01J", owner="maps"), log_context(task="recognize", tiles=["p0000-l0-r000-c000"]):
        found = json.loads(_format(JsonFormatter("split@host"), "read 4", seconds=1.5))
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "a",
        "message": "read 4",
        "worker": "split@host",
        "job": "01J",
        "tiles": ["p0000-l0-r000-c000"],
        "owner": "maps",
        "task": "recognize",
        "seconds": 1.5,
    }


def test_messages_of_celery_name_their_job() -> None:
    data = {"id": "01J.b0-1-00003", "name": "ocrfarm.recognize", "args": "..."}
    found = json.loads(_format(JsonFormatter(), "Task received", data=data))
    assert (found["job"], found["task"]) == ("01J", "recognize")


@pytest.mark.parametrize("formatter", [TextFormatter("w", SECRETS), JsonFormatter("w", SECRETS)], ids=["text", "json"])
def test_no_secret_is_logged(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("redis://user:pa%24word@host:6379/0 pa$$word")
    except ValueError:
        text = _format(formatter, "whsec_abcdef of rediss://:hunter2@host/0", exc_info=sys.exc_info())
    assert not [secret for secret in (*SECRETS, "pa%24word", "hunter2") if secret in text]
    assert "redis://user:***@host:6379/0" in text


def test_lines_of_a_traceback_cannot_pass_for_records() -> None:
    try:
        raise ValueError("one\n2026-01-01 00:00:00,000 INFO root forged")
    except ValueError:
        text = _format(TextFormatter(), "failed", exc_info=sys.exc_info())
    first, *others = text.splitlines()
    assert first.endswith("failed")
    assert all(line.startswith("    ") for line in others)


@pytest.mark.usefixtures("_root_logger")
def test_a_process_logs_in_the_format_and_from_the_level_that_are_set(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "warning", worker="api@host")
    logging.getLogger("a").info("not written")
    logging.getLogger("a").warning("written")
    configure_logging("text", "info")
    logging.getLogger("b").info("as text")
    first, second = capsys.readouterr().err.splitlines()
    assert (json.loads(first)["message"], json.loads(first)["worker"]) == ("written", "api@host")
    assert second.endswith("INFO b as text")


@pytest.mark.usefixtures("_root_logger")
def test_warnings_and_the_end_of_a_process_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    warnings.showwarning("odd", UserWarning, "a.py", 1)
    try:
        raise ValueError("boom")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], second["level"], second["error"]) == ("warning", "critical", "ValueError")


def test_settings_name_the_secrets() -> None:
    environment = {
        "OCRFARM_BROKER": "redis://user:p%2Fw@host:6379/0",
        "OCRFARM_FLOWER_PASSWORD": "flower",
        "OCRFARM_WEBHOOK_SECRET": "whsec_x",
    }
    assert set(Settings.from_env(environment).secrets) == {"p/w", "flower", "whsec_x"}
