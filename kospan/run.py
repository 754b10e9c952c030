"""The flow: recipe -> task -> trainer -> train, save, evaluate, report."""

import copy
import json
import os
import shutil
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainingArguments, set_seed
from transformers.utils.logging import disable_progress_bar

from kospan.card.card import write_card
from kospan.card.write_record import leave_record
from kospan.data.jsonl import record
from kospan.evaluation.summary import print_report
from kospan.hub.publisher import publisher_from
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.recipe import FIELDS, Recipe, load_recipe, save_recipe
from kospan.report.calibrate import calibrate
from kospan.task import Task
from kospan.tasks.checkpoint_identity import check_checkpoint
from kospan.tasks.registry import task_spec
from kospan.tasks.token_classification.metrics import check_metric
from kospan.tasks.unused_settings import settled
from kospan.training.arguments import check_arguments, check_schedule, create_optimizer, training_arguments
from kospan.training.cached_features import FeatureCache, check_cached, states_root
from kospan.training.crf_backend import use_torchcrf
from kospan.training.log_lines import LogLineCallback, opening_lines
from kospan.training.lora import lora_of
from kospan.training.progress import ProgressCallback
from kospan.training.record import Stopwatch
from kospan.training.resuming import BestCheckpoint, EarlyStopping, check_state, is_over, load_last
from kospan.training.saving import check_output, dot_notes, last_whole_checkpoint, write_whole, written_whole
from kospan.training.span_tensor import from_rows, to_rows
from kospan.training.subword_dropout import SubwordDropout
from kospan.training.trackers import TrackedArguments, Trackers
from kospan.training.trainer import KospanTrainer
from kospan.training.validation import ValidationLoss, window_losses

# What makes a folder a model, and which kind.
MODEL_FILES = ("config.json", "generation_config.json", NAME, ADAPTER, "*.safetensors*")


def build_trainer(recipe: Recipe | str | os.PathLike, **flags) -> KospanTrainer:
    """A trainer as a recipe asks, ready to `train()` or `evaluate()`; its task is `trainer.task`.

    Args:
        recipe: A recipe, or a path of one.
        **flags: Settings that win over the file's; only with a path.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, flags)
    return _assembled(*_built(recipe))


def _built(recipe: Recipe) -> tuple[Recipe, Task, TrainingArguments]:
    """The recipe as it is used, the task with its data and model, and the Trainer's settings; nothing is written."""
    recipe = without_unused(recipe)
    arguments = TrackedArguments.of(training_arguments(recipe), {key: getattr(recipe, key) for key in FIELDS})
    check_arguments(arguments, recipe.early_stopping_patience)
    arguments.dataloader_pin_memory = arguments.dataloader_pin_memory and torch.cuda.is_available()
    check_cached(_states_of(recipe), recipe.fgm_epsilon, recipe.subword_dropout)
    lora_of(recipe)
    disable_progress_bar()
    set_seed(arguments.seed)
    task = task_spec(recipe.task).task.from_recipe(recipe)
    if arguments.metric_for_best_model is not None:
        check_metric(
            "metric_for_best_model", arguments.metric_for_best_model, recipe.metric_names(task.spec.metric_names(task))
        )
    if recipe.crf_backend == "torchcrf":
        use_torchcrf(task.model)
    return recipe, task, arguments


def _states_of(recipe: Recipe) -> Path | None:
    """Where the states of a frozen encoder are kept; None where they are not."""
    return states_root(recipe.feature_cache_dir) if recipe.freeze_encoder else None


