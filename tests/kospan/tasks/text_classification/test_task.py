"""The classifying task: every passage carries its text's label, and evaluation asks as users do."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_cases import corpus, labelled
from transformers import Trainer, TrainingArguments

from kospan.cli import main
from kospan.data.corpus import Corpus
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import Recipe, load_recipe
from kospan.run import build_trainer, train
from kospan.tasks.loading import open_saved
from kospan.tasks.text_classification.spec import SPEC
from kospan.tasks.text_classification.task import TextClassificationTask
from kospan.tasks.unused_settings import check_recipe
from kospan.training.trainer import KospanTrainer

TINY = {
    "task": "text-classification",
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {"hidden_size": 16, "embedding_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    | {"intermediate_size": 16, "max_position_embeddings": 64},
    "max_length": 48,
    "stride": 8,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.01,
    "metric_for_best_model": "accuracy",
    "use_cpu": True,
    "overwrite_output_dir": True,
}


@pytest.fixture
def make_task(make_text_classifier):
    def build(data: Corpus, **asked) -> TextClassificationTask:
        return TextClassificationTask(data, make_text_classifier(**asked))

    return build


@pytest.mark.parametrize("pairs", [False, True])
def test_every_passage_carries_the_label_of_its_text(make_task, pairs):
    data = corpus(8, long=200, pairs=pairs)
    task = make_task(data, pairs=pairs)
    examples = data.splits["train"]
    features, at = task.train_features(examples), 0
    second = [example.text_pair for example in examples] if pairs else None
    for example, passages in zip(examples, task.model.passages_of([each.text for each in examples], second)):
        for passage in passages:
            assert features[at]["labels"] == task.labels.index(example.spans[0].label)
            assert features[at]["input_ids"] == passage.input_ids and ("token_type_ids" in features[at]) == pairs
            at += 1
    assert at == len(features) and (task.documents, task.windowed) == (8, 1)
    batch = task.collate(features)
    assert batch["labels"].dtype == torch.int64 and batch["labels"].shape == (at,)


@pytest.mark.parametrize("pairs", [False, True])
def test_the_windows_of_use_are_those_of_training_without_labels(make_task, pairs):
    data = corpus(8, long=200, pairs=pairs)
    task = make_task(data, pairs=pairs)
    features = task.train_features(data.splits["train"])
    assert list(task.windows(data.splits["train"])) == [
        {key: value for key, value in feature.items() if key not in ("labels", "ids")} for feature in features
    ]


def test_values_are_trained_as_they_are(make_task):
    examples = [Example(str(at), "글", (Span(0, 1, "value", value),)) for at, value in enumerate([-100.0, 0.5, -3.25])]
    task = make_task(
        Corpus(("value",), {"train": examples, "validation": examples}, 0, True), problem_type="regression"
    )
    batch = task.collate(task.train_features(examples))
    assert batch["labels"].tolist() == pytest.approx([-100.0, 0.5, -3.25])
    # The Trainer counts what is not -100.
    assert (batch["labels"] != -100).all()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=4))
def test_predictions_are_labels_that_the_model_takes(make_task, texts):
    task = make_task(None)
    documents = [Example(str(at), text, None) for at, text in enumerate(texts)]
    found = task.predict(documents)
    assert [[span[:2] for span in spans] for spans in found] == [[(0, len(text))] for text in texts]
    gold = [
        Example(str(at), text, (spans[0]._replace(score=1.0),)) for at, (text, spans) in enumerate(zip(texts, found))
    ]
    task.spec.check_examples(task, gold, "gold")
    assert task.metrics(gold, found)["accuracy"] == 1.0


def test_counts_give_f1_and_values_their_nearness(make_task):
    data = corpus(8)
    task = make_task(data)
    examples = data.splits["train"]
    predicted = task.predict(examples)
    counts = task.spec.counts(task, examples, predicted).sum(axis=(0, 1))
    assert 2 * counts[0] / (counts[1] + counts[2]) == pytest.approx(task.metrics(examples, predicted)["f1"])
    assert set(task.metrics(examples, predicted)) == set(task.spec.metric_names(task))
    data = corpus(8, values=True)
    task = make_task(data, problem_type="regression", value_spread=2.0)
    said = [[Span(0, len(example.text), "value", example.spans[0].score + 1)] for example in data.splits["train"]]
    assert task.spec.counts(task, data.splits["train"], said)[:, 0].tolist() == [[0.5, 1.0, 1.0]] * 8
    assert task.metrics(data.splits["train"], said)["mae"] == pytest.approx(1.0)


def test_the_baselines(make_task):
    data = corpus(8)
    spans = SPEC.baseline(make_task(data), labelled(2))
    assert [each[0].label for each in spans] == ["경제", "경제"]
    values = corpus(8, values=True)
    [[span]] = SPEC.baseline(make_task(values, problem_type="regression"), labelled(1))
    assert span.score == pytest.approx(np.mean([example.spans[0].score for example in values.splits["train"]]))


@pytest.mark.parametrize(
    ("example", "asked", "words"),
    [
        (
            Example("x", "글자", (Span(0, 2, "경영"),)),
            {},
            "expected labels that the model knows (경제, 사회, 정치), got",
        ),
        (
            Example("x", "글자", (Span(0, 1, "경제"),)),
            {},
            "expected one label over the whole text (0 to 2), got '경제'",
        ),
        (Example("x", "글자", ()), {}, "expected one label over the whole text (0 to 2), got none"),
        (
            Example("x", "글자", None, text_pair="둘째"),
            {},
            "expected a text alone, because the model reads single texts",
        ),
        (
            Example("x", "글자", None, "질문"),
            {},
            "expected a text alone, got a 'question', which is for task: question-answering; r",
        ),
        (
            Example("x", "글자", None),
            {"pairs": True},
            "expected a text_pair beside the text, because the model reads p",
        ),
        (
            Example("x", "글자", None, "질문"),
            {"pairs": True},
            "expected the second text under 'text_pair', got a 'ques",
        ),
        (
            Example("x", "글자" * 40, None, text_pair="둘째 글" * 10),
            {"pairs": True},
            "expected a text_pair of at most 34 subwords, because each window over the text holds it in full, got 40",
        ),
        (
            Example("x", "글자", (Span(0, 2, "아주"),)),
            {"problem_type": "regression"},
            "expected a label that is a finite",
        ),
    ],
)
def test_an_unsuitable_example_is_refused_by_name(make_task, example, asked, words):
    with pytest.raises(ValueError) as error:
        SPEC.check_examples(make_task(None, **asked), [example], "my.csv")
    assert str(error.value).startswith("example 'x' (my.csv): ") and words in str(error.value)


def test_techniques_of_weight_zero_are_the_plain_trainer_bit_for_bit(make_text_classifier, tmp_path):
    features = TextClassificationTask(None, make_text_classifier()).train_features(labelled(12))

    def trained(cls, **techniques):
        model = make_text_classifier(dropout=0.2)
        arguments = TrainingArguments(
            str(tmp_path), max_steps=3, per_device_train_batch_size=4, use_cpu=True, report_to="none", seed=3,
            remove_unused_columns=False, save_strategy="no", disable_tqdm=True, weight_decay=0.0,
        )  # fmt: skip
        cls(model=model, args=arguments, train_dataset=features, data_collator=model.collate, **techniques).train()
        return model.state_dict()

    plain, ours = trained(Trainer), trained(KospanTrainer, fgm_epsilon=0.0)
    assert all(torch.equal(plain[name], ours[name]) for name in plain)
    # And not of weight zero they change something.
    for techniques in ({"fgm_epsilon": 0.5}, {"rdrop_alpha": 1.0}):
        changed = trained(KospanTrainer, **techniques)
        assert any(not torch.equal(plain[name], changed[name]) for name in plain), techniques


def recipe_of(tmp_path, data: list[Example], **asked) -> Recipe:
    write_jsonl(tmp_path / "data.jsonl", data)
    files = {"train_file": str(tmp_path / "data.jsonl"), "output_dir": str(tmp_path / "out")}
    return load_recipe(None, {**TINY, **files, **asked})


@pytest.mark.parametrize("pairs", [False, True])
def test_predictions_of_a_run_are_those_of_classify_and_evaluate(tmp_path, capsys, pairs):
    data = labelled(24, pairs)
    # Texts of one title stay together where the data are cut.
    data = [replace(each, text_pair=f"{each.text_pair} {at}" if pairs else "") for at, each in enumerate(data)]
    data[1] = Example("empty", "", (Span(0, 0, "사회"),), text_pair="빈 글" if pairs else "")
    metrics = train(recipe_of(tmp_path, data, calibration_split="0.25", fgm_epsilon=0.2, rdrop_alpha=0.5))
    shown = capsys.readouterr().out
    assert "most frequent class" in shown and "3 classes: 경제, 사회, 정치" in shown
    folder = tmp_path / "out"
    stored = read_jsonl(folder / "predictions.jsonl")
    validation = [data[at] for at in (0, 8, 16)]
    task = open_saved(str(folder))
    assert [task.predict([example])[0][0][:3] for example in stored] == [example.spans[0][:3] for example in stored]
    assert task.model.config.pairs == pairs
    write_jsonl(tmp_path / "validation.jsonl", validation)
    arguments = ["evaluate", str(folder), "--data", str(tmp_path / "validation.jsonl"), "--output"]
    assert main([*arguments, str(tmp_path / "metrics.json")]) == 0
    again = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert {name: again[name] for name in metrics if name in again} == {
        name: value for name, value in metrics.items() if "calibration" not in name
    }
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert (
        "pipeline_tag: text-classification" in card and "macro F1" in card and f"{metrics['eval_accuracy']:.4f}" in card
    )
    assert ("text_pairs = [" in card) == pairs


def test_values_are_trained_scored_and_printed(tmp_path, capsys):
    metrics = train(recipe_of(tmp_path, labelled(24, values=True), metric_for_best_model="pearson"))
    assert set(metrics) == {"eval_pearson", "eval_spearman", "eval_mae"}
    shown = capsys.readouterr().out
    assert "mean value" in shown and "labels              numbers," in shown
    model = open_saved(str(tmp_path / "out")).model
    values = [at / 2 for at in range(24) if at % 8]
    assert model.config.value_mean == pytest.approx(np.mean(values))
    assert model.config.value_spread == pytest.approx(np.std(values))
    assert "Pearson correlation" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("data", "asked", "words"),
    [
        (labelled(9, values=True), {"metric_for_best_model": "f1"}, "expected metric_for_best_model to be pearson or"),
        (labelled(9), {"problem_type": "regression"}, "expected a label that is a finite number"),
        ([Example(str(at), f"글 {at}", (Span(0, 3, "a"),)) for at in range(9)], {}, "expected texts of two classes or"),
        (
            [Example(str(at), f"글 {at}", (Span(0, 1, "a"),)) for at in range(9)],
            {},
            "expected one label over the whole",
        ),
        ([*labelled(9, True), Example("x", "글", (Span(0, 1, "경제"),))], {}, "expected a text_pair beside"),
        (
            [*labelled(9, True), Example("x", "글" * 60, (Span(0, 60, "경제"),), text_pair="제목" * 18)],
            {},
            "example 'x' (train): expected a text_pair of at most 34 subwords",
        ),
        (labelled(9), {"windowed_field": "text_pair"}, "expected no windowed_field for single texts, got 'text_pair'"),
        (
            labelled(9, values=True),
            {"metric_for_best_model": "pearson", "calibration_split": "0.5"},
            "expected no calibration_split, because the labels were read as numbers",
        ),
    ],
)
def test_data_that_cannot_be_classified_are_refused(tmp_path, data, asked, words):
    with pytest.raises(ValueError, match="expected") as error:
        build_trainer(recipe_of(tmp_path, data, **asked))
    assert words in str(error.value)


def test_a_recipe_is_checked_before_anything_is_loaded():
    check_recipe(Recipe(task="text-classification"), SPEC)
    with pytest.raises(
        ValueError, match="expected no max_query_length with task: text-classification, where it has no effect"
    ):
        check_recipe(Recipe(task="text-classification", max_query_length=0), SPEC)
    with pytest.raises(
        ValueError, match="expected problem_type to be one of single_label_classification, regression, got 'number'"
    ):
        load_recipe(None, {"problem_type": "number"})
    assert SPEC.recipe_metric_names(Recipe(problem_type="regression"), "f1") == [
        "pearson",
        "spearman",
        "mae",
    ]
    assert "macro_f1" in SPEC.recipe_metric_names(Recipe(), "macro_f1")


def test_a_model_of_ours_is_trained_on(tmp_path):
    train(recipe_of(tmp_path, labelled(16)))
    (tmp_path / "next").mkdir()
    recipe = recipe_of(tmp_path, labelled(16), encoder=str(tmp_path / "out"), output_dir=str(tmp_path / "next"))
    recipe.encoder_options = {}
    assert build_trainer(recipe).model.config.classes == ["경제", "사회", "정치"]
    write_jsonl(tmp_path / "values.jsonl", labelled(16, values=True))
    recipe.train_file, recipe.trainer["metric_for_best_model"] = str(tmp_path / "values.jsonl"), "pearson"
    with pytest.raises(ValueError, match="expected labels that are names of classes as in the model"):
        build_trainer(recipe)
