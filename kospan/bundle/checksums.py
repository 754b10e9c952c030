"""`SHA256SUMS` of a bundle, in the form of `sha256sum`."""

import hashlib
from pathlib import Path

from kospan.data.text import write_text

NAME = "SHA256SUMS"


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path) -> None:
    """Write the hashes of all files of a folder."""
    lines = [f"{file_hash(path)}  {name}\n" for name, path in _files(folder).items()]
    write_text(folder / NAME, "".join(lines))


def verify(folder: Path) -> int:
    """Compare the files of a folder with its `SHA256SUMS`.

    Args:
        folder: A bundle.

    Returns:
        The number of files.

    Raises:
        FileNotFoundError: If there is no such folder, or no `SHA256SUMS` in it.
        ValueError: If a file differs, is missing, or is not listed.
    """
    if not (folder / NAME).is_file():
        raise FileNotFoundError(f"expected a bundle with {NAME} in {folder}, found none; check the name")
    expected = dict(_entry(line, folder) for line in (folder / NAME).read_text(encoding="utf-8").splitlines())
    links = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink())
    if links:
        raise ValueError(f"{folder}: expected files alone, got the symbolic link {links[0]}; copy the bundle again")
    found = _files(folder)
    problems = {
        "missing": expected.keys() - found.keys(),
        "not listed": found.keys() - expected.keys(),
        "changed": {name for name in expected.keys() & found.keys() if file_hash(found[name]) != expected[name]},
    }
    wrong = [f"{name} is {problem}" for problem, names in problems.items() for name in sorted(names)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ValueError(f"{folder}: expected the files of {NAME}, but {wrong[0]}{more}; copy the bundle again")
    return len(found)


def _entry(line: str, folder: Path) -> tuple[str, str]:
    digest, separator, name = line.partition("  ")
    if len(digest) != 64 or not separator or not name:
        raise ValueError(f"{folder / NAME}: expected lines `HASH  FILE`, got {line[:80]!r}; copy the bundle again")
    return name, digest


def _files(folder: Path) -> dict[str, Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in paths if path != folder / NAME}
