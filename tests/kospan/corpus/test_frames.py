"""Data frames of a partition, as Spark's mapInPandas gives them."""

import pickle

import numpy
import pandas
import pyarrow
import pytest
from corpus_cases import TEXTS

from kospan.corpus import frames
from kospan.corpus.frames import SPARK_SCHEMA, FramePredictor


@pytest.fixture(autouse=True)
def no_models(monkeypatch):
    monkeypatch.setattr(frames, "_PREDICTORS", {})


def test_frames_are_predicted_row_by_row_in_order(model_folder, make_token_classifier):
    function = pickle.loads(pickle.dumps(FramePredictor(model_folder, {"columns": {"text": "body"}})))
    table = pandas.DataFrame({"id": range(4), "body": TEXTS, "other": [[1], [2], [3], [4]]}, index=[9, 9, 3, 1])
    parts = [table[:3], table[3:], table[:0]]
    found = list(function(iter(parts)))
    assert [len(part) for part in found] == [3, 1, 0]
    found = pandas.concat(found)
    assert found["id"].tolist() == ["0", "1", "2", "3"] and found["text"].tolist() == TEXTS
    assert found["error"].isna().all()
    expected = make_token_classifier(encoder_input="units").extract(TEXTS)
    shown = [[(span["start"], span["end"], span["label"]) for span in spans] for spans in found["spans"]]
    assert shown == [[span[:3] for span in spans] for spans in expected] and any(expected)


def test_rows_that_cannot_be_read_have_a_reason(model_folder):
    table = pandas.DataFrame({"text": [TEXTS[0], None, numpy.nan, 3.5]}, dtype=object)
    [found] = FramePredictor(model_folder)([table])
    assert found["id"].tolist() == ["row-1", None, None, None]
    assert found["error"][0] is None and found["spans"][0] is not None
    assert found["spans"][1:].isna().all()
    assert found["error"][1].startswith("expected a text, got null")
    assert found["error"][3].startswith("expected 'text' to be a string, got 3.5") and found["text"][3] == "3.5"


def test_result_has_the_columns_and_types_of_the_schema(model_folder):
    [found] = FramePredictor(model_folder)([pandas.DataFrame({"text": [*TEXTS, None]})])
    span = pyarrow.struct(
        [
            ("start", pyarrow.int64()),
            ("end", pyarrow.int64()),
            ("label", pyarrow.string()),
            ("score", pyarrow.float64()),
        ]
    )
    types = [
        ("id", pyarrow.string()),
        ("text", pyarrow.string()),
        ("spans", pyarrow.list_(span)),
        ("error", pyarrow.string()),
    ]
    assert pyarrow.Table.from_pandas(found, pyarrow.schema(types), safe=True).num_rows == 5
    names = [
        part.split()[0]
        for part in SPARK_SCHEMA.replace(
            "array<struct<start: bigint, end: bigint, label: string, score: double>>", "spans"
        ).split(", ")
    ]
    assert names == list(found.columns)


def test_model_is_loaded_once_for_all_partitions(model_folder, monkeypatch):
    loaded = []
    original = frames.Predictor
    monkeypatch.setattr(frames, "Predictor", lambda *values: loaded.append(values) or original(*values))
    for _ in range(2):
        list(FramePredictor(model_folder)([pandas.DataFrame({"text": TEXTS})]))
    list(FramePredictor(model_folder, {"threshold": 0.9})([pandas.DataFrame({"text": TEXTS})]))
    assert len(loaded) == 2
