"""Korean sets of labelled texts in their own table formats: KorSTS, Korean hate speech, Korean fake news."""

import os
from collections.abc import Iterator
from pathlib import Path

from kospan.data.labelled import labelled_item
from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tables import csv_rows
from kospan.data.text import decoded, line_id, open_text, read_bytes, stem
from kospan.data.values import value_of
from kospan.modeling.spans import Span

KORSTS = ("genre", "score", "sentence1", "sentence2")
HATE_SPEECH = ("title", "comment", "hate")
FAKE_NEWS = ("seqid", "title", "content", "label")


def read_korsts(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read KorSTS: similarity of two sentences, from 0 to 5, in a TSV file whose quotation marks are text.

    A pair is named after its file and line; its genre is its source. Scores are values, even if the file has `4`.
    Source: Ham et al. 2020, github.com/kakaobrain/KorNLUDatasets.

    Raises:
        ValueError: If a row is malformed or a score is not a number; the message names file and line.
    """
    text = open_text(path, newline="").read()
    for place, values in csv_rows(text, str(path), "\t", KORSTS, session, quoting="none"):
        with session.record():
            name, score = line_id(path, place), value_of(Span(0, 1, values["score"]), place)
            yield labelled_item(place, name, values["sentence1"], score, values["sentence2"], values["genre"])


def read_korean_hate_speech(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read Korean hate speech: comments on entertainment news in a TSV file with quoted fields.

    The article's title becomes `text_pair`. A comment is named after its file and line. Comments on one article stay
    together when a split is cut. Source: Moon et al. 2020, github.com/kocohub/korean-hate-speech.

    Raises:
        ValueError: If a row is malformed; the message names file and line.
    """
    text = open_text(path, newline="").read()
    for place, values in csv_rows(text, str(path), "\t", HATE_SPEECH, session, quoting="minimal"):
        with session.record():
            item = labelled_item(place, line_id(path, place), values["comment"], values["hate"], values["title"])
            yield item._replace(group=values["title"])


def read_ko_fake_news(path: str | os.PathLike, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read Korean fake news: news articles, some of them altered, from a CSV file or all CSV files of a folder.

    The title becomes `text_pair`. The files are in CP949, or in UTF-8 with a byte order mark. They share titles and
    whole articles, so in a folder, articles of one title stay together when a split is cut. The source does not state
    the meaning of the labels 0 and 1. Source: github.com/2alive3s/Fake_news.

    Raises:
        ValueError: If a file is malformed, or a folder holds none; the message names file and line.
    """
    files = sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise ValueError(f"expected CSV files in the folder {path}, found none; name the folder that holds them")
    for file in files:
        for place, values in csv_rows(_decoded(file), str(file), wanted=FAKE_NEWS, session=session, quoting="minimal"):
            with session.record():
                title = values["title"].strip()
                if not title:
                    raise ValueError(f"{place}: expected a title, got none; write it, or remove the article")
                name = f"{stem(file)}-{values['seqid']}"
                item = labelled_item(place, name, values["content"], values["label"], title)
                # Some files have a quotation mark before a title that others lack.
                yield item._replace(group=title.strip("'\"‘’“” "))


def _decoded(file: Path) -> str:
    data = read_bytes(file)
    for encoding in ("utf-8", "cp949"):
        try:
            return decoded(data, file, encoding)
        except ValueError:
            continue
    return decoded(data, file)  # Neither: raise the error about UTF-8.
