"""Zip archives of documents: checked paths, bounded decompression, written whole."""

import os
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from kospan.data.decompression import largest_size
from kospan.data.text import replaced_whole

# Limits of one document; a Word file of a thousand pages has about 10 MB of XML.
MAX_ENTRIES, MAX_BYTES = 10_000, 512 * 2**20
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CHUNK = 2**20


class Archive:
    """The files of a zip archive, in order.

    Args:
        path: The archive.
        what: Kind of document, for error messages, such as "DOCX".

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a zip archive, is encrypted or broken, has a link, an unsafe or duplicate path, or more
            than `MAX_ENTRIES` entries or `MAX_BYTES` bytes.
    """

    def __init__(self, path: str | os.PathLike, what: str):
        self.path, self.what = Path(path), what
        if self.path.is_dir():
            raise ValueError(f"expected a {what} file at {path}, got a folder; name a file inside it")
        if not self.path.exists():
            raise FileNotFoundError(f"expected a {what} file at {path}, found none; check the name")
        with open(self.path, "rb") as file:
            if file.read(8) == _OLE:
                raise ValueError(
                    f"{path}: expected a {what} file, got an encrypted or an older binary document (OLE); remove the "
                    f"password, or save it as {what}"
                )
        self.infos: list[zipfile.ZipInfo] = []
        self.contents: dict[str, bytes] = {}
        try:
            with zipfile.ZipFile(self.path) as file:
                self._check(file.infolist())
                self._read(file)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ValueError(f"{path}: expected a whole {what} file, got {error}; save it again") from error

    def _check(self, infos: list[zipfile.ZipInfo]) -> None:
        if len(infos) > MAX_ENTRIES:
            raise ValueError(
                f"{self.path}: expected at most {MAX_ENTRIES:,} entries, got {len(infos):,}; use another file"
            )
        names = set()
        for info in infos:
            name = info.orig_filename
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
                raise ValueError(
                    f"{self.path}: expected entries inside the archive, got the path {name!r}; use another file"
                )
            if info.filename in names:
                raise ValueError(f"{self.path}: expected each entry once, got {name!r} twice; use another file")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"{self.path}: expected files alone, got the link {name!r}; use another file")
            names.add(info.filename)
            if info.flag_bits & 1:
                raise ValueError(
                    f"{self.path}: expected a {self.what} file without a password, got an encrypted one; remove it"
                )

    def _read(self, file: zipfile.ZipFile) -> None:
        limit = left = min(MAX_BYTES, largest_size(self.path.stat().st_size))
        for info in file.infolist():
            # The size in the header may be wrong: bytes are counted as they come.
            parts = []
            with file.open(info) as entry:
                while chunk := entry.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise ValueError(
                            f"{self.path}: expected at most {limit // 2**20} MiB after decompression, got more; "
                            "split the document"
                        )
                    parts.append(chunk)
            self.infos.append(info)
            self.contents[info.filename] = b"".join(parts)

    def remove(self, name: str) -> None:
        """Remove an entry."""
        self.infos = [info for info in self.infos if info.filename != name]
        del self.contents[name]

    def write(self, path: str | os.PathLike) -> None:
        """Write the archive, in the same order and with the same compressions, to a temporary file and rename it."""
        with replaced_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
            for old in self.infos:
                info = zipfile.ZipInfo(old.filename, old.date_time)
                info.compress_type, info.external_attr = old.compress_type, old.external_attr
                file.writestr(info, self.contents[old.filename])
