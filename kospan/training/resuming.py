"""Resuming from a checkpoint: its state beside the weights, and checks of the settings against it."""

import json
from pathlib import Path

import torch
from torch.utils.data import BatchSampler
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import TrainerState
from transformers.trainer_pt_utils import LengthGroupedSampler

from kospan.training.saving import broken_part

# Settings of an optimizer's groups that a checkpoint restores whatever the recipe says, with their names in a recipe.
_RESTORED = {
    "initial_lr": "learning_rate",
    "weight_decay": "weight_decay",
    "betas": "adam_beta1 and adam_beta2",
    "eps": "adam_epsilon",
}


class BestCheckpoint(TrainerCallback):
    """Finds the best checkpoint of a resumed training in a moved folder, where the Trainer loses it."""

    def on_train_begin(self, args, state, control, **kwargs):
        """Set the folder of the best step, if there was one."""
        if state.best_global_step:
            written = state.best_model_checkpoint or f"checkpoint-{state.best_global_step}"
            state.best_model_checkpoint = best_checkpoint(args.output_dir, written)


class EpochOrder(TrainerCallback):
    """Order of the training texts in each epoch, drawn from seed and epoch alone, so that a resumed epoch has it too.

    transformers draws the order of texts of similar length from torch's global generator, and accelerate sets the epoch
    of a random order only where batches are not both shared between processes and skipped.
    """

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        """Seed the sampler below the batch samplers."""
        epoch, sampler = int(state.epoch or 0), train_dataloader.batch_sampler
        while isinstance(sampler, BatchSampler):
            sampler = sampler.batch_sampler if hasattr(sampler, "batch_sampler") else sampler.sampler
        if isinstance(sampler, LengthGroupedSampler):
            seed = args.seed if args.data_seed is None else args.data_seed
            sampler.generator = torch.Generator().manual_seed(seed + epoch)
        elif hasattr(sampler, "set_epoch"):
            sampler.set_epoch(epoch)


class EarlyStopping(EarlyStoppingCallback):
    """transformers' early stopping with a counter that a resumed training continues."""

    def on_train_begin(self, args, state, control, **kwargs):
        """Take the counter from the checkpoint's state, if there is one."""
        super().on_train_begin(args, state, control, **kwargs)
        saved = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.early_stopping_patience_counter = _counter(saved)


def _counter(saved: dict) -> int:
    return int(saved.get("attributes", {}).get("early_stopping_patience_counter", 0))


def saved_state(checkpoint: str | Path) -> dict:
    """Content of a checkpoint's `trainer_state.json`."""
    return json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))


def is_over(trainer, checkpoint: str | Path, patience: int) -> bool:
    """Whether training was finished at a checkpoint; the Trainer itself would take one more step.

    Args:
        trainer: The trainer, with the present settings: more epochs or more patience continue the training.
        checkpoint: The checkpoint to resume from.
        patience: Evaluations without a better score before training stops; 0 never stops it.
    """
    state = saved_state(checkpoint)
    stopped = _counter(state.get("stateful_callbacks", {}).get(EarlyStopping.__name__, {}))
    if patience and stopped >= patience:
        return True
    return state["global_step"] >= trainer.planned_steps()[1]


def load_last(trainer, checkpoint: str | Path) -> None:
    """Load the state and weights of a training that was finished at a checkpoint."""
    trainer.state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))
    trainer.state.best_model_checkpoint = best_checkpoint(trainer.args.output_dir, trainer.state.best_model_checkpoint)
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint:
        trainer._load_best_model()
    else:
        trainer._load_from_checkpoint(str(checkpoint))


def best_checkpoint(output_dir: str | Path, written: str | None) -> str | None:
    """Path of the best checkpoint of a run; None if none was saved or it is missing.

    Args:
        output_dir: The run's folder, which may have been moved or copied: a checkpoint inside it is preferred.
        written: Path of the checkpoint when the state was written.
    """
    if not written:
        return None
    moved = Path(output_dir) / Path(written).name
    return next((str(each) for each in (moved, Path(written)) if each.is_dir()), None)


