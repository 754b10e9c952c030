"""Labelled texts: rows of three forms, what is refused with its line, and labels that are numbers."""

import csv
import gzip
import io
import json

import datasets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kospan.data.corpus import load_corpus, read_examples
from kospan.data.hub import read_hub
from kospan.data.jsonl import from_record, record
from kospan.data.labelled import labelled_item, labelled_items
from kospan.data.records import ReadOptions, ReadSession, grouped_pairs
from kospan.data.registry import dataset_spec
from kospan.data.values import holds_values, value_of
from kospan.example import Example, checked, clean_label
from kospan.modeling.spans import Span

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")
TEXT = st.text(LETTERS, max_size=30)
NEWS = 'seqid,title,content,label\n1,"철강 ""관세"" 폭탄","첫 줄, 쉼표\n둘째 줄",0\n2,제목,본문,1\n'


def written(folder, name: str, text: str):
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXT, TEXT.filter(str.strip), TEXT.filter(clean_label)), min_size=1, max_size=5))
def test_any_text_comes_through_rows_as_it_was(tmp_path, rows):
    expected = [(text, pair, (Span(0, len(text), clean_label(label)),)) for text, pair, label in rows]
    for delimiter, ending in ((",", "csv"), ("\t", "tsv")):
        file = io.StringIO(newline="")
        out = csv.writer(file, delimiter=delimiter)
        out.writerows([("text", "text_pair", "label"), *rows])
        path = written(tmp_path, f"rows.{ending}", file.getvalue())
        found = [item.example for item in labelled_items(path, ReadSession(ReadOptions(quoting="minimal")))]
        assert [(example.text, example.text_pair, example.spans) for example in found] == expected
    lines = [json.dumps(dict(zip(("text", "text_pair", "label"), row))) for row in rows]
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    found = [item.example for item in labelled_items(packed)]
    assert [(example.text, example.text_pair, example.spans) for example in found] == expected
    # And through our own JSON Lines, the label of an empty text too.
    for example in found:
        again = checked(from_record(json.loads(json.dumps(record(example)))), whole_texts=True)[0]
        assert again == example


def test_ids_sources_and_places(tmp_path):
    path = written(tmp_path, "my.csv", 'text,label,id,source\n"a\nb",x,one,web\n\nc,y,,\n')
    first, second = labelled_items(path)
    assert (first.example.id, first.example.source, first.place) == ("one", "web", f"{path}:2")
    assert (second.example.id, second.place) == ("my-5", f"{path}:5")


@pytest.mark.parametrize(
    ("rows", "groups"),
    [("a,x,p b,y,p c,x,q", ["p", "p", "q"]), ("a,x,p a,y,q c,x,q a,x,r", ["a", "a", "c", "a"]), ("a,x,p", ["a"])],
)
def test_pairs_are_grouped_by_the_field_that_repeats(tmp_path, rows, groups):
    pairs = written(tmp_path, "pairs.csv", "\n".join(["text,label,text_pair", *rows.split()]) + "\n")
    assert [item.group for item in grouped_pairs(labelled_items(pairs))] == groups


def test_the_hypotheses_of_a_premise_stay_in_one_split(tmp_path):
    rows = [f"premise {at // 3},{'xyz'[at % 3]},hypothesis {at}" for at in range(36)]
    path = written(tmp_path, "pairs.csv", "\n".join(["text,label,text_pair", *rows]) + "\n")
    splits = load_corpus("labelled", str(path)).splits
    train, validation = ({example.text for example in splits[split]} for split in ("train", "validation"))
    assert len(splits["validation"]) == 6 and not train & validation


def test_a_document_may_be_longer_than_pythons_own_limit(tmp_path):
    limit = csv.field_size_limit()
    path = written(tmp_path, "long.csv", f"text,label\n{'가' * 200_000},x\n")
    assert len(next(labelled_items(path)).example.text) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "text,class\nx,y\n", "a.csv:2: expected the columns text and label, got text, class"),
        (
            "a.csv",
            "text,label,text_pair\nx,y,z\nx,y,\n",
            "a.csv:3: expected a text_pair in every row or in none, got n",
        ),
        (
            "a.csv",
            "text,label,text_pair\nx,y,\nx,y,z\n",
            "a.csv:3: expected a text_pair in every row or in none, got o",
        ),
        ("a.csv", "text,label\nx,y,z\n", "a.csv:2: expected 2 fields (text, label), got 3; put a field that holds a c"),
        ("a.csv", 'text,label\n"b,b",c\n"x,y\nz,w\n', "a.csv:3: expected rows of fields"),
        ("a.csv", "text,text\nx,y\n", "a.csv:1: expected a header that names every column once, got text, text"),
        ("a.tsv", "text\tlabel\nx\n", "got 1; put a field that holds a tab"),
        ("a.jsonl", '{"text": "x"}\n', "a.jsonl:1: expected the columns text and label, got text"),
        ("a.jsonl", '{"text": "x", "label": []}\n', "a.jsonl:1: expected a label to be a class's name or a number"),
        ("a.jsonl", '{"text": 3, "label": "a"}\n', "a.jsonl:1: expected 'text' to be a string, got 3"),
        ("a.jsonl", '{"text": "\\ud800", "label": "a"}\n', "a.jsonl:1: expected whole characters"),
        ("a.xlsx", "", "ends in .csv, .tsv or .jsonl"),
    ],
)
def test_malformed_rows_are_refused_with_their_line(tmp_path, name, text, words):
    path = written(tmp_path, name, text)
    with pytest.raises((ValueError, TypeError)) as error:
        list(labelled_items(path))
    assert words in str(error.value)


