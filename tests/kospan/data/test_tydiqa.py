"""The Korean gold passages of TyDi QA, from a file in SQuAD's form and from the columns of `datasets`."""

import json

import datasets
import pytest

from kospan.data.corpus import load_corpus
from kospan.data.registry import DATASETS

CONTEXT = "수도는 서울이고, 서울 다음은 부산이다."
ROWS = [
    ("arabic-238-1", "عاصمة"),
    ("korean-708-0", "수도는?"),
    ("indonesian-korean-1", "apa?"),
    ("korean-708-1", "또 어디인가?"),
    ("koreanish-1", "누가?"),
]


def file(tmp_path, rows=ROWS):
    questions = [
        {"id": name, "question": question, "answers": [{"text": "서울", "answer_start": 4}]} for name, question in rows
    ]
    path = tmp_path / "tydiqa-goldp.json"
    data = [{"title": "한국", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]
    path.write_text(json.dumps({"version": "TyDiQA-GoldP-1.1", "data": data}), encoding="utf-8")
    return str(path)


def test_of_a_file_the_korean_questions_are_read(tmp_path):
    [one, other] = load_corpus("tydiqa_korean", file(tmp_path), file(tmp_path)).splits["train"]
    assert (one.id, one.question, one.text, one.source) == ("korean-708-0", "수도는?", CONTEXT, "한국")
    assert [span[:3] for span in other.spans] == [(4, 6, "answer")]


def test_a_file_without_korean_is_refused(tmp_path):
    path = file(tmp_path, [("arabic-238-1", "عاصمة")])
    with pytest.raises(ValueError, match=r"tydiqa-goldp.json: expected questions .* begin with 'korean-', got none"):
        load_corpus("tydiqa_korean", path, path)


def test_without_a_file_the_hub_s_set_is_taken(monkeypatch):
    asked = []

    def load_dataset(*words):
        asked.append(words)
        rows = [
            {"id": name, "title": "한국", "context": CONTEXT, "question": question}
            | {"answers": {"text": ["서울"], "answer_start": [4]}}
            for name, question in ROWS
        ]
        return datasets.DatasetDict(train=datasets.Dataset.from_list(rows), validation=datasets.Dataset.from_list(rows))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = load_corpus("tydiqa_korean").splits
    assert asked == [("google-research-datasets/tydiqa", "secondary_task")]
    found = {split: [example.id for example in examples] for split, examples in splits.items()}
    korean = ["korean-708-0", "korean-708-1"]
    assert found == {"train": korean, "validation": korean}


def test_the_file_is_named_where_the_hub_cannot_be_reached(monkeypatch):
    def load_dataset(*_):
        raise OSError("no connection")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(OSError, match=r"no connection.*or pass the task's own JSON with --train_file"):
        DATASETS["tydiqa_korean"].read_set()
