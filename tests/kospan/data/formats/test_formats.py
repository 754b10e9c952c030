import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kospan.data.formats.brat import read_brat, write_brat
from kospan.data.formats.convert import FORMATS, convert_file
from kospan.data.formats.doccano import read_doccano, write_doccano
from kospan.data.formats.labelstudio import read_labelstudio, write_labelstudio
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from modeling.spans import Span

characters = st.one_of(st.sampled_from('가나각😀👩\u200d\n\r\t ᄀ\u2028\x85\ufeff<"\\;%'), st.characters(codec="utf-8"))


@st.composite
def examples(draw):
    text = draw(st.text(characters, max_size=20))
    spans = None
    if draw(st.integers(0, 4)):
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        label = st.sampled_from(["PS", "장소", "B-1"])
        spans = tuple(Span(start, end, draw(label)) for start, end in zip(cuts[::2], cuts[1::2]))
    return Example(draw(st.text(characters, min_size=1, max_size=4)), text, spans)


@pytest.mark.parametrize("name", FORMATS)
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(examples(), max_size=3, unique_by=lambda example: example.id.casefold()))
def test_any_examples_survive(tmp_path_factory, name, given_examples):
    path = tmp_path_factory.mktemp("round") / "data"
    FORMATS[name].write(path, given_examples)
    if name == "brat" and not given_examples:
        return
    found = FORMATS[name].read(path)
    assert sorted(found, key=lambda example: example.id) == sorted(given_examples, key=lambda example: example.id)


# --- doccano ----------------------------------------------------------------------------------------------------------


def write_lines(tmp_path, *lines):
    path = tmp_path / "export.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_doccano_old_and_new(tmp_path):
    path = write_lines(
        tmp_path,
        '{"id": 7, "text": "😀서울", "label": [[1, 3, "LC"]]}',
        '{"text": "서울 비", "labels": [[3, 4, "X"], [0, 2, "LC"]]}',
        '{"id": 9, "text": "서울", "entities": [{"id": 1, "start_offset": 0, "end_offset": 2, "label": "LC"}], '
        '"relations": [], "Comments": []}',
        '{"id": 10, "data": "비"}',
    )
    assert read_doccano(path) == [
        Example("7", "😀서울", (Span(1, 3, "LC"),)),
        Example("export-2", "서울 비", (Span(0, 2, "LC"), Span(3, 4, "X"))),
        Example("9", "서울", (Span(0, 2, "LC"),)),
        Example("10", "비", None),
    ]


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ('{"label": []}', ValueError, "expected the key 'text', got 'label'"),
        ('{"text": "a", "label": [[0, 2, "X"]]}', ValueError, r"label 0: expected 0 <= start < end <= 1"),
        ('{"text": "a", "label": [["0", 1, "X"]]}', TypeError, "expected the start to be an integer, got '0'"),
        ('{"text": "a", "label": [[0, true, "X"]]}', TypeError, r"got True \(bool\)"),
        ('{"text": "a", "label": ["positive"]}', ValueError, "export the project as sequence labelling"),
        ('{"text": "a", "entities": [{"start_offset": 0, "label": "X"}]}', ValueError, "add end_offset"),
        ('{"text": "a", "label": "X"}', TypeError, "expected 'label' to be a list"),
        ("{", ValueError, "expected one JSON object per line"),
    ],
)
def test_bad_doccano(tmp_path, line, kind, message):
    path = write_lines(tmp_path, '{"text": "fine", "label": []}', line)
    with pytest.raises(kind, match=message) as caught:
        read_doccano(path)
    assert str(caught.value).startswith(f"{path}:2")


def test_doccano_writes_what_it_imports(tmp_path):
    write_doccano(tmp_path / "a.jsonl", [Example("a", "서울", (Span(0, 2, "LC", 0.5),), question="어디?")])
    line = json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))
    assert line == {"id": "a", "text": "서울", "label": [[0, 2, "LC"]], "question": "어디?"}


# --- Label Studio -----------------------------------------------------------------------------------------------------


def region(start, end, surface, label="LC", **more):
    value = {"start": start, "end": end, "labels": [label]} | ({} if surface is None else {"text": surface})
    return {"from_name": "label", "to_name": "text", "type": "labels", "value": value} | more


def task(text, *regions, **more):
    return {"id": 3, "data": {"text": text}, "annotations": [{"result": list(regions)}]} | more


def write_tasks(tmp_path, *tasks):
    path = tmp_path / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def test_label_studio_characters_and_utf16(tmp_path):
    path = write_tasks(
        tmp_path,
        task("😀 서울 👩 부산", region(2, 4, "서울"), region(7, 9, "부산")),
        task("😀 서울 👩 부산", region(3, 5, "서울"), region(9, 11, "부산")),
        task("서울\n부산", region(0, 5, "서울\\n부산")),
        task("서울", region(0, 2, None)),
    )
    texts = [[example.text[span.start : span.end] for span in example.spans] for example in read_labelstudio(path)]
    assert texts == [["서울", "부산"], ["서울", "부산"], ["서울\n부산"], ["서울"]]


