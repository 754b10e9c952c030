"""Size and hash of a run's data files, recorded in its checkpoints to notice data that change."""

import hashlib
import os
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from kospan.recipe import Recipe
from kospan.recipe_defaults import FILES


def data_paths(recipe: Recipe) -> dict[str, Path]:
    """Files and folders that a recipe reads its data from, by setting; names on the Hub are not among them."""
    named = {key: getattr(recipe, key) for key in FILES}
    sources = {f"sources.{name}": source for name, source in recipe.sources.items()}
    named |= {key: source.get("path") if isinstance(source, dict) else source for key, source in sources.items()}
    if recipe.calibration_split and Path(recipe.calibration_split).is_file():
        named["calibration_split"] = recipe.calibration_split
    return {key: Path(value) for key, value in named.items() if value and Path(str(value)).exists()}


def fingerprint(path: str | os.PathLike) -> dict:
    """Size in bytes and SHA-256 of a file, or of the names and hashes of all files of a folder."""
    path, names, size = Path(path), "", 0
    for file in _files(path):
        with open(file, "rb") as opened:
            digest, size = hashlib.file_digest(opened, "sha256"), size + opened.tell()
        names += f"{digest.hexdigest()}  {file.relative_to(path).as_posix()}\n"
    found = hashlib.sha256(names.encode("utf-8", "surrogatepass")) if path.is_dir() else digest
    return {"bytes": size, "sha256": found.hexdigest()}


def _files(path: Path) -> list[Path]:
    """The file itself, or all files of a folder; none if it is missing."""
    return [each for each in (sorted(path.rglob("*")) if path.is_dir() else [path]) if each.is_file()]


class DataFiles(TrainerCallback, ExportableState):
    """The data files of a run as they were when it read them.

    Args:
        paths: Files and folders by setting.
    """

    def __init__(self, paths: dict[str, Path]):
        self.paths, self.files = paths, {key: fingerprint(path) for key, path in paths.items()}
        self._stamps = {key: _stamp(path) for key, path in paths.items()}

    def state(self) -> dict:
        """The fingerprints, which a checkpoint keeps."""
        return {"args": {}, "attributes": {"files": self.files}}

    def on_train_begin(self, args, state, control, **kwargs):
        """Add the fingerprints to the state of an earlier version's checkpoint."""
        state.stateful_callbacks.setdefault(type(self).__name__, self.state())

    def on_epoch_begin(self, args, state, control, **kwargs):
        """Print a line for each file that has changed; training continues with the texts that were read."""
        if not state.is_world_process_zero:
            return
        for key, path in self.paths.items():
            stamp = _stamp(path)
            if stamp == self._stamps[key]:
                continue
            self._stamps[key] = stamp
            if not path.exists() or fingerprint(path) != self.files[key]:
                print(
                    f"data changed        {key}: {path} has changed since the run read it; the run continues with the "
                    "texts that it read",
                    flush=True,
                )

    def changes(self, saved: dict) -> list[str]:
        """Lines about files that differ from those of a checkpoint's trainer state."""
        before = saved.get("stateful_callbacks", {}).get(type(self).__name__, {}).get("attributes", {}).get("files", {})
        differ = [key for key in self.files if key in before and before[key] != self.files[key]]
        return [
            f"data changed        {key}: {self.paths[key]} has {self.files[key]['bytes']:,} bytes with another content "
            f"than the {before[key]['bytes']:,} of the checkpoint; the run resumes on the new texts"
            for key in differ
        ]


def _stamp(path: Path) -> list:
    """Sizes and times of change, which are cheap to read."""
    return [(file, file.stat().st_size, file.stat().st_mtime_ns) for file in _files(path)]
