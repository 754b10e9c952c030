"""YAML files of users, JSON files that hold an object, and errors of a full disk."""

import errno
import json
import os
from collections.abc import Hashable
from pathlib import Path

import yaml

# A disk, a quota or the maximum size of a file is exhausted.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SpaceError(OSError):
    """Lack of disk space noticed before writing; the message names the settings to change."""

    errno = errno.ENOSPC


class OnceLoader(yaml.SafeLoader):
    """YAML loader that refuses a duplicate key, of which YAML itself silently takes the last."""

    def construct_mapping(self, node, deep=False):
        """Build a mapping after checking its keys."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a list or a mapping as a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, what: str, shipped: str):
    """Read a YAML file; an empty one gives an empty mapping.

    Args:
        path: The file.
        what: Kind of file, for error messages.
        shipped: Folder of the files of this kind that are shipped.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not YAML in UTF-8.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a {what} at {path}, found no such file; {shipped} holds the shipped ones")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), OnceLoader) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # Also dates that do not exist, and deep brackets.
        raise ValueError(
            f"{path}: expected YAML in UTF-8, got: {' '.join(str(error).split())}; correct the file"
        ) from error


def parse_json(text: str):
    """Return the value of a text in JSON.

    Raises:
        ValueError: If it is not JSON, or Python cannot read its deeply nested brackets.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets too deep to read") from error


def read_json_object(path: str | os.PathLike, advice: str, place: str | None = None) -> dict:
    """Read the object in a JSON file.

    Args:
        path: The file.
        advice: The fix at the end of error messages.
        place: Name of the file in error messages; None takes the path.

    Raises:
        ValueError: The file is not JSON, or holds another value.
    """
    place = place or str(path)
    try:
        value = parse_json(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{place}: expected JSON, got {error}; {advice}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected a JSON object, got a {type(value).__name__}; {advice}")
    return value


def found_json_object(path: Path) -> dict | None:
    """Read the object in a JSON file; None if the file is missing or incomplete."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
