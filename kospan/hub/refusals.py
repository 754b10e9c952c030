"""Checks of a release; each error names the file and the fix."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from safetensors import SafetensorError, safe_open
from transformers.dynamic_module_utils import get_imports
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from kospan.files import parse_json, read_json_object
from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME
from kospan.training.run_folder import is_local_path

# Opening such a file runs code of its author.
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"}
# The Trainer's settings as a pickle: never published, and no reason to refuse the folder.
HARMLESS = {"training_args.bin"}
ALLOWED_IMPORTS = {"torch", "transformers", "numpy", "safetensors", *sys.stdlib_module_names}
# Files with a vocabulary, in which any string may look like a path.
VOCABULARIES = {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"}
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{30,}")
_RELATIVE = re.compile(r"^\s*(?:from\s+(\.\S*)\s+import|import\s+(\.\S+))", re.MULTILINE)


def check_files(folder: Path, checkpoint: bool = False) -> None:
    """Check the folder for symbolic links, and, unless it is a checkpoint, for pickles.

    Raises:
        ValueError: If it holds one.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            raise ValueError(
                f"expected files and folders in {folder}, got the symbolic link {path.name}; replace it by a copy"
            )
        pickled = path.is_file() and path.suffix.lower() in PICKLES and path.name not in HARMLESS
        if pickled and not checkpoint:
            raise ValueError(
                f"expected safetensors alone in {folder}, got {path.name}, which can run code when opened; remove it"
            )


def check_weights(folder: Path) -> None:
    """Check that all weights are there and whole.

    Raises:
        FileNotFoundError: If a file of them is missing.
        ValueError: If a file of them is truncated, or their index cannot be read.
    """
    index, names = folder / "model.safetensors.index.json", ["model.safetensors"]
    if (folder / ADAPTER).is_file():
        names = ["adapter_model.safetensors"]
    elif index.is_file():
        shards = read_json_object(index, "save the model again").get("weight_map")
        if not isinstance(shards, dict) or not shards:
            raise ValueError(f"expected the weight_map of the weights in {index}, got none; save the model again")
        names = sorted(set(map(str, shards.values())))
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"expected the weights {name} in {folder}, found none; save the model again")
        try:
            with safe_open(str(folder / name), framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            message = f"expected whole weights in {folder / name}, got: {error}; save the model again"
            raise ValueError(message) from error


def check_base(folder: Path) -> None:
    """Check that an adapter's base model is on the Hub.

    Raises:
        ValueError: If its name is a local one, or the adapter's config cannot be read.
    """
    if not (folder / ADAPTER).is_file():
        return
    base = read_json_object(folder / ADAPTER, "save the adapter again").get("base_model_name_or_path")
    if not isinstance(base, str) or not _HUB_NAME.fullmatch(base) or Path(base).exists():
        raise ValueError(
            f"expected the base model's name on the Hub in {folder / ADAPTER}, got {base!r}; write its name there, or "
            "publish the merged model: kospan convert merge ADAPTER OUT"
        )


def check_tokenizer(folder: Path) -> None:
    """Check that the tokenizer is there.

    Raises:
        FileNotFoundError: If it or a part of it is missing.
    """
    vocabularies = [path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)]
    if not (folder / "tokenizer_config.json").is_file() or not vocabularies:
        raise FileNotFoundError(
            f"expected a tokenizer (config and vocabulary) in {folder}, found none; set model.tokenizer and save again"
        )


def check_configs(folder: Path) -> None:
    """Check JSON and YAML files for `trust_remote_code` and for local paths.

    Raises:
        ValueError: If one holds either.
    """
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.yaml")]):
        if path.name in VOCABULARIES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            value = parse_json(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"expected JSON or YAML in {path.name}, got: {reason}; save it again") from error
        for place, key, each in _entries(value):
            if key == "trust_remote_code":
                raise ValueError(
                    f"expected no trust_remote_code in {path.name}, got it at {place}: that is up to users; remove it"
                )
            if isinstance(each, str) and is_local_path(each):
                raise ValueError(
                    f"expected no path of this machine in {path.name}, got {each!r} at {place}; write a bare name there"
                )


