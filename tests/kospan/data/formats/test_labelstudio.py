import json

import pytest
from format_cases import surfaces

from kospan.data.formats.labelstudio import read_labelstudio, write_labelstudio
from kospan.example import Example
from kospan.modeling.spans import Span


def region(start, end, surface, label="LC", tag="text", **more):
    value = {"start": start, "end": end, "labels": [label]} | ({} if surface is None else {"text": surface})
    return {"from_name": "label", "to_name": tag, "type": "labels", "value": value} | more


def annotation(*regions, **more):
    return {"id": 5, "result": list(regions), "was_cancelled": False, "ground_truth": False} | more


def task(text, *regions, **more):
    return {"id": 3, "data": {"text": text}, "annotations": [annotation(*regions)]} | more


def write_tasks(tmp_path, *tasks):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_characters_and_utf16(tmp_path):
    path = write_tasks(
        tmp_path,
        task("😀 대구 👩 부산", region(2, 4, "대구"), region(7, 9, "부산")),
        task("😀 대구 👩 부산", region(3, 5, "대구"), region(9, 11, "부산")),
        task("대구\n부산", region(0, 5, "대구\\n부산")),
        task("대구", region(0, 2, None)),
        task("대구 😀", region(0, 2, None)),
    )
    found = [["대구", "부산"], ["대구", "부산"], ["대구\n부산"], ["대구"], ["대구"]]
    assert surfaces(read_labelstudio(path)) == found


def test_offsets_without_surfaces_are_refused_only_where_they_are_ambiguous(tmp_path):
    path = write_tasks(tmp_path, task("😀 대구시", region(2, 4, None)))
    with pytest.raises(ValueError, match=r"'대구' if they count characters; ' 대' if they count utf16; .*--offsets"):
        read_labelstudio(path)
    assert surfaces(read_labelstudio(path, ["characters"])) == [["대구"]]
    assert surfaces(read_labelstudio(path, ["utf16"])) == [[" 대"]]


def test_the_browser_collapses_white_space(tmp_path):
    path = write_tasks(
        tmp_path,
        task("대구,  한국\u00a0남부\r\n 끝", region(0, 10, "대구, 한국 남부"), region(8, 14, "남부\\n\\n 끝")),
        task("대구  시", region(0, 5, " 대구 시")),
    )
    assert surfaces(read_labelstudio(path)) == [["대구,  한국\u00a0남부", "남부\r\n 끝"], ["대구  시"]]


def test_what_is_not_an_annotation(tmp_path):
    one = annotation(region(0, 2, "대구", id="a"))
    comment = {"type": "textarea", "from_name": "c", "to_name": "text"}
    path = write_tasks(
        tmp_path,
        {"data": {"text": "a"}, "annotations": []},
        {"data": {"text": "b"}, "annotations": [annotation(region(0, 9, "x"), was_cancelled=True)]},
        {"data": {"text": "c"}, "annotations": None, "drafts": [{"result": [region(0, 1, "c")]}]},
        {"data": {"text": "d"}, "completions": [{"result": [], "skipped": True}]},
        {"data": {"text": "e"}, "predictions": [{"result": [region(0, 1, "e")], "score": 0.3}]},
        {"data": {"text": "대구", "note": "x"}, "annotations": [one, annotation(region(0, 2, "대구", id="b"))]},
        task(
            "대구",
            {"type": "relation", "from_id": "a", "to_id": "b", "labels": ["in"]},
            {"type": "choices", "from_name": "s", "to_name": "text", "value": {"choices": ["good"]}},
            comment | {"value": {"start": 0, "end": 2, "text": ["a", "b"]}},
            {"type": "relation"},
        ),
        {"data": {"body": "대구"}, "annotations": [annotation()]},
        {"data": {"text": "f"}, "annotations": [{"result": None}]},
    )
    ignored = "1 of type choices, 2 of type relation, 1 of type textarea, 1 predictions of tasks without annotation"
    with pytest.warns(UserWarning, match=f"ignored {ignored}"):
        found = read_labelstudio(path)
    assert [example.spans and len(example.spans) for example in found] == [*[None] * 5, 1, (), (), ()]
    assert found[7].text == "대구"


