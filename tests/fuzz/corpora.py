"""Corpora: any source gives records or errors with a place; damaged output folders are continued or refused."""

import io
import json
import warnings
from contextlib import chdir, redirect_stderr
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pyarrow
import pyarrow.parquet
from corpus_cases import contents
from fuzz.cases import Target, checked, folder_of, is_named
from fuzz.mutations import encoded, json_text, mutated, mutated_bytes
from fuzz.readers import file_data
from fuzz.seeds import CSV, JSONL, TEXTS, TSV
from hypothesis import strategies as st

from kospan.corpus.folder import JOURNAL, MANIFEST
from kospan.corpus.records import check_columns, raw_records, to_example
from kospan.corpus.run import predict_corpus
from kospan.corpus.settings import CorpusSettings
from kospan.corpus.shards import shards_of
from kospan.corpus.sources import find_sources
from kospan.corpus.streams import STREAMS
from kospan.tasks.loading import load_saved

MODEL = Path(__file__).resolve().parents[2] / "packages/kospan_ko/src/kospan_ko/ko-ner"
LINES = [
    {"id": "a", "text": "이재용 회장"},
    {"text": "서울에서\u2028말했다"},
    {"id": 3, "text": "비가 온다.", "x": None},
    {"text": ""},
]
load_once = cache(load_saved)


def parquet_data(rows: list[dict]) -> bytes:
    """A Parquet file."""
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


ROWS = [{"id": "a", "text": "서울", "spans": [{"start": 0, "end": 2}]}, {"id": "b", "text": None, "spans": []}]
CONTENTS = {
    "a.jsonl": [LINES, JSONL],
    "b.txt": [TEXTS],
    "c.csv": [CSV],
    "d.tsv": [TSV],
    "e": [LINES, TEXTS],
    "f.jsonl.gz": [LINES],
    "g.txt.zst": [TEXTS],
}


@st.composite
def source_cases(draw) -> dict:
    """A file of texts, and settings of reading."""
    if draw(st.integers(0, 5)) == 0:
        name, data = "p.parquet", draw(mutated_bytes(parquet_data(ROWS), whole=1))
    else:
        name = draw(st.sampled_from(sorted(CONTENTS)))
        data = draw(file_data(draw(st.sampled_from(CONTENTS[name]))))
        if name.endswith(".zst") and draw(st.integers(0, 3)):
            data = draw(mutated_bytes(STREAMS[".zst"].compress(data)))
    columns = draw(st.sampled_from(({}, {}, {}, {"text": "text"}, {"text": "label"}, {"id": "text"}, {"text": "x"})))
    formats = ("auto", "auto", "auto", "jsonl", "text", "csv", "tsv", "parquet")
    return {
        "name": name,
        "data": data,
        "columns": columns,
        "quoting": draw(st.sampled_from(("auto", "auto", "minimal", "none"))),
        "input_format": draw(st.sampled_from(formats)),
        "shard_size": draw(st.sampled_from((1, 2, 100))),
    }


def check_source(case: dict) -> str:
    """Read all records of a source; each becomes an example or an error that begins with its place."""

    def run():
        with folder_of({case["name"]: case["data"]}) as folder:
            [source], _ = find_sources([folder / case["name"]], case["input_format"])
            settings = CorpusSettings(
                columns=case["columns"], quoting=case["quoting"], input_format=case["input_format"]
            )
            check_columns([source], settings.columns, settings.quoting)
            raws = list(raw_records(source, settings.columns, settings.quoting))
            assert [raw.at for raw in raws] == sorted({raw.at for raw in raws})
            for raw in raws:
                try:
                    example = to_example(raw, source, settings.columns)
                    example.text.encode(), example.id.encode()
                    assert example.spans is None
                except (ValueError, TypeError) as error:
                    assert is_named(error) and str(error).startswith(str(source.name)), error
                json.dumps(raw.error)
            shards = list(shards_of(0, source, lambda _: iter(raws), case["shard_size"]))
            assert [raw for shard in shards for raw in shard.records] == raws

    return checked(run)


