"""Files that hold secrets: readable by their owner alone, written whole."""

import os
import stat
from pathlib import Path

from kospan.data.text import replaced_whole


def read_private(path: str | os.PathLike, what: str, hint: str) -> bytes:
    """Read a file that no other user can read.

    Args:
        path: The file.
        what: Kind of file, for error messages.
        hint: How to create it, for error messages.

    Raises:
        FileNotFoundError: If there is none.
        PermissionError: If the group or others have access to it.
        ValueError: If it is not a regular file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"expected the {what} at {path}, found no such file; {hint}")
    if not path.is_file():
        raise ValueError(f"expected the {what} at {path}, got no regular file; name a file")
    # The mode of the open file, so that the checked file is the one that is read.
    with open(path, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if os.name == "posix" and mode & 0o077:
            raise PermissionError(
                f"expected the {what} {path} to be accessible to its owner alone (mode 0600), got mode {mode:04o}; run "
                f"`chmod 600 {path}`, and replace the key if others may have read it"
            )
        return file.read()


def write_private(path: str | os.PathLike, data: bytes) -> None:
    """Write a file of mode 0600 under a temporary name and rename it."""
    with replaced_whole(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def read_key(path: str | os.PathLike) -> bytes:
    """Read the secret key of hashes.

    Args:
        path: A file of at least 16 bytes; leading and trailing white space is ignored.

    Raises:
        ValueError: If the key is shorter.
        OSError: As `read_private`.
    """
    key = read_private(path, "key file", f"create one with `(umask 077; openssl rand -hex 32 > {path})`").strip()
    if len(key) < 16:
        raise ValueError(
            f"expected a key of at least 16 bytes in {path}, got {len(key)}; create one with "
            f"`(umask 077; openssl rand -hex 32 > {path})`"
        )
    return key