def _entries(value, place: str = "") -> Iterator[tuple[str, str, object]]:
    """Place, key and value of everything inside a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        inner = f"{place}.{key}" if place else str(key)
        yield inner, str(key), each
        yield from _entries(each, inner)


def check_no_secrets(folder: Path, secrets: tuple[str, ...] = ()) -> None:
    """Check all files for access tokens.

    Raises:
        ValueError: If one holds a token, which is not shown.
    """
    hidden = [secret.encode() for secret in secrets if secret]
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors" or not path.is_file():
            continue
        data = path.read_bytes()
        if any(secret in data for secret in hidden) or (path.name not in VOCABULARIES and _TOKEN.search(data)):
            raise ValueError(
                f"expected no access token in published files, found one in {path.name}; remove it and revoke it"
            )


def code_files(folder: Path, config: dict) -> set[str]:
    """The Python files that are needed to load a folder, found as transformers finds them, and handler.py.

    Raises:
        ValueError: If the config names no code of its own, or the code imports more than is published.
        FileNotFoundError: If a file is missing.
    """
    found: set[str] = set()
    if (folder / "handler.py").is_file():
        found.add("handler.py")
        relative = _RELATIVE.search((folder / "handler.py").read_text(encoding="utf-8"))
        if relative:
            raise ValueError(
                f"expected a handler.py without relative imports, got {relative[0].strip()!r}; use AutoModel there"
            )
    if (folder / NAME).is_file():
        # A stock language model, whose config names no code of ours.
        return _with_imports(folder, "modeling_generative_ner", found, NAME)
    for reference in _references(folder, config):
        if "--" in reference:
            raise ValueError(
                f"expected code beside the weights, got a reference to another repository ({reference}); load that "
                "model and save it again with kospan"
            )
        found = _with_imports(folder, reference.partition(".")[0], found, "config.json")
    return found


def _references(folder: Path, config: dict) -> list[str]:
    """The classes that a config names for the Auto classes and pipelines."""
    auto_map = config.get("auto_map")
    auto_map = auto_map if isinstance(auto_map, dict) else {}
    if not {"AutoConfig", "AutoModel"} <= set(auto_map) or not any(key.startswith("AutoModelFor") for key in auto_map):
        raise ValueError(
            "expected auto_map in config.json to name AutoConfig, AutoModel and one AutoModelFor... class, got "
            f"{', '.join(sorted(auto_map)) or 'none'}; save the model again with kospan"
        )
    if config.get("model_type") in CONFIG_MAPPING_NAMES:
        raise ValueError(
            f"expected a model_type of its own in {folder / 'config.json'}, got {config['model_type']!r}, which "
            "transformers would load without the head; save the model again with kospan"
        )
    pipelines = [each["impl"] for each in (config.get("custom_pipelines") or {}).values()]
    values = [each for value in auto_map.values() for each in (value if isinstance(value, list) else [value])]
    return [each for each in values if each] + pipelines


def _with_imports(folder: Path, module: str, known: set[str], importer: str) -> set[str]:
    """The known files with a module's file and all that it imports from its folder."""
    path = folder / f"{module}.py"
    if path.name in known:
        return known
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the code {path.name} in {folder}, which {importer} needs, found none; save the model again"
        )
    needs = set(get_imports(path)) - ALLOWED_IMPORTS
    if needs:
        raise ValueError(
            f"expected code that imports torch, transformers and numpy alone, got {path.name}, which imports "
            f"{', '.join(sorted(needs))}; remove the import"
        )
    known = known | {path.name}
    # transformers searches for these lines with a pattern too, so one inside a docstring counts.
    for match in _RELATIVE.finditer(path.read_text(encoding="utf-8")):
        name = (match[1] or match[2])[1:]
        if not name.isidentifier():
            raise ValueError(
                f"expected `from .name import x` in {path.name}, got {match[0].strip()!r}, whose file is not copied; "
                "write it in that form"
            )
        known = _with_imports(folder, name, known, path.name)
    return known
