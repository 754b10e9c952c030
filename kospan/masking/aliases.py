"""Consistent aliases of surfaces, reversible with the file that holds them."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kospan.files import parse_json
from kospan.masking.private_files import read_private, write_private
from kospan.modeling.particle_agreement import agreeing_rest

ALIAS = re.compile(r"\[([^\[\]\s]+)_(\d+)\]")
_VERSION = 1
# Characters of a label that an alias cannot have.
_FORBIDDEN = re.compile(r"[\[\]\s]+")
# No particle is longer; longer words are never searched for one.
LONGEST_WORD = 80
# Word joiner (zero width) after an alias whose particle does not agree with its surface and is kept by `unmask`.
UNCHANGED = "\u2060"
_HIDDEN = re.compile(r"[^\W\d_]+\*")


def particle_change(rest: str, old: str, new: str) -> tuple[int, str]:
    """Return the change of a particle as `agreeing_rest` does; the start of a partly masked word is none."""
    return (0, "") if _HIDDEN.match(rest) else agreeing_rest(rest, old, new)


def _change_back(rest: str, alias: str, surface: str, particles: bool) -> tuple[int, str]:
    """Number of characters after an alias that `unmask` replaces, and their replacement."""
    if rest.startswith(UNCHANGED):
        return len(UNCHANGED), ""
    return particle_change(rest, alias, surface) if particles else (0, "")


def text_after_unmask(rest: str, alias: str, surface: str, particles: bool) -> str:
    """Return the text after an alias as it is after `unmask`."""
    count, form = _change_back(rest, alias, surface, particles)
    return form + rest[count:]


class Change(NamedTuple):
    """A change of a text.

    Args:
        start: First replaced character.
        stop: One past the last.
        text: The replacement.
    """

    start: int
    stop: int
    text: str


def apply_changes(text: str, changes: Sequence) -> str:
    """Return a text with changes, which have `start`, `stop` and `text`, in order."""
    parts, at = [], 0
    for change in changes:
        parts += [text[at : change.start], change.text]
        at = change.stop
    return "".join(parts) + text[at:]


class AliasTable:
    """Aliases of surfaces, such as "[PS_1]" for "김민수".

    The same surface has the same alias, in every document that is masked with the table. The number is counted for each
    name.

    >>> table = AliasTable()
    >>> table.alias("김민수", "PS"), table.alias("이서연", "PS"), table.alias("김민수", "PS")
    ('[PS_1]', '[PS_2]', '[PS_1]')
    >>> table.unmask("[PS_2]은 [PS_1]을 만났다.")
    '이서연은 김민수를 만났다.'
    """

    def __init__(self):
        self.surfaces: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return the number of surfaces."""
        return len(self.surfaces)

    def alias(self, surface: str, name: str) -> str:
        """Return the alias of a surface, a new one if the surface is new.

        Args:
            surface: The text to replace.
            name: Name in a new alias; brackets and white space become "_".

        >>> AliasTable().alias("010-1234-5678", "phone number")
        '[phone_number_1]'
        """
        if surface not in self._aliases:
            # Names that become equal share their numbers.
            name = _FORBIDDEN.sub("_", name) or "_"
            self._numbers[name] += 1
            self._add(f"[{name}_{self._numbers[name]}]", surface)
        return self._aliases[surface]

    def _add(self, alias: str, surface: str) -> None:
        self.surfaces[alias] = surface
        self._aliases[surface] = alias

    def changes(self, text: str, particles: bool = True) -> list[Change]:
        """Return the changes that `unmask` makes; see there."""
        found = []
        for match in ALIAS.finditer(text):
            surface = self.surfaces.get(match[0])
            if surface is not None:
                rest = text[match.end() : match.end() + LONGEST_WORD]
                count, form = _change_back(rest, match[0], surface, particles)
                found.append(Change(*match.span(), surface))
                if count:
                    found.append(Change(match.end(), match.end() + count, form))
        return found

    def unmask(self, text: str, particles: bool = True) -> str:
        """Return a text with the surfaces in place of the aliases; unknown aliases are kept.

        Args:
            text: A text with aliases.
            particles: Whether a particle after an alias takes the form that its surface requires.
        """
        return apply_changes(text, self.changes(text, particles))

    def save(self, path: str | os.PathLike) -> None:
        """Write the table to a file of mode 0600."""
        content = {"version": _VERSION, "aliases": self.surfaces}
        write_private(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass"))

    @classmethod
    def load(cls, path: str | os.PathLike, missing: bool = False) -> "AliasTable":
        """Read a table.

        Args:
            path: The file.
            missing: Return an empty table for a file that does not exist.

        Raises:
            OSError: If there is no file, or others have access to it.
            ValueError: If it is not an alias table.
        """
        table = cls()
        if missing and not Path(path).exists():
            return table
        data = read_private(path, "alias file", "name the file that `kospan mask --alias_file` wrote")
        try:
            content = parse_json(data.decode("utf-8", "surrogatepass"))
            entries = content["aliases"]
            if content["version"] != _VERSION or not isinstance(entries, dict):
                raise ValueError("another version")
            for alias, surface in entries.items():
                name, number = ALIAS.fullmatch(alias).groups()
                if not isinstance(surface, str) or surface in table._aliases:
                    raise ValueError(f"a wrong surface of {alias}")
                table._add(alias, surface)
                table._numbers[name] = max(table._numbers[name], int(number))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}: expected an alias file of `kospan mask`, got other content ({error}); name the right file"
            ) from error
        return table
