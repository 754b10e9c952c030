"""Prediction of a corpus: one run, resumable after any interruption."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kospan import __version__
from kospan.corpus.folder import OutputFolder
from kospan.corpus.identity import model_identity
from kospan.corpus.progress import Progress
from kospan.corpus.records import check_columns, raw_records
from kospan.corpus.settings import ENGINES, CorpusSettings, check_count
from kospan.corpus.shards import Shard, is_written, shards_of
from kospan.corpus.sources import Source, find_sources


@dataclass(frozen=True)
class CorpusRun:
    """Everything that an engine needs to predict the shards of a corpus that are missing.

    Args:
        model: Folder or name of the model.
        settings: Settings of the run.
        sources: The sources.
        folder: The output.
        progress: Progress of the run.
        num_processes: Number of processes.
    """

    model: str
    settings: CorpusSettings
    sources: Sequence[Source]
    folder: OutputFolder
    progress: Progress
    num_processes: int

    def missing_shards(self) -> Iterator[Shard]:
        """Yield the shards that an earlier run has not written, in order, after comparing the input of the others.

        Raises:
            ValueError: If the input of a written shard has changed.
        """
        read = partial(raw_records, columns=self.settings.columns, quoting=self.settings.quoting)
        for at, source in enumerate(self.sources):
            for shard in shards_of(at, source, read, self.settings.shard_size):
                if not is_written(shard, self.folder.entries):
                    yield shard
                else:
                    self.progress.skip(source.name, shard.position)


def predict_corpus(
    model: str | os.PathLike,
    inputs: str | os.PathLike | Sequence[str | os.PathLike],
    output_dir: str | os.PathLike,
    *,
    split: str | None = None,
    num_processes: int = 1,
    max_errors: int | None = None,
    overwrite: bool = False,
    engine: str = "local",
    ray_address: str | None = None,
    say: Callable[[str], None] | None = None,
    **settings: Any,
) -> dict:
    r"""Predict a corpus of any size into a folder of shards, and continue an interrupted run.

    Args:
        model: A folder, an installed name or a name on the Hub.
        inputs: Files of JSON Lines, text (a document per line), CSV, TSV or Parquet, folders or globs of them, or
            `hub:NAME[:CONFIG]` for a data set on the Hub or on disk.
        output_dir: Folder of the shards and of `manifest.json`.
        split: Split of the data set.
        num_processes: Number of processes, each with its own model; with GPUs, one GPU for each.
        max_errors: Number of unreadable records after which the run stops; None never stops.
        overwrite: Start over if the folder holds an earlier run.
        engine: "local", or "ray" for Ray Data.
        ray_address: Address of a running Ray cluster; None starts a local one.
        say: Function that takes a line about the run; None prints it to stderr.
        **settings: Fields of `kospan.corpus.settings.CorpusSettings`.

    Returns:
        The manifest: version, model, settings, inputs, totals and shards.

    Raises:
        FileExistsError: If the folder holds another run.
        BlockingIOError: If another process writes to the folder.
        ValueError: If an input, a setting or the model is wrong, or there are too many errors.

    Several processes need `if __name__ == "__main__":` around the call in a script.

    >>> _ = Path("texts.txt").write_text("이재용 회장이 서울에서 말했다.\n비가 온다.\n", encoding="utf-8")
    >>> manifest = predict_corpus("outputs/quickstart", "texts.txt", "predicted", say=lambda line: None)
    >>> manifest["totals"]["records"], [shard["file"] for shard in manifest["shards"]]
    (2, ['part-00000-00000.jsonl'])
    """
    given = CorpusSettings(**settings)
    check_count("num_processes", num_processes)
    if max_errors is not None:
        check_count("max_errors", max_errors, least=0)
    _check_engine(engine, ray_address)
    names = [inputs] if isinstance(inputs, (str, os.PathLike)) else list(inputs)
    _check_apart(names, output_dir)
    sources, skipped = find_sources(names, given.input_format, split)
    _check_outside(sources, output_dir)
    check_columns(sources, given.columns, given.quoting)
    header = {
        "kospan": __version__,
        "model": model_identity(model),
        "settings": given.described(),
        "inputs": [source.identity() for source in sources],
    }
    with OutputFolder(output_dir, header, overwrite) as folder:
        progress = Progress(sum(source.size for source in sources))
        say = say or progress.say
        if skipped:
            say(f"skipped files       {len(skipped):,} of other formats, such as {skipped[0]}")
        if folder.entries:
            say(f"resumed             {len(folder.entries):,} complete shards in {folder.path}")
        run = CorpusRun(os.fspath(model), given, sources, folder, progress, num_processes)
        # The processes of an engine end with its generator.
        with closing(progress), closing(_predicted(run, engine, ray_address)) as predicted:
            _commit_all(run, predicted, max_errors, say)
        if not folder.entries:
            raise ValueError(f"{sources[0].name}: expected at least one text, got none; write a document per line")
        return folder.finish()


def _commit_all(run: CorpusRun, predicted: Iterator, max_errors: int | None, say: Callable[[str], None]) -> None:
    errors = sum(entry["errors"] for entry in run.folder.entries.values())
    _check_errors(errors, max_errors, run.folder.path)
    announced = errors > 0
    for entry, source, position in predicted:
        entry = run.folder.commit(entry)
        run.progress.finish(entry, source, position)
        errors += entry["errors"]
        if entry["errors"] and not announced:
            say(f"unreadable records  the first are in {run.folder.path / entry['errors_file']}")
            announced = True
        _check_errors(errors, max_errors, run.folder.path)


def _predicted(run: CorpusRun, engine: str, ray_address: str | None) -> Iterator[tuple[dict, str, int]]:
    """Yield entry, name of the source and position of each shard that is missing."""
    if engine == "ray":
        from kospan.corpus.ray_engine import predict_on_ray

        yield from predict_on_ray(run, ray_address)
        return
    if run.num_processes == 1:
        pairs = _predicted_here(run)
    else:
        from kospan.corpus.workers import WorkerPool

        pool = WorkerPool(run.model, run.settings, run.folder.path, run.num_processes, run.progress.advance)
        pairs = pool.predict(run.missing_shards())
    for shard, entry in pairs:
        yield entry, shard.source.name, shard.position


def _predicted_here(run: CorpusRun) -> Iterator[tuple[Shard, dict]]:
    predictor = None
    for shard in run.missing_shards():
        if predictor is None:
            from kospan.corpus.predictor import Predictor

            predictor = Predictor(run.model, run.settings)
            run.progress.advance(0)
        yield shard, predictor.write(shard, run.folder.path, run.progress.advance)


def _check_errors(errors: int, max_errors: int | None, folder: Path) -> None:
    if max_errors is not None and errors > max_errors:
        raise ValueError(
            f"expected at most {max_errors:,} unreadable records, got {errors:,}; see the files *.errors.jsonl in "
            f"{folder}, and continue with a larger --max_errors"
        )


def _check_engine(engine: str, ray_address: str | None) -> None:
    if engine not in ENGINES:
        raise ValueError(f"expected engine to be one of {', '.join(ENGINES)}, got {engine!r}; choose one of them")
    if ray_address is not None and engine != "ray":
        raise ValueError(f"expected engine ray for ray_address {ray_address!r}, got {engine}; add --engine ray")


def _check_apart(inputs: Sequence[str | os.PathLike], output_dir: str | os.PathLike) -> None:
    """Refuse an output inside an input folder, whose shards a later run would read."""
    output = Path(output_dir).absolute().resolve()
    for name in inputs:
        folder = Path(name).absolute()
        if folder.is_dir() and folder.resolve() in (output, *output.parents):
            raise ValueError(
                f"expected an output folder outside of the input {name}, got {output_dir}; name another one"
            )


def _check_outside(sources: Sequence[Source], output_dir: str | os.PathLike) -> None:
    output = Path(output_dir).absolute().resolve()
    for source in sources:
        if source.form != "dataset" and output in Path(source.name).absolute().resolve().parents:
            raise ValueError(
                f"expected inputs outside of the output folder {output_dir}, got {source.name}; name "
                "another --output_dir"
            )
