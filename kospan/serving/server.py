"""Worker processes, supervised by uvicorn: ended workers are replaced, and finish their requests when stopped."""

import os
import socket
import tempfile
from functools import partial

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from kospan.serving.logs import LOG_CONFIG
from kospan.serving.settings import METRICS_VARIABLE, ServeSettings

# Connections of a worker; more of them get status 503.
_CONNECTIONS = 1000
# Seconds that an idle connection is kept: longer than load balancers keep theirs.
_KEEP_ALIVE = 75
# Seconds in which a worker has to respond to its supervisor. Imports and long texts may hold the interpreter.
_HEALTH = 60
# Seconds beyond the timeout of requests in which a stopping worker finishes them.
_GRACE = 5


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which also notices at once that a worker has ended during a health check."""

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have ended or do not respond."""
        for process in self.processes:
            # With this end open here as well, the pipe of an ended worker would not report its end.
            process.child_conn.close()
        super().keep_subprocess_alive()


def open_socket(host: str, port: int) -> socket.socket:
    """Bind the socket that all workers share.

    Raises:
        OSError: If the address is not free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
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
        config = uvicorn.Config(
            partial(_application, settings),
            factory=True,
            workers=settings.workers,
            log_config=LOG_CONFIG,
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_worker_healthcheck=_HEALTH,
            timeout_graceful_shutdown=int(settings.timeout) + _GRACE,
        )
        supervisor = Supervisor(config, [bound])
        supervisor.run()
        return int(any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes))


def _application(settings: ServeSettings):
    from kospan.serving.app import create_app

    return create_app(settings)
