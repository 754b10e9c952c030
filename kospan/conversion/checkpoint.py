"""Checkpoint files of a source: settings, tensors by their own names, tokenizer; and atomic folders."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers.utils import cached_file

from kospan.files import read_json_object
from kospan.modeling.code_files import follow_umask

# Files of tokenizers and other files of a checkpoint, which are kept if present.
KEPT_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "dict.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "chat_template.jinja",
)
WEIGHTS = "model.safetensors"


class SourceCheckpoint(NamedTuple):
    """A checkpoint as stored.

    Args:
        name: Its public name, never a local path.
        settings: Its `config.json`.
        tensors: Its tensors by the names in its files, any type.
        metadata: Metadata of the weights' file.
        files: Config and tokenizer, byte for byte, by file name.
    """

    name: str
    settings: dict
    tensors: dict[str, torch.Tensor]
    metadata: dict[str, str]
    files: dict[str, bytes]


def read_source(name_or_path: str, name: str | None = None) -> SourceCheckpoint:
    """Read a whole checkpoint.

    Args:
        name_or_path: A folder, or a name on the Hub.
        name: Its name in `conversion.json` (default: `name_or_path`, of a folder the last part).

    Raises:
        FileNotFoundError: If there is no config or no weights.
        ValueError: If weights are truncated.
    """
    name = name or (Path(name_or_path).resolve().name if os.path.isdir(name_or_path) else name_or_path)
    if not (config := _file(name_or_path, "config.json")):
        raise FileNotFoundError(
            f"expected an encoder on the Hub or in a folder under the name {name!r}, found no config.json there; "
            "check the spelling and the connection"
        )
    settings = read_json_object(config, "copy or fetch the model again", f"{name}/config.json")
    tensors, metadata = _tensors(name_or_path, name)
    files = {each: Path(path).read_bytes() for each in KEPT_FILES if (path := _file(name_or_path, each))}
    return SourceCheckpoint(name, settings, tensors, metadata, files)


def _file(name_or_path: str, name: str) -> str | None:
    """Path of a file of a checkpoint, downloaded if needed; None if there is none of that name."""
    try:
        return cached_file(
            name_or_path,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
    except OSError:
        return None


def _tensors(name_or_path: str, name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    for single in (WEIGHTS, "pytorch_model.bin"):
        paths = [path] if (path := _file(name_or_path, single)) else []
        if not paths and (index := _file(name_or_path, single + ".index.json")):
            shards = json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values()
            paths = [_file(name_or_path, shard) or shard for shard in sorted(set(shards))]
        tensors, metadata = {}, {"format": "pt"}
        for path in paths:
            try:
                if single == WEIGHTS:
                    tensors |= load_file(path)
                    with safe_open(path, framework="pt") as file:
                        metadata = dict(file.metadata() or {})
                else:
                    tensors |= torch.load(path, map_location="cpu", weights_only=True)
            except (SafetensorError, RuntimeError, EOFError, FileNotFoundError) as error:
                raise ValueError(
                    f"expected whole weights in {name}, got {os.path.basename(path)} missing or cut short ({error}); "
                    "copy or fetch the model again"
                ) from error
        if tensors:
            return tensors, metadata
    raise FileNotFoundError(
        f"expected weights in {name}, found neither {WEIGHTS} nor pytorch_model.bin; copy or fetch the model again"
    )


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, independent of their order in a file.

    >>> digest({"a": torch.zeros(2)}) == digest({"a": torch.zeros(2, 1)})
    False
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # By bytes, since numpy has no bfloat16.
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file; tensors that share memory, such as tied ones of older files, are stored separately."""
    seen, apart = set(), {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = (tensor.clone() if place in seen else tensor).contiguous()
        seen.add(place)
    save_file(apart, str(path), metadata=metadata or None)
    follow_umask(path)


def as_tensor(content: bytes) -> torch.Tensor:
    """Convert bytes to a tensor `(bytes,)`, uint8, for a safetensors file."""
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)


def check_new_folder(folder: str | os.PathLike, overwrite: bool, source: str) -> None:
    """Check that a model's folder can be made, without making it.

    Args:
        folder: Output folder of the model.
        overwrite: Whether an existing model may be replaced.
        source: The source's folder or name.

    Raises:
        FileExistsError: If the folder is in use.
        PermissionError: If the folder is not writable.
    """
    folder = Path(folder).absolute()
    if os.path.isdir(source) and (folder.resolve() == Path(source).resolve()):
        raise FileExistsError(f"expected a folder other than the source, got {folder} for both; name another place")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"expected a folder to write to at {folder}, got a file; name another place")
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise FileExistsError(
                f"expected no folder or an empty one at {folder}, found files in it; name another or pass --overwrite"
            )
        if not (folder / "config.json").is_file():
            # A mistyped name must not delete a folder of other files.
            raise FileExistsError(
                f"expected a model to overwrite in {folder}, found no config.json there; name another place"
            )
    above = next(parent for parent in folder.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise PermissionError(f"expected a folder that may be written to, got {above}; name another place")


@contextmanager
def new_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """Temporary folder that replaces `folder` if the context ends without an error."""
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        written, old = temporary / "new", temporary / "old"
        written.mkdir()
        yield written
        if folder.exists():
            os.replace(folder, old)
        os.replace(written, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
