"""Checks of a conversion: equal results on short inputs, and stock classes that read long ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

# Rounding difference of two equivalent computations in float32, for states of usual size.
BOUND = 1e-5
# For encoders that know no Korean; the shipped sample has sentences for the others.
SENTENCES = (
    "The library in the old town opens at nine and closes when the last reader has left.",
    "Twenty-three people, most of them from Busan, signed the letter on 5 March 2021.",
    "It rains.",
    "Nobody had told the engineers that the bridge would carry trams as well as cars, so they counted again.",
)


class Parity(NamedTuple):
    """A comparison of two models on one input.

    Args:
        what: Description of the input.
        length: Positions of the longest input.
        states: Largest absolute difference of last hidden states.
        logits: That of the masked-language-model head's scores; None without a head.
        scale: Largest absolute value of the source's states.
        logit_scale: That of its scores; None without a head.
    """

    what: str
    length: int
    states: float
    logits: float | None
    scale: float
    logit_scale: float | None

    @property
    def holds(self) -> bool:
        """Whether nothing differs by more than `BOUND`, or by that share of the largest value where that is above 1."""
        return self.states <= BOUND * max(1.0, self.scale) and (
            self.logits is None or self.logits <= BOUND * max(1.0, self.logit_scale)
        )


def load_full_attention(folder: str | Path, head: bool):
    """Load a conversion with full attention, in float32 and evaluation mode.

    Raises:
        ValueError: If weights are missing from its folder or were not used.
    """
    auto = AutoModelForMaskedLM if head else AutoModel
    model, report = auto.from_pretrained(
        folder, attention_type="original_full", dtype=torch.float32, output_loading_info=True
    )
    if wrong := sorted([*report["missing_keys"], *report["unexpected_keys"]]):
        raise ValueError(
            f"expected a conversion with exactly BigBird's weights, got {len(wrong)} missing or unknown (first: "
            f"{wrong[0]}); convert again"
        )
    return model.eval()


@torch.no_grad()
def compare(name_or_path: str, folder: str | Path, info: dict, texts: Sequence[str]) -> list[Parity]:
    """Compare the outputs of the source and of its conversion.

    Args:
        name_or_path: The source's folder, or its name on the Hub.
        folder: The conversion's folder.
        info: Contents of its `conversion.json`.
        texts: Real sentences, in the source's language where there are any.

    Returns:
        One comparison for single texts, one for a padded batch, one for the texts joined up to the source's length, and
        for a source or a conversion that keeps its rows also one for two texts with segments.
    """
    head, source_length = info["head"], info["source_length"]
    auto = AutoModelForMaskedLM if head else AutoModel
    # BigBird computes attention step by step; with eager attention the source does too, so differences are the
    # conversion's.
    source = auto.from_pretrained(name_or_path, dtype=torch.float32, attn_implementation="eager").eval()
    converted = load_full_attention(folder, head)
    tokenizer, new = (AutoTokenizer.from_pretrained(each, use_fast=True) for each in (name_or_path, folder))
    cut = {"truncation": True, "max_length": source_length, "return_tensors": "pt"}
    _check_same_subwords(tokenizer, new, texts)

    batches = {
        "one text at a time": [new(text, **cut) for text in texts],
        f"{len(texts)} texts in a batch, padded": [new(list(texts), padding=True, **cut)],
        "texts joined to the source's length": [new(_long_enough(new, texts, source_length), **cut)],
    }
    own, copied = info["segments"] == "own", info["segments"] == "copied"
    if len(texts) > 1 and (own or copied):
        kind = "as the source has them" if own else "as the source knows none"
        batches[f"two texts, segments 0 and 1 {kind}"] = [new(texts[0], texts[1], **cut)]

    found = []
    for what, inputs in batches.items():
        rows = []
        for batch in inputs:
            ours = converted(**batch, output_hidden_states=True)
            # A source with one segment row gets no segments.
            theirs = source(
                **({**batch} if own else {key: value for key, value in batch.items() if key != "token_type_ids"}),
                output_hidden_states=True,
            )
            seen = batch["attention_mask"].bool()
            rows.append([_difference(ours, theirs, seen, "states"), _difference(ours, theirs, seen, "logits")])
        length = max(batch["input_ids"].shape[1] for batch in inputs)
        states, logits = (tuple(map(max, zip(*(row[at] for row in rows)))) for at in (0, 1))
        found.append(
            Parity(what, length, states[0], logits[0] if head else None, states[1], logits[1] if head else None)
        )
    return found


@torch.no_grad()
def check_full_length(folder: str | Path, info: dict, texts: Sequence[str]) -> list[int]:
    """Run the stock class on inputs as long as the conversion allows, with the configured attention.

    Args:
        folder: The conversion's folder.
        info: Contents of its `conversion.json`.
        texts: Sentences that are repeated up to these lengths.

    Returns:
        The lengths: that of the conversion, and the first one that is read sparsely.

    Raises:
        ValueError: If transformers fails at one of them, or computes values that are not finite.
    """
    auto = AutoModelForMaskedLM if info["head"] else AutoModel
    model = auto.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer, most = AutoTokenizer.from_pretrained(folder, use_fast=True), info["max_length"]
    full = (5 + 2 * info["random_blocks"]) * info["block_size"]
    # The longest first: after an input that is short enough for full attention, a stock model keeps to that.
    lengths = [most, full + 1] if most > full + 1 else [most]
    for length in lengths:
        text = _long_enough(tokenizer, texts, length)
        inputs = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        try:
            found = model(**inputs)[0]
            if found.shape[1] != length or not found.isfinite().all():
                raise RuntimeError(f"{tuple(found.shape)} values of which {(~found.isfinite()).sum()} are not finite")
        except (RuntimeError, IndexError, ValueError) as error:
            raise ValueError(
                f"expected stock transformers to read {length:,} positions with the conversion of {info['source']}, "
                f"got: {' '.join(str(error).split())[:200]}; choose another max_length or block_size"
            ) from error
    return lengths


def check(parities: Sequence[Parity], name: str) -> None:
    """Check that all comparisons hold.

    Raises:
        ValueError: If a comparison does not hold.
    """
    for parity in parities:
        if not parity.holds:
            raise ValueError(
                f"expected the conversion of {name} to read short inputs as its source does, got states "
                f"{parity.states:.2g} and scores {parity.logits or 0:.2g} apart for {parity.what}; the source "
                "computes something that its config does not declare"
            )


def _difference(ours, theirs, seen: torch.Tensor, what: str) -> tuple[float, float]:
    """Largest absolute difference and largest absolute value of the source, without padding."""
    if what == "states":
        mine, other = ours.hidden_states[-1][seen], theirs.hidden_states[-1][seen]
    elif "logits" in ours:
        mine, other = ours.logits[seen], theirs.logits[seen]
    else:
        return 0.0, 0.0
    return (mine - other).abs().max().item(), other.abs().max().item()


def _long_enough(tokenizer, texts: Sequence[str], length: int) -> str:
    """Join the texts, repeatedly if needed, to at least `length` subwords."""
    joined = " ".join(texts)
    subwords = max(1, len(tokenizer(joined, add_special_tokens=False, verbose=False)["input_ids"]))
    return " ".join([joined] * (length // subwords + 1))


def _check_same_subwords(old, new, texts: Sequence[str]) -> None:
    for text in texts:
        if old(text, verbose=False)["input_ids"] != new(text, verbose=False)["input_ids"]:
            raise ValueError(
                "expected the tokenizer of the conversion to cut as the source's, got other subwords for "
                f"{text[:40]!r}; save the source's tokenizer with this version of transformers first"
            )
