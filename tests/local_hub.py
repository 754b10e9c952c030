"""A Hub on this machine: a small HTTP server that the unmodified huggingface_hub client talks to.

It speaks plain LFS, so clients need `HF_HUB_DISABLE_XET=1`. `HF_ENDPOINT` is read when huggingface_hub is imported: a
client is a process of its own with `hub.environment(...)`, or an `HfApi(endpoint=hub.url)` inside `hub_online`.
Faults are ordered with `fail`, `drop`, `reset` and `lose_answer`. `python tests/local_hub.py [--port N]` starts one for
a person to try things with.
"""

import argparse
import itertools
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from local_hub_repositories import (
    OWNER,
    OWNER_TOKEN,
    READER,
    READER_TOKEN,
    Blob,
    Fault,
    Repo,
    _sha,
    is_large,
)
from local_hub_server import Handler
from time_limits import SECONDS


class LocalHub:
    """The server's state; `url` is its endpoint, `requests` the `(method, path)` that came in."""

    def __init__(self, port: int = 0):
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.tokens = {OWNER_TOKEN: (OWNER, True), READER_TOKEN: (READER, False)}
        self.lock = threading.RLock()
        self.arrived = threading.Condition(self.lock)
        self._gates: list[tuple[str, threading.Event]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads, self.server.hub = True, self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops answering."""
        for _, gate in self._gates:
            gate.set()
        self.server.shutdown()
        self.server.server_close()

    def environment(self, home: str | os.PathLike, token: str | None = OWNER_TOKEN) -> dict[str, str]:
        """The environment of a process that takes this for the Hub; `home` holds its cache."""
        dropped = (
            "PYTHONPATH",
            "HF_HUB_OFFLINE",
            "HF_MODULES_CACHE",
            "HF_HUB_CACHE",
            "HF_TOKEN",
            "TRANSFORMERS_OFFLINE",
        )
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        kept |= {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
        kept |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUTF8": "1"}
        kept |= {"HF_HUB_ETAG_TIMEOUT": f"{SECONDS:.0f}", "HF_HUB_DOWNLOAD_TIMEOUT": f"{SECONDS:.0f}"}
        return kept | ({"HF_TOKEN": token} if token else {})

    def repo(self, name: str, kind: str = "model") -> Repo:
        """A repository that is there."""
        return self.repos[kind, name]

    def make(self, name: str, kind: str = "model", private: bool = False) -> Repo:
        """A new repository; as on the Hub its first commit holds .gitattributes."""
        repo = self.repos[kind, name] = Repo(name, kind, private)
        first = {".gitattributes": Blob(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n")}
        repo.add("refs/heads/main", "initial commit", "", first, None)
        return repo

    def fill(self, name: str, files: dict[str, bytes], kind: str = "model", revision: str = "main") -> Repo:
        """A repository with these files, past all requests."""
        repo = self.repos.get((kind, name)) or self.make(name, kind)
        old = repo.at(revision) or repo.at()
        blobs = {path: Blob(data, _sha(data) if is_large(path, len(data)) else None) for path, data in files.items()}
        self.objects |= {blob.sha256: blob.data for blob in blobs.values() if blob.sha256}
        repo.add(f"refs/heads/{revision}", "filled", "", {**old.files, **blobs}, old)
        return repo

    # --- faults -------------------------------------------------------------------------------------------------------

    def fail(self, method: str, path: str, times: int = 1, status: int = 503, skip: int = 0, **parts) -> None:
        """The next requests get this status; `headers` and `body` may be given."""
        self.faults.append(Fault(method, path, "status", times, skip, status, **parts))

    def drop(self, method: str, path: str, times: int = 1, skip: int = 0) -> None:
        """The answer ends cleanly after half of its promised length."""
        self.faults.append(Fault(method, path, "drop", times, skip))

    def reset(self, method: str, path: str, times: int = 1, skip: int = 0) -> None:
        """The connection is reset after some of the request's body has been read; nothing is done."""
        self.faults.append(Fault(method, path, "reset", times, skip))

    def lose_answer(self, method: str, path: str, times: int = 1, skip: int = 0) -> None:
        """The request is carried out, and the connection reset instead of an answer."""
        self.faults.append(Fault(method, path, "lose", times, skip))

    def hold(self, path: str) -> threading.Event:
        """Requests to a path wait until the event that is given back is set."""
        gate = threading.Event()
        self._gates.append((path, gate))
        return gate

    def wait_for(self, method: str, path: str, times: int = 1, timeout: float = SECONDS) -> bool:
        """Wait for the given number of requests of a kind; return whether they have arrived."""
        with self.arrived:
            return self.arrived.wait_for(lambda: self.count(method, path) >= times, timeout)

    def count(self, method: str, path: str) -> int:
        """Number of requests of a kind that have arrived."""
        return sum(one == method and re.search(path, other) is not None for one, other in list(self.requests))

    def _fault(self, method: str, path: str) -> Fault | None:
        with self.arrived:
            self.requests.append((method, path))
            self.arrived.notify_all()
            for fault in self.faults:
                if fault.method == method and re.search(fault.path, path):
                    if fault.skip:
                        fault.skip -= 1
                    elif fault.times:
                        fault.times -= 1
                        return fault
        return None


@contextmanager
def hub_online(hub: LocalHub, monkeypatch) -> Iterator[list[float]]:
    """Lets huggingface_hub of this process talk to the hub; gives the waits that its own retries would have slept."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http, close_session

    waits: list[float] = []
    patient = type("time", (), {"sleep": staticmethod(waits.append)})
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(constants, "ENDPOINT", hub.url)
        patch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        patch.setattr(_http, "time", patient)
        close_session()
        yield waits
        close_session()


@pytest.fixture
def local_hub() -> Iterator[LocalHub]:
    """A Hub of the test's own."""
    hub = LocalHub()
    yield hub
    hub.close()


@pytest.fixture
def online(local_hub, monkeypatch) -> Iterator[list[float]]:
    """`hub_online` for a whole test."""
    with hub_online(local_hub, monkeypatch) as waits:
        yield waits


def snapshot(repo: Repo, folder: str | os.PathLike, revision: str = "main") -> Path:
    """Writes the files of a revision to a folder, past all requests."""
    for path, data in repo.files(revision).items():
        target = Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return Path(folder)


def unused_address() -> str:
    """An address where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was raised from or in the course of."""
    seen: list[BaseException] = []
    front = [error]
    while front:
        each = front.pop()
        if each is not None and each not in seen:
            seen.append(each)
            front += [each.__cause__, each.__context__]
    return itertools.chain(seen)


def main() -> None:
    """Serves until it is interrupted, and prints what came in."""
    parser = argparse.ArgumentParser(description="A Hub on this machine, in memory.")
    parser.add_argument("--port", type=int, default=8099)
    hub = LocalHub(parser.parse_args().port)
    print(f"export HF_ENDPOINT={hub.url} HF_HUB_DISABLE_XET=1 HF_TOKEN={OWNER_TOKEN}  # {OWNER}", flush=True)
    try:
        printed = 0
        while True:
            with hub.arrived:
                hub.arrived.wait_for(lambda seen=printed: len(hub.requests) > seen)
                new, printed = hub.requests[printed:], len(hub.requests)
            for method, path in new:
                print(method, path, flush=True)
    except KeyboardInterrupt:
        hub.close()


if __name__ == "__main__":
    main()