# --- Annotators -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*of type choices")
def test_annotators_are_compared_by_their_spans_alone(tmp_path):
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    first = annotation(region(0, 2, "대구"), region(3, 5, "부산", score=0.3), choice, completed_by=1)
    second = annotation(region(3, 5, "부산", id="x"), region(0, 2, None), completed_by={"id": 2, "email": "a@b.c"})
    path = write_tasks(tmp_path, {"data": {"text": "대구 부산"}, "annotations": [first, second]})
    assert surfaces(read_labelstudio(path)) == [["대구", "부산"]]
    second["result"].pop()
    path = write_tasks(tmp_path, {"data": {"text": "대구 부산"}, "annotations": [first, second]})
    with pytest.raises(ValueError, match=r"got 2 that differ \(annotators 1, a@b\.c\); mark one as ground truth"):
        read_labelstudio(path)
    second["ground_truth"] = True
    path = write_tasks(tmp_path, {"data": {"text": "대구 부산"}, "annotations": [first, second]})
    assert surfaces(read_labelstudio(path)) == [["부산"]]


# --- JSON-MIN ---------------------------------------------------------------------------------------------------------


def minimal(text, regions, key="ner", number=1, annotator=1, **more):
    dates = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-02T00:00:00Z", "lead_time": 3.5}
    found = [{"start": start, "end": end, "text": text[start:end], "labels": ["LC"]} for start, end in regions]
    labels = {key: found} if found else {}
    return {"text": text, "id": number, "annotator": annotator, "annotation_id": 90} | labels | dates | more


def test_json_min_with_any_control_tag(tmp_path):
    path = write_tasks(
        tmp_path,
        minimal("대구", [(0, 2)], key="label"),
        minimal("부산 비", [(0, 2)], key="개체명", number=2, sentiment="good"),
        # An annotation without regions, and a task without an annotation.
        minimal("비", [], number=3),
        minimal("눈", [], number=4) | {"annotation_id": None, "annotator": {}},
        {"id": 5, "text": "밤"},
        minimal("광주 낮", [(0, 2)], number=6, weather=[{"start": 3, "end": 4, "text": "낮", "labels": ["DT"]}]),
    )
    found = read_labelstudio(path)
    assert surfaces(found) == [["대구"], ["부산"], [], None, None, ["광주", "낮"]]
    assert [example.id for example in found] == list("123456")


def test_json_min_with_another_name_of_the_text(tmp_path):
    record = minimal("대구에 비", [(0, 2)])
    record["body"] = record.pop("text")
    path = write_tasks(tmp_path, record | {"title": "비 소식"})
    assert read_labelstudio(path) == [Example("1", "대구에 비", (Span(0, 2, "LC"),))]


def test_json_min_other_controls(tmp_path):
    span = {"start": 0, "end": 2, "text": "대구"}
    extra = {
        "comment": [{"start": 0, "end": 2, "text": ["a", "b"]}],
        "mood": [span | {"choices": ["a", "b"]}],
        "image": [{"x": 1.0, "y": 2.0, "rectanglelabels": ["car"]}],
        "speech": [{"start": 0.5, "end": 1.5, "labels": ["A"]}],
    }
    path = write_tasks(tmp_path, minimal("대구", [(0, 2)], **extra))
    ignored = "1 of an image or of sound, 1 of type choices, 1 of type rectanglelabels, 1 of type textarea"
    with pytest.warns(UserWarning, match=f"ignored {ignored}"):
        assert surfaces(read_labelstudio(path)) == [["대구"]]


