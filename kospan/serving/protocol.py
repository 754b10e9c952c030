"""HTTP protocol of uvicorn with limits for clients that are slow or send long headers."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request's headers at most, beyond those of the chunk in which they begin.
_MAX_HEADERS = 2**16


class Protocol(HttpToolsProtocol):
    """A connection.

    A request's headers have to arrive within some seconds: the first ones after the client has connected, later ones
    after they have begun. Responses have to be read within the time for which an idle connection is kept.

    Args:
        *args: As in the base class.
        header_timeout: Seconds for headers.
        **kwargs: As in the base class.
    """

    def __init__(self, *args, header_timeout: float, **kwargs):
        super().__init__(*args, **kwargs)
        self.header_timeout = header_timeout
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        # Whether headers have begun and not ended, and their bytes.
        self._begun, self._header_bytes = False, 0
        self._requests = 0

    def connection_made(self, transport) -> None:
        """Wait for the first headers."""
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(self.header_timeout, self._give_up, 408)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        super().connection_lost(exc)
        _cancel(self._header_timer)
        _cancel(self._write_timer)

    def data_received(self, data: bytes) -> None:
        """Limit the length of headers."""
        before = self._requests
        super().data_received(data)
        if self._begun and self._requests == before:
            self._header_bytes += len(data)
            if self._header_bytes > _MAX_HEADERS:
                self._give_up(431)

    def on_message_begin(self) -> None:
        """Limit the time of headers."""
        super().on_message_begin()
        self._begun, self._header_bytes = True, 0
        self._requests += 1
        _cancel(self._header_timer)
        self._header_timer = self.loop.call_later(self.header_timeout, self._give_up, 408)

    def on_headers_complete(self) -> None:
        """End the limits of headers."""
        self._begun = False
        _cancel(self._header_timer)
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Limit the time in which the client reads a response."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def resume_writing(self) -> None:
        """End the limit."""
        super().resume_writing()
        _cancel(self._write_timer)

    def _give_up(self, status: int) -> None:
        """Close the connection, with a response if a request has begun and no other is running."""
        if self.transport.is_closing():
            return
        if self._begun and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 %d \r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
            self.transport.close()
        else:
            self.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
