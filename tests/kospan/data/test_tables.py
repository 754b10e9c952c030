"""Rows of CSV and TSV: both conventions of quotation marks, and what is said where a file does not tell which."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.data.records import ReadOptions, ReadSession
from kospan.data.tables import csv_rows

TEXT = st.text(st.sampled_from('ab가 ",\t\n\u00a0\u2028"'), max_size=6)
PLAIN = st.text(st.sampled_from('ab가 ",\u00a0\u2028"'), min_size=1, max_size=6)


def read(text, delimiter="\t", quoting="auto", skip_invalid=False, wanted=()):
    session = ReadSession(ReadOptions(quoting=quoting, skip_invalid=skip_invalid), collect=True)
    rows = [list(row.values.values()) for row in csv_rows(text, "my.tsv", delimiter, wanted, session)]
    session.finish()
    return rows


def written(rows, delimiter, **style):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, **style).writerows([("one", "other"), *rows])
    return file.getvalue()


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.sampled_from(",\t"), st.sampled_from(["\n", "\r\n"]))
def test_quoted_files_come_through_or_are_refused(rows, delimiter, end):
    rows = [list(row) for row in rows]
    for style in ({}, {"quoting": csv.QUOTE_ALL}):
        text = written(rows, delimiter, lineterminator=end, **style)
        assert read(text, delimiter, "minimal") == rows
        try:
            found = read(text, delimiter)
        except ValueError as error:
            assert "pass --quoting minimal" in str(error)
        else:
            assert found == rows


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=5))
def test_raw_files_come_through_or_are_refused(rows):
    """No raw file is ever read as if its quotation marks quoted something."""
    rows = [list(row) for row in rows]
    text = "one\tother\n" + "".join("\t".join(row) + "\n" for row in rows)
    assert read(text, quoting="none") == rows
    try:
        found = read(text)
    except ValueError as error:
        assert "--quoting none" in str(error)
    else:
        assert found == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # Lone marks: only one reading is valid.
        ('a\tb\n"x\t1\ny\t2\n', [['"x', "1"], ["y", "2"]]),
        ('a\tb\nx"y\t1\n', [['x"y', "1"]]),
        ('a\tb\n"x" y\t1\n', [['"x" y', "1"]]),
        ('a\tb\n"x\ny"\t1\n', [["x\ny", "1"]]),
        ('"a"\t"b"\n"x"\t"1"\n', [["x", "1"]]),
        ("a\tb\r\nx\t1\r\n\r\n", [["x", "1"]]),
    ],
)
def test_files_that_can_be_read_in_one_way(text, rows):
    assert read(text) == rows


@pytest.mark.parametrize(
    ("text", "line", "quoted", "plain"),
    [
        ('a\tb\nx\t1\n"y\t2\nz"\t3\n', 3, r"'y\\t2\\nz'", "'\"y'"),
        ('a\tb\n"x"\t1\n', 2, "'x'", "'\"x\"'"),
        ('a\tb\n"x ""y"""\t1\n', 2, "'x \"y\"'", '\'"x ""y"""\''),
    ],
)
def test_files_that_can_be_read_in_two_ways(text, line, quoted, plain):
    message = f"my.tsv:{line}: expected quotation marks that can be read in one way, got column 'a' as {quoted} where"
    with pytest.raises(ValueError) as error:
        read(text)
    assert message.replace("\\\\", "\\") in str(error.value) and f"as {plain} where they are text" in str(error.value)
    assert len(read(text, quoting="minimal")) == text.count("\n") - 1 - (line == 3)
    assert len(read(text, quoting="none")) == text.count("\n") - 1


def test_a_row_of_a_raw_file_is_blamed_by_its_own_convention():
    text = 'a\tb\n"x\t1\n"y" z\t2\nshort\n'
    with pytest.raises(ValueError, match=r"my\.tsv:4: expected 2 fields \(a, b\), got 1; .*--quoting minimal"):
        read(text)
    assert read(text, skip_invalid=True) == [['"x', "1"], ['"y" z', "2"]]


def test_what_is_no_table():
    with pytest.raises(ValueError, match=r"my\.tsv:3: expected text, got a NUL character; the file may be UTF-16"):
        read("a\tb\nx\t1\n\0\t2\n")
    with pytest.raises(ValueError, match=r"my\.tsv:1: expected a header that names every column once \(c\), got a, b"):
        read("a\tb\nx\t1\n", wanted=["c"])
    with pytest.raises(ValueError, match="expected quoting to be one of auto, minimal, none, got 'all'"):
        ReadOptions(quoting="all")
