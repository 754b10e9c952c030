"""Files with one token per line: CoNLL columns and KLUE-NER's characters."""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from unicodedata import normalize

from kospan.data.records import STRICT, Item, ReadSession
from kospan.data.tagged import IOB1_HINT, Sentence, clean_tag, joined, tag_problem, tagged_items
from kospan.data.text import open_text, stem

_DOCUMENT = "-DOCSTART-"
# The line of CoNLL-U Plus that names the columns.
_NAMES = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
# Ids of CoNLL-U that do not name words: 1-2 is the written form of two words, 1.1 a word that is not written.
_NO_WORD = {"multi-word tokens": re.compile(r"\d+-\d+"), "empty nodes": re.compile(r"\d+\.\d+")}
_UNTAGGED = ("_", "O", "-", "*", "")
# An id: anything, then a number, perhaps as of a list: `1.`, `1)`.
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})[\])}.:,]?")
# A number, or the offsets of a token.
_OFFSETS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:[-~:,/][0-9]{1,9}(?:\.[0-9]{1,9})?)?")
_WEBANNO = "#FORMAT=WebAnno"


def read_conll(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read columns in BIO or BIOES: token first, tag last, and an empty line after each sentence.

    Columns are separated by tabs where a line has one, else by spaces. `-DOCSTART-` lines are skipped. So are comments:
    lines that start with `#` before the first token of a sentence and hold no column separator.

    The options `token_column` and `tag_column` choose other columns: by number from 0, from the end if negative, or by
    the name that a line `# global.columns = ID FORM ...` (CoNLL-U Plus) gives them; FORM, if named, is the token.
    Beside a column of ids, rows of multi-word tokens (`1-2`) and empty nodes (`1.1`) are skipped and counted in a
    warning. For prediction (`session.labelled` is false) tokens alone, one per line, are read, too.

    Raises:
        ValueError: If a column is missing or a tag is wrong, the column of tokens holds ids, or the file is WebAnno's;
            the message names file and line.
    """
    return tagged_items(_column_sentences(path, session), " ", hint=IOB1_HINT, session=session)


def read_conll_iob1(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read columns as `read_conll` does, with tags in IOB1, the scheme of CoNLL-2003's files."""
    return tagged_items(_column_sentences(path, session), " ", iob1=True, session=session)


def read_conll_documents(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read columns as `read_conll_iob1` does, with all sentences of a document as one text, a line each.

    Documents begin at `-DOCSTART-` lines. Each sentence is read with its context.
    """
    sentences = list(_column_sentences(path, session))
    documents = {sentence.id: sentence.document for sentence in sentences}
    items = tagged_items(sentences, " ", iob1=True, session=session)
    for _, group in groupby(items, key=lambda item: documents[item.example.id]):
        yield joined(list(group))


@dataclass
class _Block:
    """The rows of a sentence.

    Args:
        document: Index of its document.
        rows: The columns of each row.
        lines: The line of each row.
        error: The error, if it cannot be read.
    """

    document: int = 0
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    error: ValueError | None = None


@dataclass(frozen=True)
class _Table:
    """Properties of a whole file of columns.

    Args:
        path: The file.
        lines: Its lines.
        separator: Between two columns: a tab, or a space.
        width: Its number of columns; 0 if there is no row.
        first: The line that determines the width.
        names: The columns' names, if a line gives them.
        untagged: Whether tokens without tags are expected.
    """

    path: str
    lines: list[str]
    separator: str
    width: int
    first: int
    names: tuple[str, ...]
    untagged: bool


def _table(path: str, labelled: bool) -> _Table:
    lines = open_text(path).read().split("\n")
    rows = [(at, line) for at, line in enumerate(lines, 1) if line.strip(" \t") and not line.startswith(_DOCUMENT)]
    # A line that starts with # may be a comment; it is used only if there are no other lines.
    plain = [(at, line) for at, line in rows if not line.startswith("#")] or rows
    separator = "\t" if any("\t" in line for _, line in plain) else " "
    at, line = plain[0] if plain else (0, "")
    names = next((match[1].split() for _, line in rows if (match := _NAMES.fullmatch(line.strip()))), [])
    width = len(_split(line)) if plain else 0
    return _Table(path, lines, separator, width, at, tuple(names), not labelled and width == 1)


def _split(line: str) -> list[str]:
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    # str.split() would also separate at no-break spaces, which occur inside words.
    return [column for column in line.split(" ") if column]


def _blocks(table: _Table) -> Iterator[_Block]:
    block, document = _Block(), 0
    for at, line in enumerate([*table.lines, ""], 1):
        blank = not line.strip(" \t")
        columns = [] if blank else _split(line)
        if blank or line.startswith(_DOCUMENT) or _DOCUMENT in columns:
            if block.rows or block.error:
                yield block
            document += not blank
            block = _Block(document)
        elif line.startswith("#") and not block.rows and _is_comment(table, line, columns):
            continue
        else:
            block.rows.append(columns)
            block.lines.append(at)
            # Words of a comment inside a sentence are not columns.
            comment = line.startswith("#") and table.separator == "\t" and "\t" not in line
            if (len(columns) < 2 and not table.untagged) or len(columns) != table.width or comment:
                block.error = block.error or ValueError(_wrong_width(table, at, line, columns))


def _is_comment(table: _Table, line: str, columns: list[str]) -> bool:
    """Whether a line with # in front of a sentence is a comment."""
    if table.untagged:
        return len(columns) > 1
    return table.width > 1 and table.separator not in line.strip(" ")


def _wrong_width(table: _Table, at: int, line: str, columns: list[str]) -> str:
    wanted = f"{table.width} columns as in line {table.first}" if table.width > 1 else "a token and its tag"
    wanted = f"one token as in line {table.first}" if table.untagged else wanted
    advice = "add what is missing, or an empty line between sentences"
    if line.startswith("#"):
        advice = (
            "if it is a comment, remove it: one is skipped only before the first token of a sentence and without "
            f"{'a tab' if table.separator == chr(9) else 'a space'}, which separates the columns of this file"
        )
    count = 1 if line.startswith("#") and table.separator not in line else len(columns)
    return (
        f"{table.path}:{at}: expected {wanted}, parted by a tab or spaces, got {count} column{'s' * (count != 1)} in "
        f"{line!r}; {advice}"
    )


def _column_sentences(path: str, session: ReadSession) -> Iterator[Sentence]:
    path = str(path)
    table = _table(path, session.labelled)
    _check_not_webanno(table)
    ids = _id_column(table)
    token, tag = _chosen(table, session, ids)
    hint = _tag_hint(table, tag, ids) if session.options.tag_column is None and table.width > 2 else ""
    number, skipped = 0, Counter()
    for block in _blocks(table):
        number += 1
        with session.record():
            if block.error:
                raise block.error
            sentence = Sentence(f"{stem(path)}-{number}", path, document=block.document, tag_hint=hint)
            kinds = [None] * len(block.rows) if ids in (None, token) else _no_words(block, ids)
            for at, columns, kind in zip(block.lines, block.rows, kinds):
                if kind and columns[tag] in _UNTAGGED:
                    skipped[kind] += 1
                    continue
                if kind:
                    raise ValueError(
                        f"{path}:{at}: expected tags on words, got {columns[tag]!r} on {columns[ids]!r}, one of the "
                        f"{kind} of CoNLL-U, which are not read; tag its words, or remove the line"
                    )
                if not columns[token]:
                    raise ValueError(f"{path}:{at}: expected a token in {_column(token)}, got none; remove the line")
                sentence.tokens.append(columns[token])
                sentence.tags.append("O" if table.untagged else columns[tag])
                sentence.lines.append(at)
            if number == 1 and not hint:
                sentence.tag_hint = _header_hint(sentence)
            if sentence.tokens:
                yield sentence
    if skipped:
        counts = " and ".join(f"{count:,} {kind}" for kind, count in skipped.items())
        warnings.warn(f"{path}: skipped {counts}, which are not words", stacklevel=2)


def _check_not_webanno(table: _Table) -> None:
    at = next((at for at, line in enumerate(table.lines, 1) if line.startswith(_WEBANNO) and "\t" not in line), None)
    if at is not None:
        raise ValueError(
            f"{table.path}:{at}: expected a token and its tag per line, got WebAnno TSV; export the project as CoNLL "
            "2002"
        )


def _no_words(block: _Block, ids: int) -> list[str | None]:
    """Return the kind of each row that is not a word; None for words, and for all rows if no id is a plain number."""
    names = [row[ids] if len(row) > ids else "" for row in block.rows]
    if not any(map(str.isdecimal, names)):
        return [None] * len(names)
    return [next((kind for kind, pattern in _NO_WORD.items() if pattern.fullmatch(name)), None) for name in names]


def _column(at: int) -> str:
    return "the first column" if at == 0 else f"column {at}"


def _chosen(table: _Table, session: ReadSession, ids: int | None) -> tuple[int, int]:
    """Return the columns of tokens and tags.

    Raises:
        ValueError: If they are not in the file, or tokens would be ids.
    """
    if not table.width:
        return 0, 0
    named = [name.upper() for name in table.names]
    form = named.index("FORM") if "FORM" in named and len(named) == table.width else 0
    options = session.options
    token = form if options.token_column is None else _column_of("token_column", options.token_column, table)
    tag = table.width - 1 if options.tag_column is None else _column_of("tag_column", options.tag_column, table)
    if token == tag and table.width > 1:
        raise ValueError(
            f"{table.path}: expected tokens and tags in two columns, got {token} for both; pass --token_column and "
            "--tag_column"
        )
    # The message offers the detected column of ids, so a user who names it has decided.
    if (token == ids) if options.token_column is None else (token != ids and _holds_ids(table, token)):
        others = [at for at in range(table.width) if at not in (token, tag, ids) and not _holds_ids(table, at)]
        advice = f"pass --token_column {others[0]} (columns are numbered from 0)" if others else "add them"
        if token == ids:
            advice += f", or{'' if others else ' pass'} --token_column {token} if the ids are the tokens"
        if token == ids or others:
            raise ValueError(
                f"{table.path}:{table.first}: expected tokens in {_column(token)}, got ids of the rows or sentences "
                f"or offsets; {advice}"
            )
    return token, tag


def _column_of(option: str, value: str, table: _Table) -> int:
    try:
        at = int(value)
    except ValueError:
        names = list(table.names)
        at = next((names.index(name) for name in names if name.upper() == str(value).upper()), None)
        if at is None or at >= table.width:
            known = f"names {', '.join(names)}" if names else "has no line `# global.columns = ...` that names columns"
            raise ValueError(
                f"{table.path}: expected {option} to be a column's number or name, got {value!r}; the file {known}"
            ) from None
        return at
    if not -table.width <= at < table.width:
        raise ValueError(
            f"{table.path}: expected {option} to be one of the {table.width} columns of line {table.first}, 0 to "
            f"{table.width - 1} or negative from the end, got {at}"
        )
    return at % table.width


def _id_column(table: _Table) -> int | None:
    """The column of ids; None if the first column, or the one named ID, holds something else."""
    at = next((at for at, name in enumerate(table.names) if name.upper() == "ID"), 0)
    return at if _counts_rows(table, at) else None


def _holds_ids(table: _Table, at: int) -> bool:
    """Return whether a column holds ids, only whole numbers, or only offsets such as `0-3`."""
    names = [row[at] for block in _blocks(table) for row in block.rows if len(row) > at]
    return all(re.fullmatch(r"\d+(-\d+)?", name) for name in names) or _counts_rows(table, at)


def _counts_rows(table: _Table, at: int) -> bool:
    """Return whether a column holds ids.

    Ids are numbers that count the rows of each sentence or of the file, from 0 or 1, behind anything that is the same
    in all rows of a sentence (`1`, `w1`, `3-1`); numbers or offsets in all rows that ascend in each of several
    sentences; or one value in all rows of each of several sentences.
    """
    reached: int | None = None
    each, running, several, same, ascending, sentences = True, True, False, True, True, 0
    for block in _blocks(table):
        names = [row[at] for row, kind in zip(block.rows, _no_words(block, at)) if len(row) > at and not kind]
        names = [normalize("NFKC", name) for name in names]
        numbers = _numbers(names)
        starts = _starts(names) if numbers is None else numbers
        ascending = ascending and starts is not None and all(one < other for one, other in zip(starts, starts[1:]))
        if len(names) > 1:
            sentences += 1
            same = same and len(set(names)) == 1
        if numbers is None:
            each = running = False
        elif numbers:
            first = numbers[0] if reached is None else reached
            running = running and first in (0, 1, reached) and numbers == [*range(first, first + len(numbers))]
            reached = first + len(numbers)
            if len(numbers) > 1:
                several = True
                each = each and numbers[0] in (0, 1) and numbers == [*range(numbers[0], numbers[0] + len(numbers))]
        if not (each or running or same or ascending):
            return False
    return (several and (each or running)) or (sentences > 1 and (same or ascending))


def _numbers(names: list[str]) -> list[int] | None:
    """The numbers at the end of otherwise equal names; None if some have none or the rest differs."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    if not all(found) or len({match[1] for match in found}) > 1:
        return None
    return [int(match[2]) for match in found]


def _starts(names: list[str]) -> list[float] | None:
    """The numbers, or starts of offsets, that names are; None if some are not."""
    found = [_OFFSETS.fullmatch(name) for name in names]
    return [float(match[1]) for match in found] if all(found) else None


def _tag_hint(table: _Table, tag: int, ids: int | None) -> str:
    """Hint for the error about a tag: another column that holds tags."""
    values: list[set[str]] = [set() for _ in range(table.width)]
    for block in _blocks(table):
        for row, kind in zip(block.rows, [None] * len(block.rows) if ids is None else _no_words(block, ids)):
            if len(row) == table.width and not kind:
                for found, value in zip(values, row):
                    found.add(value)
    if _are_tags(values[tag]):
        return ""
    others = [at for at in range(table.width) if at != tag and _are_tags(values[at])]
    return f"; column {others[0]} holds tags: pass --tag_column {others[0]}" if others else ""


def _are_tags(values: Iterable[str]) -> bool:
    tags = set(map(clean_tag, values))
    return tags != {"O"} and not any(map(tag_problem, tags))


def _header_hint(sentence: Sentence) -> str:
    """Hint for the error about a tag: the first line may be a header."""
    first, *rest = (tag_problem(clean_tag(tag)) for tag in sentence.tags) if sentence.tags else [None]
    return "; if the line is a header, remove it" if first and rest and not any(rest) else ""


def read_klue_file(path: str, session: ReadSession = STRICT) -> Iterator[Item]:
    """Read KLUE-NER's own TSV: `## id<TAB>text`, then one `character<TAB>tag` per line, spaces included.

    Spaces keep their tags, so an entity may hold spaces. `source` is what follows the id's last "-".

    Raises:
        ValueError: If a column is missing or a tag is wrong; the message names file and line.
    """
    return tagged_items(_klue_sentences(path, session), "", session=session)


def _klue_sentences(path: str, session: ReadSession) -> Iterator[Sentence]:
    number, name, wrong = 1, "", None
    sentence = Sentence("", str(path))
    for at, line in enumerate([*open_text(path), "\n"], 1):
        line = line.rstrip("\n")
        if line.startswith("## "):
            name = line[3:].split("\t")[0].strip()
        elif line:
            character, tab, tag = line.partition("\t")
            if not tab or not character:
                wrong = wrong or ValueError(
                    f"{path}:{at}: expected `character<TAB>tag`, got {line!r}; write a space as a line of a space, a "
                    "tab and its tag, and an empty line between sentences"
                )
            sentence.tokens.append(character)
            sentence.tags.append(tag.strip())
            sentence.lines.append(at)
        elif sentence.tokens:
            if wrong:
                session.reject(wrong)
            else:
                yield _named(sentence, name, number, path)
            number, name, wrong, sentence = number + 1, "", None, Sentence("", str(path))


def _named(sentence: Sentence, name: str, number: int, path: str) -> Sentence:
    sentence.id = name or f"{stem(path)}-{number}"
    sentence.source = name.rpartition("-")[2] if "-" in name else ""
    return sentence
