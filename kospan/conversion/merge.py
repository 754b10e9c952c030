"""The command `kospan convert merge`: an adapter and its base become a stock causal LM that needs no peft."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from kospan.conversion.checkpoint import check_new_folder, new_folder
from kospan.conversion.parity import SENTENCES
from kospan.files import read_json_object
from kospan.modeling.base_models import ADAPTER, load_adapted
from kospan.modeling.code_files import follow_umask, make_tokenizer_portable
from kospan.modeling.configuration_generative_ner import NAME, find_file, read_generative_config
from kospan.modeling.modeling_generative_ner import KospanGenerativeNER

# Adapters of LoRA add to weights; others of peft's add positions or layers and cannot be merged.
MERGEABLE = "LORA"
TOLERANCE = 1e-4
# Files of a run that are copied, so that a merged model can be published like a trained one. The adapter's predictions
# are not copied: a release is checked against predictions of the published model.
RUN_FILES = ("recipe.yaml", "training_record.json", "eval_results.json")
RESULTS, PREDICTIONS = "eval_results.json", "predictions.jsonl"
# The metric that marks the others as the adapter's.
DIFFERENCE = "eval_merged_difference"
# Fix of a broken file, for errors.
AGAIN = "take the file from the adapter again"
# Positions of each sentence in the comparison.
PROBED = 64


def merge(
    adapter: str,
    out: str | Path,
    *,
    base: str | None = None,
    texts: Sequence[str] = SENTENCES,
    overwrite: bool = False,
) -> list[str]:
    """Merge an adapter into its base model in float32, load the result, and compare the two.

    Args:
        adapter: Folder or Hub name of the adapter.
        out: The folder to make, with the model, its tokenizer and, if the adapter has them, `kospan.json`, recipe and
            metrics, with the change of the logits by merging.
        base: The base model's folder or name, if not the one in the adapter.
        texts: Texts for the comparison.
        overwrite: Whether a model in `out` may be replaced.

    Returns:
        Lines for the screen.

    Raises:
        FileExistsError: If `out` holds something.
        FileNotFoundError: If there is no adapter or no base.
        ImportError: Without peft.
        ValueError: If the adapter does not fit the base, or the two differ by more than 1e-4 in a logit. Nothing is
            written then.
    """
    check_new_folder(out, overwrite, adapter)
    settings = _adapter_settings(adapter)
    held = _adapter_weights(adapter)
    config = read_generative_config(adapter) if find_file(adapter, NAME) else None
    disable_progress_bar()
    base = base or settings.get("base_model_name_or_path")
    check_new_folder(out, overwrite, str(base))
    model = load_adapted(adapter, base, config or SimpleNamespace(base=None), {}, {"dtype": torch.float32}).eval()
    _check_whole(model, held, adapter, base)
    tokenizer = _tokenizer(adapter, base)
    rows = [tokenizer(text)["input_ids"][:PROBED] for text in texts]
    limit = model.get_input_embeddings().weight.shape[0]
    rows = [[subword for subword in row if subword < limit] for row in rows]
    expected = logits(model, rows)
    size = sum(value.numel() for name, value in model.named_parameters() if ".lora_" in name)
    with new_folder(out) as folder:
        model = model.merge_and_unload(safe_merge=True)
        if config is not None:
            KospanGenerativeNER(model, tokenizer, dataclasses.replace(config, base=None)).save_pretrained(folder)
        else:
            model.save_pretrained(folder)
            follow_umask(folder)
            tokenizer.save_pretrained(folder)
            make_tokenizer_portable(folder / "tokenizer_config.json")
        for name in RUN_FILES:
            if os.path.isfile(os.path.join(adapter, name)):
                shutil.copyfile(os.path.join(adapter, name), folder / name)
        del model
        merged = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        difference = check_same(expected, logits(merged, rows))
        if (folder / RESULTS).is_file():
            metrics = read_json_object(folder / RESULTS, AGAIN, os.path.join(adapter, RESULTS)) | {
                DIFFERENCE: difference
            }
            (folder / RESULTS).write_text(json.dumps(metrics, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        total = sum(value.numel() for value in merged.parameters())
    return [
        f"adapter             {adapter}: rank {settings.get('r')}, {size:,} parameters",
        f"base                {base}",
        f"logits              {sum(map(len, rows)):,} positions: at most {difference:.2e} apart (allowed: "
        f"{TOLERANCE:g})",
        f"model               {out}: {total:,} parameters, float32",
        *_prediction_note(adapter, out),
    ]


def _prediction_note(adapter: str, out: str | Path) -> list[str]:
    """Advice on the predictions of the merged model, if the adapter has predictions of its own."""
    predictions = os.path.join(adapter, PREDICTIONS)
    if not os.path.isfile(predictions):
        return []
    return [
        f"{PREDICTIONS}   is the adapter's and was not copied; for a release write the merged model's own: kospan "
        f"predict {out} {predictions} --output {os.path.join(out, PREDICTIONS)}"
    ]


@torch.no_grad()
def logits(model, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Scores of the next subword at each position of each row `(length, vocabulary)`, float32."""
    return [model(input_ids=torch.tensor([row])).logits[0].float() for row in rows if row]


