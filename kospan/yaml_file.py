"""YAML files that people write."""

from pathlib import Path

import yaml


class OnceLoader(yaml.SafeLoader):
    """Refuses a key that occurs twice, where YAML itself takes the last one without a word."""

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
    """The value that a file holds, an empty mapping where it holds nothing.

    Args:
        path: The file.
        what: What it should be, as errors name it.
        shipped: Where such files are shipped.

    Raises: FileNotFoundError where there is none, ValueError where it is no YAML in UTF-8.
    """
    if not path.is_file():
        raise FileNotFoundError(f"expected a {what} at {path}, found no such file; {shipped} holds the shipped ones")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), OnceLoader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected YAML in UTF-8, got: {' '.join(str(error).split())}") from error
