"""Connections of slow clients and long headers, over a transport in memory."""

import asyncio

import pytest
from serving_cases import run_async
from uvicorn import Config
from uvicorn.server import ServerState

from kospan.serving.protocol import _MAX_HEADERS, Protocol

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


class Transport(asyncio.Transport):
    """A transport that keeps what is written, and how the connection was closed."""

    def __init__(self):
        super().__init__()
        self.written, self.closed, self.reading = b"", "", True

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = self.closed or "close"

    def abort(self):
        self.closed = "abort"

    def is_closing(self):
        return bool(self.closed)

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True


class Loop:
    """An event loop whose timers run when the test says so."""

    def __init__(self, loop):
        self.loop, self.timers = loop, []

    def __getattr__(self, name):
        return getattr(self.loop, name)

    def call_later(self, seconds, function, *values):
        timer = asyncio.TimerHandle(seconds, function, values, self.loop)
        self.timers.append(timer)
        return timer

    def pass_time(self, seconds):
        for timer in self.timers:
            if not timer.cancelled() and timer.when() <= seconds:
                timer._run()
                timer.cancel()


async def application(scope, receive, send):
    if scope["path"] == "/never":
        await asyncio.Event().wait()
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
    await send({"type": "http.response.body", "body": b"a"})


def connected(work):
    """Run a coroutine function that takes protocol, transport and loop of a connection with 10 s for headers."""

    async def main():
        config = Config(application, ws="none", timeout_keep_alive=75)
        config.load()
        loop, transport = Loop(asyncio.get_running_loop()), Transport()
        protocol = Protocol(config, ServerState(), {}, loop, header_timeout=10)
        protocol.connection_made(transport)
        await work(protocol, transport, loop)
        protocol.connection_lost(None)
        assert all(timer.cancelled() for timer in loop.timers)

    run_async(main())


async def responded(transport, count=1):
    while transport.written.count(b"HTTP/1.1 200") < count:
        assert not transport.closed
        await asyncio.sleep(0)


@pytest.mark.parametrize("chunks", [[], [b"POST / HTTP/1.1\r\nHost: a\r\n"], [b"POST / HTTP", b"/1.1\r\nHos"]])
def test_headers_that_do_not_arrive_in_time(chunks):
    async def work(protocol, transport, loop):
        for chunk in chunks:
            protocol.data_received(chunk)
        loop.pass_time(9)
        assert not transport.closed
        loop.pass_time(10)
        if chunks:
            assert transport.written.startswith(b"HTTP/1.1 408 ") and transport.closed == "close"
        else:
            assert transport.written == b"" and transport.closed == "abort"
        loop.pass_time(10)
        assert transport.written.count(b"408") == bool(chunks)

    connected(work)


def test_headers_of_a_later_request_are_limited_from_their_start():
    async def work(protocol, transport, loop):
        protocol.data_received(REQUEST)
        await responded(transport)
        loop.pass_time(10)
        assert not transport.closed
        protocol.data_received(REQUEST[:20])
        loop.pass_time(10)
        assert transport.written.rpartition(b"HTTP/1.1 ")[2].startswith(b"408")

    connected(work)


def test_headers_behind_a_running_request_end_the_connection_without_a_response():
    async def work(protocol, transport, loop):
        protocol.data_received(REQUEST.replace(b"/ ", b"/never ") + REQUEST[:20])
        await asyncio.sleep(0)
        loop.pass_time(10)
        assert transport.written == b"" and transport.closed == "abort"

    connected(work)


def test_a_slow_body_does_not_count_as_slow_headers():
    async def work(protocol, transport, loop):
        protocol.data_received(REQUEST[:-1])
        loop.pass_time(10)
        assert not transport.closed
        protocol.data_received(REQUEST[-1:])
        await responded(transport)

    connected(work)


@pytest.mark.parametrize("one", [True, False])
def test_long_headers(one):
    """A header without an end, or headers without an end."""

    async def work(protocol, transport, loop):
        protocol.data_received(b"POST / HTTP/1.1\r\nX: ")
        for _ in range(_MAX_HEADERS // 1000):
            protocol.data_received(b"a" * 1000 if one else b"a" * 995 + b"\r\nX: ")
        assert not transport.closed
        protocol.data_received(b"a" * 1000)
        assert transport.written.startswith(b"HTTP/1.1 431 ") and transport.closed == "close"
        loop.pass_time(10)
        assert b"408" not in transport.written

    connected(work)


def test_requests_in_one_chunk_do_not_count_as_long_headers():
    count = 2 * _MAX_HEADERS // len(REQUEST)

    async def work(protocol, transport, loop):
        data = REQUEST * count
        protocol.data_received(data[: len(data) - 10])
        protocol.data_received(data[len(data) - 10 :])
        await responded(transport, count)
        assert not transport.closed

    connected(work)


def test_a_response_has_to_be_read_in_time():
    async def work(protocol, transport, loop):
        protocol.data_received(REQUEST)
        await responded(transport)
        protocol.pause_writing()
        protocol.resume_writing()
        # Without uvicorn's own timer of idle connections.
        loop.timers = [timer for timer in loop.timers if timer._callback == transport.abort]
        loop.pass_time(75)
        protocol.pause_writing()
        loop.pass_time(74)
        assert not transport.closed
        loop.pass_time(75)
        assert transport.closed == "abort"

    connected(work)
