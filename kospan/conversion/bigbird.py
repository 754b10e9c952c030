"""Conversion of a BERT-class encoder to a stock `big_bird` checkpoint of up to `max_length` positions."""

import json
from dataclasses import asdict
from pathlib import Path

import torch
import transformers
from transformers import AutoTokenizer, BigBirdConfig, BigBirdForMaskedLM, BigBirdModel

from kospan.conversion.checkpoint import WEIGHTS, SourceCheckpoint, as_tensor, digest, read_source, write_tensors
from kospan.conversion.checks import check_fits, check_shapes, check_tokenizer, check_whole
from kospan.conversion.segments import segment_rows, write_tokenizer
from kospan.conversion.settings import Settings
from kospan.conversion.taper import stretched
from kospan.conversion.weight_names import (
    BIGBIRD_PREFIX,
    FAMILIES,
    HEAD_NAMES,
    OPTIONAL,
    POSITIONS,
    SEGMENTS,
    detect_spelling,
    name_pairs,
)

INFO_FILE, LEFTOVERS_FILE = "conversion.json", "conversion.safetensors"
# Settings with the same meaning in BigBird; those that a source lacks keep BigBird's default.
_CARRIED = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "initializer_range"),
    *("layer_norm_eps", "pad_token_id", "bos_token_id", "eos_token_id", "tie_word_embeddings"),
)
# Prefixes of the names in conversion.safetensors.
TENSOR, ROWS, FILE = "tensor:", "rows:", "file:"


