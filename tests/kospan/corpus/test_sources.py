"""Sources that inputs name."""

import os

import pyarrow
import pyarrow.parquet
import pytest
from corpus_cases import write_lines
from datasets import Dataset, DatasetDict

from kospan.corpus.sources import find_sources


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(*inputs, **settings) -> list[tuple[str, str, str]]:
    return [source[:3] for source in find_sources(inputs, **settings)[0]]


def test_folder_gives_its_files_of_texts_sorted_and_names_the_others(tmp_path):
    for name in ("data/b.jsonl", "data/a.txt", "data/x/c.csv", "data/.hidden/d.jsonl", "data/e.jsonl.zst"):
        write_lines(tmp_path / name, 1)
    pyarrow.parquet.write_table(pyarrow.table({"text": ["가"]}), "data/f.parquet")
    (tmp_path / "data/README.md").write_text("x", encoding="utf-8")
    sources, skipped = find_sources(["data"])
    assert [(os.path.basename(source.name), source.form) for source in sources] == [
        ("a.txt", "jsonl"),  # By its content, as for a single file.
        ("b.jsonl", "jsonl"),
        ("e.jsonl.zst", "jsonl"),
        ("f.parquet", "parquet"),
        ("c.csv", "csv"),
    ]
    assert skipped == [os.path.join("data", "README.md")]
    assert all(source.size == os.path.getsize(source.name) for source in sources)


def test_glob_and_files_are_taken_in_order_without_repetition(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "c.jsonl"):
        write_lines(tmp_path / name, 1)
    assert [name for name, *_ in found("c.jsonl", "./*.jsonl")] == ["c.jsonl", "a.jsonl", "b.jsonl"]


def test_ids_begin_with_the_stem_or_the_path_where_stems_repeat(tmp_path):
    for name in ("x/a.jsonl", "y/a.jsonl", "y/b.jsonl.zst"):
        write_lines(tmp_path / name, 1)
    prefixes = {name: prefix for name, _, prefix in found("x", "y")}
    assert prefixes["y/b.jsonl.zst"] == "b"
    assert prefixes["x/a.jsonl"] == "x/a.jsonl" and prefixes["y/a.jsonl"] == "y/a.jsonl"


@pytest.mark.parametrize(
    "content, form",
    [
        ("비가 온다.\n", "text"),
        ('{"text": "가"}\n' * 80_000, "jsonl"),
        ("text,label\n가,나\n", "csv"),
        ("id\ttext\n1\t가\n", "tsv"),
        ("비가 온다.\n" * 80_000, "text"),
        ("", "text"),
    ],
)
def test_format_of_other_files_is_detected_by_their_start(content, form):
    with open("a.dat", "w", encoding="utf-8") as file:
        file.write(content)
    assert found("a.dat") == [("a.dat", form, "a.dat")]
    assert found("a.dat", input_format="text") == [("a.dat", "text", "a.dat")]


@pytest.mark.parametrize(
    "inputs, settings, error, message",
    [
        ([], {}, ValueError, "expected at least one input, got none"),
        (["b.jsonl"], {}, FileNotFoundError, r"found none; did you mean a\.jsonl\?"),
        (["*.csv"], {}, FileNotFoundError, r"expected files that match \*\.csv, found none"),
        (["empty"], {}, FileNotFoundError, "expected files of texts in empty, found none"),
        (["a.jsonl"], {"split": "train"}, ValueError, "expected hub:NAME for split 'train', got files alone"),
        (["a.jsonl", "hub:saved"], {"split": "train"}, ValueError, "expected either files or a data set, got both"),
        (["saved"], {}, ValueError, "got a saved data set in saved; name it hub:saved"),
        (["hub:saved"], {}, ValueError, "expected a split, got none; pass --split with one of train, test"),
        (["hub:saved"], {"split": "dev"}, ValueError, "expected a split out of train, test, got 'dev'"),
        (["list.json.txt"], {}, ValueError, "got one JSON value over the whole file"),
        (["letter.docx"], {}, ValueError, r"letter\.docx: expected one of jsonl, .* got a zip archive"),
    ],
)
def test_wrong_inputs_are_refused(tmp_path, inputs, settings, error, message):
    write_lines(tmp_path / "a.jsonl", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.json.txt").write_text("[\n" + '{"text": "가"},\n' * 80_000, encoding="utf-8")
    (tmp_path / "letter.docx").write_bytes(b"PK\x03\x04 and more")
    data = Dataset.from_dict({"text": ["가", "나"]})
    DatasetDict({"train": data, "test": data}).save_to_disk("saved")
    with pytest.raises(error, match=message):
        find_sources(inputs, **settings)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_name_that_is_not_utf8_is_refused():
    with open(b"a\xff.jsonl", "wb") as file:
        file.write(b'{"text": "a"}')
    with pytest.raises(ValueError, match="expected whole characters, got the half surrogate pair"):
        find_sources(["*.jsonl"])


def test_data_set_has_its_rows_as_size():
    Dataset.from_dict({"text": ["가", "나"]}).save_to_disk("saved")
    [source] = find_sources(["hub:saved"])[0]
    assert source == ("hub:saved", "dataset", "train", 2, "train")
    assert source.place(1) == "hub:saved, row 1"
    assert source.identity() == {"name": "hub:saved", "format": "dataset", "size": 2, "split": "train"}
