"""The Korean fake news set: news articles with titles, some of them altered (github.com/2alive3s/Fake_news)."""

import os
from collections.abc import Iterator
from pathlib import Path

from kospan.data.labelled import labelled_item
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tables import csv_rows
from kospan.data.text import decoded, read_bytes, stem

COLUMNS = ("seqid", "title", "content", "label")


def read_ko_fake_news(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read the articles of a CSV file or of all CSV files of a folder, with the title as `text_pair`.

    The files are in CP949, or in UTF-8 with a byte order mark. They share titles and whole articles, so in a folder,
    articles of one title stay together when a split is cut. The source does not state the meaning of the labels 0 and
    1.

    Raises:
        ValueError: If a file is malformed, or a folder holds none; the message names file and line.
    """
    files = sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise ValueError(f"expected CSV files in the folder {path}, found none; name the folder that holds them")
    for file in files:
        for place, values in csv_rows(_decoded(file), str(file), wanted=COLUMNS, session=session, quoting="minimal"):
            with session.record():
                title = values["title"].strip()
                if not title:
                    raise ValueError(f"{place}: expected a title, got none; write it, or drop the article")
                name = f"{stem(file)}-{values['seqid']}"
                item = labelled_item(place, name, values["content"], values["label"], title)
                # Some files have a quotation mark before a title that others lack.
                yield item._replace(group=title.strip("'\"‘’“” "))


def _decoded(file: Path) -> str:
    data = read_bytes(file)
    try:
        return decoded(data, file)
    except ValueError:
        try:
            return decoded(data, file, "cp949")
        except ValueError:
            return decoded(data, file)  # Neither: raise the error about UTF-8.
