"""Prediction of shards by all tasks and by exported models."""

import json
from pathlib import Path

import pytest
from corpus_cases import TEXTS, errors, records, write_lines
from export_cases import exported_folder
from generative_cases import make_generative_model

from kospan.api import predict
from kospan.corpus.predictor import Predictor
from kospan.corpus.run import predict_corpus
from kospan.corpus.settings import CorpusSettings
from kospan.data.jsonl import record
from kospan.data.jsonl import write_lines as write_objects


def quiet(line: str) -> None:
    """Take a line about the run."""


@pytest.mark.parametrize("kind", ["extract", "exported", "answer", "classify", "pairs", "generate"])
def test_corpus_is_predicted_as_a_single_file_is(
    kind, tmp_path, make_token_classifier, make_qa_model, make_text_classifier
):
    model, file = tmp_path / "model", tmp_path / "texts.jsonl"
    extra = {"answer": {"question": "어디에서?"}, "pairs": {"text_pair": "부산에서"}}.get(kind, {})
    write_objects(file, [{"id": str(at), "text": text, **extra} for at, text in enumerate(TEXTS * 3)])
    if kind == "generate":
        make_generative_model().save_pretrained(model)
    elif kind == "exported":
        exported_folder(make_token_classifier(), model)
    else:
        build = {"extract": make_token_classifier, "answer": make_qa_model}.get(kind, make_text_classifier)
        build(**({"pairs": True} if kind == "pairs" else {})).save_pretrained(model)
    manifest = predict_corpus(model, file, tmp_path / "out", say=quiet)
    assert (manifest["totals"]["records"], manifest["totals"]["errors"]) == (12, 0)
    expected = predict(str(model), str(file), say=quiet)
    assert records(tmp_path / "out") == [record(example, spans=example.spans) for example in expected]
    assert kind == "generate" or any(example.spans for example in expected)


def test_record_that_does_not_suit_the_model_is_an_error(tmp_path, make_qa_model):
    make_qa_model().save_pretrained(tmp_path / "model")
    file = tmp_path / "a.jsonl"
    write_objects(file, [{"text": "서울", "question": "어디?"}, {"text": "부산"}, {"text": "대구", "question": "왜?"}])
    predict_corpus(tmp_path / "model", file, tmp_path / "out", say=quiet)
    assert [each["id"] for each in records(tmp_path / "out")] == ["a-1", "a-3"]
    [wrong] = errors(tmp_path / "out")
    assert (wrong["file"], wrong["line"]) == (str(file), 2)
    assert wrong["reason"].startswith("expected a question beside its text, got ''")


def test_record_that_the_model_refuses_does_not_affect_the_others(model_folder, tmp_path, monkeypatch):
    predictor = Predictor(model_folder, CorpusSettings())
    extract = predictor.task.model.extract

    def refuse(documents, *arguments, **settings):
        if any("비가" in document for document in documents):
            raise ValueError("expected better weather")
        return extract(documents, *arguments, **settings)

    monkeypatch.setattr(predictor.task.model, "extract", refuse)
    monkeypatch.setattr("kospan.corpus.predictor.Predictor", lambda *arguments: predictor)
    write_lines(tmp_path / "a.jsonl", 8)
    predict_corpus(model_folder, tmp_path / "a.jsonl", tmp_path / "out", say=quiet)
    assert [each["line"] for each in errors(tmp_path / "out")] == [3, 7]
    assert [each["id"] for each in records(tmp_path / "out")] == ["t0", "t1", "t3", "t4", "t5", "t7"]


def test_failure_of_the_model_ends_the_run_and_removes_temporary_files(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Predictor, "predict", lambda *arguments: 1 / 0)
    write_lines(tmp_path / "a.jsonl", 2)
    with pytest.raises(ZeroDivisionError):
        predict_corpus(model_folder, tmp_path / "a.jsonl", tmp_path / "out", say=quiet)
    assert not list((tmp_path / "out").glob(".part*"))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"threshold": 2.0}, "expected threshold to be a number from 0 to 1, got 2"),
        ({"decoding": {"operating_point": "recall-0.9"}}, "expected the name of an operating point"),
        ({"decoding": {"decode": "viterbi", "overlapping": True}}, "overlapping"),
    ],
)
def test_wrong_setting_is_an_error_of_the_run(model_folder, settings, message):
    with pytest.raises(ValueError, match=message):
        Predictor(model_folder, CorpusSettings(**settings))


def test_settings_of_the_decoding_need_a_token_classifier(make_qa_model, tmp_path):
    make_qa_model().save_pretrained(tmp_path / "model")
    with pytest.raises(ValueError, match="expected a token classification model of kospan for decode, got another one"):
        Predictor(str(tmp_path / "model"), CorpusSettings(decoding={"decode": "mbr"}))


@pytest.mark.parametrize("exported", [False, True])
def test_decoding_reaches_the_model(make_token_classifier, tmp_path, exported):
    model = make_token_classifier()
    if exported:
        exported_folder(model, tmp_path / "model")
    else:
        model.save_pretrained(tmp_path / "model")
    write_lines(tmp_path / "a.jsonl", 4)
    settings = {"decoding": {"decode": "posterior", "overlapping": True}, "threshold": 0.01}
    predict_corpus(tmp_path / "model", tmp_path / "a.jsonl", tmp_path / "out", say=quiet, **settings)
    texts = [json.loads(line)["text"] for line in Path(tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = model.extract(texts, 0.01, decode="posterior", overlapping=True)
    found = [
        [(span["start"], span["end"], span["label"]) for span in each["spans"]] for each in records(tmp_path / "out")
    ]
    assert found == [[span[:3] for span in spans] for spans in expected]
