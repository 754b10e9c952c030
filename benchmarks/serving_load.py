"""`kospan serve` under load, server on one core, clients on another; writes docs/benchmarks/serving_load.md.

    python benchmarks/serving_load.py MODEL --texts FILE --seconds 60 --users 50 200

Of the texts in FILE, one a line or JSON Lines, 256 different ones are used. In order: the model by itself on the
server's core, single texts and 32 texts a call; a closed loop of each number of users, who send a text as soon as they
have the response to the last one (after status 429 they wait for the seconds in Retry-After); an open loop with random
arrivals at 80 % of the highest rate so far, in which latencies count from the planned arrival; a closed loop of
requests with 32 texts. With `--kill_every` a random worker is killed again and again during the first closed loop.
Shares compare texts per second of CPU time, of all threads of the server and of the model by itself.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "benchmarks" / "serving_load.md"
SHARE = 0.8
TEXTS = 32
# Connection errors have this status.
LOST = 0
ALONE = """
import json, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
from kospan.serving.models import load_models
texts = json.load(sys.stdin)
[model] = load_models({"model": sys.argv[2]}, sys.argv[3] or None, 1, None)
for size in (1, int(sys.argv[4])):
    calls = [texts[at : at + size] for at in range(0, len(texts), size)]
    used, wall, count = time.thread_time(), time.perf_counter(), 0
    while time.perf_counter() - wall < float(sys.argv[5]):
        model.pipeline.results(calls[count % len(calls)])
        count += 1
    print(json.dumps([size, count * size / (time.thread_time() - used)]))
"""


class Phase(NamedTuple):
    """Outcome of a phase.

    Args:
        name: Name of the phase.
        seconds: Seconds that it took.
        statuses: Number of responses by status.
        latencies: Seconds of each response with status 200.
        texts: Texts of a request.
        used: Seconds of CPU time of the workers.
    """

    name: str
    seconds: float
    statuses: Counter
    latencies: list[float]
    texts: int = 1
    used: float = 0.0

    @property
    def rate(self) -> float:
        """Responses with status 200 per second."""
        return len(self.latencies) / self.seconds


class Connection:
    """A connection that sends one request at a time and is opened again after an error."""

    def __init__(self, port: int):
        self.port, self.streams = port, None

    async def post(self, body: bytes) -> tuple[int, float]:
        """Status of the response and the seconds of its header Retry-After."""
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            writer.write(b"POST / HTTP/1.1\r\nHost: server\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        except (OSError, asyncio.IncompleteReadError):
            self.streams = None
            return LOST, 0.0
        retry = re.search(rb"retry-after: (\d+)", head)
        return int(head.split(b" ", 2)[1]), float(retry[1]) if retry else 0.0


async def closed_loop(name: str, port: int, bodies: list[bytes], users: int, seconds: float, texts: int = 1) -> Phase:
    """Users who send a request as soon as they have the response to the last one."""
    statuses, latencies, started = Counter(), [], time.perf_counter()

    async def user(seed: int) -> None:
        connection, choose = Connection(port), random.Random(seed)
        while (before := time.perf_counter()) - started < seconds:
            status, retry = await connection.post(choose.choice(bodies))
            statuses[status] += 1
            if status == 200:
                latencies.append(time.perf_counter() - before)
            await asyncio.sleep(retry)

    await asyncio.gather(*[user(seed) for seed in range(users)])
    return Phase(name, time.perf_counter() - started, statuses, latencies, texts)


async def open_loop(name: str, port: int, bodies: list[bytes], rate: float, seconds: float) -> Phase:
    """Requests at random times that do not depend on the responses."""
    statuses, latencies, choose = Counter(), [], random.Random(0)
    free: list[Connection] = []
    started = time.perf_counter()

    async def send(planned: float) -> None:
        connection = free.pop() if free else Connection(port)
        status, _ = await connection.post(choose.choice(bodies))
        statuses[status] += 1
        if status == 200:
            latencies.append(time.perf_counter() - planned)
        free.append(connection)

    tasks, planned = set(), started
    while planned - started < seconds:
        planned += choose.expovariate(rate)
        await asyncio.sleep(max(0.0, planned - time.perf_counter()))
        tasks.add(task := asyncio.create_task(send(planned)))
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return Phase(name, time.perf_counter() - started, statuses, latencies)


async def watched(phase, server: psutil.Process, memory: list[float], kill_every: float | None):
    """Run a phase; note the memory of all workers every second, and kill workers."""
    task, kills, last, used = asyncio.create_task(phase), 0, time.perf_counter(), cpu_seconds(server)
    while not task.done():
        await asyncio.wait({task}, timeout=1)
        workers = [each for each in server.children() if each.memory_info().rss > 100 * 2**20]
        memory.append(sum(each.memory_info().rss for each in workers) / 2**20)
        if kill_every and workers and time.perf_counter() - last > kill_every:
            random.choice(workers).send_signal(signal.SIGKILL)
            kills, last = kills + 1, time.perf_counter()
    return task.result()._replace(used=cpu_seconds(server) - used), kills


def cpu_seconds(server: psutil.Process) -> float:
    """CPU time of the workers."""
    return sum(sum(each.cpu_times()[:2]) for each in server.children())


def alone(arguments, texts: list[str]) -> dict[int, float]:
    """Texts per second of CPU time of the model by itself, by texts per call."""
    words = [
        str(arguments.server_core),
        arguments.model,
        arguments.backend or "",
        str(TEXTS),
        str(arguments.seconds / 4),
    ]
    found = subprocess.run(
        [sys.executable, "-c", ALONE, *words], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    return dict(json.loads(line) for line in found.stdout.splitlines())


def start(arguments) -> tuple[psutil.Popen, int]:
    """The server once it is ready, and its port."""
    command = [sys.executable, "-m", "kospan.cli", "serve", arguments.model, "--port", "0"]
    command += ["--workers", str(arguments.workers)]
    command += ["--backend", arguments.backend] if arguments.backend else []
    # A file, because a pipe that nobody reads would stop the server.
    with tempfile.TemporaryFile() as log:
        server = psutil.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        server.cpu_affinity([arguments.server_core])
        port = int(re.search(r":(\d+) ", server.stdout.readline())[1])
        while server.is_running() and os.pread(log.fileno(), 2**20, 0).count(b'"ready"') < arguments.workers:
            time.sleep(0.1)
    return server, port


def body(texts: list[str] | str) -> bytes:
    """The body of a request."""
    return json.dumps({"inputs": texts}, ensure_ascii=False).encode()


async def measure(arguments, port: int, server, texts: list[str], memory: list[float]) -> tuple[list[Phase], int]:
    """All phases, and the number of killed workers."""
    seconds, singles = arguments.seconds, [body(text) for text in texts]
    many = [body(random.Random(seed).sample(texts, min(TEXTS, len(texts)))) for seed in range(32)]
    phases, kills = [], 0
    for at, users in enumerate(arguments.users):
        loop = closed_loop(f"closed loop, {users} users", port, singles, users, seconds)
        phase, killed = await watched(loop, server, memory, None if at else arguments.kill_every)
        phases.append(phase)
        kills += killed
    rate = SHARE * max(phase.rate for phase in phases)
    loop = open_loop(f"open loop, {rate:.0f} requests/s", port, singles, rate, seconds)
    phases.append((await watched(loop, server, memory, None))[0])
    loop = closed_loop(f"closed loop, 2 users, {TEXTS} texts a request", port, many, 2, seconds, TEXTS)
    phases.append((await watched(loop, server, memory, None))[0])
    return phases, kills


def report(arguments, own: dict[int, float], phases: list[Phase], kills: int, memory: list[float]) -> str:
    """The page."""
    import onnxruntime
    import torch
    import uvicorn

    rows = []
    for phase in phases:
        cuts = statistics.quantiles(phase.latencies or [0.0, 0.0], n=100, method="inclusive")
        share = len(phase.latencies) * phase.texts / phase.used / own[TEXTS if phase.texts > 1 else 1]
        others = [f"{status or 'lost'}: {count:,}" for status, count in sorted(phase.statuses.items()) if status != 200]
        cells = [phase.name, f"{phase.statuses[200]:,}", ", ".join(others) or "-", f"{phase.rate * phase.texts:.1f}"]
        cells += [f"{share:.0%}", *(f"{1000 * cuts[at]:.1f}" for at in (49, 94, 98))]
        rows.append(f"| {' | '.join(cells)} |")
    edge = max(1, len(memory) // 10)
    first, last = (statistics.median(part) for part in (memory[:edge], memory[-edge:]))
    command = " ".join(["python benchmarks/serving_load.py", *sys.argv[1:]])
    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, uvicorn {uvicorn.__version__}"
    return f"""# Server under load: {arguments.name}