def convert_to_bigbird(
    name_or_path: str, folder: Path, settings: Settings | None = None, name: str | None = None
) -> dict:
    """Write a BigBird with a source's parameters: weights, config, tokenizer, and the data to restore the source.

    Every parameter is kept. The names change by the table of `weight_names.py`; the position table is stretched by
    TAPER, the segment table gets a second row; tensors without a place in BigBird are stored in
    `conversion.safetensors`, with config and tokenizer of the source byte for byte. A source without a pooler gets one
    that passes the first state on (the unit matrix), since stock BigBird has one.

    Args:
        name_or_path: The source: a folder, or a name on the Hub.
        folder: An empty folder.
        settings: Settings of the conversion (default: `Settings()`).
        name: Name of the source in `conversion.json` (default: `name_or_path`, of a folder its last part).

    Returns:
        The contents of `conversion.json`.

    Raises:
        FileNotFoundError: If the source lacks a part.
        ValueError: If it does not fit into a BigBird.
    """
    settings = settings or Settings()
    source = read_source(name_or_path, name)
    config, source_length = check_fits(name_or_path, source, settings.max_length)
    kind, way = FAMILIES[config.model_type], settings.segments
    head, why_not = _takes_head(source, config)
    names = detect_spelling(config.model_type, list(source.tensors))
    table = dict(name_pairs(config.model_type, config.num_hidden_layers, names, head))
    kept, renamed = {}, {}
    for old, tensor in source.tensors.items():
        if old in table:
            renamed[table[old]] = tensor
        else:
            kept[TENSOR + old] = tensor

    prefix = BIGBIRD_PREFIX if head else ""
    check_whole(source.name, table, renamed)
    first = renamed[prefix + POSITIONS].shape[0] - source_length
    kept[ROWS + POSITIONS], positions = renamed[prefix + POSITIONS].split([first, source_length])
    renamed[prefix + POSITIONS] = stretched(positions, settings.positions, settings.schedule, settings.tau)

    rows = renamed[prefix + SEGMENTS]
    way = way or ("own" if rows.shape[0] > 1 else "copied")
    if way == "own" and rows.shape[0] < 2:
        raise ValueError(
            f"expected a source with a second segment row for segments 'own', got one row in {source.name}; choose "
            "copied, noised or absent"
        )
    kept[ROWS + SEGMENTS] = rows
    renamed[prefix + SEGMENTS] = segment_rows(rows, way, settings.segment_noise, settings.seed)
    added = _fill(renamed, prefix, head, config.hidden_size)

    tokenizer = AutoTokenizer.from_pretrained(name_or_path, use_fast=True, trust_remote_code=False)
    check_tokenizer(tokenizer, source.name, config.vocab_size)
    written = _bigbird_config(config, settings, source_length, renamed, prefix, head, tokenizer.sep_token_id)
    check_shapes(source.name, BigBirdForMaskedLM if head else BigBirdModel, written, renamed)
    written.save_pretrained(folder)
    write_tokenizer(tokenizer, folder, settings.positions, way != "absent")
    write_tensors(folder / WEIGHTS, renamed, {"format": "pt"})
    kept |= {FILE + each: as_tensor(content) for each, content in source.files.items()}
    write_tensors(folder / LEFTOVERS_FILE, kept, {"format": "pt"})
    info = {
        "source": source.name,
        "model_type": config.model_type,
        "source_length": source_length,
        "repetitions": -(-settings.positions // source_length),
        **asdict(settings),
        "max_length": settings.positions,
        "segments": way,
        "head": head,
        "head_left_out": why_not,
        "names": names._asdict(),
        "shifted": first if kind.shifted else 0,
        "added": added,
        "left_over": sorted(key.partition(":")[2] for key in kept if key.startswith(TENSOR)),
        "parameters": sum(tensor.numel() for tensor in renamed.values()),
        "metadata": source.metadata,
        "sha256": digest(source.tensors),
        "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
        "source_config": source.settings,
    }
    (folder / INFO_FILE).write_text(json.dumps(info, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return info


def _takes_head(source: SourceCheckpoint, config) -> tuple[bool, str | None]:
    """Return whether the masked-language-model head can be converted, and if not, why (None: there is no head)."""
    kind = FAMILIES[config.model_type]
    # Every head has the transform and the bias; the decoder's matrix may be tied to the words.
    needed = [_spelled(name, source) for name in kind.head[:5]]
    if not all(name in source.tensors for name in needed):
        return False, None
    if kind.head_activation and config.hidden_act != kind.head_activation:
        return False, (
            f"its head computes {kind.head_activation} and its layers {config.hidden_act}, and BigBird has one "
            "activation for both"
        )
    return True, None


def _spelled(name: str, source: SourceCheckpoint) -> str:
    return name if name in source.tensors else name.replace(".weight", ".gamma").replace(".bias", ".beta")


def _fill(renamed: dict[str, torch.Tensor], prefix: str, head: bool, hidden: int) -> list[str]:
    """Add the weights that a stock BigBird has and the source lacks; return their names."""
    like = renamed[prefix + POSITIONS].dtype
    wanted = {}
    if prefix + "pooler.weight" not in renamed:
        wanted[prefix + "pooler.weight"] = torch.eye(hidden, dtype=like)
        wanted[prefix + "pooler.bias"] = torch.zeros(hidden, dtype=like)
    weight, bias = OPTIONAL
    if head and weight in renamed and bias not in renamed:
        # A separate decoder matrix has a separate bias, which ELECTRA stores once.
        wanted[bias] = renamed[HEAD_NAMES[4]].clone()
    renamed |= wanted
    return sorted(wanted)


def _bigbird_config(
    config, settings: Settings, source_length: int, renamed: dict, prefix: str, head: bool, separator: int | None
) -> BigBirdConfig:
    carried = {name: getattr(config, name) for name in _CARRIED if hasattr(config, name)}
    built = BigBirdConfig(
        **carried,
        sep_token_id=separator,
        max_position_embeddings=settings.positions,
        type_vocab_size=renamed[prefix + SEGMENTS].shape[0],
        attention_type="block_sparse",
        block_size=settings.block_size,
        num_random_blocks=settings.random_blocks,
        use_bias=True,
        rescale_embeddings=False,
        architectures=["BigBirdForMaskedLM" if head else "BigBirdModel"],
        # Up to this length attention is full, as in the source.
        source_length=source_length,
    )
    built.dtype = renamed[prefix + POSITIONS].dtype
    return built
