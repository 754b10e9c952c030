"""KorSTS: similarity of two sentences, from 0 to 5 (Ham et al. 2020, github.com/kakaobrain/KorNLUDatasets)."""

import os
from collections.abc import Iterator

from kospan.data.labelled import labelled_item
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tables import csv_rows
from kospan.data.text import open_text, stem
from kospan.data.values import value_of
from kospan.modeling.spans import Span

COLUMNS = ("genre", "score", "sentence1", "sentence2")


def read_korsts(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the pairs of a TSV file whose quotation marks are text.

    A pair is named after its file and line; its genre is its source. Scores are values, also where the file writes `4`.

    Raises:
        ValueError: If a row is malformed or a score is not a number; the message names file and line.
    """
    text = open_text(path, newline="").read()
    for place, values in csv_rows(text, str(path), "\t", COLUMNS, session, quoting="none"):
        with session.record():
            name = f"{stem(path)}-{place.rpartition(':')[2]}"
            one, other = values["sentence1"], values["sentence2"]
            score = value_of(Span(0, 1, values["score"]), place)
            yield labelled_item(place, name, one, score, other, values["genre"])
