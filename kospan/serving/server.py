"""Worker processes, supervised by uvicorn: ended workers are replaced, and finish their requests when stopped."""

import os
import signal
import socket
import tempfile
import time
from functools import partial

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from kospan.serving.logs import LOG_CONFIG, LOGGER
from kospan.serving.protocol import Protocol
from kospan.serving.settings import METRICS_VARIABLE, ServeSettings

# Connections of a worker; more of them get status 503.
_CONNECTIONS = 1000
# Connections that wait for a worker to accept them.
_BACKLOG = 2048
# Seconds that an idle connection is kept: longer than load balancers keep theirs.
_KEEP_ALIVE = 75
# Seconds in which a worker has to respond to its supervisor. Imports and long texts may hold the interpreter.
_HEALTH = 60
# Seconds after which a replacement that could not load its models is started again.
_RETRY = 10
# Environment variable with the number of operations that oneDNN, used by torch, keeps compiled, and its value. The
# default of 1024 takes much memory, because each length of a batch has operations of its own.
_ONEDNN = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16"
# Seconds beyond the timeout of requests in which a stopping worker finishes them.
_GRACE = 5


class Supervisor(Multiprocess):
    """uvicorn's supervisor, with another replacement of workers.

    It notices at once that a worker has ended during a health check. While another worker serves, a replacement that
    cannot load its models does not stop the server; it is started again later.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]):
        super().__init__(config, sockets)
        # Times at which further workers are started.
        self._planned: list[float] = []

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended or do not respond."""
        for process in list(self.processes):
            # With this end open here as well, the pipe of an ended worker would not report its end.
            process.child_conn.close()
            if self.should_exit.is_set() or (process.process.is_alive() and self._responds(process)):
                continue
            process.kill()
            process.join()
            failed = process.exitcode == STARTUP_FAILURE
            if failed and not any(each.is_ready() for each in self.processes if each is not process):
                self.should_exit.set()
                return
            self.processes.remove(process)
            self._planned.append(time.monotonic() + (_RETRY if failed else 0))
            fields = {"worker": process.pid} | ({"retry_seconds": _RETRY} if failed else {})
            LOGGER.error("a worker could not start" if failed else "a worker died", extra={"fields": fields})
        for planned in sorted(self._planned):
            if planned <= time.monotonic():
                self._planned.remove(planned)
                self.processes.append(Process(self.config, self.sockets))
                self.processes[-1].start()

    def _responds(self, process: Process) -> bool:
        """Return whether a worker responds; a signal to this process ends the wait for it."""
        until = time.monotonic() + self.config.timeout_worker_healthcheck
        try:
            process.parent_conn.send(b"ping")
            while not process.parent_conn.poll(0.5):
                if self.signal_queue or time.monotonic() > until:
                    return bool(self.signal_queue)
            process.parent_conn.recv()
        except (OSError, EOFError):
            return False
        return True


def open_socket(host: str, port: int) -> socket.socket:
    """Open the socket that all workers share.

    Raises:
        OSError: If the address is not free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # Otherwise a second server that is starting could bind the same address.
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise OSError(
            f"expected a free address, got {host}:{port} ({error.strerror or error}); pass another --port"
        ) from error
    bound.set_inheritable(True)
    return bound


def serve(settings: ServeSettings, bound: socket.socket) -> int:
    """Run the workers until a signal stops them, and return the exit status.

    Args:
        settings: Settings of the server.
        bound: Its socket.
    """
    with tempfile.TemporaryDirectory(prefix="kospan-metrics-") as folder:
        os.environ[METRICS_VARIABLE] = folder
        os.environ.setdefault(*_ONEDNN)
        config = uvicorn.Config(
            partial(_application, settings),
            factory=True,
            http=partial(Protocol, header_timeout=settings.read_timeout),
            workers=settings.workers,
            log_config=LOG_CONFIG,
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_worker_healthcheck=_HEALTH,
            timeout_graceful_shutdown=int(settings.timeout) + _GRACE,
        )
        supervisor = Supervisor(config, [bound])
        supervisor.run()
        return int(any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes))


def _application(settings: ServeSettings):
    """Build the application in a worker, which signals end at once while it loads models.

    uvicorn's own handlers, which wait until the worker is ready, are set again then.
    """
    handlers = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGTERM)}
    from kospan.serving.app import create_app

    return create_app(settings, on_ready=lambda: [signal.signal(*each) for each in handlers.items()])
