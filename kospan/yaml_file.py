"""YAML files of users."""

from pathlib import Path

import yaml


class OnceLoader(yaml.SafeLoader):
    """YAML loader that refuses a duplicate key, of which YAML itself silently takes the last."""

    def construct_mapping(self, node, deep=False):
        """Build a mapping after checking its keys."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected YAML in UTF-8, got: {' '.join(str(error).split())}") from error
