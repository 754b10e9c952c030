"""The output folder: commits, continuation, refusals and lock."""

import contextlib
import json
import subprocess
import sys

import pytest
from corpus_cases import contents

from kospan.corpus import folder, writers
from kospan.corpus.folder import JOURNAL, LOCK, MANIFEST, OutputFolder

HEADER = {
    "kospan": "0.1.0",
    "model": {"name": "a", "sha256": "1"},
    "settings": {"batch_size": 32, "threshold": None},
    "inputs": [{"name": "a.jsonl", "format": "jsonl", "size": 7}],
}


def write(path, at: int, text: str = "x", errors: str = "") -> dict:
    """Write the temporary files of a shard, and return its entry."""
    names = {f"part-00000-{at:05d}.jsonl": text}
    if errors:
        names[f"part-00000-{at:05d}.errors.jsonl"] = errors
    temporary = {name: f".{name}.t.tmp" for name in names}
    digests = []
    for name, content in names.items():
        (path / temporary[name]).write_text(content, encoding="utf-8")
        digests.append(writers.synced_digest(path / temporary[name]))
    entry = {"file": next(iter(names)), "records": 1, "errors": int(bool(errors)), "input_sha256": "i"}
    entry |= dict(zip(("bytes", "sha256"), digests[0]))
    if errors:
        entry |= {"errors_file": list(names)[1]} | dict(zip(("errors_bytes", "errors_sha256"), digests[1]))
    return entry | {"temporary": temporary}


def run(path, shards: int = 3, **settings) -> dict:
    with OutputFolder(path, HEADER, **settings) as output:
        for at in range(shards):
            if f"part-00000-{at:05d}" not in output.entries:
                output.commit(write(path, at, f"x{at}", "bad" * (at == 1)))
        return output.finish()


def test_manifest_lists_the_shards_and_replaces_the_journal(tmp_path):
    manifest = run(tmp_path / "out")
    assert manifest == json.loads((tmp_path / "out" / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["complete"] and manifest["totals"] == {"records": 3, "errors": 1, "bytes": 6}
    assert [entry["file"] for entry in manifest["shards"]] == [f"part-00000-{at:05d}.jsonl" for at in range(3)]
    assert "temporary" not in manifest["shards"][0]
    assert set(contents(tmp_path / "out")) == {
        *(entry["file"] for entry in manifest["shards"]),
        "part-00000-00001.errors.jsonl",
        MANIFEST,
    }


class Killed(BaseException):
    """The end of the process."""


@pytest.mark.parametrize("step", range(30))
def test_run_that_is_killed_at_any_step_continues_to_the_same_files(tmp_path, monkeypatch, step):
    expected = (run(tmp_path / "whole"), contents(tmp_path / "whole"))[1]
    steps = iter(range(1000))

    def counted(function):
        def call(*arguments):
            if next(steps) == step:
                raise Killed
            return function(*arguments)

        return call

    with monkeypatch.context() as patched:
        for name in ("replace", "fsync"):
            patched.setattr(folder.os, name, counted(getattr(folder.os, name)))
        with contextlib.suppress(Killed):
            run(tmp_path / "out")
    run(tmp_path / "out")
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("cut", range(0, 40, 7))
def test_incomplete_line_of_the_journal_is_ignored(tmp_path, cut):
    path = tmp_path / "out"
    expected = (run(tmp_path / "whole"), contents(tmp_path / "whole"))[1]
    with OutputFolder(path, HEADER) as output:
        for at in range(2):
            output.commit(write(path, at, f"x{at}", "bad" * (at == 1)))
    journal = (path / JOURNAL).read_bytes()
    (path / JOURNAL).write_bytes(journal[: len(journal) - cut])
    with OutputFolder(path, HEADER) as output:
        assert list(output.entries) == ["part-00000-00000", "part-00000-00001"][: 2 - (cut > 0)]
    run(path)
    assert contents(path) == expected


@pytest.mark.parametrize("name", ["part-00000-00001.jsonl", "part-00000-00001.errors.jsonl"])
@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_text("zz"), lambda path: path.write_text("yyy")]
)
def test_shard_that_was_changed_or_removed_is_predicted_again(tmp_path, name, damage):
    path = tmp_path / "out"
    run(path)
    expected = contents(path)
    damage(path / name)
    with OutputFolder(path, HEADER) as output:
        assert list(output.entries) == ["part-00000-00000", "part-00000-00002"]
    run(path)
    assert contents(path) == expected


