"""Disk cache of frozen-encoder features: last hidden states of every window of a set, computed once.

A set is a folder named by a key of encoder, tokenizer and windows. It holds `features.f32`, the encoder's last hidden
states `(positions, hidden)` in float32, window after window, the shortest first; `offsets.npy`, the position at which
each window begins; and `progress.json`, the checksum of every chunk of the file that is written. A chunk is registered
after it is on disk: a kill costs the chunk in progress, and damaged bytes are computed again. The folder may be deleted
at any time.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from kospan.data.text import write_text
from kospan.files import SpaceError
from kospan.training.saving import check_output

# Part of the key: to be increased when the same encoder and windows would give another file.
FORMAT = 1
FEATURES, OFFSETS, PROGRESS = "features.f32", "offsets.npy", "progress.json"
_CHUNK_BYTES = 16 * 2**20
# Config entries without effect on the features; the weights' own types are part of the key.
_WITHOUT_EFFECT = (
    *("_name_or_path", "name_or_path", "transformers_version", "architectures", "auto_map"),
    *("dtype", "torch_dtype"),
)


class FeatureFile:
    """Features of a set's windows, read from disk on demand.

    Args:
        folder: Folder of the set.
        rows: Each window's row, by its digest.
        offsets: Position at which each row begins, and the end of the last `(windows + 1)`.
        hidden: Width of the features.
    """

    def __init__(self, folder: Path, rows: dict[bytes, int], offsets: np.ndarray, hidden: int):
        self.folder, self.rows, self.hidden = folder, rows, hidden
        self._offsets, self._mapped = offsets.tolist(), None

    def __call__(self, window: Mapping) -> np.ndarray | None:
        """Features of a window `(length, hidden)`, float32; None if it is not in the set.

        Args:
            window: The encoder's input: `input_ids`, and `token_type_ids` if it has them.
        """
        row = self.rows.get(window_digest(window))
        if row is None:
            return None
        if self._mapped is None:
            self._mapped = np.memmap(
                self.folder / FEATURES, dtype="<f4", mode="r", shape=(self._offsets[-1], self.hidden)
            ).view(np.ndarray)
        return self._mapped[self._offsets[row] : self._offsets[row + 1]]

    def __getstate__(self) -> dict:
        # A process that loads batches maps the file itself; a map would be pickled as all its bytes.
        return self.__dict__ | {"_mapped": None}


def window_digest(window: Mapping) -> bytes:
    """16-byte digest of the encoder's input of a window."""
    found = hashlib.blake2b(np.array(window["input_ids"], dtype="<i4").tobytes(), digest_size=16)
    if "token_type_ids" in window:
        found.update(b"types" + np.array(window["token_type_ids"], dtype="<i4").tobytes())
    return found.digest()


def encoder_digest(model) -> str:
    """Digest of everything that determines the features: weights and config of the encoder, and the tokenizer."""
    found = hashlib.blake2b(digest_size=16)
    config = model.config.encoder_config.to_dict()
    config = {key: value for key, value in config.items() if key not in _WITHOUT_EFFECT}
    found.update(json.dumps(config, sort_keys=True, default=str).encode())
    backend = json.loads(model.tokenizer.backend_tokenizer.to_str())
    # Settings of the last call, not of the tokenizer.
    backend = {key: value for key, value in backend.items() if key not in ("truncation", "padding")}
    found.update(json.dumps(backend, sort_keys=True).encode())
    for name, value in sorted(model.encoder.state_dict().items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def compute_features(
    model,
    windows: Iterable[Mapping],
    root: str | os.PathLike,
    name: str = "set",
    encoder: str | None = None,
    batch_size: int = 32,
    log: Callable[[str], None] = print,
) -> FeatureFile:
    """Compute the features of a set's windows, or the part that is not on disk yet.

    Args:
        model: A model with its tokenizer and a frozen encoder.
        windows: The encoder's input of each window; equal ones share their features.
        root: Folder of all sets.
        name: Name of the set in log lines.
        encoder: `encoder_digest` of the model, if it is known.
        batch_size: Windows per batch.
        log: Takes a line about size, folder and progress.

    Raises: OSError where the disk has not enough space, or the folder cannot be written to.
    """
    distinct: dict[bytes, Mapping] = {}
    for window in windows:
        distinct.setdefault(window_digest(window), window)
    order = sorted(distinct, key=lambda digest: (len(distinct[digest]["input_ids"]), digest))
    windows = [distinct[digest] for digest in order]
    hidden = model.config.encoder_config.hidden_size
    offsets = np.cumsum([0, *(len(window["input_ids"]) for window in windows)], dtype=np.int64)
    key = hashlib.blake2b(f"{FORMAT} {encoder or encoder_digest(model)} {hidden}".encode(), digest_size=16)
    key.update(b"".join(order))
    folder = Path(root) / key.hexdigest()
    check_output(folder, folder=True)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"encoder features    {name}: another run is computing {folder}; waiting for it")
        lock.acquire()
    try:
        _FeatureWriter(model, windows, offsets, hidden, folder, name, batch_size, log).write()
    finally:
        lock.release()
    return FeatureFile(folder, {digest: row for row, digest in enumerate(order)}, offsets, hidden)


