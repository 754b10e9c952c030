"""Lock of a run's output folder, so that two runs do not write into it at the same time."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

NAME = ".run.lock"
# Locks of this process with the number of their holders: it may prepare a run and then train it.
_held: dict[Path, list] = {}


@contextmanager
def run_lock(output_dir: str | os.PathLike) -> Iterator[None]:
    """Inside, no other process trains into a folder; a lock of a process that has died does not count.

    Of several processes of one run only the first takes the lock.

    Args:
        output_dir: The run's folder; created if it is missing.

    Raises: BlockingIOError naming the folder where another run holds it.
    """
    folder = Path(output_dir).absolute()
    if int(os.environ.get("RANK", 0)) != 0:
        yield
        return
    if folder not in _held:
        _held[folder] = [_acquire(folder), 0]
    _held[folder][1] += 1
    try:
        yield
    finally:
        _held[folder][1] -= 1
        if not _held[folder][1]:
            _release(folder, _held.pop(folder)[0])


def _acquire(folder: Path) -> FileLock:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / NAME, timeout=0)
    try:
        lock.acquire()
        if not (folder / NAME).exists():  # The former holder has just removed it: a third process could lock another.
            lock.release()
            lock.acquire()
    except Timeout:
        raise BlockingIOError(
            f"expected an output_dir that no other run writes to, found a running one in {folder}; wait for it, stop "
            "it, or name another --output_dir"
        ) from None
    return lock


def _release(folder: Path, lock: FileLock) -> None:
    with contextlib.suppress(OSError):  # Windows removes no open file.
        (folder / NAME).unlink()
    lock.release()
    with contextlib.suppress(OSError):  # Holds files, unless the run has failed before its first.
        folder.rmdir()
