"""Shape of a unit: capitals, digits, script, which an encoder that lower-cases its text does not see."""

import unicodedata

# The names in the order of their ids; add new ones at the end, because saved models use the ids.
SHAPES = (
    "lower",
    "Capital",
    "C",
    "UPPER",
    "U.P.",
    "miXed",
    "letters and digits",
    "digits",
    "digits and marks",
    "marks",
    "space",
    "hangul",
    "han",
    "other letters",
)


def shape_of(unit: str) -> int:
    """Return the id of a unit's shape, its index in `SHAPES`.

    >>> [SHAPES[shape_of(unit)] for unit in ("Seoul", "EU", "U.S.", "3.5", "의", "MiniLM", "-")]
    ['Capital', 'UPPER', 'U.P.', 'digits and marks', 'hangul', 'miXed', 'marks']
    """
    return SHAPES.index(_name(unit))


def _name(unit: str) -> str:
    letters = [character for character in unit if character.isalpha()]
    digits = any(character.isdigit() for character in unit)
    if not letters:
        if digits:
            return "digits" if unit.isdigit() else "digits and marks"
        return "marks" if unit.strip() else "space"
    if not any(letter.isupper() or letter.islower() for letter in letters):
        first = unicodedata.name(letters[0], "")
        return "hangul" if first.startswith("HANGUL") else "han" if first.startswith("CJK") else "other letters"
    if digits:
        return "letters and digits"
    if all(letter.isupper() for letter in letters):
        return "C" if len(letters) == len(unit) == 1 else "UPPER" if len(letters) == len(unit) else "U.P."
    if not any(letter.isupper() for letter in letters):
        return "lower"
    return "Capital" if letters[0].isupper() and not any(letter.isupper() for letter in letters[1:]) else "miXed"
