"""The table of data sets: entries are complete, and a new one is one entry."""

from pathlib import Path

import pytest

from kospan.data import registry
from kospan.data.corpus import load_corpus, read_examples
from kospan.data.records import Item
from kospan.data.registry import DATASETS, DatasetSpec, dataset_rows, dataset_spec
from kospan.example import Example
from kospan.modeling.spans import Span

OWN = {"jsonl", "conll", "conll_iob1", "labelled"}


def test_every_data_set_is_described():
    assert {name for name, spec in DATASETS.items() if spec.licence is None} == OWN
    for name in DATASETS.keys() - OWN:
        spec = DATASETS[name]
        assert spec.language in ("ko", "en") and spec.licence and all(spec.terms) and all(spec.texts)
        assert spec.licence != "other" or (spec.link and spec.restricted)
    assert DATASETS["conll2003"].restricted and DATASETS["gmb"].restricted and DATASETS["kmou"].restricted


@pytest.mark.parametrize("dataset", [*sorted(OWN), "hub:data/mine", "hub:one.parquet"])
def test_nothing_is_assumed_about_own_data(dataset):
    spec = dataset_spec(dataset)
    assert (spec.title, spec.korean) == ("own data", "직접 마련한 데이터")
    assert spec.licence is spec.language is spec.hub is spec.link is None and not spec.meanings and not spec.restricted


def test_a_set_of_the_hub_has_its_name_and_configuration():
    spec = dataset_spec("hub:user/set:ner", on_hub=True)
    assert (spec.title, spec.hub, spec.config, spec.unit) == ("user/set", "user/set", "ner", "word")
    assert dataset_spec("hub:user/set:ner").hub is None and dataset_spec("hub:/home/mina/x", on_hub=True).hub is None


def test_the_sample_s_labels_have_meanings():
    assert set(load_corpus("sample").labels) == set(DATASETS["sample"].meanings)


def test_the_documentation_s_table_has_a_complete_row_per_data_set():
    for language in ("en", "ko"):
        rows = dataset_rows(language)
        assert [row["name"] for row in rows] == list(DATASETS)
        assert all(row["title"] and row["unit"] and row["source"] and row["licence"] for row in rows)
    rows = {row["name"]: row for row in dataset_rows()}
    assert "non-commercial" in rows["kmou"]["licence"] and rows["klue_nli"]["note"] == "tested on the format only"
    assert (rows["sample"]["source"], rows["korquad2"]["source"]) == ("package", "file")
    assert dataset_rows("ko")[0]["unit"] == "글자"


def test_a_new_data_set_is_one_reader_and_one_entry(tmp_path, monkeypatch):
    def read_toy(path, session):
        for at, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            with session.record():
                name, _, text = line.strip().partition("|")
                end = text.index(" ")
                yield Item(f"{path}:{at}", Example(name, text, (Span(0, end, "FIRST"),)))

    spec = DatasetSpec("word", read_toy, title="Toy", texts=("toys", "장난감"), licence="cc-by-4.0", language="en")
    monkeypatch.setitem(registry.DATASETS, "toy", spec)
    path = tmp_path / "toy.txt"
    path.write_text("".join(f"{name}|Kim is here\n" for name in "abcdefghij"), encoding="utf-8")

    corpus = load_corpus("toy", str(path))
    assert corpus.labels == ("FIRST",) and {key: len(part) for key, part in corpus.splits.items()} == {
        "train": 8,
        "validation": 2,
    }
    assert read_examples("toy", str(path))[0].spans == (Span(0, 3, "FIRST"),)
    assert dataset_rows()[-1] == {
        "name": "toy",
        "title": "Toy",
        "texts": "toys",
        "unit": "word",
        "source": "file",
        "licence": "CC BY 4.0",
        "note": "",
    }
    path.write_text("a|Kim is here\nb|Kim\n", encoding="utf-8")
    with pytest.raises(ValueError, match="substring not found"):
        load_corpus("toy", str(path))
