"""Parts of a loss beside it in the log, and training progress for heads."""

import copy
import doctest

import pytest
import torch
import training_cases as cases
from transformers import TrainerCallback

import kospan.training.loss_parts
from kospan.training.log_lines import LogLineCallback
from kospan.training.loss_parts import LossParts, part_names
from kospan.training.progress import ProgressCallback
from kospan.training.record import learning_curve


@pytest.fixture
def model(make_token_classifier):
    model = make_token_classifier(head="positional", head_options={"heads": 4, "gold_gate": 0.5}, encoder_input="units")
    model.prepare()
    return model


class Seen(TrainerCallback):
    """Keeps what the head mixes in at each step."""

    def __init__(self):
        self.shares = []

    def on_substep_end(self, args, state, control, model=None, **kwargs):
        self.shares.append(getattr(model.head, "gold_share", float)())

    on_step_end = on_substep_end


def run(model, folder, techniques=None, **settings):
    trainer, seen = cases.trainer(copy.deepcopy(model), str(folder), techniques, **settings), Seen()
    trainer.add_callback(ProgressCallback())
    trainer.add_callback(seen)
    trainer.train(resume_from_checkpoint=settings.get("resume_from_checkpoint"))
    return trainer, seen.shares


def test_documented_examples_hold():
    assert doctest.testmod(kospan.training.loss_parts, extraglobs={"torch": torch}).failed == 0


@pytest.mark.parametrize(
    "techniques", [{}, {"rdrop": "sequence"}, {"fgm_epsilon": 0.5}, {"fgm_epsilon": 0.5, "rdrop": "marginal"}]
)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_parts_add_up_to_the_logged_loss(model, tmp_path, techniques, accumulation):
    trainer, _ = run(model, tmp_path, techniques, batch=4, accumulation=accumulation, logging_steps=2)
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(logged) == 2
    for entry in logged:
        assert entry["tag_loss"] > 0 and entry["positional_loss"] > 0
        assert ("divergence" in entry) == ("rdrop" in techniques)
        total = entry["tag_loss"] + entry["positional_loss"] + entry.get("divergence", 0)
        assert total == pytest.approx(entry["loss"], rel=1e-4)


@pytest.mark.parametrize("name", ["plain", "rdrop marginal", "fgm", "fgm and rdrop on both"])
def test_one_batch_of_16_equals_four_accumulated_of_4(model, tmp_path, name):
    (whole, _), (parts, _) = (
        run(model, tmp_path / str(batch), cases.CASES[name], batch=batch, accumulation=16 // batch) for batch in (16, 4)
    )
    for key, value in cases.weights(whole.model).items():
        assert torch.allclose(value, cases.weights(parts.model)[key], atol=1e-6), key


def test_a_head_without_parts_logs_none(make_token_classifier, tmp_path):
    trainer, _ = run(make_token_classifier(encoder_input="units"), tmp_path)
    assert not part_names(trainer.state.log_history)


def test_passes_of_a_step_are_summed_and_steps_averaged():
    parts = LossParts()
    assert parts.report(0) == {}
    for step, value in ((3, 1.0), (3, 2.0), (4, 3.0), (4, 4.0)):
        parts.add({"parts": {"a_loss": torch.tensor(value)}, "divergence": torch.tensor(1.0)}, step, scale=2)
    assert parts.report(5) == {"a_loss": 10.0, "divergence": 4.0}
    parts.add((torch.tensor(1.0),), 5)
    assert parts.report(6) == {}


def test_gold_gates_fall_with_training(model, tmp_path):
    _, shares = run(model, tmp_path, max_steps=8, batch=8)
    assert shares == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0]
    model.head.settings["gold_gate"] = 1.0
    trainer, shares = run(model, tmp_path, max_steps=2, batch=8)
    assert shares == [1.0, 0.5]
    assert trainer.model.train().head.gold_share() == 0.0, "afterwards nobody tells"
    assert "progress" not in trainer.model.config.to_json_string()


def test_a_resumed_run_continues_with_its_progress(model, tmp_path):
    settings = {"max_steps": 8, "batch": 8, "save_strategy": "steps", "save_steps": 2, "save_only_model": False}
    whole, shares = run(model, tmp_path, **settings)
    resumed, later = run(model, tmp_path, resume_from_checkpoint=str(tmp_path / "checkpoint-2"), **settings)
    assert later == shares[2:]
    for key, value in cases.weights(whole.model).items():
        assert torch.allclose(value, cases.weights(resumed.model)[key], atol=1e-6), key


def test_a_head_without_follow_is_not_called():
    state = type("State", (), {"global_step": 1, "max_steps": 2})()
    ProgressCallback().on_step_begin(None, state, None, model=torch.nn.Linear(1, 1))


def test_lines_and_curves_show_parts(capsys):
    history = [
        {"step": 1, "epoch": 0.5, "loss": 2.0, "tag_loss": 1.5, "gate_loss": 0.5, "train_loss": 9.0},
        {"step": 2, "epoch": 1.0, "eval_f1": 0.5, "eval_loss": 3.0},
    ]
    kept = {"step": 2, "epoch": 1.0, "eval_f1": 0.5, "eval_loss": 3.0, "loss": 2.0, "tag_loss": 1.5, "gate_loss": 0.5}
    assert part_names(history) == ["tag_loss", "gate_loss"] and learning_curve(history) == [kept]
    state = type("State", (), {"global_step": 1, "max_steps": 2, "epoch": 0.5, "is_world_process_zero": True})()
    LogLineCallback().on_log(None, state, None, logs=history[0])
    assert "loss 2  tag loss 1.5  gate loss 0.5" in capsys.readouterr().out
