"""Errors on the screen, without secrets."""

import sys

from kospan.redaction import print_exception, redacted


def print_mistake(error: Exception) -> None:
    """Print a user's mistake as one line; messages of libraries may have several."""
    print(f"kospan: {redacted(' '.join(line.strip() for line in str(error).splitlines()))}", file=sys.stderr)


def hide_secrets() -> None:
    """Print tracebacks of this process without secrets."""
    sys.excepthook = print_exception
