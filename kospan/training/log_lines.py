"""Log lines of a run: one per logging step and evaluation, and the lines before the first step."""

import os

import torch
from transformers import TrainerCallback

from kospan.modeling.sparse_attention import SparseBigBird
from kospan.modeling.sparse_layers import full_limit
from kospan.training.learning_rates import LearningRateGroup
from kospan.training.lora import adapter_lines
from kospan.training.loss_parts import part_names

_BYTES = 2**30


class LogLineCallback(TrainerCallback):
    """Prints one line per log entry in place of the Trainer's dictionaries, on the first process only."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Step, epoch, and the metrics worth a line."""
        if not state.is_world_process_zero or not logs or "train_runtime" in logs:
            return
        loss = {"loss": _SHOWN["loss"]} if "loss" in logs else {}
        # Followed by the parts of the loss.
        words = {**loss, **{name: name.replace("_", " ") for name in part_names([logs])}}
        words |= {name: _SHOWN[name] for name in logs if name in _SHOWN}
        if words:
            parts = [f"{word} {logs[name]:.6g}" for name, word in words.items()]
            print(
                f"step {state.global_step}/{state.max_steps}  epoch {state.epoch or 0:.2f}  " + "  ".join(parts),
                flush=True,
            )


_SHOWN = {
    "loss": "loss",
    "divergence": "divergence",
    "fgm_ratio": "||r||/||e||",
    "fgm_skipped": "zero perturbations",
    "learning_rate": "rate",
    "learning_rate_head": "head rate",
    "grad_norm": "gradient",
    "eval_loss": "validation loss",
}
_METRICS = ("precision", "recall", "f1", "flat_f1", "klue_entity_f1", "klue_char_f1", "exact_match", "rouge_w")
_METRICS += ("bits_per_character",)
_SHOWN |= {f"eval_{name}": name.replace("_", " ") for name in _METRICS}


def precision_in_use(trainer) -> str:
    """The precision of the training: fp16 on a CPU is float32."""
    accelerator = trainer.accelerator
    if not accelerator.native_amp:
        asked = accelerator.mixed_precision
        return "float32" if asked in ("no", None) else f"float32 ({asked} is not available on this device)"
    return f"{accelerator.mixed_precision} autocast" + (" with loss scaling" if accelerator.scaler is not None else "")


def memory_estimate(model: torch.nn.Module, rows: int, length: int) -> float:
    """Rough peak memory of a training step in GiB: weights, gradients, AdamW's two states, and activations.

    Block-sparse attention stores no scores: the backward pass computes them again.

    Args:
        model: The model.
        rows: Rows of a batch (R-Drop doubles them).
        length: Positions per row.
    """
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    # A stock causal LM is its own encoder; a multimodal one has a config of its text model.
    encoder = getattr(model.config, "encoder_config", None) or model.config.get_text_config()
    layers, hidden = getattr(encoder, "num_hidden_layers", 1), encoder.hidden_size
    heads = getattr(encoder, "num_attention_heads", 1)
    sparse = encoder.model_type == SparseBigBird.config_class.model_type and length > full_limit(encoder)
    # About 16 vectors of the hidden width per position and layer, and two score matrices per head.
    activations = rows * length * layers * (16 * hidden + (0 if sparse else 2 * heads * length))
    return (4 * total + 12 * trained + 4 * activations) / _BYTES


def opening_lines(trainer, documents: int, windowed: int, longest: int) -> list[str]:
    """Lines printed before the first step: device, precision, parameters, steps, memory, adapters, learning rates."""
    args, model = trainer.args, trainer.model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in model.parameters())
    batch = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    per_epoch, steps = trainer.planned_steps()
    rows = args.train_batch_size * (2 if trainer.rdrop_alpha > 0 else 1)
    lines = [
        f"device              {args.device}",
        f"precision           {precision_in_use(trainer)}",
        processes_line(args.world_size),
        f"parameters          {trained:,} trained of {total:,}",
        f"steps               {steps:,} ({per_epoch:,} per epoch; batch {batch} windows)",
        f"windowed texts      {windowed:,} of {documents:,} ({windowed / max(1, documents):.1%})",
        f"memory estimate     {memory_estimate(model, rows, longest):.2f} GiB (weights, gradients, optimizer, "
        "activations)",
    ]
    return lines + adapter_lines(model) + rate_lines(trainer.rate_groups)


def processes_line(count: int) -> str:
    """Number of processes; a note where `accelerate launch` was given more than it starts on a CPU.

    Its simple launcher sets an address to meet at for several processes, but starts one, which has no rank.
    """
    line = f"processes           {count}"
    ranks = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")
    launched = {"MASTER_ADDR", "ACCELERATE_MIXED_PRECISION"} <= os.environ.keys()
    if count > 1 or not launched or any(name in os.environ for name in ranks):
        return line
    return (
        f"{line}; accelerate launch --cpu starts one process whatever --num_processes says: start several with "
        "`torchrun --nproc_per_node N train.py ...`"
    )


def rate_lines(groups: list[LearningRateGroup]) -> list[str]:
    """Learning rate, weight decay and number of parameters of each group."""
    return [
        f"rate {group.name:<15}{group.rate:g}, decay {group.decay:g}, {group.size:,} parameters" for group in groups
    ]
