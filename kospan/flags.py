"""A recipe from a command line: `[RECIPE.yaml] [--flag value ...]`; imports neither torch nor transformers."""

import sys

from kospan.recipe import FIELDS, Recipe, default_of, load_recipe, trainer_fields


def parse_flags(words: list[str]) -> tuple[str | None, dict]:
    """Split `[RECIPE.yaml] [--flag value ...]` into `(path, settings)`; a flag without a value is true.

    Raises:
        ValueError: A word belongs to no flag.

    >>> parse_flags(["a.yaml", "--seed", "7", "--fp16", "--head=linear"])
    ('a.yaml', {'seed': '7', 'fp16': 'true', 'head': 'linear'})
    """
    path, settings, key = None, {}, None
    for at, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            key = name.replace("-", "_")
            settings[key] = value if equals else "true"
            key = None if equals else key
        elif key is not None:
            settings[key], key = word, None
        elif at == 0:
            path = word
        else:
            raise ValueError(
                f"expected `RECIPE.yaml --flag value ...`, got the extra word {word!r}; quote values with spaces"
            )
    return path, settings


def manual() -> str:
    """Return the text of `--help`: every setting of a recipe with its default, choices and range."""
    lines = ["usage: train.py [RECIPE.yaml] [--flag value ...]", "", "Settings (a flag after the file wins):"]
    for name, entry in FIELDS.items():
        lines.append(f"  --{name} [{default_of(name)}]")
        lines.append(f"      {entry.metadata['help']}")
        if needs := entry.metadata["needs"]:
            lines.append(f"      has an effect only with {' and '.join(needs)}")
    lines += ["", "All other settings belong to transformers' TrainingArguments; --help-trainer lists them."]
    return "\n".join(lines)


def from_command_line(words: list[str] | None = None) -> Recipe | None:
    """Read a recipe from a command line; print the manual and return None if it asks for help."""
    words = sys.argv[1:] if words is None else words
    if "--help" in words or "-h" in words:
        print(manual())
        return None
    if "--help-trainer" in words:
        for name, text in trainer_fields().items():
            print(f"  --{name}\n      {' '.join(text.split())}")
        return None
    path, flags = parse_flags(words)
    return load_recipe(path, flags)
