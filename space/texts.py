"""Strings of the page in Korean and in English, and the examples to click."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANGUAGES = {"ko": "한국어", "en": "English"}
DEFAULT = "ko"

# The six types of KLUE-NER; other labels are shown as they are.
LABEL_NAMES = {
    "DT": {"ko": "날짜", "en": "date"},
    "LC": {"ko": "장소", "en": "place"},
    "OG": {"ko": "기관", "en": "organisation"},
    "PS": {"ko": "사람", "en": "person"},
    "QT": {"ko": "수량", "en": "quantity"},
    "TI": {"ko": "시간", "en": "time"},
}

# Task -> unit of the model (words: English or similar, characters: Korean) -> examples. All of them are invented.
EXAMPLES: dict[str, dict[str, list[dict[str, str]]]] = json.loads((HERE / "examples.json").read_text(encoding="utf-8"))


def _strings(language: str) -> dict[str, str]:
    """The strings of all sections by key."""
    sections = json.loads((HERE / f"strings.{language}.json").read_text(encoding="utf-8"))
    return {key: text for section in sections.values() for key, text in section.items()}


# Language -> key -> string.
TEXTS = {language: _strings(language) for language in LANGUAGES}


def say(language: str, key: str, **values) -> str:
    """A string of the page.

    Args:
        language: "ko" or "en"; any other is the default language.
        key: Key of the string.
        **values: Values for the string's fields; whole numbers get thousands separators.

    >>> say("en", "labels", count=1200)
    '1,200 labels'
    """
    shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    return TEXTS.get(language, TEXTS[DEFAULT])[key].format(**shown)


def label_name(label: str, language: str) -> str:
    """A label with its meaning, if it is known.

    >>> label_name("PS", "ko"), label_name("creative-work", "ko")
    ('PS 사람', 'creative-work')
    """
    names = LABEL_NAMES.get(label)
    return f"{label} {names.get(language, names[DEFAULT])}" if names else label


class InputError(ValueError):
    """A refused request; its message is in the language of the visitor.

    >>> InputError("too_long", got=20000, most=10000).message("en")
    'The text is too long: 20,000 characters. The limit is 10,000; shorten it, or upload a file.'
    """

    def __init__(self, key: str, **values):
        super().__init__(key)
        self.key, self.values = key, values

    def message(self, language: str) -> str:
        """The reason in a language."""
        return say(language, self.key, **self.values)