def test_an_unlabelled_text_is_read_but_not_trained_on(tmp_path):
    path = written(tmp_path, "a.csv", "text,label\nx,a\ny,\nz,b\n")
    assert [example.spans is None for example in read_examples("labelled", str(path))] == [False, True, False]
    with pytest.raises(ValueError, match="expected labelled texts, got one without spans"):
        load_corpus("labelled", str(path))


# --- numbers ----------------------------------------------------------------------------------------------------------


def corpus_of(tmp_path, labels: list[str], kind: str | None):
    rows = "".join(f"text {at},{label}\n" for at, label in enumerate(labels))
    return load_corpus("labelled", str(written(tmp_path, "v.csv", "text,label\n" + rows)), problem_type=kind)


@pytest.mark.parametrize(
    ("labels", "kind", "values"),
    [
        (["1.5", "2.0", "-.5", "1e3"], None, True),
        (["1", "2", "3"], None, False),
        (["1.5", "2", "3.0"], None, False),
        (["1.5", "b"], None, False),
        (["1", "2", "3"], "regression", True),
        (["1.5", "2.5", "1.5"], "single_label_classification", False),
    ],
)
def test_when_labels_are_numbers(tmp_path, labels, kind, values):
    labels = labels * 3
    found = corpus_of(tmp_path, labels, kind)
    assert found.values == values
    train = found.splits["train"]
    expected = [label for at, label in enumerate(labels) if at % 8]
    if values:
        assert found.labels == ("value",)
        assert [example.spans for example in train] == [
            (Span(0, len(example.text), "value", float(label)),) for example, label in zip(train, expected)
        ]
        # As our own JSON Lines hold it, a value is read again.
        again = from_record(json.loads(json.dumps(record(train[0]))))
        assert again == Example(train[0].id, train[0].text, train[0].spans) and holds_values([again])
    else:
        assert found.labels == tuple(sorted(set(expected)))


@pytest.mark.parametrize("label", ["b", "nan", "inf", "1,5"])
def test_a_value_that_is_no_number_is_refused(tmp_path, label):
    quoted = f'"{label}"' if "," in label else label
    with pytest.raises(ValueError, match=r"example 'v-3' \(train\): expected a label that is a finite number, got"):
        corpus_of(tmp_path, ["1.0", quoted, "2.0"], "regression")
    with pytest.raises(ValueError, match="row 1"):
        value_of(Span(0, 1, label), "row 1")


def test_a_value_seen_in_validation_alone_is_welcome(tmp_path):
    assert corpus_of(tmp_path, ["9.75", "1.0", "2.0"], None).splits["validation"][0].spans[0].score == 9.75


# --- the Korean fake news set -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["cp949", "utf-8-sig"])
def test_fake_news_in_both_encodings(tmp_path, encoding):
    path = tmp_path / "news.csv"
    path.write_bytes(NEWS.encode(encoding))
    first, second = read_examples("ko_fake_news", str(path))
    assert first == Example("news-1", "첫 줄, 쉼표\n둘째 줄", (Span(0, 12, "0"),), text_pair='철강 "관세" 폭탄')
    assert second.spans == (Span(0, 2, "1"),)


def test_a_folder_of_fake_news_is_one_pool_whose_titles_stay_together(tmp_path):
    news = NEWS.replace("본문,1", "본문,0")
    (tmp_path / "m1.csv").write_bytes(news.encode("cp949"))
    (tmp_path / "m2.csv").write_bytes(news.replace("2,제목", "2,'제목").encode("utf-8-sig"))
    found = load_corpus("ko_fake_news", str(tmp_path))
    assert {example.id for example in found.splits["validation"]} == {"m1-1", "m2-1"}
    assert {example.id for example in found.splits["train"]} == {"m1-2", "m2-2"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            b"seqid,title,label\n1,a,0\n",
            "expected a header that names every column once (seqid, title, content, label)",
        ),
        (b"seqid,title,content,label\n1, ,a,0\n", "news.csv:2: expected a title, got none"),
        (b"\xff\xfe\x00\x81", "news.csv:1: expected utf-8"),
    ],
)
def test_malformed_fake_news(tmp_path, data, words):
    path = tmp_path / "news.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError) as error:
        read_examples("ko_fake_news", str(path))
    assert words in str(error.value)
    with pytest.raises(ValueError, match="expected CSV files in the folder"):
        read_examples("ko_fake_news", str(tmp_path / "empty" if (tmp_path / "empty").mkdir() is None else ""))


