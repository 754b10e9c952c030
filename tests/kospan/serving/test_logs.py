"""Log lines."""

import json
import logging
import sys

import pytest

from kospan.serving.logs import JsonFormatter, NoTraceback, described

SECRET = "정하윤의 비밀"


def record(message: str, error: BaseException | None = None, **fields) -> logging.LogRecord:
    info = error and (type(error), error, error.__traceback__)
    found = logging.LogRecord("kospan.serving", logging.WARNING, "file.py", 1, message, (), info)
    found.fields = fields
    return found


def test_a_line_is_an_object_with_the_fields():
    line = JsonFormatter().format(record(" ready\n", models=["뉴스"]))
    assert "\n" not in line and "뉴스" in line
    found = json.loads(line)
    assert found["time"].endswith("+00:00") and len(found["time"]) == len("2026-01-01T00:00:00.000+00:00")
    del found["time"]
    assert found == {"level": "warning", "event": "ready", "process": found["process"], "models": ["뉴스"]}


def test_an_exception_is_named_by_type_and_place():
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        found = json.loads(JsonFormatter().format(record("failed", error)))
        assert found | described(error) == found
    assert found["error"] == "ValueError" and SECRET not in json.dumps(found, ensure_ascii=False)
    [frame] = found["frames"]
    assert frame.startswith(f"{__file__}:") and frame.rpartition(":")[2].isdecimal()


@pytest.mark.parametrize(("message", "kept"), [("ready", True), ("a\nTraceback (most recent call last):\n", False)])
def test_messages_with_a_traceback_are_dropped(message, kept):
    """uvicorn logs the traceback of a failed start as a message."""
    assert NoTraceback().filter(record(message)) is kept


def test_records_without_an_exception_in_flight():
    found = logging.LogRecord("uvicorn", logging.INFO, "file.py", 1, "a %s", ("b",), sys.exc_info())
    assert json.loads(JsonFormatter().format(found))["event"] == "a b"
