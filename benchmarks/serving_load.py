"""`kospan serve` under load, server on one core, clients on another; writes docs/benchmarks/serving.md.

    python benchmarks/serving_load.py NAME=MODEL ... --texts FILE --seconds 60 --users 50 200

Of the texts in FILE, one a line or JSON Lines, 256 different ones are used. For each model, in order: a closed loop of
each number of users, who send a text as soon as they have the response to the last one (after status 429 they wait for
the seconds in Retry-After); an open loop with random arrivals at 80 % of the highest rate so far, in which latencies
count from the planned arrival; a closed loop of requests with 32 texts. Before and after each phase, while the server
is idle, another process measures the model by itself on the server's core. Shares compare texts per second of CPU time,
of all threads of the server and of the model by itself.

`--soak` adds a closed loop of the first number of users. With `--kill_every` a random worker is killed again and again
during the first phase; the requests on its connections are those in flight.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import random
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "docs" / "benchmarks" / "serving.md"
SHARE = 0.8
TEXTS = 32
# Connection errors have this status.
LOST = 0
# Reads sizes of calls, and prints the texts per second of CPU time.
ALONE = """
import json, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
from kospan.serving.models import load_models
texts = json.loads(sys.stdin.readline())
[model] = load_models({"model": sys.argv[2]}, sys.argv[3] or None, 1, None)
for line in sys.stdin:
    size, begun, used, count = int(line), time.perf_counter(), time.thread_time(), 0
    while time.perf_counter() - begun < 3:
        for at in range(0, len(texts), size):
            model.pipeline.results(texts[at : at + size])
        count += len(texts)
    print(count / (time.thread_time() - used), flush=True)
"""


class Phase(NamedTuple):
    """Outcome of a phase.

    Args:
        name: Name of the phase.
        seconds: Seconds that it took.
        statuses: Number of responses by status.
        latencies: Seconds of each response with status 200.
        texts: Texts of a request.
        share: Texts per second of CPU time, relative to the model by itself.
        memory: MiB of all workers in each second.
    """

    name: str
    seconds: float
    statuses: Counter
    latencies: list[float]
    texts: int = 1
    share: float = 0.0
    memory: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Responses with status 200 per second."""
        return len(self.latencies) / self.seconds

    def cells(self) -> list[str]:
        """The row of the table."""
        cuts = statistics.quantiles(self.latencies or [0.0, 0.0], n=100, method="inclusive")
        others = [f"{status or 'lost'}: {count:,}" for status, count in sorted(self.statuses.items()) if status != 200]
        cells = [self.name, f"{self.statuses[200]:,}", ", ".join(others) or "-", f"{self.rate * self.texts:.1f}"]
        cells += [f"{self.share:.0%}" if self.share else "-", *(f"{1000 * cuts[at]:.1f}" for at in (49, 94, 98))]
        return [*cells, f"{cuts[94] / max(cuts[49], 1e-9):.2f}", f"{self.memory[0]:.0f} to {self.memory[-1]:.0f}"]


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


