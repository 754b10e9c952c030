"""The loss on validation data is that of the model in evaluation mode."""

import pytest
import torch
import training_cases as cases
from transformers import set_seed

from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.training.validation import ValidationLoss, window_losses

ROWS = cases.features(seed=3)


@pytest.fixture(params=["crf", "linear"])
def model(request, make_token_classifier):
    return make_token_classifier(
        head=request.param, lstm_hidden_size=8, encoder_input="units", dropout=0.3, multi_sample_dropout=3
    )


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_it_is_the_mean_over_all_units_row_by_row(model, tmp_path, batch_size):
    trainer = cases.trainer(model, tmp_path, {"rdrop": "token", "fgm_epsilon": 0.5})
    model.train()
    found = ValidationLoss(ROWS, batch_size, window_losses)(trainer)
    assert model.training
    model.eval()
    with torch.no_grad():
        losses = [model(**cases.collate([row])).loss.item() * len(row["labels"]) for row in ROWS]
    assert found == pytest.approx(sum(losses) / sum(len(row["labels"]) for row in ROWS), rel=1e-5)


def test_it_changes_nothing_of_training(model, tmp_path):
    runs = []
    for loss in (None, ValidationLoss(ROWS, 4, window_losses)):
        set_seed(0)
        own = type(model)(model.config).train()
        own.load_state_dict(model.state_dict())
        own.tokenizer = model.tokenizer
        techniques = {"validation_loss": loss, "eval_dataset": ROWS[:2]}
        trainer = cases.trainer(own, tmp_path, techniques, eval_strategy="steps", eval_steps=1)
        trainer.train()
        runs.append((cases.weights(own), [entry for entry in trainer.state.log_history if "eval_loss" in entry]))
    (plain, _), (asked, logged) = runs
    assert all(torch.equal(plain[name], asked[name]) for name in plain)
    assert len(logged) == 4 and len({entry["eval_loss"] for entry in logged}) == 4


@pytest.mark.parametrize("rows", [[], [{"labels": []}, {"labels": [-100, -100]}], [{"labels": -100}]])
def test_a_mean_of_nothing_is_refused_before_training(rows):
    message = f"expected validation texts with labels for validation_loss, got {len(rows)} windows without one; remove"
    with pytest.raises(ValueError, match=message):
        ValidationLoss(rows, 4, window_losses)
    for labels in ([-100, 0], 0, 0.0, (0, 0)):  # The first tag, the first class, a value, "no answer".
        ValidationLoss([*rows, {"labels": labels}], 4, window_losses)


def test_a_recipe_asks_for_it(tmp_path):
    flags = {
        "output_dir": str(tmp_path),
        "use_cpu": True,
        "encoder_options": {"num_hidden_layers": 0, "hidden_size": 16, "num_attention_heads": 2},
        "metric_for_best_model": "loss",
        "validation_loss": True,
    }
    trainer = build_trainer(load_recipe(None, flags))
    documents = trainer.task.documents
    metrics = trainer.evaluate()
    assert 0.1 < metrics["eval_loss"] < 20 and 0 <= metrics["eval_f1"] <= 1
    assert trainer.task.documents == documents == len(trainer.task.examples("train"))
    assert not trainer.args.greater_is_better
    with pytest.raises(
        ValueError, match="expected metric_for_best_model to be a metric that evaluation gives, got 'lo"
    ):
        build_trainer(load_recipe(None, flags | {"validation_loss": False}))
