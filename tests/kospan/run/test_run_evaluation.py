"""Evaluation while training."""

import pytest
from run_cases import trainer_state
from safetensors.torch import load_file

from kospan.data.jsonl import read_jsonl
from kospan.run import build_trainer, train


def test_training_stops_early_without_a_better_score(recipe, tmp_path):
    train(recipe(num_train_epochs=9, learning_rate=0.0, early_stopping_patience=2))
    state = trainer_state(tmp_path / "out")
    assert state["epoch"] == 3.0
    assert [entry["epoch"] for entry in state["log_history"] if "eval_f1" in entry] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_evaluation_sees_every_document_once_the_longest_first(recipe, data, strategy):
    trainer = build_trainer(recipe(train_sampling_strategy=strategy))
    predict, metrics_of, seen, scored = trainer.task.predict, trainer.task.metrics, [], []

    def watched(documents, **settings):
        seen.extend(documents)
        return predict(documents, **settings)

    def kept(documents, predictions):
        scored.extend(zip((document.id for document in documents), predictions))
        return metrics_of(documents, predictions)

    trainer.task.predict, trainer.task.metrics = watched, kept
    metrics = trainer.evaluate()
    examples = read_jsonl(data["validation_file"])
    assert [example.id for example in seen] == [
        example.id for example in sorted(examples, key=lambda example: -len(example.text))
    ]
    assert [name for name, _ in scored] == [example.id for example in examples]
    texts = [example.text for example in examples]
    assert any(spans for _, spans in scored)
    for (_, spans), expected in zip(scored, trainer.model.extract(texts)):
        assert [span[:3] for span in spans] == [span[:3] for span in expected]
    expected = trainer.task.metrics(examples, trainer.model.extract(texts))
    assert {name: metrics[f"eval_{name}"] for name in expected} == pytest.approx(expected)


def test_training_through_pytorch_crf_is_not_saved(recipe, tmp_path):
    train(recipe(crf_backend="torchcrf", max_length=400, num_train_epochs=1))
    names = set(load_file(tmp_path / "out" / "model.safetensors"))
    assert {"head.crf.transitions", "head.crf.start_transitions", "head.crf.end_transitions"} <= names
    assert "torchcrf" not in (tmp_path / "out" / "config.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected whole documents with crf_backend: torchcrf.*raise max_length"):
        train(recipe(crf_backend="torchcrf", overwrite_output_dir=True, num_train_epochs=1))
