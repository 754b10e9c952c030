"""The reading task: labels stand where the answers are, and evaluation asks as users do."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from question_cases import corpus, questions

from kospan.data.corpus import Corpus
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import build_trainer, train
from kospan.tasks.loading import open_saved
from kospan.tasks.question_answering.spec import SPEC
from kospan.tasks.question_answering.task import QuestionAnsweringTask


@pytest.fixture
def make_task(make_qa_model):
    def build(data: Corpus, **settings) -> QuestionAnsweringTask:
        return QuestionAnsweringTask(data, make_qa_model(encoder={"max_position_embeddings": 128}, **settings))

    return build


def labelled(task: QuestionAnsweringTask, feature: dict, text: str, first_unit: int) -> str:
    """The text between the labelled units of a window."""
    units = task.model.aligner.documents([text])[0].units
    first, last = (first_unit + place - 1 for place in feature["labels"])
    return text[units[first][0] : units[last][1]]


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("max_length", [48, 96])
def test_labels_are_the_ends_of_the_answer_in_every_window_that_holds_it(make_task, encoder_input, max_length):
    data = corpus(8, long=120)
    task = make_task(data, max_length=max_length, stride=12, max_query_length=30, encoder_input=encoder_input)
    for example in data.splits["train"]:
        features = task.train_features([example])
        (document,) = task.model.aligner.documents([example.text])
        windows = task.model.windows(example.question, document)
        assert len(features) == len(windows)
        answer = example.text[slice(*example.spans[0][:2])]
        held = 0
        for feature, place in zip(features, windows):
            if feature["labels"] == [0, 0]:
                continue
            held += 1
            assert labelled(task, feature, example.text, place.first_unit) == answer
        assert held, example.id
    assert (task.documents, task.unheld, task.misaligned) == (8, 0, 0)
    assert task.windowed == sum(
        len(task.model.windows(e.question, task.model.aligner.documents([e.text])[0])) > 1 for e in data.splits["train"]
    )
    assert task.spec.remarks(task) == []


def test_an_answer_that_no_window_holds_is_counted_and_remarked(make_task):
    text = "가나다라마바사아자차카타파하" * 12
    example = Example("long", text, (Span(4, 120, "answer"),), "무엇인가?")
    task = make_task(Corpus(("answer",), {"train": [example], "validation": [example]}, 0), encoder_input="units")
    features = task.train_features([example])
    assert len(features) > 2 and all(feature["labels"] == [0, 0] for feature in features)
    assert task.unheld == 1
    (line,) = task.spec.remarks(task)
    assert line.startswith("answers not held    1 are whole in no window") and "larger max_length or stride" in line


def test_the_first_of_several_answers_trains_and_none_is_labelled_nowhere(make_task):
    text = "서울과 부산"
    several = Example("a", text, (Span(0, 2, "answer"), Span(4, 6, "answer")), "어디인가?")
    nothing = Example("b", text, (), "언제인가?")
    task = make_task(Corpus(("answer",), {"train": [several, nothing], "validation": [several]}, 0))
    first, second = task.train_features([several, nothing])
    assert labelled(task, first, text, 0) == "서울" and second["labels"] == [0, 0]
    batch = task.collate([first, second])
    assert batch["labels"].tolist() == [first["labels"], [0, 0]]
    loss = task.model(**batch).loss
    assert torch.isfinite(loss) and loss.requires_grad


def test_evaluation_asks_as_users_do(make_task):
    data = corpus()
    task = make_task(data)
    examples = data.splits["validation"]
    found = task.predict(examples)
    assert len(found) == 3
    for example, spans in zip(examples, found):
        (answer,) = task.model.answer(example.question, example.text)
        assert [tuple(span[:3]) for span in spans] == [tuple(answer[:3])]
        assert spans[0].score == answer.score
    assert task.predict(examples, threshold=1.0) == [[], [], []]
    scores = task.metrics(examples, found)
    assert list(scores) == task.spec.metric_names(task) == ["exact_match", "f1"]


def test_no_answer_is_no_span(make_task):
    data = corpus()
    task = make_task(data, allow_no_answer=True)
    with torch.no_grad():
        task.model.projection.bias.zero_()
        task.model.projection.weight.zero_()
    # All scores are equal: the null answer has one share among many, and comes first as it is listed first.
    answers = task.model.answer(
        [each.question for each in data.splits["validation"]], data.splits["validation"][0].text
    )
    assert all(spans[0][:2] == (0, 0) for spans in answers)
    assert task.predict(data.splits["validation"]) == [[], [], []]


def test_counts_sum_up_to_the_mean_f1(make_task):
    data = corpus()
    task = make_task(data)
    examples = data.splits["train"]
    predicted = [[Span(0, 3, "answer")] if at % 2 else list(each.spans) for at, each in enumerate(examples)]
    counts = task.spec.counts(task, examples, predicted)
    assert counts.shape == (8, 1, 3)
    right, said, asked = counts.sum(axis=(0, 1))
    assert 2 * right / (said + asked) == pytest.approx(task.metrics(examples, predicted)["f1"])
    assert np.all(counts[::2, 0, 0] == 1)
    # Questions that the data's reader has left out count 0, in the sums too.
    task.left_out = 3
    right, said, asked = task.spec.counts(task, examples, predicted).sum(axis=(0, 1))
    scores = task.metrics(examples, predicted)
    assert 2 * right / (said + asked) == pytest.approx(scores["f1"]) and scores["support_left_out"] == 3


@given(st.integers(0, 3), st.text(alphabet="가나 \u1100\u1161abc.", max_size=20), st.booleans())
@settings(max_examples=30, deadline=None)
def test_labels_survive_any_text_around_the_answer(small_task, lead, around, composed):
    task = small_task
    text = around + "서울" + "나" * lead + around
    start = len(around)
    example = Example("x", text, (Span(start, start + 2, "answer"),), "어디?")
    features = task.train_features([example])
    (document,) = task.model.aligner.documents([text])
    windows = task.model.windows("어디?", document)
    found = [
        labelled(task, feature, text, window.first_unit)
        for feature, window in zip(features, windows)
        if feature["labels"] != [0, 0]
    ]
    assert found and all("서울" in each for each in found)


@pytest.fixture(scope="module")
def small_task():
    from kospan.modeling import KospanForQuestionAnswering, KospanQuestionAnsweringConfig
    from kospan.tasks.encoders import scratch_encoder

    encoder, tokenizer = scratch_encoder(["서울 가나 abc.", "어디?"], {"num_hidden_layers": 0, "hidden_size": 8})
    model = KospanForQuestionAnswering(
        KospanQuestionAnsweringConfig(
            encoder_config=encoder, encoder_input="units", max_length=40, stride=8, max_answer_length=6
        )
    ).eval()
    model.tokenizer = tokenizer
    return QuestionAnsweringTask(None, model)


@pytest.mark.parametrize("question", ["", "  "])
def test_a_text_without_a_question_is_refused(make_qa_model, question):
    example = Example("a-1", "서울", (), question)
    with pytest.raises(
        ValueError, match=r"example 'a-1' \(texts.jsonl\): expected a question beside its text.*'question'"
    ):
        SPEC.check_examples(QuestionAnsweringTask(None, make_qa_model()), [example], "texts.jsonl")
    with pytest.raises(ValueError, match=r"example 'a-1' \(train\)"):
        QuestionAnsweringTask(Corpus(("answer",), {"train": [example], "validation": []}, 0), make_qa_model())


# --- a whole run ------------------------------------------------------------------------------------------------------

SETTINGS = {
    "task": "question-answering",
    "dataset": "jsonl",
    "encoder_options": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 128,
    },
    "encoder_input": "units",
    "max_length": 64,
    "stride": 16,
    "max_query_length": 32,
    "max_answer_length": 8,
    "exact_match_feature": True,
    "lstm_hidden_size": 8,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 5e-3,
    "use_cpu": True,
}


@pytest.fixture
def files(tmp_path):
    data = questions(14)
    for name, part in (("train", data[:10]), ("validation", data[10:])):
        write_jsonl(tmp_path / f"{name}.jsonl", part)
    return {f"{name}_file": str(tmp_path / f"{name}.jsonl") for name in ("train", "validation")}


def test_predictions_of_a_run_are_those_of_the_saved_model(files, tmp_path, capsys):
    folder = tmp_path / "out"
    metrics = train(
        load_recipe(None, SETTINGS | files | {"output_dir": str(folder), "rdrop_alpha": 0.5, "fgm_epsilon": 0.3})
    )
    printed = capsys.readouterr().out
    assert "exact_match" in printed and "word nearest to the question's" in printed
    stored = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    assert stored == metrics and {"eval_exact_match", "eval_f1"} <= set(stored)
    task = open_saved(str(folder), dataset="jsonl")
    written = read_jsonl(folder / "predictions.jsonl")
    assert [each.question for each in written] == [each.question for each in questions(14)[10:]]
    for example, spans in zip(written, task.predict(written)):
        assert [span[:3] for span in example.spans] == [span[:3] for span in spans]
    gold = read_jsonl(files["validation_file"])
    assert task.metrics(gold, [list(each.spans) for each in written])["f1"] == pytest.approx(stored["eval_f1"])


def test_a_trained_model_is_trained_further(files, tmp_path):
    first = build_trainer(load_recipe(None, SETTINGS | files | {"output_dir": str(tmp_path / "a"), "max_steps": 1}))
    first.model.config.calibration_temperature, first.model.config.threshold = 2.5, 0.9
    first.model.save_pretrained(tmp_path / "model")
    again = {
        "encoder": str(tmp_path / "model"),
        "encoder_options": {},
        "allow_no_answer": True,
        "output_dir": str(tmp_path / "b"),
    }
    second = build_trainer(load_recipe(None, SETTINGS | files | again))
    config = second.model.config
    assert (config.allow_no_answer, config.calibration_temperature, config.threshold, config.max_length) == (
        True,
        1.0,
        0.0,
        64,
    )
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match=r"expected lstm_hidden_size to be 8 as in the model .*, got 12"):
        build_trainer(load_recipe(None, SETTINGS | files | again | {"lstm_hidden_size": 12}))


def test_an_unknown_metric_is_refused(files, tmp_path):
    asked = SETTINGS | files | {"output_dir": str(tmp_path / "a"), "metric_for_best_model": "exact_macth"}
    with pytest.raises(ValueError, match="got 'exact_macth'; did you mean exact_match"):
        build_trainer(load_recipe(None, asked))
