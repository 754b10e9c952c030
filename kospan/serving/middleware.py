"""ASGI middleware: API keys, a log line and metrics of each request, and status 500 for unexpected errors."""

import base64
import hashlib
import hmac
import logging
import random
import re
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders

from kospan.serving.logs import LOGGER, described
from kospan.serving.metrics import Metrics
from kospan.serving.requests import error_response

# Key of the scope with fields of the log line.
FIELDS = "kospan.fields"
# Paths without a key: probes of the cluster.
OPEN = ("/healthz", "/readyz")
# Routes that monitors call all the time; they are logged only if they fail.
QUIET = (*OPEN, "/metrics")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Keys:
    """API keys, compared in constant time.

    Args:
        keys: The keys; if there are none, every request is allowed.
    """

    def __init__(self, keys: Sequence[str]):
        self._digests = [_digest(key) for key in keys]

    def allow(self, authorization: str) -> bool:
        """Return whether the value of the header Authorization holds one of the keys, with Basic as the password."""
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "basic":
            key = _password(key)
        given = _digest(key.strip())
        # All of them are compared, so that the time does not depend on the key.
        matches = [hmac.compare_digest(given, each) for each in self._digests]
        return not matches or (any(matches) and scheme.lower() in ("bearer", "basic"))


def _password(credentials: str) -> str:
    """Return the password in the credentials of HTTP Basic; empty if there is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class RequestMiddleware:
    """Wrapper of the application.

    Args:
        app: The application.
        keys: API keys.
        metrics: Metrics of the worker.
    """

    def __init__(self, app, keys: Keys, metrics: Metrics):
        self.app, self.keys, self.metrics = app, keys, metrics

    async def __call__(self, scope, receive, send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, headers = time.perf_counter(), Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"
        scope[FIELDS] = {}
        status, counted = 0, False

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                self._count(scope, status, time.perf_counter() - started, request_id)

        async def send_and_note(message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            elif not message.get("more_body", False):
                # Before the client has the response, so that its next request sees this one in the metrics.
                count()
            await send(message)

        try:
            if scope["path"] not in OPEN and not self.keys.allow(headers.get("authorization", "")):
                response = error_response(
                    401,
                    "expected the header Authorization with Bearer and an API key of this server, got another or none",
                    {"WWW-Authenticate": "Bearer"},
                )
                await response(scope, receive, send_and_note)
            else:
                await self.app(scope, receive, send_and_note)
        except Exception as error:
            scope[FIELDS] |= described(error)
            if status:
                raise
            response = error_response(500, f"an unexpected error; the server's log names it under {request_id}")
            await response(scope, receive, send_and_note)
        finally:
            count()

    def _count(self, scope, status: int, seconds: float, request_id: str) -> None:
        """Write the log line and the metrics of a request."""
        # The path itself may be any text, the route is one of ours.
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        fields = {"route": route, "status": status, "ms": round(1000 * seconds, 1), "id": request_id} | scope[FIELDS]
        quiet = route in QUIET and status == 200
        level = logging.ERROR if status >= 500 else logging.DEBUG if quiet else logging.INFO
        LOGGER.log(level, "request", extra={"fields": fields})
