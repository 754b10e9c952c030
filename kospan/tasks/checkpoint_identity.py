"""Comparison of a checkpoint to resume from with the model of data and recipe."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from kospan.task import Task
from kospan.tasks.encoders import load_tokenizer
from kospan.training.adapter_checkpoint import check_adapters, restore
from kospan.training.lora import is_adapted

# Settings of a config that say nothing about the weights: names of files and classes, types, and options of use.
_NOT_THE_MODEL = (
    *("transformers_version", "architectures", "auto_map", "custom_pipelines", "dtype", "torch_dtype", "name_or_path"),
    *("use_cache", "label2id", "calibration_temperature", "threshold", "trim_particles", "gradient_checkpointing"),
    "operating_points",
    *("output_attentions", "output_hidden_states", "return_dict", "problem_type", "attn_implementation"),
)
_IN_WORDS = {"id2label": "labels", "prompt": "the prompt", "prompt.labels": "labels"}
# Number of texts to compare the tokenizers with.
_TEXTS = 200


def check_checkpoint(task: Task, checkpoint: str | Path) -> None:
    """Compare the model of a task with a checkpoint, before weights are loaded.

    Args:
        task: The task, built from data and recipe.
        checkpoint: The folder to resume from.

    Raises:
        ValueError: The weights of the checkpoint belong to another model; the message names the differences.
        FileNotFoundError: A file of the checkpoint is missing.
    """
    check_adapters(task.model, checkpoint)
    found = list(
        _settings_apart(
            task.spec.identity(task, None), task.spec.identity(task, Path(checkpoint)), task.spec.adjustable
        )
    )
    words = list(_vocabulary_apart(task.tokenizer, load_tokenizer(str(checkpoint)), task.examples("train")))
    if words:
        # The vocabulary size follows from it.
        found = words + [each for each in found if not each[0].endswith("vocab_size")]
    if found:
        found.sort(key=lambda each: each[0] != "labels")
        parts = [f"{name} ({saved} in the checkpoint, {own} now)" for name, saved, own in found[:3]]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise ValueError(
            f"expected the data and settings that the checkpoint {checkpoint} was trained with, got other "
            f"{'; '.join(parts)}{more}; resume with the data and the recipe of that training, or start again with "
            "--overwrite_output_dir"
        )
    if is_adapted(task.model):
        restore(task.model, checkpoint)
    elif getattr(task.model, "_encoder_is_frozen", False):
        _check_frozen(task.model, Path(checkpoint))


def _settings_apart(own: Mapping, saved: Mapping, adjustable: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, saved value and own value of each setting that differs and gives weights another meaning."""
    own, saved = (dict(_flat(json.loads(json.dumps(each, default=str)))) for each in (own, saved))
    for key in sorted(own.keys() | saved.keys()):
        if own.get(key) != saved.get(key) and not _is_free(key, adjustable):
            name = _IN_WORDS.get(key, key.removeprefix("prompt.").replace("encoder_config.", "the encoder's "))
            yield name, _short(saved.get(key)), _short(own.get(key))


def _flat(settings: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Flatten nested settings to `outer.inner`; labels, and mappings other than configs, stay together."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and key in ("encoder_config", "text_config", "prompt", "model"):
            yield from _flat(value, "" if key == "model" else f"{prefix}{key}.")
        elif key == "id2label":
            yield key, [value[at] for at in sorted(value, key=int)]
        else:
            yield prefix + key, value


def _is_free(key: str, adjustable: Sequence[str]) -> bool:
    """Whether a setting may change without giving weights another meaning."""
    last = key.rpartition(".")[2]
    if last in _NOT_THE_MODEL or last in adjustable or last.startswith("_"):
        return True
    # Labels of an encoder's config are not used, and special tokens are compared with the tokenizers.
    is_inner = key.startswith(("encoder_config.", "text_config."))
    return last.endswith(("dropout", "dropout_prob", "_token_id", "_drop")) or (is_inner and last == "id2label")


def _short(value) -> str:
    """Shorten a value to one line."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _vocabulary_apart(own, saved, examples: Sequence) -> Iterator[tuple[str, str, str]]:
    """Yield the differences of two tokenizers: entries, special tokens, or subwords of a text."""
    entries, others = (sorted(each.get_vocab().items(), key=lambda item: item[1]) for each in (own, saved))
    if len(entries) != len(others):
        yield "vocabulary", f"{len(others):,} entries", f"{len(entries):,}"
        return
    for (entry, at), (other, place) in zip(entries, others):
        if (entry, at) != (other, place):
            yield "vocabulary", f"entry {place} is {other!r}", repr(entry)
            return
    if own.special_tokens_map != saved.special_tokens_map:
        yield "special tokens", str(saved.special_tokens_map), str(own.special_tokens_map)
    for example in examples[:_TEXTS]:
        if own(example.text)["input_ids"] != saved(example.text)["input_ids"]:
            yield (
                "tokenizer",
                f"{example.text[:20]!r} becomes {_short(saved.tokenize(example.text[:20]))}",
                _short(own.tokenize(example.text[:20])),
            )
            return


def _check_frozen(model, checkpoint: Path) -> None:
    """Compare the frozen encoder of a checkpoint with the recipe's.

    Raises:
        ValueError: It is another one.
    """
    saved: dict[str, torch.Tensor] = {}
    for path in sorted(checkpoint.glob("model*.safetensors")):
        saved |= load_file(path)
    for name, value in model.encoder.state_dict().items():
        other = saved.get(f"encoder.{name}")
        if other is not None and not torch.equal(other.to(value.dtype), value.cpu()):
            raise ValueError(
                f"expected the frozen encoder that the checkpoint {checkpoint} was trained on, got one with "
                f"another {name}; set the recipe's encoder (and its seed for encoder: scratch) to that of that training"
            )
