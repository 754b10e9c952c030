"""Prediction on Ray Data equals that of the local engine."""

import os
import signal

import psutil
import pytest
from corpus_cases import contents, write_lines

from kospan.corpus.folder import OutputFolder
from kospan.corpus.run import predict_corpus

pytestmark = pytest.mark.optional("ray", "ray")


@pytest.fixture(scope="module")
def cluster():
    """A local cluster with two CPUs for actors and one for reading."""
    import ray

    with pytest.MonkeyPatch.context() as patched:
        # Otherwise workers starve on a busy machine.
        patched.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        path = write_lines(tmp_path / "data" / f"{name}.jsonl", 30, ord(name))
        path.write_text(path.read_text(encoding="utf-8") + "{\n", encoding="utf-8")


SETTINGS = {"shard_size": 7, "say": lambda line: None}


def test_ray_writes_what_the_local_engine_writes(cluster, corpus, model_folder, tmp_path):
    expected = predict_corpus(model_folder, "data", "local", **SETTINGS)
    assert predict_corpus(model_folder, "data", "ray", engine="ray", num_processes=2, **SETTINGS) == expected
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    os.remove("ray/part-00001-00001.jsonl")
    predict_corpus(model_folder, "data", "ray", engine="ray", **SETTINGS)
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_shards_of_a_killed_actor_are_repeated(cluster, corpus, model_folder, tmp_path, monkeypatch):
    predict_corpus(model_folder, "data", "local", **SETTINGS)
    commit, killed = OutputFolder.commit, []

    def kill(self, entry):
        if not killed:
            actors = [each for each in psutil.process_iter(["cmdline"]) if "MapWorker" in str(each.info["cmdline"])]
            mine = [each for each in actors if any(parent.pid == os.getpid() for parent in each.parents())]
            killed.append(mine[0].pid)
            os.kill(killed[0], signal.SIGKILL)
        return commit(self, entry)

    monkeypatch.setattr(OutputFolder, "commit", kill)
    predict_corpus(model_folder, "data", "ray", engine="ray", num_processes=2, **SETTINGS)
    assert killed and contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.mark.parametrize(
    "settings, message", [({"threshold": 2.0}, "expected threshold to be a number from 0 to 1"), ({}, "got others")]
)
def test_errors_are_those_of_the_local_engine(cluster, corpus, model_folder, tmp_path, settings, message):
    if not settings:
        predict_corpus(model_folder, "data", "ray", **SETTINGS)
        os.remove("ray/part-00001-00001.jsonl")
        text = (tmp_path / "data" / "a.jsonl").read_text(encoding="utf-8")
        (tmp_path / "data" / "a.jsonl").write_text(text.replace("t97", "t79"), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        predict_corpus(model_folder, "data", "ray", engine="ray", **SETTINGS, **settings)
