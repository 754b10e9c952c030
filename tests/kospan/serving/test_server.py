"""The supervisor over stubs of workers, and the socket."""

import os
import pickle
import signal
import socket
from types import SimpleNamespace

import pytest
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS

from kospan.serving import server
from kospan.serving.logs import LOGGER
from kospan.serving.protocol import Protocol
from kospan.serving.server import Supervisor, open_socket
from kospan.serving.settings import METRICS_VARIABLE, ServeSettings


class Worker:
    """A worker that lives while it has no exit code, and responds if it is ready."""

    clock = [0.0]

    def __init__(self, config=None, sockets=None, exitcode=None, ready=True):
        self.exitcode, self.ready, self.pid = exitcode, ready, 1
        self.started, self.closed = False, False
        self.child_conn = SimpleNamespace(close=lambda: setattr(self, "closed", True))

    def start(self):
        self.started = True

    def is_ready(self, timeout=5):
        return self.ready and self.exitcode is None

    @property
    def process(self):
        return SimpleNamespace(is_alive=lambda: self.exitcode is None)

    @property
    def parent_conn(self):
        return self

    def send(self, data):
        assert data == b"ping"

    def poll(self, timeout):
        self.clock[0] += timeout
        return self.ready

    def recv(self):
        assert self.ready

    def kill(self):
        pass

    join = kill


@pytest.fixture
def supervisor(monkeypatch):
    handlers = {each: signal.getsignal(each) for each in SIGNALS}
    monkeypatch.setattr(server, "Process", Worker)
    clock = Worker.clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    supervisor = Supervisor(Config("unused", workers=2, timeout_worker_healthcheck=60), [])
    supervisor.clock = clock
    yield supervisor
    for each, handler in handlers.items():
        signal.signal(each, handler)


@pytest.fixture
def log(monkeypatch):
    events = []
    monkeypatch.setattr(LOGGER, "error", lambda event, **_: events.append(event))
    return events


def test_an_ended_worker_is_replaced(supervisor, log):
    supervisor.processes = [one, other] = [Worker(), Worker(exitcode=-9)]
    supervisor.keep_subprocess_alive()
    assert supervisor.processes[0] is one and supervisor.processes[1] is not other and log == ["a worker died"]
    assert supervisor.processes[1].started and one.closed and not supervisor.should_exit.is_set()


def test_a_worker_that_ends_during_its_check_is_replaced(supervisor, log):
    """The exit code is known only after the check, as with uvicorn's processes."""

    class Failing(Worker):
        def poll(self, timeout):
            self.exitcode = STARTUP_FAILURE
            raise EOFError

    supervisor.processes = [one, _] = [Worker(), Failing()]
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [one] and not supervisor.should_exit.is_set()
    assert log == ["a worker could not start"]


def test_workers_that_cannot_start_stop_the_server(supervisor):
    """No worker has served yet."""
    supervisor.processes = [Worker(exitcode=STARTUP_FAILURE), Worker(ready=False)]
    supervisor.keep_subprocess_alive()
    assert supervisor.should_exit.is_set()


def test_a_worker_that_does_not_respond_is_replaced_after_a_minute(supervisor, log):
    supervisor.processes = [silent] = [Worker(ready=False)]
    supervisor.keep_subprocess_alive()
    assert log == ["a worker died"] and supervisor.processes[0] is not silent and 59 < supervisor.clock[0] < 62


def test_a_signal_ends_the_wait_for_a_worker(supervisor, log):
    supervisor.processes = [silent] = [Worker(ready=False)]
    supervisor.signal_queue.append(signal.SIGTERM)
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [silent] and supervisor.clock[0] < 1 and not log


def test_signals_end_a_worker_that_loads_models(monkeypatch):
    given = {}
    monkeypatch.setattr("kospan.serving.app.create_app", lambda settings, on_ready: given.update(on_ready=on_ready))

    def handler(*_):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, handler), signal.signal(signal.SIGINT, handler)
    try:
        server._application(None)
        assert {signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)} == {signal.SIG_DFL}
        given["on_ready"]()
        assert {signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)} == {handler}
    finally:
        signal.signal(signal.SIGTERM, before[0]), signal.signal(signal.SIGINT, before[1])


def test_a_replacement_that_cannot_start_is_tried_again_later(supervisor):
    supervisor.processes = [one, _] = [Worker(), Worker(exitcode=STARTUP_FAILURE)]
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [one] and not supervisor.should_exit.is_set()
    supervisor.clock[0] = 9
    supervisor.keep_subprocess_alive()
    assert supervisor.processes == [one]
    supervisor.clock[0] = 11
    supervisor.keep_subprocess_alive()
    assert len(supervisor.processes) == 2 and supervisor.processes[1].started
    supervisor.clock[0] = 99
    supervisor.keep_subprocess_alive()
    assert len(supervisor.processes) == 2


def test_the_last_worker_is_replaced_while_another_is_planned(supervisor):
    supervisor.processes = [one, _] = [Worker(), Worker(exitcode=STARTUP_FAILURE)]
    supervisor.keep_subprocess_alive()
    one.exitcode = -9
    supervisor.keep_subprocess_alive()
    [new] = supervisor.processes
    assert new is not one and new.started


def test_one_server_an_address():
    bound = open_socket("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match=r"expected a free address, got 127\.0\.0\.1:"):
            open_socket("127.0.0.1", bound.getsockname()[1])
        # Clients wait for workers that still load their models.
        socket.create_connection(bound.getsockname()).close()
    finally:
        bound.close()


def test_addresses_of_both_families():
    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        bound = open_socket(host, 0)
        assert bound.family == family and bound.get_inheritable()
        bound.close()


@pytest.mark.parametrize(("exitcodes", "status"), [([0, -15], 0), ([-15, STARTUP_FAILURE], 1)])
def test_the_settings_of_workers(monkeypatch, exitcodes, status):
    monkeypatch.setenv(METRICS_VARIABLE, "")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "5")
    seen = []

    class Stub:
        def __init__(self, config, sockets):
            seen.extend((config, os.environ[METRICS_VARIABLE]))
            self.processes = [Worker(exitcode=exitcode) for exitcode in exitcodes]

        def run(self):
            assert os.path.isdir(seen[1])
            # The user's value stays.
            assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "5"

    monkeypatch.setattr(server, "Supervisor", Stub)
    settings = ServeSettings({"a": "b"}, workers=3, timeout=7, read_timeout=3)
    assert server.serve(settings, None) == status
    config, folder = seen
    assert not os.path.exists(folder)
    assert config.workers == 3 and config.timeout_graceful_shutdown == 12
    # Workers are spawned, so all of it is pickled.
    copy = pickle.loads(pickle.dumps(config.http))
    assert copy.func is Protocol and copy.keywords == {"header_timeout": 3}


def test_the_cache_of_torch_is_bounded(monkeypatch):
    monkeypatch.setenv(METRICS_VARIABLE, "")
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "")
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    monkeypatch.setattr(server, "Supervisor", lambda *_: SimpleNamespace(run=lambda: None, processes=[]))
    server.serve(ServeSettings({"a": "b"}), None)
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "16"
