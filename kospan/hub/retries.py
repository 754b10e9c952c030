"""Errors of the Hub: which ones are retried, and their one-line messages without secrets."""

import re
from collections.abc import Iterator

from huggingface_hub.errors import OfflineModeIsEnabled

from kospan.redaction import redacted

# The client's own lists; it retries uploads and listings, but neither commits nor the calls around them.
RETRYABLE_STATUS = (408, 412, 429, 500, 502, 503, 504)
RETRYABLE_ERRORS = {"TimeoutException", "NetworkError", "RemoteProtocolError"}
# A longer wait that the Hub asks for is reported to the user instead.
LONGEST_WAIT = 300.0


def check_token(token: str | None) -> None:
    """Check that a token fits into a header: the client's own error would show it.

    Raises:
        ValueError: If it does not.
    """
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token and token):
        raise ValueError("expected an access token of printable ASCII without spaces, got another one; copy it again")


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and the errors that it was raised from, outermost first."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _responses(error: BaseException) -> Iterator:
    """The Hub's responses behind an error."""
    return (response for each in causes(error) if (response := getattr(each, "response", None)) is not None)


def status_of(error: BaseException) -> int | None:
    """The HTTP status of the Hub's response; None if there was none."""
    return next((int(response.status_code) for response in _responses(error)), None)


def is_retryable(error: BaseException) -> bool:
    """Whether another attempt may succeed; 412 is a commit of somebody else in between."""
    status = status_of(error)
    if status is not None:
        return status in RETRYABLE_STATUS and requested_wait(error) <= LONGEST_WAIT
    return any(_is_network_error(each) for each in causes(error)) or type(error) is RuntimeError


def _is_network_error(error: BaseException) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)):
        return not isinstance(error, OfflineModeIsEnabled)
    return any(base.__name__ in RETRYABLE_ERRORS for base in type(error).__mro__)


def requested_wait(error: BaseException) -> float:
    """Seconds that the Hub asks to wait before the next request; 0 if it does not say."""
    for response in _responses(error):
        # The Hub's own form: "api";r=0;t=55 means that no requests remain (r) for 55 seconds (t).
        limit = re.search(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)", str(response.headers.get("ratelimit", "")))
        wait = str(response.headers.get("Retry-After", "")).strip()
        if wait.isdigit() or limit:
            return float(wait if wait.isdigit() else limit[1])
    return 0.0


def user_error(error: BaseException, action: str, endpoint: str, secrets: tuple[str, ...] = ()) -> Exception:
    """The one-line error that the user gets, with no cause attached: the client's errors hold headers.

    Args:
        error: The client's error.
        action: The action that failed, as in "expected to ...".
        endpoint: The Hub's address.
        secrets: Strings that must not be shown.

    Returns:
        A PermissionError, ValueError, FileNotFoundError or ConnectionError.
    """
    kind, reason = _explanation(error, endpoint)
    return kind(redacted(f"expected to {action}, got an error: {reason}", secrets))


def _explanation(error: BaseException, endpoint: str) -> tuple[type[Exception], str]:
    """The type of the user's error, and its reason with a fix."""
    status, message = status_of(error), _message(error)
    if isinstance(error, OfflineModeIsEnabled):
        return ConnectionError, "HF_HUB_OFFLINE is set, which forbids network access; unset it"
    if status is None:
        if is_retryable(error):
            return ConnectionError, f"{endpoint} could not be reached ({message}); try again later, same command"
        if isinstance(error, (FileNotFoundError, PermissionError)):
            return type(error), f"{message}; check that file"
        return ValueError, f"{message}; fix that and try again"
    if status == 429:
        wait = f" for {requested_wait(error):g} seconds" if requested_wait(error) else ""
        return ConnectionError, f"{endpoint} accepts no more requests{wait} (429); try again after that"
    if status >= 500:
        return ConnectionError, f"{endpoint} answered {status} to every attempt; try again later, same command"
    denied = {
        401: f"{endpoint} does not know the access token (401); create one at {endpoint}/settings/tokens",
        402: f"{endpoint} requires a paid account for this (402); leave out the paid option",
        403: "the access token has no write permission here (403); use one that has, or pass --create_pr",
    }
    if status in denied:
        return PermissionError, denied[status]
    kind = FileNotFoundError if status == 404 else ValueError
    return kind, f"{endpoint} refused the request ({status}: {message}); fix that and try again"


def _message(error: BaseException) -> str:
    """The innermost message of an error, in one line."""
    innermost = list(causes(error))[-1] if type(error) is RuntimeError else error
    message = getattr(error, "server_message", None) or str(innermost) or type(innermost).__name__
    return " ".join(str(message).split())[:300]
