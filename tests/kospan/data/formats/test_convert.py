import json
import warnings

import pytest
from format_cases import files, surfaces, write_lines
from hypothesis import HealthCheck, example, given, settings

from kospan.cli import main
from kospan.data.formats.convert import FORMATS, convert_file
from kospan.data.formats.offsets import UNITS, positions
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

OTHERS = [name for name in FORMATS if name != "jsonl"]
PROPERTY = settings(
    derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Each of these reads differently in some two counts.
HARD = [
    Example("1", "😀👩‍👧 대구\r\n\u1100\u1161\u11a8 끝", (Span(1, 4, "A"), Span(5, 7, "LC"), Span(9, 12, "B"))),
    Example("2", "ㅋㅋ🇰🇷ㅋㅋㅋㅋ\u2028e\u0301", (Span(4, 6, "A"), Span(9, 11, "B"))),
    Example("3", "", ()),
    Example("4", "비\r\n", None),
]


def by_id(examples):
    return sorted(examples, key=lambda each: each.id)


def there_and_back(folder, examples, name, offsets=None):
    source, middle, target = folder / "a.jsonl", folder / "other", folder / "b.jsonl"
    write_jsonl(source, examples)
    convert_file(source, middle, "jsonl", name, offsets)
    convert_file(middle, target, name, "jsonl", offsets)
    return read_jsonl(target)


def broken(folder, name):
    """A file of two good records between three that cannot be read."""
    good = [{"id": str(at), "text": "대구", "spans": [{"start": 0, "end": 2, "label": "LC"}]} for at in range(2)]
    wrong = {"id": "w", "text": "대구", "spans": [{"start": 0, "end": 9, "label": "LC"}]}
    records = [good[0], wrong, {"id": "x", "text": 3}, good[1], wrong | {"id": "y"}]
    if name == "brat":
        for record in good:
            (folder / f"{record['id']}.txt").write_text("대구")
            (folder / f"{record['id']}.ann").write_text("T1\tLC 0 2\t대구\n")
        for stem, line in (("w", "T1\tLC 0 9\t대구\n"), ("x", "T1\n"), ("y", "?\n")):
            (folder / f"{stem}.txt").write_text("대구")
            (folder / f"{stem}.ann").write_text(line)
        return folder
    path = folder / "a.txt"
    if name == "label-studio":
        tasks = []
        for record in records:
            result = [{"type": "labels", "value": span | {"labels": ["LC"]}} for span in record.get("spans", ())]
            data = {"text": record["text"], "example_id": record["id"]}
            tasks.append({"data": data, "annotations": [{"result": result}]})
        tasks[2]["annotations"] = "none"
        path.write_text(json.dumps(tasks))
        return path
    if name == "doccano":
        records = [
            {"id": each["id"], "text": each["text"]}
            | {"label": [[span["start"], span["end"], span["label"]] for span in each.get("spans", ())]}
            for each in records
        ]
    lines = [json.dumps(record) for record in records]
    lines[2] = "{" if name == "jsonl" else lines[2]
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_invalid_records_are_counted_or_skipped(tmp_path, capsys, name):
    (tmp_path / "source").mkdir()
    source, target = broken(tmp_path / "source", name), tmp_path / "b.jsonl"
    command = ["convert", "data", str(source), str(target), "--from", name]
    assert main(command) == 2 and not target.exists()
    error = capsys.readouterr().err
    assert "(2 more records are invalid; --skip_invalid continues without them)" in error and "\n" not in error.strip()
    assert not main([*command, "--skip_invalid"])
    assert "2 texts, 2 spans" in (line := capsys.readouterr().out) and "; skipped 3 invalid records" in line
    assert [(each.id, each.spans) for each in read_jsonl(target)] == [(at, (Span(0, 2, "LC"),)) for at in "01"]


def test_predictions_are_found_beside_invalid_records(tmp_path, capsys):
    source, target = tmp_path / "a.jsonl", tmp_path / "b.json"
    span = {"start": 0, "end": 2, "label": "LC", "score": 0.5}
    write_lines(source, {"text": "대구", "spans": [span]}, 3, {"text": "대구", "spans": 3})
    command = ["convert", "data", str(source), str(target), "--to", "label-studio"]
    assert main(command) == 2 and "--skip_invalid" in capsys.readouterr().err
    assert not main([*command, "--skip_invalid"])
    (task,) = json.loads(target.read_text(encoding="utf-8"))
    assert "predictions" in task
    write_lines(source, 3)
    assert main([*command, "--skip_invalid"]) == 2
    assert "got 1 invalid record, the first: " in capsys.readouterr().err


def test_a_null_score_is_no_prediction(tmp_path):
    source, target = tmp_path / "a.jsonl", tmp_path / "b.json"
    write_lines(source, {"text": "대구", "spans": [{"start": 0, "end": 2, "label": "LC", "score": None}]})
    convert_file(source, target, "jsonl", "label-studio")
    (task,) = json.loads(target.read_text(encoding="utf-8"))
    assert "annotations" in task and "predictions" not in task


@pytest.mark.parametrize("offsets", UNITS)
@pytest.mark.parametrize("name", OTHERS)
@PROPERTY
@given(files)
@example(HARD)
def test_any_examples_survive_in_any_count(tmp_path_factory, name, offsets, given_examples):
    if not given_examples:
        return
    folder = tmp_path_factory.mktemp("round")
    ends = [set(positions(each.text, offsets)) for each in given_examples]
    if not all({*span[:2]} <= places for each, places in zip(given_examples, ends) for span in each.spans or ()):
        with pytest.raises(ValueError, match=f"between {offsets}"):
            there_and_back(folder, given_examples, name, offsets)
        assert not (folder / "other").exists()
        return
    assert by_id(there_and_back(folder, given_examples, name, offsets)) == by_id(given_examples)


@pytest.mark.parametrize("name", OTHERS)
@PROPERTY
@given(files)
def test_without_a_count_spans_survive_or_the_choice_is_asked_for(tmp_path_factory, name, given_examples):
    if not given_examples:
        return
    try:
        found = there_and_back(tmp_path_factory.mktemp("round"), given_examples, name)
    except ValueError as error:
        assert "--offsets characters|utf16|graphemes" in str(error)
    else:
        assert by_id(found) == by_id(given_examples)


@pytest.mark.parametrize("name", OTHERS)
def test_writes_what_the_tool_counts(tmp_path, name):
    write_jsonl(tmp_path / "a.jsonl", [Example("a", "😀 대구시", (Span(2, 4, "LC"),))])
    convert_file(tmp_path / "a.jsonl", tmp_path / "b", to_format=name)
    unit = "utf16" if name == "doccano" else "characters"
    assert surfaces(FORMATS[name].read(tmp_path / "b", [unit])) == [["대구"]]


def test_other_tools_to_each_other(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", {"id": 1, "text": "😀 대구시", "label": [[3, 5, "LC"]]})
    convert_file(path, tmp_path / "ls.json", "doccano", "label-studio", "utf16")
    value = json.loads((tmp_path / "ls.json").read_text(encoding="utf-8"))[0]["annotations"][0]["result"][0]["value"]
    assert (value["start"], value["end"], value["text"]) == (2, 4, "대구")


def test_says_what_is_lost(tmp_path):
    source = tmp_path / "a.jsonl"
    write_jsonl(
        source,
        [
            Example("a", "대구 😀", (Span(0, 2, "LC", 0.5),), source="nsmc"),
            Example("b", "비", None),
            Example("c", "", ()),
        ],
    )
    line = convert_file(source, tmp_path / "brat", to_format="brat")
    assert line == (
        f"3 texts, 1 spans, 1 unlabelled: {source} (jsonl) -> {tmp_path / 'brat'} (brat); brat has no score: 1 "
        "lost; brat has no source: 1 lost"
    )
    convert_file(tmp_path / "brat", tmp_path / "ls.json", "brat", "label-studio")
    convert_file(tmp_path / "ls.json", tmp_path / "d.jsonl", "label-studio", "doccano")
    convert_file(tmp_path / "d.jsonl", tmp_path / "p.jsonl", "doccano", "prodigy")
    assert "\n" not in convert_file(tmp_path / "p.jsonl", tmp_path / "end.jsonl", "prodigy")
    assert read_jsonl(tmp_path / "end.jsonl") == [
        Example("a", "대구 😀", (Span(0, 2, "LC"),)),
        Example("b", "비", None),
        Example("c", "", ()),
    ]


def tasks_of(tmp_path, *lines, **options):
    path = write_lines(tmp_path / "a.jsonl", *lines)
    said = convert_file(path, tmp_path / "a.json", to_format="label-studio", **options)
    return said, json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))


