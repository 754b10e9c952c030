"""Prediction of shards by one process."""

import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from kospan.api import check_decoding, load, task_over
from kospan.corpus.records import Raw, to_example
from kospan.corpus.settings import CorpusSettings
from kospan.corpus.shards import Shard
from kospan.corpus.sources import Source
from kospan.corpus.writers import JsonLinesWriter, open_writer, synced_digest
from kospan.data.jsonl import record
from kospan.example import Example
from kospan.model_names import model_path
from kospan.modeling.padded_batches import DOCUMENTS_AT_A_TIME
from kospan.modeling.spans import Span
from kospan.task import Task
from kospan.tasks.loading import EXPORTED

# Examples of which one suits each task; the model predicts it once, so that a wrong setting is not an error of records.
_PROBES = (
    Example("probe", "서울에 간다.", None),
    Example("probe", "서울에 간다.", None, question="어디에 가나?"),
    Example("probe", "서울에 간다.", None, text_pair="부산에 간다."),
)


class Predictor:
    """A model that predicts shards and writes their files under temporary names.

    Args:
        model: Folder or name of a model.
        settings: The settings of the run.
        device: Number of the GPU; None takes the first, if there is one.
        threads: Threads of the process; None keeps their number.

    Raises:
        ValueError: If the model cannot use a setting.
    """

    def __init__(self, model: str, settings: CorpusSettings, device: int | None = None, threads: int | None = None):
        self.settings = settings
        if device is not None and torch.cuda.is_available():
            torch.cuda.set_device(device % torch.cuda.device_count())
        if threads is not None:
            torch.set_num_threads(threads)
        self.task: Task = task_over(_opened(model, threads))
        self.decoding = check_decoding(self.task, settings.decoding)
        probe = next((each for each in _PROBES if self._problem(each) is None), None)
        if probe is not None:
            self._spans([probe])

    def write(self, shard: Shard, folder: Path, advance: Callable[[int], None] = lambda count: None) -> dict:
        """Predict a shard.

        Args:
            shard: The shard.
            folder: Folder for its files, which get temporary names.
            advance: Called with the number of records after each buffer.

        Returns:
            The shard's entry in the manifest; "temporary" maps the final names of its files to their present ones.
        """
        settings, token = self.settings, uuid.uuid4().hex
        names = [f"{shard.name}.{settings.output_format}", f"{shard.name}.errors.jsonl"]
        paths = [folder / f".{name}.{token}.tmp" for name in names]
        records = errors = 0
        writers = [open_writer(paths[0], settings.output_format), JsonLinesWriter(paths[1])]
        try:
            for first in range(0, len(shard.records), DOCUMENTS_AT_A_TIME):
                raws = shard.records[first : first + DOCUMENTS_AT_A_TIME]
                found, wrong = self.predict(raws, shard.source)
                writers[0].write(found)
                writers[1].write(wrong)
                records, errors = records + len(found), errors + len(wrong)
                advance(len(raws))
            for writer in writers:
                writer.close()
            entry = {"file": names[0], "input": shard.source.name, "first": shard.records[0].at, "records": records}
            size, digest = synced_digest(paths[0])
            entry |= {"errors": errors, "bytes": size, "sha256": digest, "input_sha256": shard.input_sha256}
            if errors:
                size, digest = synced_digest(paths[1])
                entry |= {"errors_file": names[1], "errors_bytes": size, "errors_sha256": digest}
            else:
                paths.pop().unlink()
            return entry | {"temporary": dict(zip(names, (path.name for path in paths)))}
        except BaseException:
            for writer, path in zip(writers, paths):
                writer.abort()
                path.unlink(missing_ok=True)
            raise

    def predict(self, raws: Sequence[Raw], source: Source) -> tuple[list[dict], list[dict]]:
        """Return the predicted records, and an object with place and reason for each unreadable one."""
        examples, places, errors = [], [], []
        for raw in raws:
            try:
                example = to_example(raw, source, self.settings.columns)
                problem = self._problem(example, source.place(raw.at))
                if problem is not None:
                    raise problem
                examples.append(replace(example, spans=None))
                places.append(raw.at)
            except (ValueError, TypeError) as error:
                errors.append((raw.at, error))
        found = []
        for example, at, spans in zip(examples, places, self._spans_or_errors(examples)):
            if isinstance(spans, Exception):
                errors.append((at, spans))
            else:
                found.append(record(example, spans=spans))
        errors.sort(key=lambda each: each[0])
        return found, [_error_record(source, at, error) for at, error in errors]

    def _problem(self, example: Example, place: str = "probe") -> Exception | None:
        """Return the reason why an example does not suit the model; None if it does."""
        try:
            self.task.spec.check_examples(self.task, [example], place)
        except (ValueError, TypeError) as error:
            return error
        return None

    def _spans(self, examples: Sequence[Example]) -> list[list[Span]]:
        settings = self.settings
        return self.task.predict(examples, settings.threshold, settings.batch_size, **self.decoding)

    def _spans_or_errors(self, examples: Sequence[Example]) -> Iterator[list[Span] | Exception]:
        """Yield the spans of each example; if the model refuses one of them, each is predicted by itself."""
        if not examples:
            return
        try:
            yield from self._spans(examples)
        except (ValueError, TypeError) as error:
            if len(examples) == 1:
                yield error
                return
            for example in examples:
                yield from self._spans_or_errors([example])


def _opened(model: str, threads: int | None):
    folder = model_path(model)
    if threads is not None and os.path.isfile(os.path.join(folder, EXPORTED)):
        from kospan.runtime import load as load_exported

        return load_exported(folder, threads)
    return load(model)


def _error_record(source: Source, at: int, error: Exception) -> dict:
    place = re.escape(source.place(at))
    reason = re.sub(rf"^(?:example [^\n]*? \({place}\)|{place}): ", "", str(error))
    return {"file": source.name, "row" if source.rows else "line": at, "reason": reason}