class _FeatureWriter:
    """Writer of a set's missing chunks, which holds the set's lock."""

    def __init__(self, model, windows, offsets, hidden, folder, name, batch_size, log):
        self.model, self.windows, self.offsets, self.hidden = model, windows, offsets, hidden
        self.folder, self.name, self.batch_size, self.log = folder, name, batch_size, log
        self.chunks = _chunks(offsets, max(1, _CHUNK_BYTES // (4 * hidden)))
        self.sums: list[int | None] = [None] * len(self.chunks)

    def bytes_of(self, chunk: int) -> tuple[int, int]:
        """Offset of a chunk in the file, and its size."""
        first, last = (int(self.offsets[row]) * 4 * self.hidden for row in self.chunks[chunk])
        return first, last - first

    def write(self) -> None:
        """Compute the chunks that are not on disk yet."""
        size, path = int(self.offsets[-1]) * 4 * self.hidden, self.folder / FEATURES
        self._find_chunks(path, size)
        missing = [at for at, found in enumerate(self.sums) if found is None]
        about = f"encoder features    {self.name}: {readable(size)}, {len(self.windows):,} windows, in {self.folder}"
        if not missing:
            self.log(f"{about}; found")
            return
        needed = sum(self.bytes_of(at)[1] for at in missing)
        self.log(about + ("" if needed == size else f"; {readable(needed)} of it still to compute"))
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise SpaceError(
                f"expected {readable(needed)} free for the features of the frozen encoder in {self.folder}, got "
                f"{readable(free)}; make room, name another feature_cache_dir, or set feature_cache_dir: none to "
                "compute them in each epoch"
            )
        _save_offsets(self.folder / OFFSETS, self.offsets)
        logged = 0
        # Not through a map: on a full disk a write raises an error, a map ends the process.
        with open(path, "r+b" if path.exists() else "w+b") as file:
            file.truncate(size)
            for done, at in enumerate(missing, 1):
                values = self._computed(at).tobytes()
                file.seek(self.bytes_of(at)[0])
                file.write(values)
                file.flush()
                os.fsync(file.fileno())
                self.sums[at] = zlib.crc32(values)
                self._write_progress()
                if 10 * done // len(missing) > logged and done < len(missing):
                    logged = 10 * done // len(missing)
                    self.log(f"encoder features    {self.name}: {done / len(missing):.0%} computed")

    def _find_chunks(self, path: Path, size: int) -> None:
        """Register the intact chunks on disk, and log the damaged ones."""
        progress = self.folder / PROGRESS
        if not progress.exists():
            return
        try:
            found = json.loads(progress.read_text(encoding="utf-8"))
            sums = found["chunks"]
            whole = (found["format"], found["key"]) == (FORMAT, self.folder.name) and len(sums) == len(self.chunks)
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole or not path.is_file() or path.stat().st_size != size:
            broken = progress if not whole else path
            self.log(f"encoder features    {self.name}: {broken} is damaged; computed again")
            return
        with open(path, "rb") as file:
            for at, written in enumerate(sums):
                start, length = self.bytes_of(at)
                if written is None:
                    continue
                file.seek(start)
                if zlib.crc32(file.read(length)) == written:
                    self.sums[at] = written
                else:
                    self.log(
                        f"encoder features    {self.name}: {path} is damaged at bytes {start:,} to "
                        f"{start + length:,}, which are computed again"
                    )

    def _write_progress(self) -> None:
        done = None not in self.sums
        progress = {"format": FORMAT, "key": self.folder.name, "hidden": self.hidden, "done": done, "chunks": self.sums}
        write_text(self.folder / PROGRESS, json.dumps(progress))

    @torch.no_grad()
    def _computed(self, chunk: int) -> np.ndarray:
        """Features of a chunk's windows `(positions, hidden)`, in the same batches after a kill."""
        model, (first, last) = self.model, self.chunks[chunk]
        windows, offsets = self.windows[first:last], self.offsets[first : last + 1] - self.offsets[first]
        features = np.empty((int(offsets[-1]), self.hidden), dtype="<f4")
        for chosen in model.batches(np.diff(offsets).tolist(), self.batch_size):
            read = [
                {key: windows[at][key] for key in ("input_ids", "token_type_ids") if key in windows[at]}
                for at in chosen
            ]
            # Without autocast: cached features are float32.
            encoded = model.encoder(**model.to_device(model.collate(read)), return_dict=True).last_hidden_state
            for at, row in zip(chosen, encoded.float().cpu().numpy()):
                features[offsets[at] : offsets[at + 1]] = row[: offsets[at + 1] - offsets[at]]
        return features


def _chunks(offsets: np.ndarray, positions: int) -> list[tuple[int, int]]:
    """First row of each chunk and the row after its last: as many as fit into `positions`, at least one."""
    found, first = [], 0
    for row in range(1, len(offsets)):
        if row == len(offsets) - 1 or offsets[row + 1] - offsets[first] > positions:
            found.append((first, row))
            first = row
    return found


def _save_offsets(path: Path, offsets: np.ndarray) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "wb") as file:
        np.save(file, offsets)
    os.replace(temporary, path)


def readable(size: int) -> str:
    """A number of bytes with its unit.

    >>> readable(3 * 2**29)
    '1.5 GiB'
    """
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
