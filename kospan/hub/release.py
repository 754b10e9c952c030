"""A release: the files of a run's folder that are published, chosen by name, checked, and copied."""

import os
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from kospan.hub import refusals
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.character_ngrams import NGRAM_FILE
from kospan.modeling.code_files import make_tokenizer_portable
from kospan.modeling.configuration_generative_ner import NAME
from kospan.training.run_folder import publish_recipe, read_config

# Nothing else is published. Code is found by following the config's auto_map.
PUBLISHED = (
    *("config.json", "generation_config.json", NAME, ADAPTER, "recipe.yaml", "requirements.txt"),
    *("adapter_model.safetensors", "model*.safetensors", "model.safetensors.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt"),
    *("vocab.json", "merges.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "chat_template.jinja"),
    *(NGRAM_FILE, "eval_results.json", "training_record.json", "calibration.json", "calibration_sample.json"),
)


class Release(NamedTuple):
    """Files of a folder by whether they are published.

    Args:
        files: Names of the published files, sorted.
        left_out: Names in the folder that are not published, sorted; a folder's name ends with a slash.
    """

    files: list[str]
    left_out: list[str]


def prepare(
    folder: str | os.PathLike, target: str | os.PathLike, *, predictions=False, checkpoint=False, secrets=()
) -> Release:
    """Check a run's folder and copy its published files; nothing is sent.

    The recipe gets bare names in place of local paths and loses the settings of the push and secrets; a tokenizer class
    of transformers 5 gets the name that version 4 knows too.

    Args:
        folder: A run's folder, or one of its checkpoints.
        target: An empty folder.
        predictions: Also publish predictions.jsonl, which holds the validation texts: their licence may forbid it.
        checkpoint: `folder` is a checkpoint: its training state is left out, and it needs no predictions.
        secrets: Strings that no published file may hold.

    Raises:
        FileNotFoundError: If a file is missing that a release needs.
        ValueError: If a file must not be published.
    """
    folder, target = Path(folder), Path(target)
    config = read_config(folder)
    refusals.check_files(folder, checkpoint)
    if not checkpoint and not (folder / "predictions.jsonl").is_file():
        raise FileNotFoundError(
            f"expected predictions.jsonl in {folder} to check the release with, found none; a run writes it, and so "
            "does `kospan predict FOLDER TEXTS --output FOLDER/predictions.jsonl`"
        )
    refusals.check_weights(folder)
    refusals.check_tokenizer(folder)
    refusals.check_base(folder)
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in visible]
    chosen = {name for name in names if any(fnmatch(name, pattern) for pattern in PUBLISHED)}
    if predictions and not checkpoint:
        chosen.add("predictions.jsonl")
    chosen |= refusals.code_files(folder, config)
    target.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        shutil.copyfile(folder / name, target / name)
    if "recipe.yaml" in chosen:
        publish_recipe(target / "recipe.yaml")
    make_tokenizer_portable(target / "tokenizer_config.json")
    refusals.check_configs(target)
    refusals.check_no_secrets(target, secrets)
    return Release(sorted(chosen), sorted(set(names) - chosen))
