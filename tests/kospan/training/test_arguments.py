"""TrainingArguments that cannot do what they say are refused in one line; evaluation sees every document whatever
they say about training."""

import importlib.util

import pytest
import resume_cases as cases
import torch
import training_cases
from transformers import Trainer
from transformers.integrations import integration_utils

from kospan.cli import main
from kospan.modeling.modeling_question_answering import KospanQuestionAnsweringOutput
from kospan.recipe import load_recipe, save_recipe
from kospan.run import build_trainer, prepare
from kospan.training import arguments
from kospan.training.arguments import check_arguments, training_arguments


@pytest.fixture
def refused(tmp_path, capsys):
    """Error of `kospan train` for some settings, in one line; nothing is written."""

    def ask(task: str = "token-classification", **settings) -> str:
        save_recipe(cases.recipe_of(task, tmp_path, **settings), tmp_path / "recipe.yaml")
        assert main(["train", str(tmp_path / "recipe.yaml")]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("kospan: ") and captured.err.count("\n") == 1, captured.err
        assert not list((tmp_path / "out").glob("*"))
        return captured.err

    return ask


MISTAKES = {
    "a tracker that is none": ({"report_to": "nonsense"}, "expected report_to to be none, all or some of "),
    "one of several trackers": ({"report_to": ["none", "nonsense"]}, "got 'nonsense'"),
    "inputs for metrics": ({"include_for_metrics": ["inputs"]}, "expected no include_for_metrics, which has no effect"),
    "losses for metrics": ({"include_for_metrics": "loss"}, "remove it"),
    "metrics by batch": ({"batch_eval_metrics": True}, "expected no batch_eval_metrics, which has no effect here"),
    "the loss alone": ({"prediction_loss_only": True}, "or validation_loss: true for the loss too"),
    "a prediction": ({"do_predict": True}, "for other texts use kospan predict"),
    "no step": ({"max_steps": 0}, "expected one training step or more, got none"),
    "no epoch": ({"num_train_epochs": 0}, "expected one training step or more, got none"),
    "nothing to stop by": (
        {"early_stopping_patience": 2, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False},
        "expected no early_stopping_patience with eval_strategy: no",
    ),
    "a schedule": ({"lr_scheduler_type": "nonsense"}, "invalid choice: 'nonsense'"),
    "a schedule's setting": (
        {"lr_scheduler_kwargs": {"nonsense": 1}},
        "expected lr_scheduler_kwargs that lr_scheduler_type: linear takes, got {'nonsense': 1}",
    ),
    "a schedule without its setting": (
        {"lr_scheduler_type": "cosine_with_min_lr"},
        "expected lr_scheduler_kwargs that lr_scheduler_type: cosine_with_min_lr takes, got none",
    ),
    "an optimizer": ({"optim": "adamw_torhc"}, "invalid choice: 'adamw_torhc'"),
    "an optimizer's settings": ({"optim_args": "betas"}, "expected optim and optim_args of an optimizer"),
    "a compiler": ({"torch_compile_backend": "nonsense"}, "expected a torch_compile_backend and a torch_compile_mode"),
    "a compiler's mode": ({"torch_compile_mode": "nonsense"}, "got inductor and nonsense"),
    "workers": ({"dataloader_num_workers": -1}, "num_workers option should be non-negative"),
    "the wrong debugging": ({"debug": "underflow_overflow"}, "expected no debug: underflow_overflow"),
    "label smoothing": ({"label_smoothing_factor": 0.1}, "expected label_smoothing_factor: 0, got 0.1"),
    "two precisions": ({"fp16": True, "bf16": True}, "expected settings that TrainingArguments take, got: At most one"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, refused, monkeypatch):
    # TrainingArguments put the compiler's settings into the environment.
    for key in ("ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE"):
        monkeypatch.setenv(key, "no")
        monkeypatch.delenv(key)
    settings, message = MISTAKES[name]
    assert message in refused(**settings)


PACKAGES = {
    "tensorboard": ({"report_to": "tensorboard"}, "expected tensorboard for report_to: tensorboard, found none"),
    "wandb": ({"report_to": ["wandb"]}, "expected wandb for report_to: wandb, found none; `pip install wandb`"),
    "mlflow": ({"report_to": "mlflow,wandb"}, "expected mlflow for report_to: mlflow, found none"),
    "bitsandbytes": ({"optim": "adamw_8bit"}, "got adamw_8bit and None: You need to install `bitsandbytes`"),
    "schedulefree": ({"optim": "schedule_free_adamw"}, "You need to install `schedulefree`"),
    "liger_kernel": ({"use_liger_kernel": True}, "expected liger-kernel for use_liger_kernel: true, found none"),
    "deepspeed": ({"deepspeed": "zero.json"}, "expected deepspeed for deepspeed: zero.json, found none"),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_package_is_named_before_anything_is_loaded(package, refused):
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    settings, message = PACKAGES[package]
    assert message in refused(**settings)


def settings_of(tmp_path, **settings):
    return training_arguments(cases.recipe_of("token-classification", tmp_path, **settings))


def test_every_tracker_has_a_check_of_its_own(tmp_path, monkeypatch):
    """All integrations of transformers are asked whether they are there, and named by their package."""
    for name in integration_utils.INTEGRATION_TO_CALLBACK:
        args = settings_of(tmp_path, report_to=name)
        check = f"is_{arguments._CHECKS.get(name, name)}_available"
        assert hasattr(integration_utils, check)
        monkeypatch.setattr(integration_utils, check, lambda: False)
        with pytest.raises(ImportError, match=rf"expected .* for report_to: {name}, found none; `pip install"):
            check_arguments(args)
        monkeypatch.setattr(integration_utils, check, lambda: True)
        check_arguments(args)
    for none in ([], "none", ["none"], None, "all"):
        check_arguments(settings_of(tmp_path, report_to=none))


def test_early_stopping_needs_a_score(tmp_path):
    args = settings_of(tmp_path, metric_for_best_model=None, load_best_model_at_end=False)
    args.metric_for_best_model = None
    with pytest.raises(ValueError, match=r"a metric_for_best_model with early_stopping_patience, got epoch and None"):
        check_arguments(args, patience=2)
    check_arguments(args)


def test_several_trackers_are_read_from_a_list_and_from_a_flag(tmp_path):
    for given in (["tensorboard", "mlflow"], "tensorboard,mlflow", "tensorboard, mlflow"):
        assert settings_of(tmp_path, report_to=given).report_to == ["tensorboard", "mlflow"]
    assert settings_of(tmp_path, report_to=[]).report_to == []


def test_a_missing_compiler_is_reported(tmp_path, monkeypatch):
    args = settings_of(tmp_path)
    args.torch_compile, args.torch_compile_backend = True, "inductor"
    monkeypatch.setattr(arguments, "_has_cpp_compiler", lambda: False)
    with pytest.raises(ValueError, match=r"expected a C\+\+ compiler for torch_compile: true on this device, found"):
        check_arguments(args)
    args.torch_compile_backend = "aot_eager"
    check_arguments(args)
    monkeypatch.undo()
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    assert not arguments._has_cpp_compiler()


def test_kernels_of_language_models_do_not_go_with_an_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(arguments, "is_liger_kernel_available", lambda: True)
    with pytest.raises(ValueError, match="expected use_liger_kernel: false, got true: its kernels replace parts"):
        build_trainer(cases.recipe_of("token-classification", tmp_path, use_liger_kernel=True))


# --- evaluation -------------------------------------------------------------------------------------------------------

UNCHANGED = {
    "drop_last": {"dataloader_drop_last": True},
    "dispatched": {"accelerator_config": {"dispatch_batches": True}},
    "split": {"accelerator_config": {"split_batches": True, "even_batches": False}},
    "accumulated": {"eval_accumulation_steps": 1},
    "gathered as objects": {"eval_use_gather_object": True},
    "workers": {"dataloader_num_workers": 1, "dataloader_persistent_workers": True},
    "by length": {"train_sampling_strategy": "group_by_length"},
    "rebalanced": {"train_sampling_strategy": "batch_rebalance"},
    "concatenated": {"eval_do_concat_batches": True},
    "smaller batches": {"auto_find_batch_size": True},
    "emptied caches": {"torch_empty_cache_steps": 1},
    "no skipping": {"ignore_data_skip": True},
    "a first evaluation": {"eval_on_start": True},
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_evaluation_sees_every_document_whatever_is_set_for_training(name, tmp_path):
    """Seven documents in batches of four: the last one is not full."""
    data = cases.people(15)
    plain = cases.recipe_of("token-classification", tmp_path, data, per_device_eval_batch_size=4)
    files = {"train_file": plain.train_file, "validation_file": plain.train_file, "max_train_samples": 8}
    plain = load_recipe(None, {**plain.trainer, **cases.RUN, **files, "max_eval_samples": 7})
    other = load_recipe(None, {**plain.trainer, **cases.RUN, **files, "max_eval_samples": 7, **UNCHANGED[name]})
    expected, found = (build_trainer(recipe) for recipe in (plain, other))
    seen, predict = [], found.task.predict
    found.task.predict = lambda documents, **settings: (seen.extend(documents), predict(documents, **settings))[1]
    scores = found.evaluate()
    assert [each.id for each in seen] == [each.id for each in sorted(data[:7], key=lambda each: -len(each.text))]
    times = ("runtime", "second", "preparation_time")
    for key, value in expected.evaluate().items():
        assert key.endswith(times) or scores[key] == value, key
    assert found.args.dataloader_drop_last == other.trainer.get("dataloader_drop_last", False)


def test_a_training_that_drops_its_last_batch_scores_all_documents(tmp_path):
    trainer, _ = prepare(
        cases.recipe_of("token-classification", tmp_path, dataloader_drop_last=True, num_train_epochs=1)
    )
    assert trainer.planned_steps() == (2, 2)  # nine texts in batches of four
    trainer.train()
    assert trainer.state.global_step == 2
    [scored] = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    assert scored["eval_support_PS"] == scored["eval_support_LC"] == 3


def test_memory_that_runs_out_makes_smaller_batches_and_the_same_evaluation(tmp_path):
    trainer, _ = prepare(
        cases.recipe_of(
            "token-classification", tmp_path, auto_find_batch_size=True, num_train_epochs=1, fgm_epsilon=0.5
        )
    )
    step, failed = trainer.compute_loss, []

    def too_much(model, inputs, *args, **kwargs):
        if len(inputs["input_ids"]) > 2:
            failed.append(len(inputs["input_ids"]))
            raise RuntimeError("CUDA out of memory. Tried to allocate 1 GiB")
        return step(model, inputs, *args, **kwargs)

    trainer.compute_loss = too_much
    trainer.train()
    assert failed and trainer.halving.parts == 2 and trainer._train_batch_size == 4
    assert trainer.state.log_history[-2]["eval_support_PS"] == 3
    assert trainer.fgm._delta is None


# --- the stock Trainer ------------------------------------------------------------------------------------------------


def test_the_stock_trainer_cannot_smooth_what_has_no_logits(make_token_classifier, tmp_path):
    for factor in (0.1, 0.0):
        trainer = Trainer(
            model=make_token_classifier(encoder_input="units"),
            args=training_cases.arguments(str(tmp_path), label_smoothing_factor=factor),
            train_dataset=training_cases.features(),
            data_collator=training_cases.collate,
        )
        if factor:
            message = (
                r"emissions of KospanTokenClassificationOutput, got one for logits, .* label_smoothing_factor to 0"
            )
            with pytest.raises(ValueError, match=message):
                trainer.train()
        else:
            trainer.train()
            assert trainer.state.global_step == 4


def test_outputs_with_emissions_are_still_outputs(make_token_classifier, make_qa_model):
    output = make_token_classifier(encoder_input="units")(**training_cases.collate(training_cases.features()))
    assert torch.equal(output["emissions"], output[1]) and output.get("logits") is None and "logits" not in output
    with pytest.raises(ValueError, match="KospanQuestionAnsweringOutput, got one for logits"):
        KospanQuestionAnsweringOutput(emissions=torch.zeros(1))["logits"]
