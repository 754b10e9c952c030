"""Checksums of a checkpoint's binary files, which show damage that leaves their sizes as they were."""

import json
import os
import zlib
from pathlib import Path

from transformers import TrainerCallback

from kospan.data.text import write_text
from kospan.files import found_json_object

NAME = "checksums.json"
BINARY = {".safetensors", ".pt", ".pth", ".bin"}
_CHUNK_BYTES = 2**22


class ChecksumCallback(TrainerCallback):
    """Write the checksums of each checkpoint after its other files."""

    def on_save(self, args, state, control, **kwargs):
        """Write `checksums.json` of the checkpoint of this step."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        # Each process writes a random state of its own, which may come later.
        if state.is_world_process_zero and folder.is_dir():
            own = () if args.world_size == 1 else ("rng_state",)
            write_checksums(folder, own)


def write_checksums(folder: str | os.PathLike, skipped: tuple[str, ...] = ()) -> None:
    """Write size in bytes and CRC-32 of the binary files of a folder.

    Args:
        folder: The folder.
        skipped: Beginnings of names that are not listed.
    """
    paths = [path for path in sorted(Path(folder).iterdir()) if path.suffix in BINARY]
    paths = [path for path in paths if not path.name.startswith(skipped)]
    sums = {path.name: [path.stat().st_size, checksum(path)] for path in paths}
    write_text(Path(folder) / NAME, json.dumps(sums, indent=1) + "\n")


def checksum(path: str | os.PathLike) -> int:
    """CRC-32 of a file."""
    found = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            found = zlib.crc32(chunk, found)
    return found


def damaged_file(folder: str | os.PathLike) -> str | None:
    """The first file that differs from its checksum, with the reason; None if none does or there are no checksums."""
    if not (Path(folder) / NAME).exists():
        return None
    sums = found_json_object(Path(folder) / NAME)
    if sums is None or not all(isinstance(each, list) and len(each) == 2 for each in sums.values()):
        return f"{NAME} is damaged"
    for name, (size, wanted) in sums.items():
        path = Path(folder) / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size < size:
            return f"{name} is truncated"
        if checksum(path) != wanted:
            return f"{name} is damaged: its checksum differs"
    return None
