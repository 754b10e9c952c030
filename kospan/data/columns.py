"""Files with a token per line: CoNLL columns, and KLUE-NER's characters."""

from collections.abc import Iterator
from itertools import groupby

from kospan.data.source import Item
from kospan.data.tagged import IOB1_HINT, Sentence, joined, tagged_items
from kospan.data.text import open_text, stem


def read_conll(path: str) -> Iterator[Item]:
    """Columns in BIO or BIOES: the first is the token, the last its tag, an empty line ends a sentence.

    Columns part at tabs where a line holds one, else at spaces. `-DOCSTART-` lines are skipped.

    Raises: ValueError naming file and line where a column is missing or a tag is wrong.
    """
    return tagged_items(_column_sentences(path), " ", hint=IOB1_HINT)


def read_conll_iob1(path: str) -> Iterator[Item]:
    """As `read_conll`, with tags in IOB1; CoNLL-2003's files are of this form."""
    return tagged_items(_column_sentences(path), " ", iob1=True)


def read_conll_documents(path: str) -> Iterator[Item]:
    """As `read_conll_iob1`, with all sentences between two `-DOCSTART-` lines as one text, a line each.

    A sentence is then read with what stands around it.
    """
    sentences = list(_column_sentences(path))
    items = tagged_items(sentences, " ", iob1=True)
    for _, group in groupby(zip(sentences, items), key=lambda pair: pair[0].document):
        yield joined([item for _, item in group])


def _column_sentences(path: str) -> Iterator[Sentence]:
    number, document, width, first_line = 1, 0, 0, 0
    sentence = Sentence(f"{stem(path)}-1", str(path))
    for at, line in enumerate(open_text(path), 1):
        line = line.rstrip("\n")
        if not line.strip(" \t") or line.startswith("-DOCSTART-"):
            if sentence.tokens:
                yield sentence
                number += 1
            document += line.startswith("-DOCSTART-")
            sentence = Sentence(f"{stem(path)}-{number}", str(path), document=document)
            continue
        # str.split() would also part at no-break spaces, which stand inside words.
        columns = line.split("\t") if "\t" in line else line.strip(" ").replace(" ", "\t").split("\t")
        if "\t" not in line:
            columns = [column for column in columns if column]
        columns = [column.strip(" ") for column in columns]
        width, first_line = width or len(columns), first_line or at
        if len(columns) < 2 or len(columns) != width:
            wanted = f"{width} columns as in line {first_line}" if width > 1 else "a token and its tag"
            raise ValueError(
                f"{path}:{at}: expected {wanted}, parted by a tab or spaces, got {len(columns)} column"
                f"{'s' * (len(columns) != 1)} in {line!r}; add what is missing, or an empty line between sentences"
            )
        if not columns[0]:
            raise ValueError(f"{path}:{at}: expected a token in the first column, got none in {line!r}; drop the line")
        sentence.tokens.append(columns[0])
        sentence.tags.append(columns[-1])
        sentence.lines.append(at)
    if sentence.tokens:
        yield sentence


def read_klue_file(path: str) -> Iterator[Item]:
    """KLUE-NER's own TSV: `## id<TAB>text`, then `character<TAB>tag` per line; a space is a character too.

    Spaces keep their tags, so an entity may hold spaces. `source` is what follows the id's last "-".

    Raises: ValueError naming file and line where a column is missing or a tag is wrong.
    """
    return tagged_items(_klue_sentences(path), "")


def _klue_sentences(path: str) -> Iterator[Sentence]:
    number, name = 1, ""
    sentence = Sentence("", str(path))
    for at, line in enumerate(open_text(path), 1):
        line = line.rstrip("\n")
        if line.startswith("## "):
            name = line[3:].split("\t")[0].strip()
        elif line:
            character, tab, tag = line.partition("\t")
            if not tab or not character:
                raise ValueError(
                    f"{path}:{at}: expected `character<TAB>tag`, got {line!r}; write a space as a line of a space, a "
                    f"tab and its tag, and an empty line between sentences"
                )
            sentence.tokens.append(character)
            sentence.tags.append(tag.strip())
            sentence.lines.append(at)
        elif sentence.tokens:
            yield _named(sentence, name, number, path)
            number, name, sentence = number + 1, "", Sentence("", str(path))
    if sentence.tokens:
        yield _named(sentence, name, number, path)


def _named(sentence: Sentence, name: str, number: int, path: str) -> Sentence:
    sentence.id = name or f"{stem(path)}-{number}"
    sentence.source = name.rpartition("-")[2] if "-" in name else ""
    return sentence
