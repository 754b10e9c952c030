"""Errors on the screen, without secrets."""

import sys

from kospan.files import FULL, SpaceError
from kospan.redaction import print_exception, redacted


def print_mistake(error: Exception) -> None:
    """Print a user's mistake as one line; messages of libraries may have several."""
    print_error(str(error))


def print_error(message: str) -> None:
    """Print a message as one line."""
    print(f"kospan: {redacted(' '.join(line.strip() for line in message.splitlines()))}", file=sys.stderr)


def shortage(error: Exception) -> str | None:
    """Return a message for an error caused by lack of disk space or memory; None for any other error."""
    if isinstance(error, SpaceError):
        return str(error)
    if isinstance(error, OSError):
        return _full_disk(error) if error.errno in FULL else None
    if isinstance(error, (ValueError, TypeError, ImportError)):  # Mistakes, which may come before torch is loaded.
        return None
    from kospan.training.batch_halving import is_out_of_memory
    from kospan.training.saving import is_out_of_space

    if is_out_of_space(error):
        return _full_disk(error)
    if is_out_of_memory(error):
        first = next(iter(str(error).splitlines()), type(error).__name__)
        return f"expected free memory, got none ({first}); lower --batch_size, or free some and run the command again"
    return None


def _full_disk(error: Exception) -> str:
    return (
        f"expected free space on the disk, got none while writing ({error}); free some, then run the same command "
        "again; no file is half-written"
    )


def hide_secrets() -> None:
    """Print tracebacks of this process without secrets."""
    sys.excepthook = print_exception
