"""Invalid records in every reader: the first is named and the others are counted, or all are skipped and counted."""

import json

import datasets
import pytest

from kospan.data.corpus import load_corpus, read_split
from kospan.data.records import ReadOptions, ReadSession

QUESTION = {"id": "q", "question": "어디?", "answers": [{"text": "대전", "answer_start": 0}]}
PAGE = {"title": None, "context": "<p>대전에 있다</p>"}


def squad(*questions, title="x"):
    return {"title": title, "paragraphs": [{"context": "대전에 있다", "qas": [QUESTION | each for each in questions]}]}


def lines(*records):
    return "".join(json.dumps(each) + "\n" for each in records)


def asked(name, start, text="대전"):
    return {"id": name, "question": "?", "answer": {"text": text, "answer_start": start}}


KMOU = "## 1\n## 대전\n## <대전:LOC>\n\n## 2\n## 대전\n\n## 3\n## 대전\n## <부산:LOC>\n\n## 4\n## 비\n## 비\n\n"
# Reader -> (file name, contents, records that are right, records that are wrong, the place of the first wrong one).
FILES = {
    "jsonl": (
        "a.jsonl",
        lines({"text": "a", "spans": []}, {"text": 1}, {"text": "b", "spans": [[0, 1, "X"]]}) + "{\n" + '{"a": 1}\n',
        (2, 3, ":2"),
    ),
    "conll": ("a.conll", "가\tB-X\n나\n\n다\tO\n\n라\tX\n\n마\tI-X\n", (1, 3, ":2")),
    "conll2003_documents": ("a.conll", "가 I-X\n\n나\n\n-DOCSTART- O\n\n다 O\n\n라 X\n", (2, 2, ":3")),
    "klue_ner": ("a.tsv", "## a-x\t가\n가\tO\n\n나\n\n다\tX\n\n", (1, 2, ":4")),
    "gmb": (
        "a.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,a,N,O\nSentence: 2,b,N,\n,c,N,O\nSentence: 3,d,N,X\n",
        (1, 2, ":3"),
    ),
    "kmou": ("a.txt", KMOU, (2, 2, ":5")),
    "korquad": (
        "a.json",
        json.dumps(
            {
                "data": [
                    squad({}, {"id": "r", "answers": [{"text": "부산", "answer_start": 0}]}, title=None),
                    {"title": "y"},
                    squad({"id": "s", "is_impossible": None}, {"id": 1.5}, ("no object"[:0] and {}) or {"id": "q"}),
                ]
            }
        ),
        (2, 4, ", article 0, paragraph 0, question 'r'"),
    ),
    "korquad2": (
        "a.json",
        json.dumps({"data": [PAGE | {"qas": [asked("a", 3), asked("b", 4), {"id": "c"}]}, {"context": 1}]}),
        (1, 3, ", article 0, question 'b'"),
    ),
    "labelled": ("a.tsv", "text\tlabel\na\tx\nb\tx\ty\nc\ty\nd\n", (2, 2, ":3")),
    "korsts": ("a.tsv", "genre\tscore\tsentence1\tsentence2\nm\t1.0\ta\tb\nm\t2.0\tc\n", (1, 1, ":3")),
    "korean_hate_speech": ("a.tsv", 'title\tcomment\thate\nt\t"a\tb"\tnone\nt\tc\n', (1, 1, ":3")),
    "ko_fake_news": ("a.csv", "seqid,title,content,label\n1,a,b,0\n2,,b,0\n3,c,d\n", (1, 2, ":3")),
}


@pytest.mark.parametrize("dataset", FILES)
def test_every_reader_reads_the_records_after_a_wrong_one(tmp_path, dataset):
    name, text, (right, wrong, first) = FILES[dataset]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises((ValueError, TypeError)) as caught:
        read_split(dataset, str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}{first}"), message
    others = (
        f"({wrong - 1} more record{'s are' if wrong > 2 else ' is'} invalid; --skip_invalid continues without them)"
    )
    assert (others in message) == (wrong > 1), message
    split = read_split(dataset, str(path), options=ReadOptions(skip_invalid=True))
    assert (len(split.examples), split.issues.invalid) == (right, wrong)
    assert split.issues.first.startswith(f"{path}{first}") and "more record" not in split.issues.first
    [line] = split.issues.lines("it")
    assert line == f"skipped records     {wrong} invalid in it, the first: {split.issues.first}"


