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


class _Worker:
    """A process, and the shard that it predicts."""

    def __init__(self, rank: int, arguments: tuple):
        context = multiprocessing.get_context("spawn")
        self.rank, self.ready, self.advanced = rank, False, 0
        self.shard: Shard | None = None
        self.connection, other = context.Pipe()
        name = f"kospan-predict-{rank}"
        self.process = context.Process(target=_work, args=(other, rank, *arguments), daemon=True, name=name)
        self.process.start()
        other.close()

    def assign(self, shard: Shard) -> None:
        """Send a shard to the process; one that has ended is replaced when its connection is read."""
        self.shard, self.advanced = shard, 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(shard)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class WorkerPool:
    """Processes that predict shards, each with its own model. A process that ends is replaced, and its shard repeated.

    Args:
        model: Folder or name of the model.
        settings: Settings of the run.
        folder: Folder for the files, which get temporary names.
        num_processes: Number of processes; with GPUs, process i uses GPU i modulo their number.
        advance: Called with a number of predicted records, negative if they have to be predicted again.
    """

    def __init__(
        self,
        model: str,
        settings: CorpusSettings,
        folder: Path,
        num_processes: int,
        advance: Callable[[int], None],
    ):
        self._arguments = (model, settings, folder, max(1, _cores() // num_processes))
        self._num_processes, self._advance = num_processes, advance
        self._attempts: dict[str, int] = {}

    def predict(self, shards: Iterator[Shard]) -> Iterator[tuple[Shard, dict]]:
        """Yield each shard with its entry as soon as it is complete; one shard per process is read at a time.

        Raises:
            ChildProcessError: If several processes have ended with the same shard.
            Exception: The error of a process.
        """
        self._workers = [_Worker(rank, self._arguments) for rank in range(self._num_processes)]
        more = True
        try:
            while True:
                for worker in self._workers:
                    if more and worker.ready and worker.shard is None:
                        shard = next(shards, None)
                        if shard is None:
                            more = False
                        else:
                            worker.assign(shard)
                busy = [each for each in self._workers if each.shard is not None or (more and not each.ready)]
                if not busy:
                    return
                ready = wait([worker.connection for worker in busy])
                for worker in busy:
                    if worker.connection in ready:
                        yield from self._receive(worker)
        finally:
            for worker in self._workers:
                worker.stop()

    def _receive(self, worker: _Worker) -> Iterator[tuple[Shard, dict]]:
        """Handle a message, and yield the shard that it completes."""
        try:
            kind, value = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._replace(worker)
            return
        if kind == "ready":
            worker.ready = True
            self._attempts.pop("", None)
            self._advance(0)
            if worker.shard is not None:
                worker.assign(worker.shard)
        elif kind == "advance":
            worker.advanced += value
            self._advance(value)
        elif kind == "failed":
            raise value
        else:
            shard, worker.shard = worker.shard, None
            yield shard, value

    def _replace(self, worker: _Worker) -> None:
        """Start a new process for one that has ended."""
        worker.stop()
        self._advance(-worker.advanced)
        shard = worker.shard
        name = shard.name if shard else ""
        self._attempts[name] = self._attempts.get(name, 0) + 1
        if self._attempts[name] == MAX_ATTEMPTS:
            work = f"predict {name} ({shard.source.place(shard.records[0].at)})" if shard else "start"
            raise ChildProcessError(
                f"expected a process to {work}, got one that ended {MAX_ATTEMPTS} times, the last with "
                f"status {worker.process.exitcode}; where memory is short, reduce --num_processes, --batch_size or "
                "--shard_size"
            )
        self._workers[worker.rank] = replacement = _Worker(worker.rank, self._arguments)
        replacement.shard = shard


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(connection: Connection, rank: int, model: str, settings: CorpusSettings, folder: Path, threads: int) -> None:
    """Predict the shards that arrive until the connection closes."""
    # Ctrl-C reaches all processes of the terminal; the main process ends the others.
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