@cache
def whole_run() -> dict[str, bytes]:
    """The files of an unbroken run over `LINES` in shards of one record, in which one is unreadable."""
    with folder_of({"a.jsonl": _input()}) as folder:
        _predict(folder)
        return contents(folder / "out")


def _input() -> bytes:
    lines = [json.dumps(line, ensure_ascii=False) for line in LINES]
    return encoded("\n".join([*lines[:2], '{"text": 3}', *lines[2:]]) + "\n")


def _predict(folder: Path, **settings) -> None:
    with (
        patch("kospan.corpus.predictor._opened", lambda model, threads: load_once(model)),
        patch("kospan.corpus.run.model_identity", lambda model: {"name": "m", "sha256": "0"}),
        chdir(folder),  # Headers name the input.
        redirect_stderr(io.StringIO()),
    ):
        predict_corpus(str(MODEL), "a.jsonl", "out", shard_size=1, say=lambda line: None, **settings)


@st.composite
def output_cases(draw) -> dict:
    """The folder of a run that was interrupted, with damaged files."""
    names = sorted(whole_run())
    manifest = json.loads(whole_run()[MANIFEST])
    entries = manifest.pop("shards")
    del manifest["totals"]
    count = draw(st.integers(0, len(entries)))
    complete = draw(st.integers(0, 3)) == 0
    if complete:
        manifest = json.loads(whole_run()[MANIFEST])
    else:
        manifest["complete"] = False
    files = {MANIFEST: encoded(draw(json_text(draw(mutated(manifest, most=1)))))}
    if not complete or draw(st.booleans()):
        lines = draw(mutated(entries[:count], most=1))
        lines = lines if isinstance(lines, list) else [lines]
        files[JOURNAL] = encoded("".join(draw(json_text(line)) + "\n" for line in lines))
    for name in names:
        if name != MANIFEST and draw(st.integers(0, 5)):
            files[name] = draw(mutated_bytes(whole_run()[name], whole=8))
    files = {
        name: draw(mutated_bytes(data, whole=5)) if name in (MANIFEST, JOURNAL) else data
        for name, data in files.items()
    }
    removed = draw(st.sampled_from((None, None, None, MANIFEST, JOURNAL)))
    files.pop(removed, None)
    extra = draw(st.sampled_from((None, None, ".part-00000-00000.jsonl.x.tmp", "part-00009-00000.jsonl", "own.txt")))
    if extra:
        files[extra] = b"x"
    return {"files": files, "overwrite": draw(st.integers(0, 3)) == 0}


def check_output(case: dict) -> str:
    """Continue a run: it writes what an unbroken run writes, or refuses the folder and changes no predictions in it."""

    def run():
        with folder_of({f"out/{name}": data for name, data in case["files"].items()}) as folder:
            (folder / "a.jsonl").write_bytes(_input())
            _predict(folder, overwrite=case["overwrite"])
            found, wanted = contents(folder / "out"), dict(whole_run())
            kept = {name for name in found if name not in wanted and not name.startswith((".", "part-"))}
            assert {*found} - kept == {*wanted}, ({*found}, {*wanted})
            for name in wanted:
                if name != MANIFEST:
                    assert found[name] == wanted[name], name
            one, other = (json.loads(each[MANIFEST]) for each in (found, wanted))
            for key in ("complete", "model", "settings", "inputs"):
                assert one[key] == other[key], key
            files = [(shard["file"], shard["sha256"]) for shard in one["shards"]]
            assert files == [(shard["file"], shard["sha256"]) for shard in other["shards"]], files

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return checked(run)


TARGETS = {
    "sources": Target(source_cases(), check_source, 5),
    "output_folders": Target(output_cases(), check_output, 3),
}
