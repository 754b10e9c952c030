"""Prediction of a corpus on Ray Data.

Ray reads the sources, distributes the shards over a pool of actors and repeats those of a failed actor or node. A
shard may thus be predicted more than once; the driver alone renames its files, so that it is written once. All nodes
need the model, the inputs and the output folder under the same paths.
"""

import contextlib
import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow

from kospan.corpus.records import raw_records
from kospan.corpus.settings import PLAIN_ERRORS, CorpusSettings, plain_error
from kospan.corpus.shards import Shard, is_written, shard_name, shards_of
from kospan.corpus.sources import Source

try:
    import ray
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata
except ImportError as error:
    raise ImportError(f'expected the package ray for --engine ray, got: {error}; pip install "kospan[ray]"') from error

_SHARD, _ENTRY = "shard", "entry"


class CorpusDatasource(Datasource):
    """Shards of a corpus as rows; a read task per source.

    Args:
        sources: The sources.
        settings: Settings of the run.
        written: Entries of the shards that an earlier run has written, by name.
    """

    def __init__(self, sources: Sequence[Source], settings: CorpusSettings, written: Mapping[str, Mapping]):
        self._sources, self._settings, self._written = sources, settings, written

    def estimate_inmemory_data_size(self) -> int:
        """Return the size of all files in bytes."""
        return sum(source.size for source in self._sources)

    def get_read_tasks(self, parallelism: int, *_, **__) -> list[ReadTask]:
        """Return a task per source, whatever the parallelism: a compressed file can only be read from its start."""
        tasks = []
        for at, source in enumerate(self._sources):
            metadata = BlockMetadata(num_rows=None, size_bytes=source.size, input_files=[source.name], exec_stats=None)
            own = shard_name(at, 0).rpartition("-")[0]
            written = {name: entry for name, entry in self._written.items() if name.rpartition("-")[0] == own}
            read = partial(_read, at, source, self._settings, written, os.getcwd())
            tasks.append(ReadTask(read, metadata))
        return tasks


def _read(
    at: int, source: Source, settings: CorpusSettings, written: Mapping[str, Mapping], place: str
) -> Iterable[pyarrow.Table]:
    """Yield the missing shards of a source, each as a row; a plain error is the last row: Ray would repeat the task."""
    _enter(place)
    read = partial(raw_records, columns=settings.columns, quoting=settings.quoting)
    try:
        for shard in shards_of(at, source, read, settings.shard_size):
            if not is_written(shard, written):
                yield _row(shard)
    except PLAIN_ERRORS as error:
        yield _row(plain_error(error))


def _row(value: Shard | Exception) -> pyarrow.Table:
    return pyarrow.table({_SHARD: pyarrow.array([pickle.dumps(value)], pyarrow.large_binary())})


def _enter(place: str) -> None:
    """Change to the working folder of the driver, for relative paths; a node without it needs absolute paths."""
    with contextlib.suppress(OSError):
        os.chdir(place)


class ShardPredictor:
    """Actor that predicts shards; see `kospan.corpus.predictor.Predictor`."""

    def __init__(self, model: str, settings: CorpusSettings, folder: str, threads: int | None, place: str):
        from kospan.corpus.predictor import Predictor

        _enter(place)
        self.folder, self.error = Path(folder), None
        try:
            self.predictor = Predictor(model, settings, threads=threads)
        except PLAIN_ERRORS as error:
            self.error = plain_error(error)

    def __call__(self, batch: Mapping) -> dict[str, list[bytes]]:
        """Predict the shards of a batch, and return their entries or errors, pickled."""
        return {_ENTRY: [pickle.dumps(self._entry(pickle.loads(data))) for data in batch[_SHARD]]}

    def _entry(self, shard: Shard | Exception) -> dict | Exception:
        if self.error is not None or isinstance(shard, Exception):
            return self.error or shard
        try:
            return self.predictor.write(shard, self.folder) | {"position": shard.position}
        except PLAIN_ERRORS as error:
            return plain_error(error)


def predict_on_ray(run: Any, address: str | None) -> Iterator[tuple[dict, str, int]]:
    """Yield entry, name of the source and position of each missing shard.

    Args:
        run: A `kospan.corpus.run.CorpusRun`; `num_processes` is the number of actors.
        address: Address of a running cluster; None starts one on this machine and stops it at the end.
    """
    started = not ray.is_initialized()
    if started:
        # A CPU for each actor, and one for reading.
        local = {"num_cpus": run.num_processes + 1, "include_dashboard": False} if address is None else {}
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    before = context.execution_options.preserve_order, context.enable_progress_bars
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
        folder = str(run.folder.path.absolute())
        shards = ray.data.read_datasource(CorpusDatasource(run.sources, run.settings, run.folder.entries))
        predicted = shards.map_batches(
            ShardPredictor,
            fn_constructor_args=(run.model, run.settings, folder, None if gpus else 1, os.getcwd()),
            batch_size=1,
            compute=ActorPoolStrategy(size=run.num_processes),
            num_cpus=0 if gpus else 1,
            num_gpus=gpus,
        )
        run.progress.advance(0)
        for row in predicted.iter_rows():
            entry = pickle.loads(row[_ENTRY])
            if isinstance(entry, Exception):
                raise entry
            run.progress.advance(entry["records"] + entry["errors"])
            position = entry.pop("position")
            yield entry, entry["input"], position
    finally:
        context.execution_options.preserve_order, context.enable_progress_bars = before
        if started:
            ray.shutdown()
