"""Gazetteers of Korean names of persons, places and organisations, written for the project.

`gazetteers/LABEL.txt` lists components and entries by section. `[name]` or `[name WEIGHT]` begins a section; its lines
are entries separated by commas. A line `= TEMPLATE` adds all combinations of the sections that it names in braces, and
`= TEMPLATE : COUNT` that many of them, chosen by a generator with a fixed seed. `{LC._dong}` is a section of another
file. A section whose name begins with `_` holds components only.
"""

import itertools
import random
import re
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

# Labels of common data sets, by the label of the gazetteer.
LABELS = {
    "PS": ("PS", "PER", "PERSON", "PS_NAME"),
    "LC": ("LC", "LOC", "LOCATION"),
    "OG": ("OG", "ORG", "ORGANIZATION"),
}
_BY_LABEL = {name: label for label, names in LABELS.items() for name in names}
_SECTION = re.compile(r"\[(\w+)(?: (\d+))?\]")
_REFERENCE = re.compile(r"\{([\w.]+)\}")


class Section(NamedTuple):
    """Entries of one kind.

    Args:
        name: Name of the section in its file.
        weight: Relative frequency with which an entry is drawn from this section.
        entries: Distinct names, in the order of the file.
    """

    name: str
    weight: int
    entries: tuple[str, ...]


def gazetteer(label: str) -> tuple[str, ...]:
    """Return all entries of a label, distinct and in the order of the file.

    Args:
        label: PS, LC or OG, or another common name of these labels, such as PER or LOC.

    Raises:
        ValueError: There is no gazetteer for the label.

    >>> "서귀포시" in gazetteer("LC"), "국세청" in gazetteer("OG")
    (True, True)
    """
    return tuple(dict.fromkeys(entry for section in sections(label) for entry in section.entries))


def has_gazetteer(label: str) -> bool:
    """Whether there is a gazetteer for a label.

    >>> has_gazetteer("PER"), has_gazetteer("DT")
    (True, False)
    """
    return label.upper() in _BY_LABEL


def sections(label: str) -> tuple[Section, ...]:
    """Return the sections of a label without those that hold components only.

    Args:
        label: As for `gazetteer`.

    Raises:
        ValueError: There is no gazetteer for the label.
    """
    if not has_gazetteer(label):
        known = ", ".join(name for names in LABELS.values() for name in names)
        raise ValueError(f"expected a label with a gazetteer ({known}), got {label!r}; rename it or choose another")
    return tuple(each for each in _read(_BY_LABEL[label.upper()]).values() if not each.name.startswith("_"))


@lru_cache
def _read(label: str) -> dict[str, Section]:
    """All sections of a file, by name."""
    found: dict[str, Section] = {}
    text = files("kospan.data").joinpath("gazetteers", f"{label}.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        line = line.strip()
        if header := _SECTION.fullmatch(line):
            found[header[1]] = current = Section(header[1], int(header[2] or 1), ())
        elif line and not line.startswith("#"):
            new = _combined(line[2:], found) if line.startswith("= ") else map(str.strip, line.split(","))
            entries = dict.fromkeys([*current.entries, *filter(None, new)])
            found[current.name] = current = current._replace(entries=tuple(entries))
    return found


def _combined(line: str, known: dict[str, Section]) -> list[str]:
    """Combinations of a template, all of them or a fixed selection."""
    template, _, count = line.partition(" : ")
    parts = [_entries(reference, known) for reference in _REFERENCE.findall(template)]
    form = _REFERENCE.sub("{}", template)
    # Two equal syllables in a row, as in 김민민, are left out.
    every = [
        form.format(*chosen)
        for chosen in itertools.product(*parts)
        if all(one != other for one, other in itertools.pairwise(chosen))
    ]
    if not count or int(count) >= len(every):
        return every
    return [every[at] for at in sorted(random.Random(template).sample(range(len(every)), int(count)))]


def _entries(reference: str, known: dict[str, Section]) -> tuple[str, ...]:
    label, dot, name = reference.rpartition(".")
    return (_read(label) if dot else known)[name].entries