def test_json_min_of_two_annotators(tmp_path):
    path = write_tasks(
        tmp_path,
        minimal("대구 비", [(0, 2)], annotator=1),
        minimal("부산", [(0, 2)], annotator=1, number=2),
        minimal("대구 비", [(0, 2)], annotator=2),
    )
    assert [example.id for example in read_labelstudio(path)] == ["1", "2"]
    path = write_tasks(tmp_path, minimal("대구 비", [(0, 2)]), minimal("대구 비", [(3, 4)], annotator={"email": "b@c"}))
    with pytest.raises(ValueError, match=r"task 1: expected one annotation, got 2 that differ \(annotators 1, b@c\)"):
        read_labelstudio(path)


@pytest.mark.parametrize(
    "more",
    [
        {"ner": [{"start": 0, "end": 2, "text": "대구", "label": "LC"}]},
        {"ner": [[0, 2, "LC"]], "annotation_id": None},
        {"spans": [{"start": 0, "end": 2, "label": "LC"}], "annotation_id": None},
        {"entities": [], "annotation_id": None},
    ],
)
def test_json_min_with_regions_of_another_form(tmp_path, more):
    path = write_tasks(tmp_path, minimal("대구", [], **more))
    with pytest.raises(ValueError, match=r"annotations in lists of regions .* under '(ner|spans|entities)'"):
        read_labelstudio(path)


# --- Fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("text", "title"), ("t1", "t2")])
def test_regions_of_another_field_are_not_cut_out_of_the_text(tmp_path, names):
    body, title = names
    data = {"text": "대구에 비가 온다", "title": "비 소식"}
    both = {"data": data, "annotations": [annotation(region(0, 2, "대구", tag=body), region(0, 1, "비", tag=title))]}
    only_title = {"data": data, "annotations": [annotation(region(2, 4, "소식", tag=title))]}
    path = write_tasks(tmp_path, both, only_title)
    with pytest.warns(UserWarning, match="ignored 2 in another field than 'text'"):
        assert surfaces(read_labelstudio(path)) == [["대구"], []]


def test_a_field_that_another_tag_must_have_is_not_shared(tmp_path):
    # "대구" is the beginning of both, but t1 fits nothing but the text.
    data = {"text": "대구에 비가 온다", "title": "대구 소식"}
    regions = region(4, 6, "비가", tag="t1"), region(0, 2, "대구", tag="t2")
    path = write_tasks(tmp_path, {"data": data, "annotations": [annotation(*regions)]})
    with pytest.warns(UserWarning, match="ignored 1 in another field"):
        assert surfaces(read_labelstudio(path)) == [["비가"]]


def test_the_text_is_the_field_that_is_labelled(tmp_path):
    data = {"body": "대구에 비", "title": "소식", "url": "https://a.b"}
    path = write_tasks(
        tmp_path,
        {"data": data, "annotations": [annotation(region(0, 2, "대구", tag="text"))]},
        {"data": data | {"body": "비"}, "annotations": [annotation()]},
        {"data": data | {"body": "눈"}},
    )
    assert [(example.text, example.spans and len(example.spans)) for example in read_labelstudio(path)] == [
        ("대구에 비", 1),
        ("비", ()),
        ("눈", None),
    ]
    # A region may name the key of its field.
    named = region(0, 2, None, tag="t", source="$title")
    path = write_tasks(tmp_path, {"data": data, "annotations": [annotation(named)]})
    assert read_labelstudio(path)[0].text == "소식"


def test_data_may_have_the_names_that_json_min_uses_itself(tmp_path):
    path = write_tasks(tmp_path, {"data": {"project": "대구"}, "annotations": [annotation(region(0, 2, "대구"))]})
    assert surfaces(read_labelstudio(path)) == [["대구"]]