def test_label_studio_unlabelled_cancelled_agreeing_and_other_regions(tmp_path):
    one = {"result": [region(0, 2, "서울", id="a")]}
    path = write_tasks(
        tmp_path,
        {"data": {"text": "a"}, "annotations": []},
        {"data": {"text": "b"}, "annotations": [{"result": [], "was_cancelled": True}]},
        {"data": {"text": "서울", "note": "x"}, "annotations": [one, {"result": [region(0, 2, "서울", id="b")]}]},
        task("서울", {"type": "relation", "from_id": "a"}, {"type": "choices", "value": {}}, {"type": "relation"}),
        {"data": {"body": "서울"}, "annotations": [{"result": []}]},
    )
    with pytest.warns(UserWarning, match="ignored 1 of type choices, 2 of type relation"):
        found = read_labelstudio(path)
    assert [example.spans and len(example.spans) for example in found] == [None, None, 1, (), ()]
    assert found[4].text == "서울"


def test_label_studio_json_min(tmp_path):
    minimal = {
        "id": 1,
        "text": "서울",
        "label": [{"start": 0, "end": 2, "text": "서울", "labels": ["LC"]}],
        "lead_time": 3.5,
    }
    path = write_tasks(tmp_path, minimal, {"id": 2, "text": "비"})
    assert read_labelstudio(path) == [Example("1", "서울", (Span(0, 2, "LC"),)), Example("2", "비", None)]


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (
            task("서울 부산", region(1, 3, "서울")),
            ValueError,
            "region 0: expected the surface '서울' at 1..3, got '울 '",
        ),
        (task("서울", region(0, 3, "서울")), ValueError, "region 0: expected 0 <= start < end <= 2"),
        (task("😀서울", region(1, 3, None)), ValueError, "expected the surface of each region .* savetextresult=yes"),
        (task("서울", region("0", 2, "서울")), TypeError, "expected 'start' to be an integer, got '0'"),
        (task("서울", region(0, True, "서울")), TypeError, r"got True \(bool\)"),
        (
            task("서울", {"type": "labels", "value": {"start": 0, "end": 1, "labels": []}}),
            ValueError,
            "expected one label",
        ),
        (task("서울", {"type": "labels"}), TypeError, "expected 'value' to be an object, got None"),
        ({"data": {"a": "x", "b": "y"}}, ValueError, "expected the text under 'text', got the keys a, b"),
        (
            {"data": {"text": "서울"}, "annotations": [{"result": []}, {"result": [region(0, 2, "서울")]}]},
            ValueError,
            "expected one annotation, got 2 that differ",
        ),
        (3, TypeError, "expected a task to be an object, got 3"),
    ],
)
def test_bad_label_studio(tmp_path, bad, kind, message):
    path = write_tasks(tmp_path, task("fine"), bad)
    with pytest.raises(kind, match=message) as caught:
        read_labelstudio(path)
    assert str(caught.value).startswith(f"{path}, task 1")


def test_label_studio_wants_one_list(tmp_path):
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


def test_label_studio_keeps_our_ids(tmp_path):
    write_labelstudio(tmp_path / "a.json", [Example("문서-1", "😀서울", (Span(1, 3, "LC"),))])
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))[0]
    assert written["data"] == {"text": "😀서울", "example_id": "문서-1"}
    assert written["annotations"][0]["result"][0]["value"] == {"start": 1, "end": 3, "text": "서울", "labels": ["LC"]}


# --- brat -------------------------------------------------------------------------------------------------------------


def write_pair(tmp_path, text, annotations, name="a"):
    (tmp_path / f"{name}.txt").write_bytes(text.encode())
    (tmp_path / f"{name}.ann").write_bytes(annotations.encode())
    return tmp_path


def test_brat_counts_both_characters_of_crlf(tmp_path):
    folder = write_pair(tmp_path, "😀 비\r\n서울에\r\n", "T1\tLC 5 7\t서울\r\n")
    assert read_brat(folder) == [Example("a", "😀 비\r\n서울에\r\n", (Span(5, 7, "LC"),))]
    assert read_brat(folder / "a.ann") == read_brat(folder / "a.txt") == read_brat(folder)


