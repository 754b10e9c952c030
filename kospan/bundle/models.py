"""Models of a bundle."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from kospan.bundle.checksums import file_hash
from kospan.hub.refusals import check_files
from kospan.model_names import is_installed, model_path
from kospan.training.saving import written_whole

# Files of a model on the Hub; weights as pickles are not among them.
_FROM_HUB = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py", "*.md", "onnx/*", "*.yaml")
_WEIGHTS = ("model.safetensors", "model-*.safetensors", "adapter_model.safetensors", "model.onnx")


def add_models(names: Sequence[str], folder: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Copy models into a folder; those of installed packages are in their wheels.

    Args:
        names: Folders, names of installed models or names on the Hub.
        folder: Folder with a folder for each model; what it held is removed.
        say: Function that takes a line about each model.

    Returns:
        The SHA-256 of the first file of weights of each model, by the name of its folder.

    Raises:
        FileNotFoundError: If there is no such model.
        ValueError: If it holds pickles, or two have the same name.
    """
    shutil.rmtree(folder, ignore_errors=True)  # Of an earlier call with other settings.
    found: dict[str, str] = {}
    for name in names:
        if is_installed(name):
            say(f"model               {name}: in the wheel of its package")
            continue
        target = folder / name.rstrip("/").rpartition("/")[2]
        if target.name in found:
            raise ValueError(f"expected models with different names, got {target.name} twice; copy one of them first")
        with written_whole(target) as temporary:
            _copy(name, temporary)
            check_files(temporary)
            weights = sorted(path for pattern in _WEIGHTS for path in temporary.glob(pattern))
            if not weights:
                raise FileNotFoundError(f"expected a model with weights at {name}, found none; check the name")
            found[target.name] = file_hash(weights[0])
        say(f"model               {name}: models/{target.name}")
    return found


def _copy(name: str, target: Path) -> None:
    place = model_path(name)
    if os.path.isdir(place):
        left_out = shutil.ignore_patterns("checkpoint-*", "*.bin", "predictions.jsonl", "report", ".*", "__pycache__")
        shutil.copytree(place, target, ignore=left_out, dirs_exist_ok=True, symlinks=True)
        return
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(place, local_dir=target, allow_patterns=list(_FROM_HUB))
    except Exception as error:  # Of the client: network, name or permission.
        reason = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(f"expected a folder or a model on the Hub at {name}, got: {reason}") from error
    shutil.rmtree(target / ".cache", ignore_errors=True)