def check_state(trainer, checkpoint: str | Path) -> list[str]:
    """Check a trainer's settings against the state of a checkpoint.

    Args:
        trainer: The trainer, with its optimizer.
        checkpoint: The checkpoint to resume from.

    Returns: Lines about legitimate differences that change the course of the training.

    Raises: ValueError where the best score belongs to another metric, or the optimizer's state to another optimizer;
        FileNotFoundError where the best checkpoint is missing.
    """
    state = saved_state(checkpoint)
    _check_best(trainer.args, state, checkpoint)
    _check_optimizer(trainer.optimizer, checkpoint)
    per_epoch, _ = trainer.planned_steps()
    before = round(state["global_step"] / state["epoch"]) if state.get("epoch") else per_epoch
    if before == per_epoch:
        return []
    return [
        f"steps per epoch     {per_epoch:,}, {before:,} in the checkpoint: the number of texts, the batch or the "
        "processes differ, and epochs are counted again"
    ]


def _check_best(args, state: dict, checkpoint: str | Path) -> None:
    best = state.get("best_metric")
    if best is None or args.metric_for_best_model is None:
        return
    key = f"eval_{args.metric_for_best_model.removeprefix('eval_')}"
    values = [entry[key] for entry in state["log_history"] if key in entry and entry.get("step")]
    values = [value for value in values if value == value]
    if not values or best != (max if args.greater_is_better else min)(values):
        raise ValueError(
            f"expected the metric that chose the best score {best:g} of the checkpoint {checkpoint}, got "
            f"metric_for_best_model: {args.metric_for_best_model} with greater_is_better: "
            f"{str(args.greater_is_better).lower()}; resume with the metric of that training"
        )
    written = state.get("best_model_checkpoint")
    if not args.load_best_model_at_end or not written:
        return
    found = best_checkpoint(args.output_dir, written)
    reason = "there is no such folder" if found is None else broken_part(found)
    if reason:
        name = found or Path(args.output_dir) / Path(written).name
        raise FileNotFoundError(
            f"expected the checkpoint of the best score at {name}, which {checkpoint} names, got none that is complete "
            f"({reason}); copy it there, or pass --load_best_model_at_end false to keep the last weights"
        )


def _check_optimizer(optimizer, checkpoint: str | Path) -> None:
    """Raises: ValueError naming the setting where the saved state belongs to another optimizer or other groups."""
    path = Path(checkpoint) / "optimizer.pt"
    if not path.is_file():  # That of FSDP2 has no groups.
        return
    saved = torch.load(path, map_location="meta", weights_only=True)["param_groups"]
    own = optimizer.state_dict()["param_groups"]
    fix = "resume with the settings of that training, or start again with --overwrite_output_dir"
    sizes, wanted = ([len(group["params"]) for group in groups] for groups in (saved, own))
    if sizes != wanted:
        raise ValueError(
            f"expected the optimizer of {checkpoint}, whose groups hold {_listed(sizes)} parameters, got groups of "
            f"{_listed(wanted)}: learning_rates, weight_decay, freeze_encoder or the adapters differ; {fix}"
        )
    for group, other in zip(saved, own):
        # A schedule adds the learning rate that it starts from.
        if group.keys() - {"initial_lr"} != other.keys() - {"initial_lr"}:
            raise ValueError(
                f"expected the optimizer of {checkpoint}, whose settings are {', '.join(sorted(group))}, got one "
                f"with {', '.join(sorted(other))}: optim differs; {fix}"
            )
        for key, name in _RESTORED.items():
            value = other.get("lr" if key == "initial_lr" else key)
            if key in group and value is not None and _plain(group[key]) != _plain(value):
                raise ValueError(
                    f"expected {name} of {_plain(group[key])} as in the checkpoint {checkpoint}, whose optimizer "
                    f"restores it, got {_plain(value)}; {fix}"
                )


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))


def _plain(value):
    """A number as float, several as a tuple."""
    return tuple(map(float, value)) if isinstance(value, (list, tuple)) else float(value)
