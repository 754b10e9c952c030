"""Texts with spans from sets of the `datasets` library: every way in which a column can hold them."""

import json

import datasets
import pytest
from datasets import ClassLabel, Features, List, Sequence, Value

from kospan.data.corpus import load_corpus, read_examples, read_split
from kospan.data.hub import read_hub
from kospan.data.records import ReadOptions
from kospan.example import Example
from kospan.modeling.spans import Span

TEXTS = ["한별이 대전에 갔다", "비가 온다"]
SPANS = [[{"start": 0, "end": 2, "label": "PS"}, {"start": 4, "end": 6, "label": "LC"}], []]
STRING, INT = Value("string"), Value("int32")
# The order of the classes is the set's; one has another spelling, two are used by no row.
NAMES = ["O", "OG", "PS ", "LC"]


def columns(column="spans", **more):
    return {"text": TEXTS, column: SPANS} | more


def numbered(spans):
    return [[span | {"label": ["O", "OG", "PS", "LC"].index(span["label"])} for span in each] for each in spans]


def as_lists(spans):
    return [{key: [span[key] for span in each] for key in ("start", "end", "label")} for each in spans]


CASES = {
    "strings": (columns(), None),
    "JSON in a string": (columns() | {"spans": [json.dumps(each) for each in SPANS]}, None),
    "Python in a string": (columns("entities") | {"entities": [repr(each) for each in SPANS]}, None),
    "entities": (columns("entities"), None),
    "type": (
        {
            "text": TEXTS,
            "entities": [[{"start": s["start"], "end": s["end"], "type": s["label"]} for s in SPANS[0]], []],
        },
        None,
    ),
    "classes": (
        columns() | {"spans": numbered(SPANS)},
        {"text": STRING, "spans": List({"start": INT, "end": INT, "label": ClassLabel(names=NAMES)})},
    ),
    "lists": (
        columns() | {"spans": as_lists(numbered(SPANS))},
        {"text": STRING, "spans": Sequence({"start": INT, "end": INT, "label": ClassLabel(names=NAMES)})},
    ),
    "lists of strings": (columns() | {"spans": as_lists(SPANS)}, None),
    "doccano": (
        {
            "text": TEXTS,
            "entities": [
                [
                    {"start_offset": 4, "end_offset": 6, "label": "LC"},
                    {"start_offset": 0, "end_offset": 2, "label": "PS"},
                ],
                [],
            ],
        },
        None,
    ),
}


def table(case):
    values, features = case
    return datasets.Dataset.from_dict(values, features=Features(features) if features else None)


@pytest.mark.parametrize("place", ["folder", "parquet", "hub"])
@pytest.mark.parametrize("name", CASES)
def test_every_form_is_read(tmp_path, monkeypatch, name, place):
    data = table(CASES[name])
    dataset = f"hub:{tmp_path / 'set'}"
    if place == "folder":
        datasets.DatasetDict(train=data, validation=data).save_to_disk(tmp_path / "set")
    elif place == "parquet":
        (tmp_path / "set").mkdir()
        for split in ("train", "validation"):
            data.to_parquet(str(tmp_path / "set" / f"{split}.parquet"))
    else:
        dataset = "hub:somebody/spans"
        monkeypatch.setattr(datasets, "load_dataset", lambda *words: datasets.DatasetDict(train=data, validation=data))
    corpus = load_corpus(dataset)
    assert corpus.labels == (("PS", "LC") if features_of(name) else ("LC", "PS"))
    assert corpus.splits["train"] == [
        Example("train-1", TEXTS[0], (Span(0, 2, "PS"), Span(4, 6, "LC"))),
        Example("train-2", TEXTS[1], ()),
    ]


def features_of(name):
    return CASES[name][1]


def saved(folder, values, features=None):
    table((values, features)).save_to_disk(folder / "set")
    return f"hub:{folder / 'set'}"


def test_our_own_json_lines_as_a_set(tmp_path):
    rows = {
        "id": ["a", "b"],
        "text": TEXTS,
        "spans": [[{"start": 4, "end": 6, "label": "answer", "score": 0.5}], None],
        "question": ["어디에?", "무엇이?"],
        "source": ["web", None],
    }
    first, second = read_examples(saved(tmp_path, rows), "train")
    assert first == Example("a", TEXTS[0], (Span(4, 6, "answer", 0.5),), "어디에?", "web")
    assert second == Example("b", TEXTS[1], None, "무엇이?")