def check_same(expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between two models' logits.

    Raises:
        ValueError: If it is more than 1e-4 or not a number.
    """
    # As tensors, since Python's max ignores NaN.
    difference = float(torch.stack([(one - other).abs().max() for one, other in zip(expected, found)]).max())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"expected merged weights that give the adapter's logits to {TOLERANCE:g}, got a difference of "
            f"{difference:.2e}; train with a lower learning rate, or publish the adapter itself"
        )
    return difference


def _adapter_settings(adapter: str) -> dict:
    path = find_file(adapter, ADAPTER)
    if path is None:
        whole = find_file(adapter, "config.json") is not None
        advice = (
            "it holds a whole model, which needs no merging"
            if whole
            else "name the output folder of a training with task: generative-ner and lora_rank, or a name on the Hub"
        )
        raise FileNotFoundError(f"expected an adapter of peft in {adapter}, found no {ADAPTER} there; {advice}")
    settings = read_json_object(path, AGAIN)
    kind = settings.get("peft_type")
    if kind != MERGEABLE:
        raise ValueError(
            f"expected an adapter of LoRA in {adapter}, got peft_type {kind}, which adds no weights that could be "
            "merged; use it with peft"
        )
    return settings


def _adapter_weights(adapter: str) -> dict[str, torch.Tensor]:
    try:
        from peft.utils import load_peft_weights
    except ImportError as error:
        raise ImportError(
            'expected peft for merging an adapter, found none; `pip install -c constraints.txt -e ".[llm]"` in the '
            "folder of kospan brings it"
        ) from error
    try:
        return load_peft_weights(adapter, device="cpu")
    except Exception as error:  # Each format has its own error for missing or truncated files.
        raise ValueError(
            f"expected whole weights of an adapter in {adapter}, got none that can be read "
            f"({' '.join(str(error).split())[:200]}); copy or fetch it again"
        ) from error


def _check_whole(model, held: dict, adapter: str, base: str) -> None:
    """Check that adapter and base have exactly the same layers, which peft itself does not do.

    Raises:
        ValueError: If the layers differ.
    """
    from peft import get_peft_model_state_dict

    odd = sorted(held.keys() ^ get_peft_model_state_dict(model).keys())
    if odd:
        where = "the adapter alone has" if odd[0] in held else "the adapter lacks"
        raise ValueError(
            f"expected the base model that the adapter in {adapter} was trained on, got {base}: {where} {odd[0]}, "
            f"one of {len(odd)} weights that differ; pass --base with the right one"
        )


def _tokenizer(adapter: str, base: str):
    for place in (adapter, base):
        try:
            return AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        except (OSError, ValueError):
            continue
    raise FileNotFoundError(
        f"expected a tokenizer in {adapter} or {base}, found none; save it beside the adapter with "
        "tokenizer.save_pretrained(folder)"
    )
