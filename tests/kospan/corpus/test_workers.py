"""Worker processes: order of the output, and processes that end."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from corpus_cases import contents, write_lines

from kospan.corpus.records import Raw
from kospan.corpus.run import predict_corpus
from kospan.corpus.settings import CorpusSettings
from kospan.corpus.shards import Shard
from kospan.corpus.sources import Source
from kospan.corpus.workers import MAX_ATTEMPTS, WorkerPool

SOURCE = Source("a.jsonl", "jsonl", "a", 10)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_processes_write_what_one_writes_also_if_one_is_killed(model_folder, tmp_path, monkeypatch):
    for name in "abc":
        write_lines(tmp_path / "data" / f"{name}.jsonl", 30, ord(name))
    monkeypatch.setattr("kospan.corpus.workers._cores", lambda: 2)
    settings = {"shard_size": 7, "say": lambda line: None}
    expected = predict_corpus(model_folder, tmp_path / "data", tmp_path / "one", **settings)
    killed = []

    def kill(count: int) -> None:
        if count > 0 and not killed:
            killed.append(next(each for each in multiprocessing.active_children() if "kospan" in each.name))
            os.kill(killed[0].pid, signal.SIGKILL)

    init = WorkerPool.__init__
    monkeypatch.setattr(WorkerPool, "__init__", lambda self, *values: init(self, *values[:-1], kill))
    assert predict_corpus(model_folder, tmp_path / "data", tmp_path / "two", num_processes=2, **settings) == expected
    assert killed and contents(tmp_path / "two") == contents(tmp_path / "one")


class Deadly:
    """A value that ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (7,)


def test_shard_that_ends_every_process_ends_the_run(model_folder, tmp_path):
    shard = Shard("part-00000-00003", SOURCE, [Raw(5, Deadly(), None, 1)], "")
    pool = WorkerPool(model_folder, CorpusSettings(), tmp_path, 1, lambda count: None)
    with pytest.raises(
        ChildProcessError,
        match=rf"predict part-00000-00003 \(a\.jsonl:5\), got one that ended {MAX_ATTEMPTS} times, .* status 7",
    ):
        list(pool.predict(iter([shard])))
    assert not [each for each in pool._workers if each.process.is_alive()]


@pytest.mark.parametrize(
    "part, settings, error, message",
    [
        ("missing", {}, FileNotFoundError, "expected a model"),
        ("", {"threshold": 2.0}, ValueError, "expected threshold to be a number from 0 to 1"),
    ],
)
def test_error_of_a_process_is_raised(model_folder, tmp_path, part, settings, error, message):
    pool = WorkerPool(str(Path(model_folder) / part), CorpusSettings(**settings), tmp_path, 1, lambda count: None)
    with pytest.raises(error, match=message):
        list(pool.predict(iter([Shard("part-00000-00000", SOURCE, [], "")])))


def test_fault_of_a_process_is_raised_with_its_traceback(model_folder, tmp_path):
    # A record that is not one fails in the code, not in a check.
    shard = Shard("part-00000-00000", SOURCE, [Raw(1, b"{}", None, 1), 3], "")
    pool = WorkerPool(model_folder, CorpusSettings(), tmp_path, 1, lambda count: None)
    with pytest.raises(RuntimeError, match=r"(?s)a process of the prediction failed:.*AttributeError"):
        list(pool.predict(iter([shard])))
