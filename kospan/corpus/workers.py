"""Worker processes that predict shards, each with its own model."""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

from kospan.corpus.settings import PLAIN_ERRORS, CorpusSettings, plain_error
from kospan.corpus.shards import Shard

# Times that a shard is tried before the run ends: a process may have been killed for other reasons than the shard.
MAX_ATTEMPTS = 3


class Worker:
    """A process, and the shard that it predicts."""

    def __init__(self, model: str, settings: CorpusSettings, folder: Path, rank: int, threads: int):
        context = multiprocessing.get_context("spawn")
        self.rank, self.shard, self.ready = rank, None, False
        self.connection, other = context.Pipe()
        arguments = (other, model, settings, folder, rank, threads)
        self.process = context.Process(target=_work, args=arguments, daemon=True, name=f"kospan-predict-{rank}")
        self.process.start()
        other.close()

    def assign(self, shard: Shard) -> None:
        """Give the worker a shard; if it has ended, its connection says so."""
        self.shard = shard
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(shard)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def predict_shards(
    shards: Iterator[Shard],
    model: str,
    settings: CorpusSettings,
    folder: Path,
    num_processes: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Shard, dict]]:
    """Predict shards by several processes, and yield each with its entry as soon as it is complete.

    A process that ends is replaced, and its shard repeated.

    Args:
        shards: The shards; one per process is read at a time.
        model: Folder or name of the model.
        settings: Settings of the run.
        folder: Folder for the files, which get temporary names.
        num_processes: Number of processes; with GPUs, process i uses GPU i modulo their number.
        advance: Called with a number of predicted records.

    Raises:
        ChildProcessError: If several processes have ended with the same shard.
        Exception: The error of a process.
    """
    threads = max(1, _cores() // num_processes)
    start = lambda rank: Worker(model, settings, folder, rank, threads)  # noqa: E731
    workers = [start(rank) for rank in range(num_processes)]
    attempts: dict[str, int] = {}
    more = True
    try:
        while True:
            for worker in workers:
                if more and worker.ready and worker.shard is None:
                    shard = next(shards, None)
                    more = shard is not None
                    if more:
                        worker.assign(shard)
            busy = {
                worker.connection: worker
                for worker in workers
                if worker.shard is not None or (more and not worker.ready)
            }
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]
                try:
                    kind, value = connection.recv()
                except (EOFError, ConnectionResetError):
                    shard = worker.shard
                    worker.stop()
                    _check_attempts(attempts, shard, worker)
                    workers[worker.rank] = replacement = start(worker.rank)
                    replacement.shard = shard
                    continue
                if kind == "ready":
                    worker.ready = True
                    advance(0)
                    if worker.shard is not None:
                        worker.assign(worker.shard)
                elif kind == "advance":
                    advance(value)
                elif kind == "failed":
                    raise value
                else:
                    shard, worker.shard = worker.shard, None
                    yield shard, value
    finally:
        for worker in workers:
            worker.stop()


def _check_attempts(attempts: dict[str, int], shard: Shard | None, worker: Worker) -> None:
    name = shard.name if shard else ""
    attempts[name] = attempts.get(name, 0) + 1
    if attempts[name] < MAX_ATTEMPTS:
        return
    work = f"predict {name} ({shard.source.place(shard.records[0].at)})" if shard else "start"
    raise ChildProcessError(
        f"expected a process to {work}, got one that ended {MAX_ATTEMPTS} times, the last with status "
        f"{worker.process.exitcode}; where memory is short, reduce --num_processes, --batch_size or --shard_size"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(connection: Connection, model: str, settings: CorpusSettings, folder: Path, rank: int, threads: int) -> None:
    """Predict the shards that arrive until the connection closes."""
    # Ctrl-C reaches all processes of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        from kospan.corpus.predictor import Predictor

        predictor = Predictor(model, settings, device=rank, threads=threads)
        connection.send(("ready", None))
        while True:
            shard = connection.recv()
            connection.send(("done", predictor.write(shard, folder, lambda count: connection.send(("advance", count)))))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # The run has ended.
    except PLAIN_ERRORS as error:
        connection.send(("failed", plain_error(error)))
    except Exception:
        connection.send(("failed", RuntimeError(f"a process of the prediction failed:\n{traceback.format_exc()}")))