`{command}`

Server ({arguments.workers} workers of one thread) on core {arguments.server_core}, clients on core
{arguments.client_core} of a {os.cpu_count()}-core {platform.machine()} machine ({platform.system()}),
{arguments.seconds:g} s a phase; Python {platform.python_version()}, {versions}.

The model by itself: {own[1]:.1f} texts per second of CPU time one by one, {own[TEXTS]:.1f} with {TEXTS} texts a call.
The share compares texts per second of CPU time with them.

| phase | status 200 | other status | texts/s | share | median, ms | p95, ms | p99, ms |
|---|---:|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

Memory of all workers: {first:.0f} MiB at first, {last:.0f} MiB at last, {max(memory):.0f} MiB at most. Killed workers:
{kills}.
"""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--name", help="name of the model on the page (default: its folder)")
    parser.add_argument("--texts", type=Path, required=True, help="texts, one a line, or JSON Lines")
    parser.add_argument("--backend", choices=("torch", "onnx"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--users", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kill_every", type=float, help="seconds between kills of a worker in the first phase")
    parser.add_argument("--server_core", type=int, default=0)
    parser.add_argument("--client_core", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    arguments.name = arguments.name or Path(arguments.model).name
    from kospan.data.texts import read_texts

    texts = list(dict.fromkeys(example.text for example in read_texts(os.fspath(arguments.texts))))
    texts = random.Random(0).sample(texts, min(256, len(texts)))
    own = alone(arguments, texts)
    os.sched_setaffinity(0, {arguments.client_core})
    server, port = start(arguments)
    memory: list[float] = []
    try:
        phases, kills = asyncio.run(measure(arguments, port, server, texts, memory))
    finally:
        server.terminate()
        server.wait(60)
    page = report(arguments, own, phases, kills, memory)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(page, encoding="utf-8")
    print(page)
    lost = sum(phase.statuses[LOST] for phase in phases)
    known = {200, 429, LOST}
    sys.exit(bool(any(set(phase.statuses) - known for phase in phases) or (lost and not kills)))


if __name__ == "__main__":
    main()
