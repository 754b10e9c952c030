"""Bodies of requests, and responses as JSON."""

import asyncio
import json

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

# Status of requests whose client is gone; only logs and metrics see it.
CLIENT_GONE = 499


async def read_json(request: Request, most: int, seconds: float):
    """Read the body of a request.

    Args:
        request: The request.
        most: Bytes of a body at most.
        seconds: Seconds in which it has to arrive.

    Raises:
        HTTPException: With status 400 if it is not JSON, 408 if it is slow, 413 if it is too large.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise HTTPException(
            408,
            f"expected the body within {seconds:g} s, got {len(body):,} bytes; send it again",
            {"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise HTTPException(CLIENT_GONE) from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        # Messages of JSON errors contain positions only; those of decoding errors quote bytes.
        got = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise HTTPException(400, f'expected a body in JSON, got: {got}; send {{"inputs": "your text"}}') from None


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"expected a body of at most {most:,} bytes, got more; send several requests")


async def while_connected(request: Request, work):
    """Await a coroutine, and cancel it if the client disconnects.

    Raises:
        HTTPException: With status 499 if the client is gone.
        Exception: As the coroutine.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise HTTPException(CLIENT_GONE)
    finally:
        task.cancel()
        gone.cancel()


def json_response(content, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return content as JSON in UTF-8."""
    # An error may quote half of a surrogate pair, which stays an escape.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")
    return Response(data, status, headers, "application/json")


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the form of the Hub's endpoints, `{"error": sentence}`."""
    return json_response({"error": message}, status, headers)
