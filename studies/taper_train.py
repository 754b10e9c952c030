"""Masked-LM training for the study of long positions, with transformers' Trainer; the head reads masked places only."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import (
    DataCollatorForLanguageModeling,
    RobertaConfig,
    RobertaForMaskedLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

MASKED = 0.15
HEAD, OFFSETS, SHARPNESS = 32, (-1, 1, -2, 2), 1.5


def losses_at_masks(
    encoder: nn.Module, head: nn.Module, input_ids: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of a model at each masked place; the head, which costs as much as a small encoder, reads no other.

    Args:
        encoder: Gives `last_hidden_state`.
        head: States `(places, hidden)` to scores `(places, vocabulary)`.
        input_ids: `(batch, length)`, no padding.
        labels: The subwords that stood at masked places, -100 elsewhere `(batch, length)`.

    Returns: losses in nats `(places,)`, float32, and the `(row, position)` of each `(places, 2)`.
    """
    masked = labels.ne(-100)
    states = encoder(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state
    losses = nn.functional.cross_entropy(head(states[masked]).float(), labels[masked], reduction="none")
    return losses, masked.nonzero()


def parts(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Encoder and head of a masked language model of RoBERTa's or BigBird's kind."""
    return model.base_model, model.lm_head if hasattr(model, "lm_head") else model.cls


class MaskedTrainer(Trainer):
    """The Trainer, its loss computed at masked places alone."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The mean over the masked places of the batch."""
        losses, _ = losses_at_masks(*parts(model), inputs["input_ids"], inputs["labels"])
        return (losses.mean(), {}) if return_outputs else losses.mean()


class Evaluates(TrainerCallback):
    """Callback that calls a function before the first step and at an interval, and keeps its results.

    Args:
        every: Steps from one call to the next.
        measure: Takes the model in evaluation mode.
        path: Where `{step: result}` is kept as JSON, written anew each time.
    """

    def __init__(self, every: int, measure: Callable[[nn.Module], object], path: Path):
        self.every, self.measure, self.path = every, measure, path
        self.found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        """Measure at the start."""
        if state.global_step == 0:
            self._measure(0, model)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        """Measure at the interval."""
        if state.global_step % self.every == 0:
            self._measure(state.global_step, model)

    def _measure(self, step: int, model: nn.Module) -> None:
        was = model.training
        with torch.no_grad():
            self.found[str(step)] = self.measure(model.eval())
        model.train(was)
        write_json(self.path, self.found)


def write_json(path: Path, content) -> None:
    """Write a JSON file under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    half.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    half.replace(path)


def train(
    model: nn.Module,
    tokenizer,
    rows: Sequence[list[int]],
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
    **settings,
) -> list[dict]:
    """Trains on stretches of one length, from the last checkpoint in `folder` where there is one.

    Args:
        model: A masked language model.
        tokenizer: For its mask.
        rows: Stretches of subwords.
        folder: Where checkpoints go.
        callbacks: Of the Trainer.
        **settings: TrainingArguments' own.

    Returns: what was logged.
    """
    arguments = TrainingArguments(
        output_dir=str(folder),
        lr_scheduler_type="linear",
        adam_beta2=0.98,
        weight_decay=0.01,
        max_grad_norm=1.0,
        save_total_limit=1,
        remove_unused_columns=False,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    trainer = MaskedTrainer(
        model=model,
        args=arguments,
        train_dataset=[{"input_ids": row} for row in rows],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED),
        callbacks=list(callbacks),
    )
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    return trainer.state.log_history


def small_roberta(vocabulary: int, length: int, hidden: int, layers: int, seed: int) -> RobertaForMaskedLM:
    """A RoBERTa of the usual shape, heads of 32, no dropout: it sees a subword too seldom to learn it by heart.

    Weights begin with the usual spread for that width (0.02 at 768). A training as short as this one does not find out
    by itself where subwords stand, so positions begin as waves and the first layer's heads as ones that look one and
    two places to either side; both are learned on like all else.
    """
    torch.manual_seed(seed)
    spread = 0.02 * (768 / hidden) ** 0.5
    model = RobertaForMaskedLM(
        RobertaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // HEAD,
            intermediate_size=4 * hidden,
            max_position_embeddings=length + 2,
            type_vocab_size=1,
            initializer_range=spread,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )
    with torch.no_grad():
        rates = wave_rates(hidden)
        model.roberta.embeddings.position_embeddings.weight[2:] = waves(length, rates) * 2 * spread
        attention = model.roberta.encoder.layer[0].attention
        query, key = looking_aside(rates, [OFFSETS[at % len(OFFSETS)] for at in range(hidden // HEAD)])
        attention.self.query.weight.copy_(query * SHARPNESS)
        attention.self.key.weight.copy_(key * SHARPNESS)
        for linear in (attention.self.value, attention.output.dense):
            linear.weight.normal_(0, hidden**-0.5)
    return model


def wave_rates(hidden: int) -> torch.Tensor:
    """Radians from one position to the next, 2 down to about 0.01 `(hidden / 2,)`."""
    return 2 * 200.0 ** -(torch.arange(0, hidden, 2) / hidden)


def waves(length: int, rates: torch.Tensor) -> torch.Tensor:
    """All sines, then all cosines, root mean square 1 `(length, 2 * rates)`."""
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1) * 2**0.5


def looking_aside(rates: torch.Tensor, offsets: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key weights of heads that look so many places aside, each `(heads * 32, 2 * rates)`.

    A query is its position's waves turned by the offset, a key those of its own position, both for the 16 fastest.

    Args:
        rates: Of the waves, the fastest first.
        offsets: One per head; -1 looks at the subword before.
    """
    many, waves_of_head = len(rates), HEAD // 2
    at = torch.arange(waves_of_head)
    query, key = (torch.zeros(len(offsets), HEAD, 2 * many) for _ in range(2))
    for head, offset in enumerate(offsets):
        turn = rates[:waves_of_head] * offset
        query[head, at, at], query[head, at, many + at] = turn.cos(), turn.sin()
        query[head, waves_of_head + at, at], query[head, waves_of_head + at, many + at] = -turn.sin(), turn.cos()
        key[head, at, at] = key[head, waves_of_head + at, many + at] = 1.0
    return query.flatten(0, 1), key.flatten(0, 1)
