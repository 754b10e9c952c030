"""Identity of a model: a checksum of its files, or its commit on the Hub."""

import hashlib
import os
from pathlib import Path

from transformers import PretrainedConfig

from kospan.model_names import model_path

# Files of a run that are not part of the model.
_NO_PART = {"eval_results.json", "training_record.json", "trainer_state.json", "all_results.json"}
_ENDINGS = {".safetensors", ".onnx", ".data", ".bin", ".json", ".txt", ".model", ".jinja"}


def model_identity(model: str | os.PathLike) -> dict[str, str]:
    """Return the name of a model with "sha256" of its files, or with its "revision" on the Hub."""
    name = os.fspath(model)
    folder = Path(model_path(name))
    if folder.is_dir():
        total = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            if path.suffix in _ENDINGS and path.name not in _NO_PART and path.is_file():
                with open(path, "rb") as file:
                    total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return {"name": name, "sha256": total.hexdigest()}
    try:
        revision = PretrainedConfig.get_config_dict(name)[0].get("_commit_hash")
    except (OSError, ValueError):  # The error about a missing model comes from its loader.
        revision = None
    return {"name": name} | ({"revision": revision} if revision else {})