def test_shard_is_committed_once(tmp_path):
    with OutputFolder(tmp_path, HEADER) as output:
        first = output.commit(write(tmp_path, 0, "first"))
        assert output.commit(write(tmp_path, 0, "second")) == first
        output.finish()
    assert (tmp_path / "part-00000-00000.jsonl").read_text(encoding="utf-8") == "first"
    assert not list(tmp_path.glob(".part*"))


@pytest.mark.parametrize(
    "changed, named",
    [
        ({"kospan": "0.2.0"}, r"kospan '0\.1\.0' in place of '0\.2\.0'"),
        ({"model": {"name": "b", "sha256": "2"}}, r"predictions of another model \(a\)"),
        ({"model": {"name": "hub/a", "revision": "c"}}, "model .* in place of"),
        ({"settings": {"batch_size": 8, "threshold": None}}, "batch_size 32 in place of 8"),
        ({"inputs": [{"name": "a.jsonl", "format": "jsonl", "size": 8}]}, r"other inputs \(a\.jsonl is changed\)"),
        ({"inputs": [{"name": "b.jsonl", "format": "jsonl", "size": 7}]}, r"other inputs \(b\.jsonl is new\)"),
        ({"inputs": []}, r"other inputs \(a\.jsonl is missing\)"),
    ],
)
def test_folder_of_another_run_is_refused_until_it_is_overwritten(tmp_path, changed, named):
    run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match=named):
        OutputFolder(tmp_path, HEADER | changed)
    assert contents(tmp_path) == before
    with OutputFolder(tmp_path, HEADER | changed, overwrite=True) as output:
        assert output.entries == {}
        assert set(contents(tmp_path)) == {MANIFEST, JOURNAL}


def test_same_model_in_another_folder_continues(tmp_path):
    run(tmp_path)
    with OutputFolder(tmp_path, HEADER | {"model": {"name": "copy", "sha256": "1"}}) as output:
        assert len(output.entries) == 3


def test_settings_may_change_before_the_first_shard(tmp_path):
    with OutputFolder(tmp_path, HEADER):
        pass
    with OutputFolder(tmp_path, HEADER | {"settings": {"batch_size": 1}}) as output:
        assert output.header["settings"] == {"batch_size": 1}


def test_other_files_are_refused_and_kept_on_overwrite(tmp_path):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"expected a new or empty folder, .* with notes\.txt"):
        OutputFolder(tmp_path, HEADER)
    with OutputFolder(tmp_path, HEADER, overwrite=True):
        pass
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / MANIFEST).write_text("[]", encoding="utf-8")
    with pytest.raises(FileExistsError, match="expected a manifest in"):
        OutputFolder(tmp_path, HEADER)


def test_second_run_is_refused_while_the_first_one_is_running(tmp_path):
    hold = (
        "import sys\nfrom filelock import FileLock\nlock = FileLock(sys.argv[1])\nlock.acquire()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match="expected no other run that writes to"):
            OutputFolder(tmp_path, HEADER)
        process.kill()
        process.wait()
    # The lock file of a process that was killed does not block.
    with OutputFolder(tmp_path, HEADER) as output:
        output.finish()
    assert run(tmp_path)["complete"]


@pytest.mark.parametrize(
    "name", ["part-00000-1f0c.snappy.parquet", "part-00000-12345678-90ab.c000.parquet", "part-1-1.txt"]
)
def test_files_of_other_programs_are_refused_and_kept_on_overwrite(tmp_path, name):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match=f"expected a new or empty folder, .* with {name}"):
        OutputFolder(tmp_path, HEADER)
    with OutputFolder(tmp_path, HEADER, overwrite=True):
        pass
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_shards_without_a_manifest_are_refused(tmp_path):
    run(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(FileExistsError, match=r"with part-00000-00000\.jsonl"):
        OutputFolder(tmp_path, HEADER)


def test_shard_that_was_renamed_without_an_entry_is_removed_where_settings_change(tmp_path):
    with OutputFolder(tmp_path, HEADER):
        (tmp_path / "part-00000-00000.jsonl").write_text("x", encoding="utf-8")
    with OutputFolder(tmp_path, HEADER | {"settings": {"output_format": "parquet"}}) as output:
        output.finish()
    assert set(contents(tmp_path)) == {MANIFEST}


def test_entries_of_a_complete_run_survive_the_end_of_the_next_one_at_its_start(tmp_path, monkeypatch):
    run(tmp_path)
    replace, done = folder.os.replace, []

    def killed(*paths):
        if done:
            raise Killed
        done.append(replace(*paths))

    with monkeypatch.context() as patched:
        patched.setattr(folder.os, "replace", killed)
        with pytest.raises(Killed):
            OutputFolder(tmp_path, HEADER)
    with OutputFolder(tmp_path, HEADER) as output:
        assert len(output.entries) == 3
