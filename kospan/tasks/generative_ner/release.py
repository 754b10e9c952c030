"""Local copy of an adapter's release, for the clean-environment check."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kospan.modeling.base_models import ADAPTER

# Files that are needed to load a base model, besides weights as safetensors, or else as pickles. None is published.
FILES = ("*.json", "*.jinja", "*.model", "*.txt")
WEIGHTS, PICKLED = "*.safetensors", "pytorch_model*.bin"


@contextmanager
def local_copy(folder: Path, download: Callable[..., str]) -> Iterator[Path]:
    """A release that loads without a network: the folder, or, of an adapter, a copy that names a local base model.

    Args:
        folder: The release.
        download: `huggingface_hub.snapshot_download`, with the token of the push: the base model may be private.

    Raises:
        FileNotFoundError: If the base model is not available.
    """
    if not (folder / ADAPTER).is_file():
        yield folder
        return
    settings = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    base = settings["base_model_name_or_path"]
    try:
        place = download(base, allow_patterns=[*FILES, WEIGHTS])
        if not any(Path(place).glob(WEIGHTS)):
            place = download(base, allow_patterns=[*FILES, PICKLED])
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"expected the adapter's base model {base} in the cache or on the Hub, to check the release, found none; "
            "check its name in adapter_config.json, the connection, and that the token may read it"
        ) from error
    with tempfile.TemporaryDirectory() as elsewhere:
        copy = Path(elsewhere, "model")
        shutil.copytree(folder, copy)
        settings["base_model_name_or_path"] = place
        (copy / ADAPTER).write_text(json.dumps(settings), encoding="utf-8")
        yield copy
