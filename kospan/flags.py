"""A recipe from a command line: `[RECIPE.yaml] [--flag value ...]`. Imports neither torch nor transformers."""

import sys

from kospan.recipe import FIELDS, Recipe, default_of, load_recipe, trainer_fields


def parse_flags(words: list[str]) -> tuple[str | None, dict]:
    """`[RECIPE.yaml] [--flag value ...]` as `(path, settings)`; a flag without a value is true.

    Raises: ValueError where a word belongs to no flag.

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
    """What `--help` prints: every setting of ours with its default."""
    lines = ["usage: train.py [RECIPE.yaml] [--flag value ...]", "", "Settings (a flag after the file wins):"]
    for name, entry in FIELDS.items():
        lines.append(f"  --{name} [{default_of(name)}]")
        lines.append(f"      {entry.metadata['help']}")
    lines += ["", "Everything else belongs to transformers' TrainingArguments; --help-trainer lists it."]
    return "\n".join(lines)


def from_command_line(words: list[str] | None = None) -> Recipe | None:
    """The recipe that a command line asks for; None where it asked for help, which is printed."""
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