def test_spans_with_scores_become_predictions(tmp_path):
    def line(name, *scores):
        span = {"start": 0, "end": 2, "label": "LC"}
        spans = [span if score is None else span | {"score": score} for score in scores]
        return {"id": name, "text": "대구", "spans": spans}

    # A score of exactly 1 is a model's too, and so is an empty list among predictions.
    said, tasks = tasks_of(tmp_path, line("a", 0.7), line("b", 1.0), line("c"), model_version="m-1")
    assert "3 texts with scores: written as predictions" in said
    assert [task["predictions"][0].get("score") for task in tasks] == [0.7, 1.0, None]
    assert not any("annotations" in task for task in tasks)
    assert tasks[0]["predictions"][0]["model_version"] == "m-1"
    # Beside gold spans an empty list is gold.
    said, tasks = tasks_of(tmp_path, line("a", 0.7), line("b", None), line("c"))
    assert [("predictions" in task, "annotations" in task) for task in tasks] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    # They are nobody's annotations when they come back.
    assert "ignored 1 predictions of tasks without annotation" in convert_file(
        tmp_path / "a.json", tmp_path / "b.jsonl", "label-studio"
    )
    assert [each.spans is None for each in read_jsonl(tmp_path / "b.jsonl")] == [True, False, False]


@pytest.mark.parametrize("names", [(7, 8, 9), (None, None, None), ("a", "a", "a"), ("1", 1, None)])
def test_predictions_are_distinguished_by_record_whatever_its_id(tmp_path, names):
    place = {"start": 3, "end": 5, "label": "LC"}
    kinds = [place | {"score": 0.25}, place, place | {"score": 1.0}]
    rejected = {"id": names[0], "text": "동생이 광주에", "spans": [place], "answer": "reject"}
    lines = [{"id": name, "text": "동생이 광주에", "spans": [span]} for name, span in zip(names, kinds)]
    said, tasks = tasks_of(tmp_path, rejected, *lines)
    assert "2 texts with scores: written as predictions" in said
    assert [("predictions" in task, "annotations" in task) for task in tasks] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert [task["predictions"][0]["score"] for task in tasks[::2]] == [0.25, 1.0]


