"""Logs as JSON Lines on standard error. They never contain texts of users, nor messages of exceptions."""

import json
import logging
import traceback
from datetime import UTC, datetime

LOGGER = logging.getLogger("kospan.serving")


class NoTraceback(logging.Filter):
    """Filter of records whose message is a traceback, which quotes messages of exceptions."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is kept."""
        return "Traceback (most recent call last)" not in record.getMessage()


class JsonFormatter(logging.Formatter):
    """Formatter of records as JSON objects; `extra={"fields": {...}}` adds keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found = {"time": time, "level": record.levelname.lower(), "event": record.getMessage().strip()}
        found |= {"process": record.process, **getattr(record, "fields", {})}
        if record.exc_info and record.exc_info[1] is not None:
            found |= described(record.exc_info[1])
        return json.dumps(found, ensure_ascii=False)


def described(error: BaseException) -> dict:
    """Return the type of an exception and where it was raised, without its message, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "frames": [f"{frame.filename}:{frame.lineno}" for frame in frames]}


LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "kospan.serving.logs.JsonFormatter"}},
    "filters": {"no_traceback": {"()": "kospan.serving.logs.NoTraceback"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["no_traceback"],
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "kospan.serving": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