def test_ids_overlaps_and_missing_labels_are_records_too(tmp_path):
    path = tmp_path / "a.jsonl"
    good = [{"id": f"g{at}", "text": "abc", "spans": [[0, 1, "X"]]} for at in range(9)]
    twice = {"id": "g0", "text": "a", "spans": []}
    overlapping = {"id": "o", "text": "abc", "spans": [[0, 2, "X"], [1, 3, "X"]]}
    unlabelled = {"id": "u", "text": "abc"}
    path.write_text(lines(*good[:5], twice, overlapping, unlabelled, *good[5:]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.jsonl:6: expected unique ids .* \(2 more records are invalid"):
        load_corpus("jsonl", str(path))
    corpus = load_corpus("jsonl", str(path), options=ReadOptions(skip_invalid=True))
    assert sum(map(len, corpus.splits.values())) == 9 and corpus.issues["train"].invalid == 3
    assert corpus.remarks()[0].startswith("skipped records     3 invalid in the train part, the first: ")
    # Where nobody has to be labelled, only two are wrong.
    split = read_split("jsonl", str(path), options=ReadOptions(skip_invalid=True))
    assert (len(split.examples), split.issues.invalid) == (10, 2)


def test_each_file_has_its_own_count(tmp_path):
    for name, wrong in (("train", 1), ("validation", 2), ("calibration", 3)):
        records = [{"id": "a", "text": "abc", "spans": [[0, 1, "X"]]}, *[{"id": str(at)} for at in range(wrong)]]
        (tmp_path / name).write_text(lines(*records), encoding="utf-8")
    train, validation, calibration = (str(tmp_path / name) for name in ("train", "validation", "calibration"))
    options = ReadOptions(skip_invalid=True)
    corpus = load_corpus("jsonl", train, validation, calibration=calibration, options=options)
    assert {split: issues.invalid for split, issues in corpus.issues.items()} == {
        "train": 1,
        "validation": 2,
        "calibration": 3,
    }
    assert [str(tmp_path / split) in line for split, line in zip(corpus.issues, corpus.remarks())] == [True] * 3


def test_rows_of_the_hub(tmp_path):
    tags = datasets.Dataset.from_dict({"tokens": [["a"], ["b"], ["c"], None], "tags": [["O"], ["X"], ["B-X"], ["O"]]})
    labels = datasets.Dataset.from_dict({"text": ["a", None, "c"], "label": ["x", "y", "z"]})
    answers = [{"text": ["대전"], "answer_start": [at]} for at in (0, 1, 2)]
    rows = {"id": ["a", "b", "c"], "context": ["대전"] * 3, "question": ["?"] * 3, "answers": answers}
    for name, data, right in (("tags", tags, 2), ("labels", labels, 2), ("rows", datasets.Dataset.from_dict(rows), 1)):
        data.save_to_disk(tmp_path / name)
        with pytest.raises((ValueError, TypeError), match="split 'train', row 1"):
            read_split(f"hub:{tmp_path / name}", "train")
        split = read_split(f"hub:{tmp_path / name}", "train", options=ReadOptions(skip_invalid=True))
        assert (len(split.examples), split.issues.invalid) == (right, len(data) - right)


def test_a_file_of_wrong_records_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": 1}\n{"text": 2}\n', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"got 2 invalid records, the first: .*a\.jsonl:1: expected 'text' to be a str"
    ):
        read_split("jsonl", str(path), options=ReadOptions(skip_invalid=True))


def test_a_reading_that_does_not_collect_raises_at_once():
    session = ReadSession()
    with pytest.raises(ValueError, match=r"^one$"), session.record():
        raise ValueError("one")
    with pytest.raises(KeyError), ReadSession(collect=True).record():
        raise KeyError("no mistake of the data")


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("jsonl", {"quoting": "none"}, "expected no quoting with the data set 'jsonl', got 'none', which is for CSV"),
        (
            "korquad",
            {"token_column": "1"},
            "expected no token_column with the data set 'korquad', got '1', which is for",
        ),
        ("hub:x", {"quoting": "minimal"}, "expected no quoting with the data set 'hub:x'"),
        ("labelled", {"tag_column": "0"}, "expected no tag_column with the data set 'labelled'"),
    ],
)
def test_options_that_a_reader_does_not_take(dataset, options, message):
    for read in (load_corpus, lambda *words, **more: read_split(words[0], "a", **more)):
        with pytest.raises(ValueError, match=message):
            read(dataset, options=ReadOptions(**options))
