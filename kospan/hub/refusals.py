"""What a release must hold and what must never go out; each check names the file and what to do."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from kospan.modeling.base_models import ADAPTER
from kospan.modeling.configuration_generative_ner import NAME

# Opening one of these runs code of whoever wrote it.
PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"}
# The Trainer's own settings as a pickle: never sent, and no reason to refuse the folder.
HARMLESS = {"training_args.bin"}
TRAVELLERS_NEED = {"torch", "transformers", "numpy", "safetensors"}
# These hold a vocabulary, in which anything may look like a path.
VOCABULARIES = {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"}
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_PATH = re.compile(r"(/[^/\s]+){2,}/?|~[/\\].*|[A-Za-z]:[\\/].*|\\\\\w.*|file://.*", re.DOTALL)
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_TOKEN = re.compile(rb"\bhf_[A-Za-z0-9]{30,}")
_RELATIVE = re.compile(r"^\s*(?:from\s+(\.\S*)\s+import|import\s+(\.\S+))", re.MULTILINE)


def absolute(text: str) -> bool:
    """Whether a string is a path of some machine.

    >>> [absolute(text) for text in ("/home/kim/x.tsv", "C:\\\\data", "~/x", "data/x.tsv", "/", "kim/model", "</s>")]
    [True, True, True, False, False, False, False]
    """
    if _PATH.fullmatch(text):
        return True
    return text.startswith("/") and "\n" not in text and len(text) > 1 and Path(text).exists()


def check_no_links(folder: Path) -> None:
    """Raises: ValueError where the folder holds a symbolic link: what it points to is not part of the run."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            raise ValueError(
                f"expected files and folders in {folder}, got the symbolic link {path.name}; replace it by a copy "
                "(`hf download NAME --local-dir FOLDER` writes plain files)"
            )