class Bench:
    """A model, the process that measures it by itself, and its server.

    Args:
        arguments: Arguments of the command.
        alone: Process that runs `ALONE`.
        server: The server's process.
        log: The server's log.
    """

    def __init__(self, arguments, alone: subprocess.Popen, server: psutil.Popen, log):
        self.arguments, self.alone, self.server, self.log = arguments, alone, server, log
        self.kills, self.in_flight = 0, 0
        self.own: dict[int, list[float]] = {1: [], TEXTS: []}

    def workers(self) -> list[psutil.Process]:
        """Processes that have loaded the model."""
        return [each for each in self.server.children() if each.memory_info().rss > 100 * 2**20]

    def measure_alone(self, size: int) -> float:
        """Texts per second of CPU time of the model by itself."""
        self.alone.stdin.write(f"{size}\n")
        self.alone.stdin.flush()
        self.own[size].append(float(self.alone.stdout.readline()))
        return self.own[size][-1]

    async def watched(self, work, texts: int = 1, kill_every: float | None = None) -> Phase:
        """Run a phase; note the memory of all workers every second, and kill workers."""
        own, used, memory = [self.measure_alone(texts)], self.cpu_seconds(), []
        task, last = asyncio.create_task(work), time.perf_counter()
        while not task.done():
            await asyncio.wait({task}, timeout=1)
            workers = self.workers()
            memory.append(sum(each.memory_info().rss for each in workers) / 2**20)
            ready = kill_every and count_ready(self.log) == self.arguments.workers + self.kills
            if ready and time.perf_counter() - last > kill_every:
                self.kill(random.choice(workers))
                last = time.perf_counter()
        phase, used = task.result(), self.cpu_seconds() - used
        own.append(self.measure_alone(texts))
        # The CPU time of killed workers is unknown.
        share = 0.0 if kill_every else len(phase.latencies) * texts / used / statistics.mean(own)
        return phase._replace(share=share, memory=tuple(memory))

    def kill(self, worker: psutil.Process) -> None:
        """Kill a worker; each of its connections has a request in flight."""
        worker.suspend()
        self.in_flight += sum(each.status == "ESTABLISHED" for each in worker.net_connections("tcp"))
        worker.kill()
        self.kills += 1

    def cpu_seconds(self) -> float:
        """CPU time of the workers."""
        return sum(sum(each.cpu_times()[:2]) for each in self.server.children())

    async def phases(self, port: int, texts: list[str]) -> list[Phase]:
        """Run all phases."""
        seconds, kill_every, found = self.arguments.seconds, self.arguments.kill_every, []
        singles = [body(text) for text in texts]
        many = [body(random.Random(seed).sample(texts, min(TEXTS, len(texts)))) for seed in range(32)]
        for users in self.arguments.users:
            loop = closed_loop(f"{users} users", port, singles, users, seconds)
            found.append(await self.watched(loop, kill_every=None if found else kill_every))
        rate = SHARE * max(phase.rate for phase in found)
        found.append(await self.watched(open_loop(f"{rate:.0f} arrivals/s", port, singles, rate, seconds)))
        loop = closed_loop(f"2 users, {TEXTS} texts a request", port, many, 2, seconds, TEXTS)
        found.append(await self.watched(loop, TEXTS))
        if self.arguments.soak:
            users = self.arguments.users[0]
            name = f"{users} users, {self.arguments.soak:g} s"
            found.append(await self.watched(closed_loop(name, port, singles, users, self.arguments.soak)))
        return found


def count_ready(log) -> int:
    """Number of workers that have been ready."""
    return os.pread(log.fileno(), 2**30, 0).count(b'"ready"')


def body(texts: list[str] | str) -> bytes:
    """The body of a request."""
    return json.dumps({"inputs": texts}, ensure_ascii=False).encode()