def test_keys_that_only_some_spans_have(tmp_path):
    rows = [[{"start": 0, "end": 2, "label": "PS", "score": 0.5}], [{"start": 0, "end": 1, "label": "B"}]]
    first, second = read_examples(saved(tmp_path / "a", columns(spans=rows)), "train")
    assert (first.spans, second.spans) == ((Span(0, 2, "PS", 0.5),), (Span(0, 1, "B"),))
    rows = [[{"start": 0, "end": 2, "label": None, "type": "PS"}], [{"start": 0, "end": 1, "label": None}]]
    numbers = [[{"start": 0, "end": 2, "label": None, "type": 3}], [{"start": 0, "end": 1, "label": None, "type": 1}]]
    features = {"start": INT, "end": INT, "label": Value("null"), "type": ClassLabel(names=NAMES)}
    name = saved(tmp_path / "b", columns(spans=numbers), {"text": STRING, "spans": List(features)})
    assert [each.spans[0].label for each in read_examples(name, "train")] == ["LC", "OG"]
    with pytest.raises(TypeError, match="row 1, span 0: expected 'label' to be a string, got None"):
        read_examples(saved(tmp_path / "c", columns(spans=rows)), "train")


@pytest.mark.parametrize(
    ("values", "features", "message"),
    [
        (columns(spans=[[{"start": 0, "end": 99, "label": "PS"}], []]), None, "row 0, span 0: expected 0 <= start <"),
        (columns(spans=[[], [{"start": None, "end": 2, "label": "PS"}]]), None, "row 1, span 0: expected 'start' to"),
        (
            columns("entities", entities=[[{"start": 0, "end": 1, "label": "PS", "text": "한별"}], []]),
            None,
            "row 0, span 0: expected the text '한별' from 0 to 1, got '한'",
        ),
        (columns(text=[None, "a"]), None, "row 0: expected 'text' to be a string, got None"),
        (columns(spans=[[{"start": 0, "end": 1, "label": 3}], []]), None, "the column spans to be strings or a ClassL"),
        (columns(label=["x", "y"]), None, "columns spans and label; pass --tag_column spans or --tag_column l"),
        (columns("marks"), None, "expected a column tokens and .*, got text, marks; pass --tag_column marks"),
        (columns("spans", spans=[["PS"], []]), None, "got text, spans; rename the columns"),
    ],
)
def test_rows_that_hold_something_else(tmp_path, values, features, message):
    with pytest.raises((ValueError, TypeError), match=message):
        read_examples(saved(tmp_path, values, features), "train")


def test_the_user_names_the_column(tmp_path):
    for column, wanted in (("spans", (Span(0, 2, "PS"), Span(4, 6, "LC"))), ("label", (Span(0, 10, "x"),))):
        name = saved(tmp_path / column, columns(label=["x", "y"]))
        assert read_examples(name, "train", options=ReadOptions(tag_column=column))[0].spans == wanted
    name = saved(tmp_path / "marks", columns("marks"))
    assert len(read_examples(name, "train", options=ReadOptions(tag_column="marks"))[0].spans) == 2
    with pytest.raises(ValueError, match="expected tag_column to be one of the columns text, marks, got 'mark'"):
        read_examples(name, "train", options=ReadOptions(tag_column="mark"))


def test_invalid_rows_are_counted_or_skipped(tmp_path):
    name = saved(tmp_path, {"text": [*TEXTS, "a", "b"], "spans": [*SPANS, SPANS[0], SPANS[0]]})
    with pytest.raises(ValueError, match=r"row 2, span 0: .* \(1 more record is invalid; --skip_invalid continues"):
        read_examples(name, "train")
    split = read_split(name, "train", options=ReadOptions(skip_invalid=True))
    assert [example.text for example in split.examples] == TEXTS and split.issues.invalid == 2


NOTHING = List({"start": INT, "end": INT, "label": STRING})


