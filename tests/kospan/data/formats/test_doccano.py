import json

import pytest
from format_cases import surfaces, write_lines

from kospan.data.formats.doccano import read_doccano, write_doccano
from kospan.example import Example
from kospan.modeling.spans import Span


def test_old_and_new_keys(tmp_path):
    path = write_lines(
        tmp_path / "export.jsonl",
        {"id": 7, "text": "대구", "label": [[0, 2, "LC"]], "Comments": []},
        {"text": "대구 비", "labels": [[3, 4, "X"], [0, 2, "LC"]]},
        {"id": 9, "text": "대구", "entities": [{"id": 1, "start_offset": 0, "end_offset": 2, "label": "LC"}]},
        {"id": 10, "data": "비", "writer": "김", "tags": ["맑음"]},
        {"doc_id": 23, "text": "대구", "entities": [[0, 2, "LC"]], "username": "admin"},
        {"id": 11, "text": "대구", "annotations": [{"label": "LC", "start_offset": 0, "end_offset": 2, "user": 1}]},
        {"id": 12, "text": "비", "annotations": [], "meta": {}},
    )
    assert read_doccano(path) == [
        Example("7", "대구", (Span(0, 2, "LC"),)),
        Example("export-2", "대구 비", (Span(0, 2, "LC"), Span(3, 4, "X"))),
        Example("9", "대구", (Span(0, 2, "LC"),)),
        Example("10", "비", None),
        Example("23", "대구", (Span(0, 2, "LC"),)),
        Example("11", "대구", (Span(0, 2, "LC"),)),
        Example("12", "비", ()),
    ]


def test_relations_and_categories_are_counted(tmp_path):
    path = write_lines(
        tmp_path / "a.jsonl",
        {"text": "대구", "entities": [[0, 2, "LC"]], "cats": ["좋음", "나쁨"], "relations": []},
        {"text": "대구", "entities": [], "relations": [{"id": 1, "from_id": 2, "to_id": 3, "type": "in"}]},
    )
    with pytest.warns(UserWarning, match="ignored 2 cats, 1 relations"):
        assert surfaces(read_doccano(path)) == [["대구"], []]


def test_null_beside_a_filled_key_is_what_pandas_makes_of_a_missing_one(tmp_path):
    line = {"id": 1, "text": "대구", "label": [[0, 2, "LC"]], "labels": None, "question": None, "source": None}
    assert read_doccano(write_lines(tmp_path / "a.jsonl", line)) == [Example("1", "대구", (Span(0, 2, "LC"),))]


def test_a_unit_that_one_line_rules_out_is_not_considered_in_the_file(tmp_path):
    lines = [{"text": "😀 김지우는 왔다", "label": [[3, 6, "PS"]]}, {"text": "😀김", "label": [[2, 3, "PS"]]}]
    with pytest.raises(ValueError, match=r"a\.jsonl:1: expected offsets with one possible meaning"):
        read_doccano(write_lines(tmp_path / "a.jsonl", lines[0]))
    with pytest.warns(UserWarning, match="read the offsets as utf16, which alone fits all lines"):
        assert surfaces(read_doccano(write_lines(tmp_path / "b.jsonl", *lines))) == [["김지우"], ["김"]]


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\u2028"])
@pytest.mark.filterwarnings("error")
def test_clean_files_need_no_choice(tmp_path, ending):
    path = write_lines(
        tmp_path / "a.jsonl",
        {"text": f"대구는 덥다{ending}서울도 😀", "label": [[0, 2, "LC"]]},
        {"text": f"덥다{ending}{ending}대구", "label": [[2 + 2 * len(ending), 4 + 2 * len(ending), "LC"]]},
        # Decomposed Hangul, counted in characters.
        {"text": "\u1103\u1162\u1100\u116e 서울", "label": [[0, 4, "LC"], [5, 7, "LC"]]},
    )
    assert surfaces(read_doccano(path)) == [["대구"], ["대구"], ["\u1103\u1162\u1100\u116e", "서울"]]