def test_regions_of_a_field_that_is_no_text(tmp_path):
    data = {"text": "대구", "dialogue": [{"text": "비"}], "audio": "https://a.b"}
    sound = {"type": "labels", "to_name": "audio", "value": {"start": 0.5, "end": 2.5, "channel": 0, "labels": ["A"]}}
    talk = {"type": "paragraphlabels", "to_name": "dialogue", "value": {"start": "0", "end": "0"}}
    path = write_tasks(tmp_path, {"data": data, "annotations": [annotation(sound, talk, region(0, 2, "대구"))]})
    with pytest.warns(UserWarning, match="1 of an image or of sound, 1 of type paragraphlabels"):
        assert surfaces(read_labelstudio(path)) == [["대구"]]


# --- HyperText --------------------------------------------------------------------------------------------------------


def html_region(start, end, surface, key="hypertextlabels"):
    value = {"start": "/p[1]/text()[1]", "end": "/p[1]/b[1]/text()[1]", "startOffset": 0, "endOffset": 2, key: ["LC"]}
    value |= {"globalOffsets": {"start": start, "end": end}} if start is not None else {}
    kind = "hypertextlabels" if key == "hypertextlabels" else "labels"
    return {"type": kind, "to_name": "text", "value": value | {"text": surface}}


def test_global_offsets_of_hypertext_count_text_nodes(tmp_path):
    html = "<p>어제 <b>대구</b>에</p>\n<p>비가 <br>왔다 &amp; 갔다</p>"
    path = write_tasks(
        tmp_path,
        task(
            html,
            html_region(3, 5, "대구"),
            html_region(0, 5, "어제 대구", key="labels"),
            html_region(14, 18, "& 갔다"),
        ),
        task("<i>비</i>"),
        task("대구에 비", html_region(0, 2, "대구")),
    )
    found = read_labelstudio(path)
    assert [example.text for example in found] == ["어제 대구에\n비가 \n왔다 & 갔다", "비", "대구에 비"]
    assert surfaces(found) == [["어제 대구", "대구", "& 갔다"], [], ["대구"]]


def test_paths_without_global_offsets(tmp_path):
    region = html_region(None, None, "대구")
    region["value"] |= {"start": "/text()[1]", "end": "/text()[1]", "startOffset": 3, "endOffset": 5}
    path = write_tasks(tmp_path, task("😀 대구", region))
    assert surfaces(read_labelstudio(path)) == [["대구"]]
    path = write_tasks(tmp_path, task("<p>대구</p>", html_region(None, None, "대구")))
    with pytest.raises(ValueError, match="region 0: expected 'globalOffsets' beside the paths"):
        read_labelstudio(path)


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (
            task("대구 부산", region(1, 3, "대구")),
            ValueError,
            r"region 0: expected the surface '대구' at 1\.\.3, got '구 '",
        ),
        (task("대구", region(0, 3, "대구")), ValueError, "region 0: expected 0 <= start < end <= 2"),
        (task("대구", region("0", 2, "대구")), TypeError, "expected 'start' to be an integer, got '0'"),
        (task("대구", region(0, True, "대구")), TypeError, r"got True \(bool\)"),
        (task("대구", region(0, 2, ["대구"])), TypeError, "expected 'text' to be a string"),
        (
            task("대구", {"type": "labels", "value": {"start": 0, "end": 1, "labels": []}}),
            ValueError,
            "expected one label",
        ),
        (task("대구", {"type": "labels", "value": {"start": 0, "end": 1}}), TypeError, "'labels' to be a list"),
        (task("대구", {"type": "labels"}), TypeError, "expected 'value' to be an object, got None"),
        ({"data": {"a": "x", "b": "y"}}, ValueError, "expected the text under 'text', got the keys a, b"),
        ({"data": {"text": 3}}, TypeError, "expected 'text' to be a string, got 3"),
        (
            {"data": {"text": "대구"}, "annotations": [annotation(), annotation(region(0, 2, "대구"))]},
            ValueError,
            "expected one annotation, got 2 that differ",
        ),
        (
            {"data": {"text": "대구"}, "annotation": [{"value": {"start": 0, "end": 2}}]},
            ValueError,
            "got apparent annotations under 'annotation'",
        ),
        (3, TypeError, "expected a task to be an object, got 3"),
    ],
)
def test_bad_tasks(tmp_path, bad, kind, message):
    path = write_tasks(tmp_path, task("fine"), bad)
    with pytest.raises(kind, match=message) as caught:
        read_labelstudio(path)
    assert str(caught.value).startswith(f"{path}, task 1")


