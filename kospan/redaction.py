"""Removal of secrets from text that is printed or written."""

import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping

SHOWN = "<redacted>"
# Environment variables with a secret, by the ends of their names.
_NAMES = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD|PASSWD)S?$", re.IGNORECASE)
# Shorter values would also be parts of ordinary words.
SHORTEST = 8
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
# Of an address, which a path shows with one slash.
_USER = re.compile(r"(\w[\w+.-]*://|https?:/)[^/\s\"'<>]+(?=@)")
_HEADER = re.compile(r"(?<=\bBearer )\s*(?!<)[^\s\"']+", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&])((?:access_)?token|api_?key|key|password|secret|sig|signature)=[^&\s\"'<>]+", re.I)


# Secrets of this process that come from flags, recipes or files.
_REMEMBERED: set[str] = set()


def remember(secret: str | None) -> None:
    """Remove a secret of at least `SHORTEST` characters from all later output."""
    if secret and len(secret) >= SHORTEST:
        _REMEMBERED.add(secret)


def environment_secrets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Values of the environment variables whose names end in TOKEN, KEY, SECRET, PASSWORD or PASSWD, or a plural.

    Of a variable with several values, each is one. Names of files and short values are none.

    >>> environment_secrets({"WANDB_API_KEY": "abcdefgh1", "PAGER": "less-is-more", "A_KEYS": "first-1,second-2"})
    ('first-1,second-2', 'abcdefgh1', 'second-2')
    """
    values = {value.strip() for name, value in environment.items() if _NAMES.search(name)}
    values |= {each for value in values for each in re.split(r"[\s,]+", value)}
    # Longest first: a secret may contain another one.
    return tuple(
        sorted(
            (value for value in values if len(value) >= SHORTEST and not os.path.exists(value)),
            key=lambda value: (-len(value), value),
        )
    )


def redacted(text: str, secrets: Iterable[str] | None = None, shown: str = SHOWN) -> str:
    """Return the text without secrets.

    Removed are the given and the remembered strings, the values of `environment_secrets`, access tokens of the Hub, the
    user and the password of an address, and values of `Bearer` headers and of parameters such as `token` in an address.

    Args:
        text: The text.
        secrets: Strings to remove as well; those of fewer than `SHORTEST` characters remain.
        shown: The text in place of a secret.

    >>> redacted("https://kim:pw@host/x?token=abc&page=2 said: Bearer hf_abcdefgh12345 is unknown")
    'https://<redacted>@host/x?token=<redacted>&page=2 said: Bearer <redacted> is unknown'
    """
    for secret in sorted({*(secrets or ()), *_REMEMBERED, *environment_secrets()}, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, shown)
    text = _HUB_TOKEN.sub(shown, text)
    text = _USER.sub(lambda match: f"{match[1]}{shown}", text)
    text = _HEADER.sub(shown, text)
    return _PARAMETER.sub(lambda match: f"{match[1]}={shown}", text)


def redacted_values(value, secrets: Iterable[str] | None = None):
    """Return a value of YAML or JSON with `redacted` applied to all strings in it, keys included.

    >>> redacted_values({"path": "https://kim:pw@host/x", "n": [1, None]})
    {'path': 'https://<redacted>@host/x', 'n': [1, None]}
    """
    if isinstance(value, dict):
        return {redacted_values(key, secrets): redacted_values(each, secrets) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_values(each, secrets) for each in value]
    return redacted(value, secrets) if isinstance(value, str) else value


def print_exception(kind: type[BaseException], error: BaseException, trace) -> None:
    """Print a traceback without secrets; a value for `sys.excepthook`."""
    print(redacted("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr, flush=True)