def test_graphemes(tmp_path):
    line = {"text": "👩‍👩‍👧 \u1100\u1161ㅁ\r\n대구 비", "label": [[2, 4, "A"], [5, 7, "LC"]]}
    path = write_lines(tmp_path / "a.jsonl", line)
    assert surfaces(read_doccano(path, ["graphemes"])) == [["\u1100\u1161ㅁ", "대구"]]


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ({"label": []}, ValueError, "expected the key 'text', got 'label'"),
        ({"text": "a", "label": [[0, 2, "X"]]}, ValueError, r"label 0: expected 0 <= start < end <= 1"),
        ({"text": "a", "label": [["0", 1, "X"]]}, TypeError, "expected the start to be an integer, got '0'"),
        ({"text": "a", "label": [[0, True, "X"]]}, TypeError, r"got True \(bool\)"),
        ({"text": "a", "label": ["positive"]}, ValueError, "export the project as sequence labelling"),
        ({"text": "a", "entities": [{"start_offset": 0, "label": "X"}]}, ValueError, "add end_offset"),
        ({"text": "a", "label": "X"}, TypeError, "expected 'label' to be a list"),
        ({"text": "a", "label": None}, TypeError, "expected 'label' to be a list, got None"),
        ({"text": "a", "label": [[0, 1, ""]]}, ValueError, "expected a label, got an empty string"),
        (
            {"text": "a", "annotations": [{"label": 5, "start_offset": 0, "end_offset": 1, "user": 2}]},
            ValueError,
            "annotations 0: expected the label's name, got the number 5, whose name is not in the file",
        ),
        (
            {"text": "ab", "label": [[0, 1, "X"]], "entities": [[0, 2, "X"]]},
            ValueError,
            "expected one set of annotations, got different ones under 'label' and 'entities'",
        ),
        (
            {
                "text": "ab",
                "annotations": [
                    {"label": "X", "start_offset": 0, "end_offset": 1, "user": 1},
                    {"label": "X", "start_offset": 0, "end_offset": 2, "user": 2},
                ],
            },
            ValueError,
            r"got different ones under 'annotations' \(user 1\) and 'annotations' \(user 2\)",
        ),
        ({"text": "ab", "ents": [{"start": 0, "end": 1, "label": "X"}]}, ValueError, "annotations under 'ents'"),
        ({"text": "ab", "spans": []}, ValueError, "got apparent annotations under 'spans'"),
        ({"text": "ab", "marked": [[0, 1, "X"]]}, ValueError, "got apparent annotations under 'marked'"),
        ([1], TypeError, "expected the line to be an object"),
    ],
)
def test_bad_lines(tmp_path, line, kind, message):
    path = write_lines(tmp_path / "export.jsonl", {"text": "fine", "label": []}, line)
    with pytest.raises(kind, match=message) as caught:
        read_doccano(path)
    assert str(caught.value).startswith(f"{path}:2")


@pytest.mark.parametrize(("unit", "start"), [("utf16", 3), ("graphemes", 2), ("characters", 2)])
def test_writes_what_the_project_counts(tmp_path, unit, start):
    write_doccano(tmp_path / "a.jsonl", [Example("a", "😀 서울", (Span(2, 4, "LC", 0.5),), question="어디?")], unit)
    line = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert line == {"id": "a", "text": "😀 서울", "label": [[start, start + 2, "LC"]], "question": "어디?"}


@pytest.mark.parametrize(
    "changed",
    [
        {"label": [[0, 2, "\ud800"]]},
        {"id": "\udfff"},
        {"text": "대구\ud83d"},
        {"source": "\ud800"},
        {"question": "\ud800"},
    ],
)
def test_half_surrogate_pairs_are_refused(tmp_path, changed):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": 1, "text": "대구", "label": [[0, 2, "LC"]]} | changed), encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.jsonl:1.*: expected whole characters, got the half surrogate pair"):
        read_doccano(path)