def test_scores_under_other_keys_are_those_of_predictions(tmp_path):
    entity = {"start": 3, "end": 5, "label": "LC", "score": 1.0}
    _, tasks = tasks_of(tmp_path, {"id": 3, "text": "동생이 광주에", "entities": [entity]})
    assert "predictions" in tasks[0] and "annotations" not in tasks[0]


def test_counts_what_prodigy_has_rejected(tmp_path, capsys):
    source = write_lines(
        tmp_path / "a.jsonl",
        {"text": "대구", "spans": [{"start": 0, "end": 2, "label": "LC"}], "answer": "accept"},
        {"text": "대구", "spans": [{"start": 0, "end": 1, "label": "LC"}], "answer": "reject"},
    )
    for name in ("prodigy", "jsonl"):
        assert main(["convert", "data", str(source), str(tmp_path / "b.jsonl"), "--from", name]) == 0
        assert 'skipped 1 with the answer "reject"' in capsys.readouterr().out
        assert len(read_jsonl(tmp_path / "b.jsonl")) == 1
    source = write_lines(tmp_path / "a.jsonl", {"text": "비", "answer": "ignore"})
    with pytest.raises(ValueError, match=r"got none \(.*skipped 1 with the answer"):
        convert_file(source, tmp_path / "c.jsonl", "prodigy")
    assert not (tmp_path / "c.jsonl").exists()


def test_command_line(tmp_path, capsys):
    source = write_lines(tmp_path / "a.jsonl", {"text": "😀 김지우는 대구에", "label": [[3, 6, "PS"], [8, 10, "LC"]]})
    target = tmp_path / "b.jsonl"
    words = ["convert", "data", str(source), str(target), "--from", "doccano"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"kospan: {source}:1: expected offsets") and said.count("\n") == 1 and "--offsets" in said
    assert main([*words, "--offsets", "utf16"]) == 0
    assert surfaces(read_jsonl(target)) == [["김지우", "대구"]]


def test_bad_arguments(tmp_path):
    source = write_lines(tmp_path / "a.jsonl", {"id": "a", "text": "비", "spans": []})
    with pytest.raises(ValueError, match=r"expected a format among jsonl, doccano, .*, got 'xml'"):
        convert_file(source, tmp_path / "b.jsonl", "xml")
    with pytest.raises(ValueError, match="expected offsets to be one of characters, utf16, graphemes, got 'bytes'"):
        convert_file(source, tmp_path / "b.jsonl", "doccano", offsets="bytes")
    with pytest.raises(ValueError, match="got 'utf16' for JSON Lines, whose offsets count characters"):
        convert_file(source, tmp_path / "b.jsonl", offsets="utf16")
    with pytest.raises(FileExistsError, match="expected a file to write to"):
        convert_file(source, tmp_path, to_format="doccano")
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="expected at least one text in the form doccano, got none"):
        convert_file(tmp_path / "empty.jsonl", tmp_path / "b.jsonl", "doccano")
    assert not (tmp_path / "b.jsonl").exists()


@pytest.mark.parametrize("name", FORMATS)
def test_reading_what_was_written_warns_of_nothing(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FORMATS[name].write(tmp_path / "data", [Example("a", "대구 비", (Span(0, 2, "LC"),))])
        assert FORMATS[name].read(tmp_path / "data") == [Example("a", "대구 비", (Span(0, 2, "LC"),))]