@contextmanager
def measured_alone(arguments, model: str, texts: list[str]):
    """Start the process that measures a model by itself."""
    words = [str(arguments.server_core), model, arguments.backend or ""]
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(json.dumps(texts) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


@contextmanager
def serving(arguments, model: str):
    """The server once it is ready, its port and its log."""
    command = [sys.executable, "-m", "kospan.cli", "serve", f"model={model}", "--port", "0"]
    command += ["--workers", str(arguments.workers)]
    command += ["--backend", arguments.backend] if arguments.backend else []
    # A file, because a pipe that nobody reads would stop the server.
    with tempfile.TemporaryFile() as log:
        server = psutil.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        server.cpu_affinity([arguments.server_core])
        port = int(re.search(r":(\d+) ", server.stdout.readline())[1])
        while server.is_running() and count_ready(log) < arguments.workers:
            time.sleep(0.1)
        try:
            yield server, port, log
        finally:
            server.terminate()
            server.wait(60)


def section(name: str, bench: Bench, phases: list[Phase]) -> str:
    """The results of a model."""
    rows = "\n".join(f"| {' | '.join(phase.cells())} |" for phase in phases)
    one, many = (statistics.median(bench.own[size]) for size in (1, TEXTS))
    text = f"""## {name}

The model by itself: {one:.0f} texts per second of CPU time one by one, {many:.0f} with {TEXTS} texts a call.

| phase | status 200 | other | texts/s | share | median, ms | p95, ms | p99, ms | p95 / median | memory, MiB |
|---|---:|---|---:|---:|---:|---:|---:|---:|---|
{rows}
"""
    if bench.kills:
        text += f"\nKilled workers: {bench.kills}, with {bench.in_flight} requests in flight in all.\n"
    return text


def priority() -> str:
    """Priorities of this process and of its group, which the server inherits, if they are not 0."""
    group = Path("/proc/self/autogroup")
    found = {
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "autogroup nice": int(group.read_text(encoding="utf-8").split()[-1]) if group.is_file() else 0,
    }
    return "".join(f", {name} {value}" for name, value in found.items() if value)


def report(arguments, texts: list[str], sections: list[str]) -> str:
    """The page."""
    import onnxruntime
    import torch
    import uvicorn

    command = f"python benchmarks/serving_load.py {shlex.join(sys.argv[1:])}"
    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, uvicorn {uvicorn.__version__}"
    described = (
        f"{len(texts)} texts with {statistics.mean(map(len, texts)):.0f} characters on average. {arguments.note}"
    )
    introduction = f"""# {arguments.title}

`{command}`

Server ({arguments.workers} worker{"s" * (arguments.workers > 1)} of one thread) on core {arguments.server_core},
clients on core {arguments.client_core} of a virtual machine with {os.cpu_count()} {platform.machine()} cores
({platform.system()}{priority()}), {arguments.seconds:g} s a phase; Python {platform.python_version()}, {versions}.

{described.rstrip()}

The share compares texts per second of CPU time with the model by itself: one text a call, or {TEXTS} for requests of
{TEXTS} texts. Requests of one text share batches, so their share may exceed 100 %. Arrivals are random (Poisson), at
{SHARE:.0%} of the highest rate of the phases above. Memory is that of all workers in the first and last second.
"""
    return "\n".join([introduction, *sections])


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL", help="title of the section, and folder")
    parser.add_argument("--texts", type=Path, required=True, help="texts, one a line, or JSON Lines")
    parser.add_argument("--backend", choices=("torch", "onnx"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--users", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--soak", type=float, help="seconds of a last phase")
    parser.add_argument("--kill_every", type=float, help="seconds between kills of a worker in the first phase")
    parser.add_argument("--title", default="Server under load", help="title of the page")
    parser.add_argument("--note", default="", help="text for the page")
    parser.add_argument("--server_core", type=int, default=0)
    parser.add_argument("--client_core", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    from kospan.data.texts import read_texts

    texts = list(dict.fromkeys(example.text for example in read_texts(os.fspath(arguments.texts))))
    texts = random.Random(0).sample(texts, min(256, len(texts)))
    os.sched_setaffinity(0, {arguments.client_core})
    # Collections that visit all imported objects would stop the clients.
    gc.freeze()
    sections, failed = [], False
    for word in arguments.models:
        name, _, model = word.rpartition("=")
        with measured_alone(arguments, model, texts) as alone, serving(arguments, model) as (server, port, log):
            bench = Bench(arguments, alone, server, log)
            phases = asyncio.run(bench.phases(port, texts))
        sections.append(section(name or Path(model).name, bench, phases))
        print(sections[-1], flush=True)
        statuses = sum((phase.statuses for phase in phases), Counter())
        failed |= bool(statuses.keys() - {200, 429, LOST}) or statuses[LOST] > bench.in_flight
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(report(arguments, texts, sections), encoding="utf-8")
    sys.exit(failed)


if __name__ == "__main__":
    main()