def check_no_pickles(folder: Path) -> None:
    """Raises: ValueError where weights lie there in a form that runs code when it is opened."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in PICKLES and path.name not in HARMLESS:
            raise ValueError(
                f"expected weights as safetensors alone in {folder}, got {path.name}, which can run code when it is "
                "opened; take it out of the folder (model.safetensors holds the weights)"
            )


def check_weights(folder: Path) -> None:
    """Raises: FileNotFoundError where weights are missing, ValueError where a file of them is cut short."""
    from safetensors import SafetensorError, safe_open

    index, needed = folder / "model.safetensors.index.json", {"model.safetensors"}
    if (folder / ADAPTER).is_file():
        needed = {"adapter_model.safetensors"}
    elif index.is_file():
        needed = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
    for name in sorted(needed):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"expected the weights {name} in {folder}, found none; save the model again with save_pretrained"
            )
        try:
            with safe_open(str(folder / name), framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"expected whole weights in {folder / name}, got: {error}; save the model again"
            ) from error


def check_base(folder: Path) -> None:
    """Raises: ValueError where an adapter's base model is not one that others can fetch."""
    if not (folder / ADAPTER).is_file():
        return
    base = json.loads((folder / ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not isinstance(base, str) or not _HUB_NAME.fullmatch(base) or Path(base).exists():
        raise ValueError(
            f"expected the base model's name on the Hub in {folder / ADAPTER}, got {base!r}, which others do not "
            "have; write its name there, or publish the merged model: kospan convert merge ADAPTER OUT"
        )


def check_tokenizer(folder: Path) -> None:
    """Raises: FileNotFoundError where the tokenizer is missing, or a part of it."""
    if not (folder / "tokenizer_config.json").is_file() or not any(
        next(folder.glob(pattern), None) for pattern in TOKENIZER_FILES
    ):
        raise FileNotFoundError(
            f"expected a tokenizer (tokenizer_config.json and tokenizer.json or a vocabulary) in {folder}, found "
            "none; set model.tokenizer and save the model again"
        )


def check_configs(folder: Path) -> None:
    """Raises: ValueError where a JSON or YAML file asks for trust of other code, or names a path of this machine."""
    import yaml

    for path in sorted([*folder.glob("*.json"), *folder.glob("*.yaml")]):
        if path.name in VOCABULARIES:
            continue
        text = path.read_text(encoding="utf-8")
        try:
            value = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except ValueError as error:
            raise ValueError(f"expected JSON in {path.name}, got: {error}; save it again") from error
        for place, key, each in _entries(value):
            if key == "trust_remote_code":
                raise ValueError(
                    f"expected no trust_remote_code in {path.name}, got it at {place}: a config that trusts code for "
                    "its reader is no choice of theirs; take the key out"
                )
            if isinstance(each, str) and absolute(each):
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
    """Raises: ValueError where a file holds an access token; it is not shown."""
    hidden = [secret.encode() for secret in secrets if secret]
    for path in sorted(folder.iterdir()):
        if path.suffix == ".safetensors" or not path.is_file():
            continue
        data = path.read_bytes()
        if any(secret in data for secret in hidden) or (path.name not in VOCABULARIES and _TOKEN.search(data)):
            raise ValueError(
                f"expected no access token in files that go out, found one in {path.name}; take it out, and revoke "
                "it if anybody else could read the file"
            )


def travelling_code(folder: Path, config: dict) -> set[str]:
    """The Python files that a folder needs beside its weights, found as transformers finds them, and handler.py.

    Raises: ValueError where the config names no code of its own or the code leans on more than travels;
        FileNotFoundError where a file of it is missing.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if (folder / NAME).is_file():
        # A stock language model, whose config names no code of ours: this file says what opens it.
        return _reached(folder, "modeling_generative_ner", set(), NAME) | _handler(folder)
    named = config.get("auto_map")
    named = named if isinstance(named, dict) else {}
    if not {"AutoConfig", "AutoModel"} <= set(named) or not any(key.startswith("AutoModelFor") for key in named):
        raise ValueError(
            f"expected auto_map in {folder / 'config.json'} to name AutoConfig, AutoModel and one AutoModelFor... "
            f"class, got {', '.join(sorted(named)) or 'none'}; save the model again with kospan"
        )
    if config.get("model_type") in CONFIG_MAPPING_NAMES:
        raise ValueError(
            f"expected a model_type of its own in {folder / 'config.json'}, got {config['model_type']!r}, which "
            "transformers knows: without trust it would load that model and drop the head in silence; save the "
            "model again with kospan"
        )
    references = [each for value in named.values() for each in (value if isinstance(value, list) else [value]) if each]
    references += [each["impl"] for each in (config.get("custom_pipelines") or {}).values()]
    found: set[str] = set()
    for reference in references:
        if "--" in reference:
            raise ValueError(
                f"expected the code of {reference.partition('--')[2]} beside the weights, got a reference to another "
                f"repository ({reference}); load that model and save it again with kospan"
            )
        found |= _reached(folder, reference.partition(".")[0], found, "config.json")
    return found | _handler(folder)


def _handler(folder: Path) -> set[str]:
    if not (folder / "handler.py").is_file():
        return set()
    relative = _RELATIVE.search((folder / "handler.py").read_text(encoding="utf-8"))
    if relative:
        raise ValueError(
            "expected a handler.py that stands alone, as an Inference Endpoint loads it, got the line "
            f"{relative[0].strip()!r}; load the model through AutoModel there"
        )
    return {"handler.py"}


def _reached(folder: Path, module: str, known: set[str], by: str) -> set[str]:
    """A module's file and all that it imports from its folder."""
    from transformers.dynamic_module_utils import get_imports

    path = folder / f"{module}.py"
    if path.name in known:
        return known
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the code {path.name} in {folder}, which {by} needs, found none; save the model again with kospan"
        )
    needs = set(get_imports(path)) - TRAVELLERS_NEED - set(sys.stdlib_module_names)
    if needs:
        raise ValueError(
            f"expected code that needs torch, transformers and numpy alone, got {path.name}, which imports "
            f"{', '.join(sorted(needs))}; whoever loads the model may not have it"
        )
    known = known | {path.name}
    # transformers looks for these lines with a pattern too, so one inside a docstring counts.
    for match in _RELATIVE.finditer(path.read_text(encoding="utf-8")):
        name = (match[1] or match[2])[1:]
        if not name.isidentifier():
            raise ValueError(
                f"expected relative imports of the form `from .name import x` in {path.name}, got "
                f"{match[0].strip()!r}: the Hub would not bring its file along; write it in that form"
            )
        known = _reached(folder, name, known, path.name)
    return known
