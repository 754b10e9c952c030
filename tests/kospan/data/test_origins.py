"""Origins of the examples of a split: whole splits of the Hub, parts of them, files."""

import json

import datasets
import pytest

from kospan.data.corpus import Origin, load_corpus
from kospan.data.jsonl import write_jsonl
from kospan.data.records import HubSplit
from kospan.example import Example
from kospan.modeling.spans import Span

NAMES = ["O", "B-PS", "I-PS"]
FEATURES = datasets.Features(
    {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(datasets.ClassLabel(names=NAMES))}
)


def table(rows: int) -> datasets.Dataset:
    columns = {"tokens": [["Kim", f"met{at}", "Lee"] for at in range(rows)], "ner_tags": [[1, 0, 1]] * rows}
    return datasets.Dataset.from_dict(columns, features=FEATURES)


@pytest.fixture
def hub(monkeypatch):
    """A Hub that has one set; tests change its splits."""
    splits = {"train": table(16), "validation": table(5)}
    monkeypatch.setattr(datasets, "load_dataset", lambda *words: datasets.DatasetDict(splits))
    return splits


def test_whole_splits_of_the_hub(hub):
    hub["test"] = table(2)
    origins = load_corpus("hub:mina/names:small").origins
    assert origins == {
        "train": Origin(HubSplit("mina/names", "small", "train", None, 16), False, 16, 16, 0),
        "validation": Origin(HubSplit("mina/names", "small", "validation", None, 5), False, 5, 5, 0),
    }
    assert all(origin.whole for origin in origins.values())


def test_a_split_keeps_the_name_that_it_has_on_the_hub(hub):
    hub["dev"] = hub.pop("validation")
    origin = load_corpus("hub:mina/names").origins["validation"]
    assert (origin.hub.split, origin.hub.config, origin.whole) == ("dev", None, True)


@pytest.mark.parametrize(
    ("settings", "whole"),
    [
        ({"max_train_samples": 15}, {"train": False, "validation": True}),
        ({"max_train_samples": 16}, {"train": True, "validation": True}),
        ({"max_eval_samples": 4}, {"train": True, "validation": False}),
        ({"calibration": "0.25"}, {"train": True, "validation": True}),
        ({"calibration": "0.25", "max_train_samples": 12}, {"train": True, "validation": True}),
        ({"calibration": "0.25", "max_train_samples": 11}, {"train": False, "validation": True}),
    ],
)
def test_a_part_of_a_split_is_not_the_split(hub, settings, whole):
    found = load_corpus("hub:mina/names", **settings).origins
    assert {split: origin.whole for split, origin in found.items()} == whole


def test_a_training_split_that_is_cut_in_two_is_not_whole(hub):
    del hub["validation"]
    origins = load_corpus("hub:mina/names").origins
    assert {split: (origin.cut, origin.whole, origin.used) for split, origin in origins.items()} == {
        "train": (True, False, 14),
        "validation": (True, False, 2),
    }
    assert origins["validation"].hub.split == "train"


def test_records_that_are_not_read_and_spans_that_are_dropped_count():
    split = HubSplit("mina/names", None, "validation", None, 100)
    assert Origin(split, False, 100, 100, 0).whole
    assert not Origin(split, False, 99, 99, 0).whole and not Origin(split, False, 100, 100, 1).whole
    assert not Origin(None, False, 100, 100, 0).whole


def test_one_language_of_a_set_is_not_the_set(monkeypatch):
    rows = [
        {"id": name, "title": "t", "context": "서울이다.", "question": "어디?"}
        | {"answers": {"text": ["서울"], "answer_start": [0]}}
        for name in ("korean-1-0", "arabic-1-0", "korean-2-0")
    ]
    split = datasets.Dataset.from_list(rows)
    monkeypatch.setattr(datasets, "load_dataset", lambda *words: datasets.DatasetDict(train=split, validation=split))
    origin = load_corpus("tydiqa_korean").origins["validation"]
    assert (origin.hub.name, origin.hub.config) == ("google-research-datasets/tydiqa", "secondary_task")
    assert (origin.used, origin.hub.records, origin.whole) == (2, 3, False)


def test_folders_and_files_are_not_the_hub(hub, tmp_path, monkeypatch):
    folder = tmp_path / "names"
    datasets.DatasetDict(hub).save_to_disk(folder)
    monkeypatch.chdir(tmp_path)
    # `load_dataset` would take the folder for each of these.
    for name in (f"hub:{folder}", "hub:names", "hub:names:small"):
        assert load_corpus(name).origins["train"].hub is None, name
    write_jsonl(tmp_path / "a.jsonl", [Example(str(at), "Kim", (Span(0, 3, "PS"),)) for at in range(9)])
    origins = load_corpus("jsonl", str(tmp_path / "a.jsonl")).origins
    assert [(origin.hub, origin.cut, origin.whole) for origin in origins.values()] == [(None, True, False)] * 2
    assert not load_corpus("sample").origins["validation"].whole


def test_the_commit_is_that_of_the_cache(hub, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "mina___names" / "default" / "0.0.0" / commit
    hub["train"].save_to_disk(folder)
    [file] = json.loads((folder / "state.json").read_text(encoding="utf-8"))["_data_files"]
    hub["train"] = datasets.Dataset.from_file(str(folder / file["filename"]))
    origins = load_corpus("hub:mina/names").origins
    assert origins["train"].hub.revision == commit and origins["validation"].hub.revision is None