def test_brat_other_lines_are_counted_and_missing_ann_is_unlabelled(tmp_path):
    lines = "T1\tPS 0 1\t가\nT2\tPS 2 3\t나\nR1\tkin Arg1:T1 Arg2:T2\nE1\tMeet:T1\n"
    lines += "A1\tFact T1\n#1\tNote T1\tx\n*\tEquiv T1 T2\n"
    write_pair(tmp_path, "가 나", lines)
    (tmp_path / "b.txt").write_text("다", encoding="utf-8")
    with pytest.warns(UserWarning, match="ignored 1 attributes, 1 equivalences, 1 events, 1 notes, 1 relations"):
        first, second = read_brat(tmp_path)
    assert (len(first.spans), second.spans) == (2, None)


def test_brat_span_across_lines(tmp_path):
    folder = write_pair(tmp_path, "국립\n중앙 도서관", "T1\tOG 0 2;3 9\t국립 중앙 도서관\n")
    assert read_brat(folder)[0].spans == (Span(0, 9, "OG"),)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "T1\tOG 0 1;3 4\t가 라",
            "got the discontinuous '0 1;3 4', which leaves out '나 '; a span has one start and one end",
        ),
        ("T1\tOG 0 1\t나", "expected the surface '나' at 0 1, got '가'; offsets count characters and every line end"),
        ("T1\tOG 3 9\t라", "expected 0 <= start < end <= 4"),
        ("T1\tOG 0 1", "expected `T1<TAB>TYPE start end<TAB>surface`"),
        ("T1\tOG zero 1\t가", "expected `T1<TAB>TYPE start end<TAB>surface`"),
        ("?", "expected a line of brat's"),
    ],
)
def test_bad_brat(tmp_path, line, message):
    write_pair(tmp_path, "가나 라", f"T9\tOG 0 2\t가나\n{line}\n")
    with pytest.raises(ValueError) as caught:
        read_brat(tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'a.ann'}:2: ")


def test_brat_writes_a_new_folder_or_nothing(tmp_path):
    target = tmp_path / "out"
    for bad, kind in [
        ([Example("a", "가", (Span(0, 1, "사 람"),))], "expected a type without white space"),
        ([Example("a", "가", ()), Example("A", "나", ())], "expected ids that differ as file names"),
        ([Example("", "가", ())], "expected every example to have an id"),
    ]:
        with pytest.raises(ValueError, match=kind):
            write_brat(target, bad)
        assert list(tmp_path.iterdir()) == []
    write_brat(target, [Example("../a/b", "가\n나", (Span(0, 3, "PS"),))])
    assert sorted(path.name for path in target.iterdir()) == ["%2E.%2Fa%2Fb.ann", "%2E.%2Fa%2Fb.txt"]
    assert next(target.glob("*.ann")).read_text(encoding="utf-8") == "T1\tPS 0 1;2 3\t가 나\n"
    with pytest.raises(FileExistsError, match="expected a new or empty folder"):
        write_brat(target, [])


def test_brat_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected \.txt files"):
        read_brat(tmp_path)
    (tmp_path / "a.ann").write_text("", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"a\.txt"):
        read_brat(tmp_path / "a.ann")


# --- converting -------------------------------------------------------------------------------------------------------


def test_convert_goes_round_and_says_what_is_lost(tmp_path):
    source = tmp_path / "a.jsonl"
    write_jsonl(
        source,
        [
            Example("a", "서울 😀", (Span(0, 2, "LC", 0.5),), source="nsmc"),
            Example("b", "비", None),
            Example("c", "", ()),
        ],
    )
    line = convert_file(source, tmp_path / "brat", to_format="brat")
    assert line == (
        f"3 texts, 1 spans, 1 unlabelled: {source} (jsonl) -> {tmp_path / 'brat'} (brat); "
        f"brat holds no score: 1 left out; brat holds no source: 1 left out"
    )
    convert_file(tmp_path / "brat", tmp_path / "ls.json", "brat", "label-studio")
    convert_file(tmp_path / "ls.json", tmp_path / "d.jsonl", "label-studio", "doccano")
    assert "\n" not in convert_file(tmp_path / "d.jsonl", tmp_path / "end.jsonl", "doccano")
    assert read_jsonl(tmp_path / "end.jsonl") == [
        Example("a", "서울 😀", (Span(0, 2, "LC"),)),
        Example("b", "비", None),
        Example("c", "", ()),
    ]


def test_convert_tells_what_was_ignored_and_refuses_the_unknown(tmp_path):
    write_pair(tmp_path, "가 나", "T1\tPS 0 1\t가\nR1\tkin Arg1:T1 Arg2:T1\n")
    assert convert_file(tmp_path, tmp_path / "a.jsonl", "brat").endswith("ignored 1 relations")
    with pytest.raises(ValueError, match="expected a format among jsonl, doccano, label-studio, brat, got 'xml'"):
        convert_file(tmp_path, tmp_path / "b.jsonl", "xml")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="expected at least one text in the form doccano, got none"):
        convert_file(tmp_path / "empty.jsonl", tmp_path / "b.jsonl", "doccano")
    assert not (tmp_path / "b.jsonl").exists()
