"""Folders that are written completely or not at all, and the completeness of checkpoints."""

import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers.trainer_pt_utils import safe_globals

from kospan.data.text import check_compression
from kospan.files import FULL, found_json_object, read_json_object
from kospan.modeling.base_models import ADAPTER
from kospan.training.checksums import damaged_file

CHECKPOINT_FILES = ("trainer_state.json", "config.json", "optimizer.pt", "scheduler.pt")


@contextmanager
def written_whole(folder: str | os.PathLike, last: str = "config.json") -> Iterator[Path]:
    """A temporary folder whose files are moved into `folder` at the end of the block; after an error none is.

    Args:
        folder: Destination of the files; created if it is missing.
        last: The file that is moved last, which readers of the folder look for first.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        yield temporary
        for path in sorted(temporary.iterdir(), key=lambda path: path.name == last):
            target = folder / path.name
            if path.is_dir() and target.exists():
                shutil.rmtree(target)
            os.replace(path, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_output(path: str | os.PathLike, folder: bool = False, inputs: Iterable[str | os.PathLike] = ()) -> None:
    """Check that a path can be written to, before hours of work; creates nothing.

    Args:
        path: A file that `write_text`, or a folder that `written_whole` will write.
        folder: Whether it is a folder, whose parents are created too; a file's are not.
        inputs: Files that are read, none of which may be replaced by the output; names of other things are ignored.

    Raises: FileNotFoundError, FileExistsError, PermissionError or ValueError naming the obstacle.
    """
    path = Path(path)
    if not folder:
        check_compression(path)
    if not folder and path.is_dir():
        raise FileExistsError(f"expected a file to write to at {path}, got a folder; name a file inside it")
    for each in inputs:
        if path.is_file() and os.path.exists(each) and path.samefile(each):
            raise FileExistsError(f"expected another file for the output than the input {each}; name another output")
    place = path if folder else path.parent
    if folder:
        place = next(above for above in (place, *place.absolute().parents) if above.exists())
    if not place.exists():
        raise FileNotFoundError(f"expected a folder at {place} to write {path.name} to, found none; create it first")
    if not place.is_dir():
        raise FileExistsError(f"expected a folder to write to at {place}, got a file; name another path")
    if not os.access(place, os.W_OK):
        raise PermissionError(f"expected a folder that may be written to, got {place}; name another path")


def dot_notes(*names: str | os.PathLike | None) -> list[str]:
    """A line about names with a dot, under which transformers 4 cannot load a model's own code; empty without one.

    Args:
        *names: Folders (a `Path`, of which the last part counts) and repositories (a `str`); None is skipped.

    >>> dot_notes(Path("outputs.old/first"), "kim/first"), len(dot_notes(Path("outputs/v1.2"), "kim/v1.2"))
    ([], 1)
    """
    parts = [name.resolve().name if isinstance(name, Path) else str(name) for name in names if name is not None]
    dotted = dict.fromkeys(part for part in parts if "." in part)
    if not dotted:
        return []
    return [
        "note                transformers 4 cannot load a model's own code under a name with a dot, got "
        f"{' and '.join(dotted)}; choose a name without one, or load it with transformers 5"
    ]


def read_object(path: str | os.PathLike) -> dict:
    """Read a JSON object that a run has written. Raises: ValueError naming the file where it is none."""
    return read_json_object(path, "copy the file from the run again")


def is_out_of_space(error: BaseException | None) -> bool:
    """Whether a write failed because a disk, a quota or the maximum size of a file was exhausted.

    Python and safetensors report the system's error number, torch's archive that a file is shorter than expected.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        signs = ("os error 27", "os error 28", "os error 122", "StorageFull")
        if isinstance(error, SafetensorError) and any(sign in str(error) for sign in signs):
            return True
        writing = "inline_container" in str(error) and "StreamReader" not in str(error)
        if isinstance(error, RuntimeError) and (writing or "StreamWriter" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def broken_part(checkpoint: str | os.PathLike) -> str | None:
    """The missing, truncated, damaged or unsafe file of a checkpoint; None if it is complete."""
    folder = Path(checkpoint)
    return _missing_file(folder) or damaged_file(folder) or _unreadable_file(folder)


def _missing_file(folder: Path) -> str | None:
    for name in CHECKPOINT_FILES:
        # An adapter has its settings in place of the config, which belongs to its base model.
        # FSDP2 saves the gathered optimizer under another name.
        other = {"config.json": ADAPTER, "optimizer.pt": "optimizer.bin"}.get(name, name)
        if not (folder / name).is_file() and not (folder / other).is_file():
            return f"{name} is missing"
    weights = {path.name for path in folder.glob("*.safetensors")}
    shards = (found_json_object(folder / "model.safetensors.index.json") or {}).get("weight_map", {}).values()
    for name in sorted(set(shards) - weights) if weights else ["model.safetensors"]:
        return f"{name} is missing"
    return None if any(folder.glob("rng_state*.pth")) else "rng_state.pth is missing"


def _unreadable_file(folder: Path) -> str | None:
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return f"{path.name} is truncated"
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(str(path), framework="pt"):
                pass
        except (SafetensorError, OSError):
            return f"{path.name} is truncated"
    # scaler.pt holds the loss scale of fp16.
    named = (folder / name for name in ("optimizer.pt", "scheduler.pt", "scaler.pt"))
    for path in [*(path for path in named if path.is_file()), *sorted(folder.glob("rng_state*.pth"))]:
        try:
            with safe_globals():  # The Trainer's own: numpy's random state.
                torch.load(path, map_location="meta", weights_only=True)
        except pickle.UnpicklingError:
            return f"{path.name} holds more than tensors and plain values, which could run code"
        except (RuntimeError, EOFError, OSError, zipfile.BadZipFile):
            return f"{path.name} is truncated"
        except Exception as error:  # A damaged pickle can end in any.
            return f"{path.name} is damaged: {error}"
    return None


def last_whole_checkpoint(output_dir: str | os.PathLike) -> tuple[str, list[str]]:
    """The newest complete checkpoint, and a line about each newer incomplete one.

    Raises: FileNotFoundError where there is none.
    """
    folders = [path for path in Path(output_dir).glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    folders.sort(key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    skipped = []
    for folder in folders:
        broken = broken_part(folder)
        if broken is None:
            return str(folder), skipped
        skipped.append(f"{folder}: {broken}")
    reasons = "; ".join(skipped) or "there is no checkpoint-* folder"
    raise FileNotFoundError(
        f"expected a complete checkpoint in {output_dir} to resume from, found none ({reasons}); start again with "
        "--overwrite_output_dir"
    )


def resumable_checkpoint(output_dir: str | os.PathLike, setting: bool | str) -> tuple[str, list[str]]:
    """The checkpoint of a recipe's `resume_from_checkpoint`, and a line about each incomplete one that was skipped.

    Args:
        output_dir: The run's output folder.
        setting: A checkpoint's folder, or True for the last complete one in the output folder.

    Raises: FileNotFoundError where there is none, or the one named is incomplete.
    """
    if setting is True:
        return last_whole_checkpoint(output_dir)
    broken = broken_part(setting)
    if broken is not None:
        raise FileNotFoundError(
            f"expected a complete checkpoint at {setting} to resume from, got one where {broken}; name another one"
        )
    return str(setting), []