@pytest.mark.parametrize("empty", [[[], []], [None, None], [None, []]])
@pytest.mark.parametrize(("column", "other"), [("entities", "spans"), ("spans", "entities"), ("label", "annotations")])
def test_an_empty_column_of_spans_does_not_count(tmp_path, column, other, empty):
    features = {"text": STRING, column: NOTHING, other: NOTHING}
    name = saved(tmp_path, {"text": TEXTS, column: SPANS, other: empty}, features)
    assert [len(each.spans) for each in read_examples(name, "train")] == [2, 0]


def test_two_columns_of_spans_are_refused(tmp_path):
    other = [[], [{"start": 0, "end": 1, "label": "X"}]]
    name = saved(tmp_path, columns(entities=other))
    with pytest.raises(ValueError, match="got spans and entities; pass --tag_column spans or --tag_column entities"):
        read_examples(name, "train")
    for column, wanted in (("spans", [2, 0]), ("entities", [0, 1])):
        found = read_examples(name, "train", options=ReadOptions(tag_column=column))
        assert [len(each.spans) for each in found] == wanted
    # One that is filled in another split alone counts too.
    train, test = table((columns(entities=[[], []]), None)), table((columns(entities=other), None))
    datasets.DatasetDict(train=train.cast(test.features), test=test).save_to_disk(tmp_path / "both")
    with pytest.raises(ValueError, match="split 'train': expected one column of spans, got spans and entities"):
        read_examples(f"hub:{tmp_path / 'both'}", "test")


def test_two_empty_columns_hold_nothing(tmp_path):
    name = saved(
        tmp_path,
        {"text": TEXTS, "spans": [[], None], "entities": [[], []]},
        {"text": STRING, "spans": NOTHING, "entities": NOTHING},
    )
    assert [each.spans for each in read_examples(name, "train")] == [(), None]


@pytest.mark.parametrize("column", ["label", "labels", "annotations"])
def test_spans_under_the_name_of_a_class(tmp_path, column):
    assert [len(each.spans) for each in read_examples(saved(tmp_path, columns(column)), "train")] == [2, 0]


def test_a_text_under_another_name_is_to_be_renamed(tmp_path):
    for column in ("entities", "label"):
        name = saved(tmp_path / column, {"sentence": TEXTS, column: SPANS})
        with pytest.raises(ValueError, match="; rename the column sentence to text, and save") as caught:
            read_examples(name, "train")
        assert "token_column" not in str(caught.value)


def test_decisions_of_prodigy_count_as_in_local_files(tmp_path):
    spans = [
        [
            {"start": 0, "end": 2, "label": 2, "score": 0.2, "answer": "accept"},
            {"start": 4, "end": 6, "label": 3, "score": 0.3, "answer": "reject"},
        ],
        [{"start": 0, "end": 1, "label": 1, "score": None, "answer": None}],
        None,
        [],
    ]
    features = {"start": INT, "end": INT, "label": ClassLabel(names=NAMES), "score": Value("float32"), "answer": STRING}
    name = saved(
        tmp_path,
        {"text": [*TEXTS, "눈", "해"], "spans": spans, "answer": ["accept", "reject", "accept", "ignore"]},
        {"text": STRING, "spans": List(features), "answer": STRING},
    )
    message = 'split \'train\': skipped 1 with the answer "ignore", 1 with the answer "reject"'
    with pytest.warns(UserWarning, match=message):
        split = read_split(name, "train")
    assert [(each.id, each.spans) for each in split.examples] == [
        ("train-1", (Span(0, 2, "PS"),)),
        ("train-3", ()),
    ]
    assert read_hub(name.removeprefix("hub:")).labels == ("PS",)


def test_classes_that_prodigys_annotators_rejected(tmp_path):
    name = saved(tmp_path, {"text": TEXTS, "label": ["a", "a"], "answer": ["accept", "reject"]})
    with pytest.warns(UserWarning, match='skipped 1 with the answer "reject"'):
        assert [each.text for each in read_examples(name, "train")] == TEXTS[:1]
    # Elsewhere, an answer is none of Prodigy's decisions.
    rows = {"text": TEXTS, "spans": SPANS, "question": ["?", "?"], "answer": ["reject", "reject"]}
    assert len(read_examples(saved(tmp_path / "b", rows), "train")) == 2
