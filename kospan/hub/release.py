"""A release: what goes out of the folder that a run has left. Its files are chosen by name, checked, and copied."""

import json
import os
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import yaml

from kospan.hub.refusals import (
    absolute,
    check_base,
    check_configs,
    check_no_links,
    check_no_pickles,
    check_no_secrets,
    check_tokenizer,
    check_weights,
    travelling_code,
)
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.code_files import name_portable_class
from kospan.modeling.configuration_generative_ner import NAME

# Only what is named here goes out. Code is not: it is found by following the config's auto_map.
GOES_OUT = (
    "config.json",
    "generation_config.json",
    NAME,
    ADAPTER,
    "adapter_model.safetensors",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "chat_template.jinja",
    "requirements.txt",
    "eval_results.json",
    "training_record.json",
    "calibration.json",
)
# Where a run pushes to, and with which token, is nobody else's business, and not part of how the model was made.
HUB_KEYS = re.compile(r"hub_|push_to_hub")


class Release(NamedTuple):
    """
    Args:
        files: Names of the files that go out, sorted.
        left_out: Names in the folder that stay at home, sorted; a folder's name ends with a slash.
    """

    files: list[str]
    left_out: list[str]


def prepare(
    folder: str | os.PathLike,
    target: str | os.PathLike,
    *,
    predictions: bool = False,
    checkpoint: bool = False,
    secrets: tuple[str, ...] = (),
) -> Release:
    """Copies what goes out of `folder` to `target`, having refused what should never be public.

    The recipe goes out with the bare names of its files and without what concerns the Hub; a tokenizer class that only
    transformers 5 knows gets the name that version 4 knows too.

    Args:
        folder: What a run has left, or one of its checkpoints.
        target: An empty folder.
        predictions: Also take predictions.jsonl, which holds the validation texts: their licence may forbid it.
        checkpoint: `folder` is a checkpoint: the state of the training in it is left out, and predictions are not asked
            for.
        secrets: What must not stand in any file.

    Raises: FileNotFoundError where something is missing that a release needs; ValueError where something in the folder
        must not go out. Nothing has been sent anywhere then.
    """
    folder, target = Path(folder), Path(target)
    config = read_config(folder)
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".") and not path.is_dir()]
    check_no_links(folder)
    if not checkpoint:
        check_no_pickles(folder)
        if not (folder / "predictions.jsonl").is_file():
            raise FileNotFoundError(
                f"expected predictions.jsonl in {folder}, against which the release is checked, found none; a run "
                "leaves it, and `kospan predict FOLDER TEXTS --output FOLDER/predictions.jsonl` writes it"
            )
    check_weights(folder)
    check_tokenizer(folder)
    check_base(folder)
    chosen = {name for name in names if any(fnmatch(name, pattern) for pattern in GOES_OUT)}
    if "recipe.yaml" in names:
        chosen.add("recipe.yaml")
    if predictions and not checkpoint:
        chosen.add("predictions.jsonl")
    chosen |= travelling_code(folder, config)
    target.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        shutil.copyfile(folder / name, target / name)
    if "recipe.yaml" in chosen:
        publish_recipe(target / "recipe.yaml")
    name_portable_class(target / "tokenizer_config.json")
    check_configs(target)
    check_no_secrets(target, secrets)
    folders = [f"{path.name}/" for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return Release(sorted(chosen), sorted({*names, *folders} - chosen))


def read_config(folder: str | os.PathLike) -> dict:
    """`config.json` of a folder; of a writer `kospan.json`, with what its language model is as `encoder_config`.

    Raises: FileNotFoundError where there is no folder or no config in it; ValueError where it is no JSON object.
    """
    folder = Path(folder)
    if not (folder / NAME).is_file():
        return _object(folder / "config.json")
    config = _object(folder / NAME)
    own = _object(folder / "config.json") if (folder / "config.json").is_file() else None
    return config | {"encoder_config": own or config.get("base") or {}}


def _object(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"expected a model that a run has left in {path.parent}, found no {path.name} there")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}; save the model again") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: expected a JSON object, got a {type(config).__name__}; save the model again")
    return config


def publish_recipe(path: str | os.PathLike) -> None:
    """Rewrites a recipe as others may see it: paths of this machine as bare names, nothing about the Hub.

    Raises: ValueError where it is no mapping.
    """
    path = Path(path)
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"expected `key: value` lines in {path.name}, got something else; copy the run's recipe there")
    settings = {key: _bare(value) for key, value in settings.items() if not HUB_KEYS.match(str(key))}
    path.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _bare(value):
    """A value whose paths of this machine have become bare names."""
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, str) and (absolute(value) or ".." in re.split(r"[/\\]", value)):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value