def test_fields_that_cannot_be_distinguished(tmp_path):
    data = {"first": "대구에 비", "second": "대구에 눈"}
    path = write_tasks(tmp_path, {"data": data, "annotations": [annotation(region(0, 2, "대구", tag="t"))]})
    with pytest.raises(ValueError, match=r"regions of 't' that fit one field of the data, got .* fit first, second"):
        read_labelstudio(path)
    both = annotation(region(0, 2, "대구", tag="first"), region(4, 5, "눈", tag="second"))
    path = write_tasks(tmp_path, {"data": data, "annotations": [both]})
    with pytest.raises(ValueError, match=r"expected labelled regions in one field .* got them in first, second"):
        read_labelstudio(path)


def test_the_file_is_one_list(tmp_path):
    path = write_tasks(tmp_path)
    path.write_text('{"id": 1}', encoding="utf-8")
    with pytest.raises(TypeError, match="expected the file to be a list"):
        read_labelstudio(path)
    path.write_text("[\n{]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"export\.json:2: expected one JSON list of tasks"):
        read_labelstudio(path)
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"export\.json: expected one JSON list of tasks, got brackets too deep"):
        read_labelstudio(path)
    path.write_text("9" * 5000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"export\.json: expected one JSON list of tasks, got Exceeds the limit"):
        read_labelstudio(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"data": {"text": "대구", "source": "\ud800"}},
        {"data": {"text": "대구", "example_id": "\ud800"}},
        {"data": {"text": "대구\udfff"}},
        {"annotations": [{"result": [{"type": "labels", "value": {"start": 0, "end": 2, "labels": ["\ud800"]}}]}]},
    ],
)
def test_half_surrogate_pairs_are_refused(tmp_path, changed):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{"id": 1, "data": {"text": "대구"}, "annotations": []} | changed]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"task 0.*: expected whole characters, got the half surrogate pair"):
        read_labelstudio(path)


# --- Writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "start"), [("characters", 1), ("utf16", 2)])
def test_writes_annotations_with_our_ids(tmp_path, unit, start):
    write_labelstudio(tmp_path / "a.json", [Example("문서-1", "😀대구", (Span(1, 3, "LC"),))], unit)
    (written,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["data"] == {"text": "😀대구", "example_id": "문서-1"}
    assert written["annotations"][0]["result"][0]["value"] == {
        "start": start,
        "end": start + 2,
        "text": "대구",
        "labels": ["LC"],
    }
    assert "predictions" not in written


def test_writes_predictions_with_scores_and_no_annotation(tmp_path):
    examples = [
        Example("a", "대구 비", (Span(0, 2, "LC", 0.9), Span(3, 4, "W", 0.5))),
        Example("b", "밤", ()),
        Example("c", "낮", None),
        Example("d", "눈", (Span(0, 1, "W"),)),
    ]
    write_labelstudio(tmp_path / "a.json", examples, predicted={0, 1}, model_version="model-2")
    first, second, third, fourth = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    (prediction,) = first["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("model-2", pytest.approx(0.7))
    assert [result["score"] for result in prediction["result"]] == [0.9, 0.5]
    assert [result["value"]["text"] for result in prediction["result"]] == ["대구", "비"]
    assert second["predictions"] == [{"model_version": "model-2", "result": []}]
    assert not any("annotations" in each for each in (first, second, third))
    assert "predictions" not in third and "predictions" not in fourth
    assert len(fourth["annotations"][0]["result"]) == 1
