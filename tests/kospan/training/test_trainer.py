"""Every "off" is the stock Trainer, and every way to split a batch gives one result."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_cases as cases
from time_limits import SECONDS
from transformers import TrainerCallback

from kospan.training.adversarial import check_fgm
from kospan.training.trainer import KospanTrainer

TOLERANCE = 1e-6


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(lstm_hidden_size=8, encoder_input="units", constrain="decode")


def trained(model, folder, techniques=None, **settings):
    run = cases.trainer(copy.deepcopy(model), str(folder), techniques, **settings)
    run.train()
    return run


def assert_equal(one: dict, other: dict, tolerance: float = 0.0):
    for name, value in one.items():
        difference = (value.double() - other[name].double()).abs().max().item()
        assert difference <= tolerance, f"{name} differs by {difference}"


def test_everything_off_is_the_stock_trainer_bit_for_bit(make_token_classifier, tmp_path):
    model = make_token_classifier(
        lstm_hidden_size=8, encoder_input="units", dropout=0.1, encoder={"hidden_dropout_prob": 0.1}
    )
    settings = {"optim": "adamw_torch", "weight_decay": 0.0, "train_sampling_strategy": "random"}
    ours = trained(model, tmp_path / "ours", **settings)
    stock = trained(model, tmp_path / "stock", stock=True, **settings)
    assert_equal(cases.weights(ours.model), cases.weights(stock.model))
    assert [entry["loss"] for entry in ours.state.log_history if "loss" in entry] == [
        entry["loss"] for entry in stock.state.log_history if "loss" in entry
    ]
    assert not torch.equal(ours.model.head.projection.weight, model.head.projection.weight)


@pytest.mark.parametrize("name", cases.CASES)
def test_one_batch_of_16_equals_four_accumulated_of_4(name, model, tmp_path):
    whole = trained(model, tmp_path / "whole", cases.CASES[name], batch=16)
    parts = trained(model, tmp_path / "parts", cases.CASES[name], batch=4, accumulation=4)
    assert_equal(cases.weights(whole.model), cases.weights(parts.model), TOLERANCE)


def test_techniques_change_what_is_learnt(model, tmp_path):
    """Each case differs from every other: an equality between two of them would prove nothing."""
    found = {
        name: cases.weights(trained(model, tmp_path / name, each, batch=16).model) for name, each in cases.CASES.items()
    }
    names = list(found)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            shared = found[one].keys() & found[other].keys()
            differences = [(found[one][key] - found[other][key]).abs().max() for key in shared]
            assert max(differences) > 1e-5, f"{one} == {other}"


def test_two_processes_equal_one(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "OMP_NUM_THREADS": "1"}
    environment["TRANSFORMERS_VERBOSITY"] = "error"
    script = str(root / "tests" / "training_cases.py")

    def start(processes: int, batch: int, accumulation: int) -> dict:
        output = tmp_path / f"{processes}.pt"
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc_per_node={processes}",
            script,
        ]
        command += [str(tmp_path / "model"), str(output), str(batch), str(accumulation)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr[-3000:]
        return torch.load(output)

    one, two = start(1, 16, 1), start(2, 4, 2)
    assert (one.pop("world"), two.pop("world")) == (1, 2)
    for name in cases.CASES:
        assert_equal(one[name], two[name], TOLERANCE)


@pytest.mark.parametrize("space", ["activation", "parameter"])
def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(space, make_token_classifier, tmp_path):
    model = make_token_classifier(
        lstm_hidden_size=8,
        encoder_input="units",
        dropout=0.2,
        multi_sample_dropout=3,
        encoder={"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1},
    )
    techniques = {"fgm_epsilon": 0.5, "fgm_space": space, "rdrop": "token"}
    settings = {"optim": "adamw_torch", "train_sampling_strategy": "random", "accumulation": 2, "batch": 2}
    settings |= {"save_strategy": "steps", "save_steps": 3, "max_steps": 6, "lr_scheduler_type": "linear"}
    unbroken = trained(model, tmp_path / "unbroken", techniques, **settings)

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step == 3

    broken = cases.trainer(copy.deepcopy(model), str(tmp_path / "broken"), techniques, **settings)
    broken.add_callback(Stop())
    broken.train()
    resumed = cases.trainer(
        make_token_classifier(
            seed=99,
            lstm_hidden_size=8,
            encoder_input="units",
            dropout=0.2,
            multi_sample_dropout=3,
            encoder={"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1},
        ),
        str(tmp_path / "broken"),
        techniques,
        **settings,
    )
    resumed.train(resume_from_checkpoint=str(tmp_path / "broken" / "checkpoint-3"))
    assert_equal(cases.weights(unbroken.model), cases.weights(resumed.model))


@pytest.mark.parametrize("space", ["activation", "parameter"])
def test_a_forced_exception_changes_neither_weights_nor_hooks(space, model, tmp_path):
    class Failing(KospanTrainer):
        def compute_loss(self, *args, **kwargs):
            if self._is_adversarial:
                raise RuntimeError("forced")
            return super().compute_loss(*args, **kwargs)

    before = cases.weights(model)
    run = Failing(
        model=model,
        args=cases.arguments(str(tmp_path)),
        train_dataset=cases.features(),
        data_collator=cases.collate,
        fgm_epsilon=0.5,
        fgm_space=space,
    )
    with pytest.raises(RuntimeError, match="forced"):
        run.train()
    assert_equal(before, cases.weights(model))
    batch = cases.collate(cases.features())
    with torch.no_grad():
        after = model.eval()(**batch).emissions
        run.fgm.remove()
        assert torch.equal(after, model(**batch).emissions)
    assert not model.get_input_embeddings()._forward_hooks
    assert not run._is_adversarial and not model.get_input_embeddings().weight._backward_hooks


def test_evaluation_is_untouched_by_the_techniques(model, tmp_path):
    run = cases.trainer(model, str(tmp_path), {"fgm_epsilon": 0.5, "rdrop": "token"})
    plain = cases.trainer(model, str(tmp_path))
    batch = cases.collate(cases.features())
    model.eval()
    assert torch.equal(run.compute_loss(model, dict(batch)), plain.compute_loss(model, dict(batch)))


def test_what_would_be_silently_wrong_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="label_smoothing_factor: 0"):
        cases.trainer(model, str(tmp_path), label_smoothing_factor=0.1)
    with pytest.raises(ValueError, match="fgm_epsilon of 0"):
        cases.trainer(model, str(tmp_path), {"fgm_epsilon": -1.0})
    with pytest.raises(ValueError, match="LOMO"):
        cases.trainer(model, str(tmp_path), {"fgm_epsilon": 0.5}, optim="lomo")
    run = cases.trainer(model, str(tmp_path))

    def check(space: str) -> None:
        check_fgm(0.5, space, run.args, run.accelerator)

    run.args._n_gpu = 2
    with pytest.raises(ValueError, match="one process per GPU"):
        check("activation")
    run.args._n_gpu = 0
    run.accelerator.state.distributed_type, kind = "FSDP", run.accelerator.state.distributed_type
    try:
        with pytest.raises(ValueError, match="fgm_space: activation with sharded"):
            check("parameter")
        check("activation")
    finally:
        run.accelerator.state.distributed_type = kind
    model.freeze_encoder()
    with pytest.raises(ValueError, match="frozen ones"):
        cases.trainer(model, str(tmp_path), {"fgm_epsilon": 0.5, "fgm_space": "parameter"})


def test_crf_scores_do_not_decay_and_rates_reach_the_optimizer(model, tmp_path):
    run = cases.trainer(
        model,
        str(tmp_path),
        {"learning_rates": {"encoder": 3e-5, "head": 1e-3, "crf": "10x"}},
        weight_decay=0.1,
        optim="adamw_torch",
    )
    run.create_optimizer()
    found = {}
    for group in run.optimizer.param_groups:
        for parameter in group["params"]:
            found[id(parameter)] = (group["lr"], group["weight_decay"])
    names = dict(model.named_parameters())
    assert set(found) == {id(parameter) for parameter in names.values()}
    assert found[id(names["head.crf.transitions"])] == (pytest.approx(1e-2), 0.0)
    assert found[id(names["head.projection.weight"])] == (pytest.approx(1e-3), 0.1)
    assert found[id(names["head.projection.bias"])] == (pytest.approx(1e-3), 0.0)
    assert found[id(names["encoder.embeddings.word_embeddings.weight"])] == (pytest.approx(3e-5), 0.1)
    assert run.optimizer.param_groups[0]["lr"] == pytest.approx(3e-5)


@pytest.mark.parametrize(
    ("fragment", "advice"),
    [
        ("encdoer", "did you mean encoder"),
        ("haed", "did you mean head"),
        ("lora_B", "such as head, encoder"),
    ],
)
def test_a_rate_that_no_parameter_would_get_is_refused(fragment, advice, model, tmp_path):
    techniques = {"learning_rates": {"head": 1e-3, fragment: "2x"}}
    with pytest.raises(ValueError, match=rf"expected learning_rates to name .*, got '{fragment}'.*; {advice}"):
        cases.trainer(model, str(tmp_path), techniques)


@pytest.mark.parametrize("space", ["activation", "parameter"])
def test_recomputed_activations_change_nothing(space, make_token_classifier, tmp_path):
    model = make_token_classifier(
        lstm_hidden_size=8, encoder_input="units", encoder={"num_hidden_layers": 2, "hidden_dropout_prob": 0.1}
    )
    techniques = {"fgm_epsilon": 0.5, "fgm_space": space, "rdrop": "token"}
    kept = trained(model, tmp_path / "kept", techniques)
    recomputed = trained(model, tmp_path / "recomputed", techniques, activation_checkpointing=True)
    assert recomputed.model.is_gradient_checkpointing
    assert_equal(cases.weights(kept.model), cases.weights(recomputed.model), 1e-7)


def test_the_hook_of_fgm_is_there_before_the_model_is_compiled(model, tmp_path):
    """A hook that comes after torch.compile is ignored in silence; ours comes when the trainer is made."""
    run = cases.trainer(model, str(tmp_path), {"fgm_epsilon": 0.5})
    batch = cases.collate(cases.features())
    compiled = torch.compile(model.get_input_embeddings(), backend="eager")
    plain = compiled(batch["input_ids"])
    with run.fgm.clean_pass(batch):
        compiled(batch["input_ids"]).square().sum().backward()
    with run.fgm.adversarial_pass(batch):
        moved = compiled(batch["input_ids"])
    assert (moved - plain).norm() > 0.5
    assert torch.equal(compiled(batch["input_ids"]), plain)


@pytest.mark.parametrize("techniques", ["plain", "fgm and rdrop", "fgm in parameters"])
def test_a_compiled_training_equals_a_plain_one(techniques, make_token_classifier, tmp_path, monkeypatch):
    """FGM's hook, its restored table and R-Drop's doubled batch go through the compiled model."""
    # TrainingArguments tell accelerate through the environment.
    for key in ("ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE"):
        monkeypatch.setenv(key, "no")
        monkeypatch.delenv(key)
    torch._dynamo.reset()
    model = make_token_classifier(lstm_hidden_size=8, encoder_input="units", encoder={"num_hidden_layers": 0})
    own = {"fgm in parameters": {"fgm_epsilon": 0.5, "fgm_space": "parameter"}} | cases.CASES
    plain = trained(model, tmp_path / "plain", own[techniques])
    compiled = trained(model, tmp_path / "compiled", own[techniques], torch_compile=True, torch_compile_backend="eager")
    assert hasattr(compiled.model_wrapped, "_orig_mod") and not hasattr(plain.model_wrapped, "_orig_mod")
    losses = [[entry["loss"] for entry in run.state.log_history if "loss" in entry] for run in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and len(losses[0]) == 4
    assert_equal(cases.weights(plain.model), cases.weights(compiled.model), 1e-5)


def test_half_precision_asked_for_on_a_cpu_is_named_for_what_it_is(model, tmp_path):
    from kospan.training.log_lines import precision_in_use

    assert precision_in_use(cases.trainer(model, str(tmp_path))) == "float32"
    found = precision_in_use(cases.trainer(model, str(tmp_path), fp16=True))
    assert found.startswith("float32 (fp16 is not available")


def test_bf16_trains_with_the_chain_in_full_precision(make_token_classifier, tmp_path):
    model = make_token_classifier(lstm_hidden_size=8, encoder_input="units")
    run = trained(model, tmp_path, {"fgm_epsilon": 0.5, "rdrop": "marginal"}, bf16=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = run.model.train()(**cases.collate(cases.features()))
    assert output.emissions.dtype == torch.float32 and output.loss.dtype == torch.float32
    assert all(torch.isfinite(value).all() for value in cases.weights(run.model).values())
