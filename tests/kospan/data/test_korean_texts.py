"""Sets of labelled texts in TSV: one whose quotation marks are text, one whose fields are quoted."""

import csv
import io

import pytest

from kospan.data.corpus import load_corpus, read_examples
from kospan.data.korean_texts import read_korean_hate_speech
from kospan.data.records import ReadOptions
from kospan.example import Example
from kospan.modeling.spans import Span

STS = (
    "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\n"
    'main\tx\t2012\t1\t5\t"비가 온다\t비가 온다"\nmain\tx\t2012\t1\t0.5\t"맑다"\t그는 "아니" 했다\n'
)
COMMENTS = [
    ['제목, "인용"', "첫\t줄\n둘째 줄", "none"],
    ['제목, "인용"', "글", "hate"],
    ["다른 제목", '"글"', "offensive"],
]


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return str(folder / name)


def test_pairs_with_marks_of_their_own(tmp_path):
    path = write(tmp_path, "sts.tsv", STS)
    assert read_examples("korsts", path) == [
        Example("sts-2", '"비가 온다', (Span(0, 6, "5.0"),), source="main", text_pair='비가 온다"'),
        Example("sts-3", '"맑다"', (Span(0, 4, "0.5"),), source="main", text_pair='그는 "아니" 했다'),
    ]
    corpus = load_corpus("korsts", path, problem_type=None)
    assert corpus.values and corpus.splits["train"][0].spans[0].score == 0.5
    with pytest.raises(ValueError, match=r"sts\.tsv:3: expected a label that is a finite number, got 'alike'"):
        read_examples("korsts", write(tmp_path, "sts.tsv", STS.replace("0.5", "alike")))
    path = write(tmp_path, "sts.tsv", STS)
    with pytest.raises(ValueError, match=r"sts\.tsv:2: expected 7 fields .* got 6"):
        read_examples("korsts", path, options=ReadOptions(quoting="minimal"))


def test_comments_with_quoted_fields(tmp_path):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter="\t").writerows(
        [("title", "comment", "bias", "hate"), *((title, text, "none", hate) for title, text, hate in COMMENTS)]
    )
    path = write(tmp_path, "comments.tsv", file.getvalue())
    examples = read_examples("korean_hate_speech", path)
    assert [[each.text_pair, each.text, each.spans[0].label] for each in examples] == COMMENTS
    # Comments on one article stay together.
    assert [item.group for item in read_korean_hate_speech(path)] == [title for title, *_ in COMMENTS]


@pytest.mark.parametrize(("dataset", "columns"), [("korsts", "genre, score"), ("korean_hate_speech", "title, comment")])
def test_other_tables(tmp_path, dataset, columns):
    path = write(tmp_path, "a.tsv", "text\tlabel\na\tb\n")
    with pytest.raises(ValueError, match=rf"a\.tsv:1: expected a header that names every column once \({columns}"):
        read_examples(dataset, path)
