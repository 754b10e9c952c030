"""Config of a generative NER model: `kospan.json` beside the weights of a causal language model."""

import dataclasses
import datetime
import json
import os
import re

from transformers.utils import cached_file

from .prompts import INSTRUCTIONS, WORDS, check_writable_labels
from .settings import check_model_type, taken_from

NAME = "kospan.json"


def _whole(least: int):
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_date(value) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return False
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _texts(value, count: int | None = None) -> bool:
    listed = isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    return listed and count in (None, len(value))


# Expected values of each setting: in words, and as a predicate.
_KINDS = {
    "labels": ("a list of str", _texts),
    "descriptions": (
        "a dict of str to str",
        lambda value: isinstance(value, dict) and _texts([*value, *value.values()]),
    ),
    "instruction": ("a str, which may be empty", lambda value: isinstance(value, str)),
    "examples": (
        "a list of pairs of str, text and reply",
        lambda value: isinstance(value, (list, tuple)) and all(_texts(pair, 2) for pair in value),
    ),
    "words": ("a list of three str", lambda value: _texts(value, 3)),
    "chat": ("true or false", lambda value: isinstance(value, bool)),
    "constrained_decoding": ("true or false", lambda value: isinstance(value, bool)),
    "max_new_tokens": ("a whole number of 3 or more", _whole(3)),
    "max_length": ("a whole number of 1 or more, or None", lambda value: value is None or _whole(1)(value)),
    "unit": ("character or word", lambda value: value in ("character", "word")),
    "date": ("a date such as 2026-01-31, or None", lambda value: value is None or _is_date(value)),
    "shown": ("a whole number of 1 or more, or None", lambda value: value is None or _whole(1)(value)),
    "base": ("a dict, or None", lambda value: value is None or isinstance(value, dict)),
}


@dataclasses.dataclass
class KospanGenerativeNERConfig:
    """Settings of a `KospanGenerativeNER`, saved beside the weights as `kospan.json`.

    Args:
        labels: The types, in the order of the label set.
        descriptions: Meaning of each type, for the prompt; types may be missing.
        instruction: Instruction of the prompt; an empty one omits the instruction and the types.
        examples: Texts with their replies that the prompt shows, or chooses from, `[text, reply]` each.
        words: The prompt's words for "Types", "Text" and "Answer".
        chat: Whether the tokenizer's chat template makes the prompt.
        constrained_decoding: Whether decoding allows only replies of the grammar.
        max_new_tokens: Most subwords of a reply, its end included.
        max_length: Most positions of prompt and reply together; None takes the model's limit.
        unit: The unit of the data, for scores.
        base: Description of an adapter's base model, so that another base is detected.
        shown: Number of examples in a prompt, those most similar to its text; None shows all, always the same.
        date: Current date in the chat template, that of training; None if the template inserts none.

    Attributes:
        adjustable: Settings that further training may change; all others are fixed with the model.

    Raises:
        ValueError: A setting has another type, a label cannot be written, or `shown` exceeds the examples.
    """

    labels: list[str]
    descriptions: dict[str, str] = dataclasses.field(default_factory=dict)
    instruction: str = INSTRUCTIONS["en"]
    examples: list = dataclasses.field(default_factory=list)
    words: list[str] = dataclasses.field(default_factory=lambda: list(WORDS["en"]))
    chat: bool = False
    constrained_decoding: bool = True
    max_new_tokens: int = 256
    max_length: int | None = None
    unit: str = "character"
    base: dict | None = None
    shown: int | None = None
    date: str | None = None

    model_type = "kospan-generative-ner"
    adjustable = ("constrained_decoding", "max_new_tokens", "max_length")

    def __post_init__(self):
        for key, (wanted, fits) in _KINDS.items():
            value = getattr(self, key)
            if not fits(value):
                raise ValueError(f"expected {key} to be {wanted}, got {value!r}; change or remove it")
        check_writable_labels(self.labels)
        if self.shown is not None and self.shown > len(self.examples):
            raise ValueError(
                f"expected shown to be no more than the {len(self.examples):,} examples, got {self.shown:,}; lower "
                "it, or add examples"
            )

    @property
    def whole_words(self) -> bool:
        """Whether entities begin and end at word boundaries."""
        return self.unit == "word"

    @property
    def id2label(self) -> dict[int, str]:
        """Types by their ids."""
        return dict(enumerate(self.labels))

    def to_dict(self) -> dict:
        """Return the content of `kospan.json`."""
        return {"model_type": self.model_type} | dataclasses.asdict(self)

    @classmethod
    def settings(cls) -> list[str]:
        """Return the names of the settings."""
        return [field.name for field in dataclasses.fields(cls)]

    @classmethod
    def from_recipe(cls, recipe, **decided) -> "KospanGenerativeNERConfig":
        """Build the config of a new model.

        Args:
            recipe: An object with settings as attributes; where one is None, the config's default holds.
            **decided: Settings that data and model decide; they win over the recipe.
        """
        return cls(**taken_from(recipe, cls.settings()) | decided)

    @classmethod
    def from_dict(cls, settings: dict, place: str = NAME) -> "KospanGenerativeNERConfig":
        """Read the content of `kospan.json`.

        Raises:
            ValueError: These are not settings of a generative model; the message names `place`.
        """
        settings = dict(settings)
        kind = settings.pop("model_type", None)
        check_model_type(kind, place)
        known = set(cls.settings())
        if kind != cls.model_type or "labels" not in settings or not settings.keys() <= known:
            odd = sorted(settings.keys() - known) or (["model_type"] if kind != cls.model_type else ["labels"])
            raise ValueError(
                f"expected {place} to hold the settings of a generative model, got another file at {odd[0]!r}; copy "
                "the file from the model's folder again"
            )
        try:
            return cls(**settings)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error


def find_file(name: str | os.PathLike, file: str, **location) -> str | None:
    """Return the path of a file in a folder or repository; None if it is missing."""
    if os.path.isdir(name):
        path = os.path.join(name, file)
        return path if os.path.isfile(path) else None
    try:
        return cached_file(name, file, **location)
    except (OSError, ValueError):
        return None


def read_generative_config(name: str | os.PathLike, **location) -> KospanGenerativeNERConfig:
    """Read `kospan.json` of a folder or repository.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds something else.
    """
    path = find_file(name, NAME, **location)
    if path is None:
        raise FileNotFoundError(
            f"expected {NAME} beside the model in {name}, found none; train "
            "one with task: generative-ner, or build KospanGenerativeNER(model, tokenizer, "
            "KospanGenerativeNERConfig(labels=[...]))"
        )
    with open(path, encoding="utf-8") as file:
        try:
            settings = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: expected JSON, got {error}; copy the file from the model again") from error
    return KospanGenerativeNERConfig.from_dict(settings if isinstance(settings, dict) else {}, str(path))