# --- sets that `datasets` reads ---------------------------------------------------------------------------------------


def saved(tmp_path, columns: dict, features: dict | None = None) -> str:
    data = datasets.Dataset.from_dict(columns)
    for name, feature in (features or {}).items():
        data = data.cast_column(name, feature)
    datasets.DatasetDict({"train": data, "validation": data}).save_to_disk(str(tmp_path / "set"))
    return str(tmp_path / "set")


def test_klue_ynat_has_headlines_with_classes_in_their_order(tmp_path):
    columns = {"guid": ["y-1", "y-2"], "title": ["금리", "야구"], "label": [1, 0], "url": ["u", "u"]}
    source = read_hub(saved(tmp_path, columns, {"label": datasets.ClassLabel(names=["스포츠", "경제"])}))
    assert source.labels == ("스포츠", "경제")
    first, second = (item.example for item in source.splits["train"])
    assert first == Example("y-1", "금리", (Span(0, 2, "경제"),)) and second.spans[0].label == "스포츠"


def test_the_text_of_klue_nli_is_the_premise(tmp_path):
    columns = {"guid": ["n-1"], "source": ["wiki"], "premise": ["비가 온다"], "hypothesis": ["맑다"], "label": [2]}
    names = datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])
    [item] = read_hub(saved(tmp_path, columns, {"label": names})).splits["train"]
    assert item.example == Example("n-1", "비가 온다", (Span(0, 5, "contradiction"),), source="wiki", text_pair="맑다")


def test_klue_sts_has_values_in_a_struct(tmp_path):
    labels = [
        {"label": 3.7, "real-label": 3.714, "binary-label": 1},
        {"label": 0.0, "real-label": 0.0, "binary-label": 0},
    ]
    columns = {"guid": ["s-1", "s-2"], "sentence1": ["가", "나"], "sentence2": ["다", "라"], "labels": labels}
    found = load_corpus(f"hub:{saved(tmp_path, columns)}", problem_type=None)
    expected = Example("s-1", "가", (Span(0, 1, "value", 3.7),), text_pair="다")
    assert found.values and found.splits["train"][0] == expected


def test_numbers_names_and_pairs_of_any_set(tmp_path):
    columns = {"text": ["a", "b"], "text_pair": ["c", "d"], "label": ["x", "y"], "idx": [0, 1]}
    first, second = read_hub(saved(tmp_path, columns)).splits["train"]
    assert first.example == Example("train-0", "a", (Span(0, 1, "x"),), text_pair="c")
    assert second.example.id == "train-1"


@pytest.mark.parametrize(
    ("columns", "features", "words"),
    [
        ({"text": ["a"], "text_pair": [""], "label": ["x"]}, {}, "row 0: expected a text_pair beside text, got ''"),
        ({"text": [None], "label": ["x"]}, {"text": datasets.Value("string")}, "row 0: expected 'text' to be a string"),
        ({"words": ["a"], "label": ["x"]}, {}, "expected a column tokens"),
    ],
)
def test_malformed_sets(tmp_path, columns, features, words):
    with pytest.raises((ValueError, TypeError)) as error:
        list(read_hub(saved(tmp_path, columns, features)).splits["train"])
    assert words in str(error.value)


def test_what_is_known_of_the_sets():
    assert dataset_spec("klue_nli").config == "nli" and dataset_spec("klue_sts").hub == "klue/klue"
    assert dataset_spec("ko_fake_news").restricted and dataset_spec("ko_fake_news").licence == "unknown"
    assert dataset_spec("labelled").licence is None


@pytest.mark.parametrize("label", ["경제 뉴스", "경제\u00a0뉴스", " 경제  뉴스", "경제\t뉴스"])
def test_white_space_in_a_label_is_one_space(label):
    assert labelled_item("a:1", "a", "금리", label).example.spans[0].label == "경제 뉴스"


def test_nan_is_no_label(tmp_path):
    labels = [0.5, float("nan"), 2.0]
    rows = [{"text": str(at), "label": label, "source": float("nan")} for at, label in enumerate(labels)]
    path = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    datasets.Dataset.from_dict({"text": list("012"), "label": labels}).save_to_disk(tmp_path / "set")
    for items in (labelled_items(path), read_hub(str(tmp_path / "set")).splits["train"]):
        found = [item.example for item in items]
        assert [each.spans and each.spans[0].label for each in found] == ["0.5", None, "2.0"]
        assert holds_values(found)


@pytest.mark.parametrize("label", ["Infinity", "-Infinity", "1e999"])
def test_an_infinite_label_is_an_error(tmp_path, label):
    path = written(tmp_path, "a.jsonl", f'{{"text": "가", "label": 0.5}}\n{{"text": "나", "label": {label}}}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2: expected a label that is a finite number, got -?inf"):
        list(labelled_items(path))
    datasets.Dataset.from_dict({"text": ["가"], "label": [float(label)]}).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match="row 0: expected a label that is a finite number"):
        list(read_hub(str(tmp_path / "set")).splits["train"])
