"""Segments of two texts: the rows of the segment table, and a tokenizer that tells the texts apart."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer

# "own" is the source's second row, if it has one.
SEGMENTS = ("own", "copied", "noised", "absent")
NOISE = 0.02
# Tokenizer settings that both versions of transformers need; all others are in tokenizer.json.
_SETTINGS = (
    *("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"),
    *("additional_special_tokens", "clean_up_tokenization_spaces", "padding_side", "truncation_side"),
)


def segment_rows(table: torch.Tensor, way: str, noise: float = NOISE, seed: int = 0) -> torch.Tensor:
    """Return the segment table of the conversion.

    Args:
        table: The source's `(rows, hidden)`, any float type.
        way: "own" keeps the table; "copied" gives a second row equal to the first; "noised" adds noise to that copy, so
            that two texts differ from the start; "absent" keeps the first row alone, with which every subword counts as
            the first text's and the tokenizer gives no segments.
        noise: Standard deviation of the noise in those of the row's own values; used by "noised" alone.
        seed: Of the noise; no other random state is touched.

    Returns:
        `(2, hidden)`, `(1, hidden)` for "absent", `(rows, hidden)` for "own"; of the table's type.
    """
    if way == "own":
        return table.clone()
    first = table[:1]
    if way == "absent":
        return first.clone()
    second = first.clone()
    if way == "noised":
        drawn = torch.randn(first.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        second = (first.double() + drawn * noise * first.double().std(correction=0)).to(table.dtype)
    return torch.cat([first, second])


def write_tokenizer(tokenizer, folder: Path, max_length: int, segments: bool) -> None:
    """Write a fast tokenizer of the same subwords with the new length, for transformers 4.51 and 5.

    Args:
        tokenizer: The source's fast tokenizer.
        folder: Where `tokenizer.json` and `tokenizer_config.json` go.
        max_length: Number of subwords that the model reads, special ones included.
        segments: Whether it gives two texts the segments 0 and 1.
    """
    inside = json.loads(tokenizer.backend_tokenizer.to_str())
    # Truncation set for short inputs (128 in sentence encoders) would cut long ones.
    inside["truncation"] = inside["padding"] = None
    if segments:
        inside["post_processor"] = with_segments(inside["post_processor"])
    Tokenizer.from_str(json.dumps(inside)).save(str(folder / "tokenizer.json"))
    known = {**tokenizer.init_kwargs, **{name: str(value) for name, value in tokenizer.special_tokens_map.items()}}
    known["additional_special_tokens"] = [
        str(token) for token in getattr(tokenizer, "extra_special_tokens", None) or ()
    ]
    settings = {name: known[name] for name in _SETTINGS if known.get(name) not in (None, [])}
    inputs = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "model_input_names": inputs,
    }
    text = json.dumps(settings, ensure_ascii=False, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def with_segments(processor: dict | None) -> dict | None:
    """Return a post-processor with segment 1 for the second text and what follows it, and 0 for the rest.

    Args:
        processor: The `post_processor` of a `tokenizer.json`.

    Raises:
        ValueError: If it is of a kind that is not known to put two texts together.
    """
    kind = (processor or {}).get("type")
    if kind == "Sequence":
        inner = [with_segments(each) if each["type"] in _PAIRING else each for each in processor["processors"]]
        if any(each["type"] in _PAIRING for each in inner):
            return {**processor, "processors": inner}
    if kind == "TemplateProcessing":
        pair, seen = [], 0
        for part in processor["pair"]:
            ((name, value),) = part.items()
            seen = 1 if name == "Sequence" and value["id"] == "B" else seen
            pair.append({name: {**value, "type_id": seen}})
        return {**processor, "pair": pair}
    if kind == "BertProcessing":
        return _template(processor, doubled=False)
    if kind == "RobertaProcessing":
        # RoBERTa's post-processor also removes spaces from offsets, which is a separate step elsewhere.
        trim = {
            "type": "ByteLevel",
            "add_prefix_space": processor["add_prefix_space"],
            "trim_offsets": processor["trim_offsets"],
            "use_regex": True,
        }
        return {"type": "Sequence", "processors": [trim, _template(processor, doubled=True)]}
    raise ValueError(
        f"expected a tokenizer that puts two texts together with special tokens, got {kind or 'none that does'}; "
        "pass --segments absent"
    )


_PAIRING = ("Sequence", "TemplateProcessing", "BertProcessing", "RobertaProcessing")


def _template(processor: dict, doubled: bool) -> dict:
    """`[CLS] A [SEP] B [SEP]`, with two [SEP] in the middle if `doubled`."""

    def part(kind: str, name: str, segment: int) -> dict:
        return {kind: {"id": name, "type_id": segment}}

    (cls, cls_id), (sep, sep_id) = processor["cls"], processor["sep"]
    single = [part("SpecialToken", cls, 0), part("Sequence", "A", 0), part("SpecialToken", sep, 0)]
    second = [part("Sequence", "B", 1), part("SpecialToken", sep, 1)]
    special = {name: {"id": name, "ids": [at], "tokens": [name]} for name, at in ((cls, cls_id), (sep, sep_id))}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single + ([part("SpecialToken", sep, 0)] if doubled else []) + second,
        "special_tokens": special,
    }
