"""Korean hate speech: comments on entertainment news (Moon et al. 2020, github.com/kocohub/korean-hate-speech)."""

import os
from collections.abc import Iterator

from kospan.data.labelled import labelled_item
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tables import csv_rows
from kospan.data.text import open_text, stem

COLUMNS = ("title", "comment", "hate")


def read_korean_hate_speech(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the comments of a TSV file with quoted fields and the column `hate`.

    The article's title becomes `text_pair`. A comment is named after its file and line. Comments on one article stay
    together when a split is cut.

    Raises:
        ValueError: If a row is malformed; the message names file and line.
    """
    text = open_text(path, newline="").read()
    for place, values in csv_rows(text, str(path), "\t", COLUMNS, session, quoting="minimal"):
        with session.record():
            name = f"{stem(path)}-{place.rpartition(':')[2]}"
            item = labelled_item(place, name, values["comment"], values["hate"], values["title"])
            yield item._replace(group=values["title"])