def _assembled(recipe: Recipe, task: Task, arguments: TrainingArguments) -> KospanTrainer:
    """The trainer over a task."""
    root = _states_of(recipe)
    training, validation = task.train_features(task.examples("train")), task.examples("validation")
    # Longest first: what does not fit into memory fails at once, and batches hold texts of one length.
    order = sorted(range(len(validation)), key=lambda at: -len(validation[at].text))
    callbacks = [LogLineCallback(), ProgressCallback(), BestCheckpoint()]
    if recipe.early_stopping_patience:
        callbacks.append(EarlyStopping(recipe.early_stopping_patience))
    trainer = KospanTrainer(
        model=task.model,
        args=arguments,
        train_dataset=training,
        eval_dataset=[{"document": validation[at], "index": at} for at in order],
        data_collator=(
            SubwordDropout(task.collate, recipe.subword_dropout, task.tokenizer)
            if recipe.subword_dropout
            else task.collate
        ),
        evaluation_collate=collate_documents,
        processing_class=task.tokenizer,
        callbacks=callbacks,
        predict=lambda model, documents: to_rows(task.predict(documents, model=model), task.labels),
        score=lambda indices, rows: task.metrics([validation[at] for at in indices], from_rows(rows, task.labels)),
        validation_loss=(
            # A copy counts for itself: what is told of windows is told of training's.
            ValidationLoss(
                copy.copy(task).train_features(validation), arguments.per_device_eval_batch_size, _losses_of(task)
            )
            if recipe.validation_loss
            else None
        ),
        divergence=task.divergence(recipe.rdrop_alpha, recipe.rdrop_level) if recipe.rdrop_alpha > 0 else None,
        rdrop_on=recipe.rdrop_on,
        fgm_epsilon=recipe.fgm_epsilon,
        fgm_space=recipe.fgm_space,
        fgm_lambda=recipe.fgm_lambda,
        learning_rates=recipe.learning_rates,
        states=None
        if root is None
        else FeatureCache(
            root,
            {"train": lambda: training, "validation": lambda: task.windows(validation)},
            arguments.per_device_eval_batch_size,
        ),
        publisher=publisher_from(arguments),
        save_beside=task.spec.save_beside and (lambda folder: task.spec.save_beside(task, folder)),
        check_checkpoint=lambda checkpoint: check_checkpoint(task, checkpoint),
        rebuild=lambda settings: build_trainer(load_recipe(None, settings, [(recipe.name, recipe.flat())])),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.task, trainer.recipe = task, recipe
    return trainer


def _losses_of(task: Task):
    """The losses of validation windows, for `ValidationLoss`."""
    losses = task.spec.losses
    return window_losses if losses is None else lambda *arguments: losses(task, *arguments)


def without_unused(recipe: Recipe) -> Recipe:
    """The recipe without values that flags leave without effect; the first process prints which these are.

    Raises: ValueError as `kospan.tasks.unused_settings.settled`.
    """
    found = settled(recipe, task_spec(recipe.task))
    if found.dropped and int(os.environ.get("RANK", 0)) == 0:
        print(found.notice, flush=True)
    return found.recipe


def collate_documents(items: list[dict]) -> dict:
    """A batch of evaluation: documents as they are, and a tensor that says which they are."""
    return {
        "documents": [item["document"] for item in items],
        "index": torch.tensor([item["index"] for item in items]),
    }


def run(recipe: Recipe) -> dict[str, float]:
    """Trains as the recipe says, leaves everything in its output folder, and gives the metrics.

    Raises: FileExistsError where the output folder holds something and neither resume nor overwrite is set.
    """
    return train(*prepare(recipe))


def prepare(recipe: Recipe) -> tuple[KospanTrainer, str | None]:
    """All that can be wrong with a recipe shows here: the trainer, and the checkpoint to go on from, if any."""
    checkpoint = prepare_output(recipe)
    recipe, task, arguments = _built(recipe)
    if checkpoint is not None:
        check_checkpoint(task, checkpoint)
    trainer = _assembled(recipe, task, arguments)
    create_optimizer(trainer)
    check_schedule(trainer, trainer.planned_steps()[1])
    if checkpoint is not None:
        print("".join(line + "\n" for line in check_state(trainer, checkpoint)), end="")
    Trackers(trainer).begin()
    if recipe.overwrite_output_dir and checkpoint is None and trainer.is_world_process_zero():
        for old in Path(recipe.output_dir).glob("checkpoint-*"):
            shutil.rmtree(old)
    return trainer, checkpoint


def train(trainer: KospanTrainer, checkpoint: str | None) -> dict[str, float]:
    """Prints what is known before the first step, trains, saves and scores."""
    task, recipe = trainer.task, trainer.recipe
    if trainer.is_world_process_zero():
        longest = max(len(feature["input_ids"]) for feature in trainer.train_dataset)
        print("\n".join(opening_lines(trainer, task.documents, task.windowed, longest)), flush=True)
        repository = trainer.hub_model_id if trainer.args.push_to_hub else None
        notes = dot_notes(Path(trainer.args.output_dir), repository)
        remarks = [*task.corpus.remarks(), *task.spec.remarks(task), *notes]
        print("".join(line + "\n" for line in remarks), end="", flush=True)
    trackers = Trackers(trainer)
    if checkpoint is not None and is_over(trainer, checkpoint, recipe.early_stopping_patience):
        load_last(trainer, checkpoint)
    else:
        with trackers.held_open():
            trainer.train(resume_from_checkpoint=checkpoint)
    return finish(trainer, trackers)


def prepare_output(recipe: Recipe) -> str | None:
    """The checkpoint to go on from, if any; the first process refuses a folder that holds something else."""
    folder = Path(recipe.output_dir)
    check_output(folder, folder=True)
    if recipe.resume_from_checkpoint:
        checkpoint, skipped = last_whole_checkpoint(folder)
        for line in skipped:
            print(f"not whole, skipped: {line}")
        return checkpoint
    if (
        int(os.environ.get("RANK", 0)) == 0
        and not recipe.overwrite_output_dir
        and folder.is_dir()
        and any(folder.iterdir())
    ):
        raise FileExistsError(
            f"expected an empty output_dir, found files in {folder}; pass --resume_from_checkpoint to go on from its "
            "last checkpoint, --overwrite_output_dir to replace it, or another --output_dir"
        )
    return None


def finish(trainer: KospanTrainer, trackers: Trackers | None = None) -> dict[str, float]:
    """Saves the model, loads it back in float32, and writes what that very model finds and scores."""
    folder = Path(trainer.args.output_dir)
    metrics: dict[str, float] = {}
    if trainer.is_world_process_zero():
        with written_whole(folder) as temporary:
            trainer.task.save(trainer.accelerator.unwrap_model(trainer.model), temporary)
            save_recipe(trainer.recipe, temporary / "recipe.yaml")
            written = {path.name for path in temporary.iterdir()}
        # Parts of an older model would make another kind of this one.
        for old in (path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.name not in written):
            old.unlink()
        metrics = write_predictions(trainer, folder)
        if trainer.recipe.calibration_split:
            metrics = fit_confidence(trainer, folder)
        write_card(folder)
        if trackers is not None:
            trackers.end(metrics)
    trainer.accelerator.wait_for_everyone()
    trainer.finish_pushes()
    return metrics


def fit_confidence(trainer: KospanTrainer, folder: Path) -> dict[str, float]:
    """Calibrates the saved model on the recipe's calibration split; gives the metrics, new ones among them."""
    examples, validation = (trainer.task.examples(split) for split in ("calibration", "validation"))
    try:
        report = calibrate(folder, examples, validation)
    except ValueError as error:  # The model is whole without it, and the training shall not be lost.
        print(f"not calibrated      {error}")
    else:
        spans = report["spans"]["posterior"]
        before, after = (spans[when]["metrics"]["ece"] for when in ("before", "after"))
        print(f"calibrated          temperature {report['temperature']:g}; ECE of spans {before:.4f} -> {after:.4f}")
    return json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))


def write_predictions(trainer: KospanTrainer, folder: Path) -> dict[str, float]:
    """`predictions.jsonl` and `eval_results.json` from the saved folder, and the closing table."""
    task = trainer.task
    model = task.load(folder).to(trainer.args.device).eval()
    examples = task.examples("validation")
    with Stopwatch(trainer.args.device) as watch:
        found = task.predict(examples, model=model)
    # Scores in float32, as evaluation gathers them.
    predicted = from_rows(to_rows(found, task.labels).tolist(), task.labels)
    scores = task.metrics(examples, predicted)
    metrics = {f"eval_{name}": value for name, value in scores.items()}
    lines = [
        json.dumps(record(example, spans=spans), ensure_ascii=False) for example, spans in zip(examples, predicted)
    ]
    write_whole(folder / "predictions.jsonl", "".join(line + "\n" for line in lines))
    write_whole(folder / "eval_results.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    found = task.spec.baseline(task, examples)
    title = f"{trainer.recipe.name}: {trainer.recipe.dataset}, validation, {len(examples):,} documents"
    print_report(title, examples, predicted, scores, task.metrics(examples, found), task.spec.baseline_name(task))
    leave_record(trainer, model, predicted, found, watch.seconds)
    return metrics
