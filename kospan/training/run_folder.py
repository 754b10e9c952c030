"""Config and recipe of a run's folder, as its card and its release read them."""

import os
import re
from pathlib import Path

import yaml

from kospan.files import read_json_object
from kospan.modeling.configuration_generative_ner import NAME
from kospan.redaction import redacted_values

# Settings of the push, such as the token's name: they are not part of how the model was made.
HUB_KEYS = re.compile(r"hub_|push_to_hub")
_PATH = re.compile(r"(/[^/\s]+){2,}/?|~[/\\].*|[A-Za-z]:[\\/].*|\\\\\w.*|file://.*", re.DOTALL)


def read_config(folder: str | os.PathLike) -> dict:
    """`config.json` of a folder; of a generative model `kospan.json`, with its language model as `encoder_config`.

    Raises:
        FileNotFoundError: If there is no folder or no config in it.
        ValueError: If it is not a JSON object.
    """
    folder = Path(folder)
    if not (folder / NAME).is_file():
        return _read_object(folder / "config.json")
    config = _read_object(folder / NAME)
    own = _read_object(folder / "config.json") if (folder / "config.json").is_file() else None
    return config | {"encoder_config": own or config.get("base") or {}}


def _read_object(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"expected a model that a run has written in {path.parent}, found no {path.name} there")
    return read_json_object(path, "save the model again")


def publish_recipe(path: str | os.PathLike) -> None:
    """Rewrite a recipe for publication; see `public_recipe`."""
    text = yaml.safe_dump(public_recipe(path), allow_unicode=True, sort_keys=False)
    Path(path).write_text(text, encoding="utf-8")


def public_recipe(path: str | os.PathLike) -> dict:
    """Read a recipe as it may be published: bare names for local paths, no settings of the push, no secrets.

    Raises:
        ValueError: If it is not a mapping.
    """
    path = Path(path)
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"expected `key: value` lines in {path.name}, got something else; copy the run's recipe there")
    kept = {key: _with_bare_names(value) for key, value in settings.items() if not HUB_KEYS.match(str(key))}
    return redacted_values(kept, secrets=[str(settings.get("hub_token") or "")])


def _with_bare_names(value):
    """The value with bare names in place of local paths."""
    if isinstance(value, dict):
        return {key: _with_bare_names(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_bare_names(each) for each in value]
    if isinstance(value, str) and (is_local_path(value) or ".." in re.split(r"[/\\]", value)):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value


def is_local_path(text: str) -> bool:
    r"""Whether a string is an absolute path of some machine.

    >>> [is_local_path(text) for text in ("/home/kim/x.tsv", "C:\\data", "~/x", "data/x.tsv", "/", "kim/model", "</s>")]
    [True, True, True, False, False, False, False]
    """
    if _PATH.fullmatch(text):
        return True
    return text.startswith("/") and "\n" not in text and len(text) > 1 and Path(text).exists()
