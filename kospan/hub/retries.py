"""What goes wrong between here and the Hub: which of it passes, and how it is told in one sentence without secrets."""

import re
from collections.abc import Iterator

from huggingface_hub.errors import OfflineModeIsEnabled

# A later attempt may find these gone.
PASSING = (408, 429, 500, 502, 503, 504)
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
# The client's own libraries for HTTP, whichever it is built on.
_TRANSPORT = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3")
# Of these, what no second attempt mends: a malformed address or header.
_LASTING = ("LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "ProxyError", "TooManyRedirects")


def check_token(token: str | None) -> None:
    """Raises: ValueError where a token cannot stand in a header: the error that the client would raise shows it."""
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token and token):
        raise ValueError(
            "expected an access token of printable ASCII characters without spaces, got something else; copy it "
            "again from the settings of your account"
        )


def trail(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, outermost first."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def status_of(error: BaseException) -> int | None:
    """The status with which the Hub answered; None where it gave no answer."""
    for each in trail(error):
        status = getattr(getattr(each, "response", None), "status_code", None)
        if status is not None:
            return int(status)
    return None


def _is_transport(error: BaseException) -> bool:
    if isinstance(error, OfflineModeIsEnabled) or type(error).__name__ in _LASTING:
        return False
    known = type(error).__module__.split(".")[0] in _TRANSPORT and not hasattr(error, "response")
    return known or isinstance(error, (ConnectionError, TimeoutError))


def passes(error: BaseException) -> bool:
    """Whether a later attempt may do better."""
    status = status_of(error)
    if status is not None:
        return status in PASSING
    return any(_is_transport(each) for each in trail(error)) or type(error) is RuntimeError


def has_moved(error: BaseException) -> bool:
    """Whether somebody else has committed since the repository was looked at."""
    return status_of(error) == 412


def asked_wait(error: BaseException) -> float:
    """Seconds that the Hub asks to wait; 0 where it says nothing."""
    for each in trail(error):
        headers = getattr(getattr(each, "response", None), "headers", None)
        if headers is None:
            continue
        value = str(headers.get("Retry-After", "")).strip()
        if value.isdigit():
            return float(value)
        # The Hub's own form: "api";r=0;t=55 says that nothing remains (r) for so many seconds (t).
        match = re.search(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)", str(headers.get("ratelimit", "")))
        if match:
            return float(match[1])
    return 0.0


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """A text without the given secrets, and without anything that looks like a token.

    >>> redacted("Bearer hf_abcdefgh12345 refused")
    'Bearer <token> refused'
    """
    for secret in secrets:
        text = text.replace(secret, "<token>")
    return _TOKEN.sub("<token>", text)


def readable(error: BaseException, doing: str, endpoint: str, secrets: tuple[str, ...] = ()) -> Exception:
    """One sentence for a fault: what could not be done, why, and what to do. It stands alone: no cause is attached.

    Args:
        error: What the client raised.
        doing: What was tried, as in "expected to ...".
        endpoint: The Hub's address.
        secrets: What must not be shown.

    Returns: PermissionError, ValueError, FileNotFoundError or ConnectionError.
    """
    status = status_of(error)
    kinds = {400: ValueError, 401: PermissionError, 402: PermissionError, 403: PermissionError}
    kinds |= {404: FileNotFoundError, 409: ValueError, 413: ValueError, 422: ValueError}
    if isinstance(error, OfflineModeIsEnabled):
        kind, reason = ConnectionError, "HF_HUB_OFFLINE is set, which forbids it; unset it"
    elif status == 401:
        reason = f"{endpoint} does not know the access token (401); make one at {endpoint}/settings/tokens"
        kind = PermissionError
    elif status == 402:
        kind, reason = PermissionError, f"{endpoint} asks for a paid account (402); leave out what costs"
    elif status == 403:
        kind = PermissionError
        reason = "the access token may not do that (403); use one that may write there, or propose it with --create_pr"
    elif status == 429:
        wait = f" for {asked_wait(error):g} seconds" if asked_wait(error) else ""
        kind, reason = ConnectionError, f"{endpoint} asks to be left alone{wait} (429); try again then"
    elif status is not None and status >= 500:
        kind = ConnectionError
        reason = f"{endpoint} answered {status} again and again; try again later with the same command"
    elif status is not None:
        kind, reason = kinds.get(status, ValueError), f"{endpoint} refused it ({status}: {_said(error)}); mend that"
    elif passes(error):
        kind = ConnectionError
        reason = f"{endpoint} could not be reached ({_said(error)}); try again later with the same command"
    elif isinstance(error, (FileNotFoundError, PermissionError)):
        kind, reason = type(error), f"{_said(error)}; see to that file"
    else:
        kind, reason = ValueError, f"{_said(error)}; mend that"
    return kind(redacted(f"expected to {doing}, got no further: {reason}", secrets))


def _said(error: BaseException) -> str:
    """The innermost words of an error in one line."""
    said = getattr(error, "server_message", None)
    if not said:
        innermost = list(trail(error))[-1] if type(error) is RuntimeError else error
        said = str(innermost) or type(innermost).__name__
    return " ".join(str(said).split())[:300]
