"""The folder that a run over a corpus writes: shards, manifest, journal and lock.

Shards are written under temporary names. The process that holds the lock renames them and adds their entries to the
journal; at the end the manifest replaces the journal. A shard without an entry is predicted again.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from kospan.corpus.settings import OUTPUT_FORMATS
from kospan.corpus.writers import sync_folder, synced_digest, write_durably
from kospan.files import found_json_object
from kospan.training.saving import check_output

FORMAT_VERSION = 1
MANIFEST, JOURNAL, LOCK = "manifest.json", ".journal.jsonl", ".lock"
_STATE = {MANIFEST, JOURNAL}
_TEMPORARY = re.compile(r"\.(?:part-.*|manifest\.json|\.journal\.jsonl)\.tmp")
_SHARD = re.compile(rf"part-\d{{5,}}-\d{{5,}}\.(?:{'|'.join(map(re.escape, (*OUTPUT_FORMATS, 'errors.jsonl')))})")


class OutputFolder:
    """Output of a run, locked while it is open.

    Args:
        path: The folder; created if it is missing.
        header: Version, model, settings and inputs of the run: a folder of another run is refused.
        overwrite: Remove what an earlier run wrote.

    Attributes:
        entries: Entries of the complete shards, by name of the shard.

    Raises:
        FileExistsError: If the folder holds other files, or the output of another run.
        BlockingIOError: If another process writes to it.
    """

    def __init__(self, path: str | os.PathLike, header: Mapping, overwrite: bool = False):
        self.path = Path(path)
        self.header = {"format_version": FORMAT_VERSION, **header}
        check_output(self.path, folder=True)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BlockingIOError(
                f"expected no other run that writes to {self.path}, got one that is not finished; wait for it, or name "
                "another --output_dir"
            ) from None
        self._journal = None
        try:
            self.entries = self._begin(overwrite)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _begin(self, overwrite: bool) -> dict[str, dict]:
        entries: dict[str, dict] = {}
        if overwrite:
            self._remove(lambda name: name in _STATE)
        elif (self.path / MANIFEST).exists():
            entries = self._resumed()
        else:
            self._check_empty()
        kept = {entry[key] for entry in entries.values() for key in ("file", "errors_file") if key in entry}
        self._remove(lambda name: _TEMPORARY.fullmatch(name) or (_SHARD.fullmatch(name) and name not in kept))
        # The journal first: until the manifest is replaced, it has the entries of a complete run.
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries.values())
        write_durably(self.path / JOURNAL, lambda path: path.write_text(lines, encoding="utf-8"))
        self._write_manifest(complete=False)
        self._journal = (self.path / JOURNAL).open("a", encoding="utf-8")
        return entries

    def _check_empty(self) -> None:
        names = sorted(path.name for path in self.path.iterdir())
        others = [name for name in names if name not in (LOCK, JOURNAL) and not _TEMPORARY.fullmatch(name)]
        if others:
            raise FileExistsError(
                f"expected a new or empty folder, or one of kospan predict, got {self.path} with {others[0]}; name "
                "another --output_dir, or add --overwrite to keep the other files"
            )

    def _remove(self, chosen: Callable[[str], object]) -> None:
        """Remove the files whose names are chosen."""
        for path in list(self.path.iterdir()):
            if chosen(path.name) and path.is_file():
                path.unlink(missing_ok=True)

    def _resumed(self) -> dict[str, dict]:
        """Return the entries of an earlier run whose files are unchanged.

        Raises:
            FileExistsError: If the folder is of another run.
        """
        manifest = found_json_object(self.path / MANIFEST)
        if manifest is None:
            raise FileExistsError(
                f"expected a manifest in {self.path / MANIFEST}, got another file; name another --output_dir, or start "
                "over with --overwrite"
            )
        listed = [*manifest.get("shards", []), *_journal_entries(self.path / JOURNAL)]
        difference = _difference(manifest, self.header)
        if difference and listed:
            raise FileExistsError(
                f"expected a folder of the same run to continue, got {self.path} with {difference}; name another "
                "--output_dir, or start over with --overwrite"
            )
        return {_name_of(entry): entry for entry in listed if self._is_whole(entry)}

    def _is_whole(self, entry: Mapping) -> bool:
        files = [("file", "bytes", "sha256")]
        files += [("errors_file", "errors_bytes", "errors_sha256")] * ("errors_file" in entry)
        for name, size, digest in files:
            path = self.path / entry[name]
            if not path.is_file() or path.stat().st_size != entry[size]:
                return False
            if synced_digest(path)[1] != entry[digest]:
                return False
        return True

    def commit(self, entry: Mapping) -> dict:
        """Rename the files of a shard and record its entry; a shard that is complete already is dropped.

        Args:
            entry: As `kospan.corpus.predictor.Predictor.write` returns it.

        Returns:
            The entry in the manifest.
        """
        temporary = entry["temporary"]
        entry = {key: value for key, value in entry.items() if key != "temporary"}
        name = _name_of(entry)
        if name in self.entries:
            for path in temporary.values():
                (self.path / path).unlink(missing_ok=True)
            return self.entries[name]
        for final, path in temporary.items():
            os.replace(self.path / path, self.path / final)
        if "errors_file" not in entry:  # An earlier attempt may have had errors.
            (self.path / f"{name}.errors.jsonl").unlink(missing_ok=True)
        sync_folder(self.path)
        self._journal.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self.entries[name] = entry
        return entry

    def finish(self) -> dict:
        """Write the manifest of a complete run and return it."""
        manifest = self._write_manifest(complete=True)
        self._journal.close()
        (self.path / JOURNAL).unlink()
        self._remove(_TEMPORARY.fullmatch)  # Files of processes that were killed.
        return manifest

    def _write_manifest(self, complete: bool) -> dict:
        shards = [self.entries[name] for name in sorted(self.entries)] if complete else []
        totals = {key: sum(entry[key] for entry in shards) for key in ("records", "errors", "bytes")}
        manifest = {**self.header, "complete": complete} | ({"totals": totals, "shards": shards} if complete else {})
        text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
        write_durably(self.path / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
        return manifest

    def close(self) -> None:
        """Release the folder."""
        if self._journal is not None:
            self._journal.close()
        self._lock.release()


def _journal_entries(path: Path) -> list[dict]:
    """Return the entries of a journal; the last line may be incomplete."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


def _name_of(entry: Mapping) -> str:
    return entry["file"].partition(".")[0]


def _difference(manifest: Mapping, header: Mapping) -> str:
    """Return the first difference between the headers of two runs in words; empty if there is none."""
    for key, value in header.items():
        other = manifest.get(key)
        if key == "model" and "sha256" in value and isinstance(other, Mapping):
            # The same files may be in another folder.
            if other.get("sha256") != value["sha256"]:
                return f"predictions of another model ({other.get('name')})"
        elif key == "inputs":
            if other != value:
                return f"predictions of other inputs ({_other_inputs(other or [], value)})"
        elif key == "settings" and isinstance(other, Mapping):
            for name, setting in value.items():
                if other.get(name) != setting:
                    return f"{name} {other.get(name)!r} in place of {setting!r}"
        elif other != value:
            return f"{key} {other!r} in place of {value!r}"
    return ""


def _other_inputs(old: list[Mapping], new: list[Mapping]) -> str:
    names = {each.get("name"): each for each in old}
    for each in new:
        if each != names.get(each["name"]):
            return f"{each['name']} is {'new' if each['name'] not in names else 'changed'}"
    missing = sorted(set(names) - {each["name"] for each in new})
    return f"{missing[0]} is missing" if missing else "another order"
