"""`kospan suggest`."""

import json

import pytest
from cli_cases import TEXTS, refused

from kospan.api import task_over
from kospan.cli import main
from kospan.data.formats.labelstudio import read_labelstudio
from kospan.data.jsonl import read_jsonl
from kospan.example import Example
from kospan.suggestions import suggest


@pytest.fixture
def text_file(tmp_path) -> str:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return str(path)


def lines_of(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_lines_are_the_suggestions(model_folder, text_file, tmp_path, capsys):
    assert main(["suggest", model_folder, text_file, "--count", "2", "--strategy", "entropy"]) == 0
    found = lines_of(capsys)
    wanted = suggest(task_over(model_folder), [Example("", text, None) for text in TEXTS], 2, "entropy")
    assert [line["text"] for line in found] == [each.example.text for each in wanted]
    assert [line["uncertainty"] for line in found] == pytest.approx([each.uncertainty for each in wanted], abs=1e-6)
    for line, (example, _) in zip(found, wanted):
        assert [(span["start"], span["end"], span["label"]) for span in line["spans"]] == [s[:3] for s in example.spans]
        assert all("score" in span for span in line["spans"])
    output = tmp_path / "found.jsonl"
    assert (
        main(["suggest", model_folder, text_file, "--count", "2", "--strategy", "entropy", "--output", str(output)])
        == 0
    )
    assert capsys.readouterr().err.endswith(f"2 of 3 texts -> {output}\n")
    assert [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()] == found
    # Annotators correct the spans in the input format.
    assert [each.text for each in read_jsonl(output)] == [line["text"] for line in found]


def test_records_keep_their_fields(model_folder, tmp_path, capsys):
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"id": "a", "text": TEXTS[0], "source": "news"}) + "\n", encoding="utf-8")
    assert main(["suggest", model_folder, str(path), "--normalization", "none"]) == 0
    [line] = lines_of(capsys)
    assert (line["id"], line["text"], line["source"]) == ("a", TEXTS[0], "news")


def test_labelled_texts_are_skipped(model_folder, text_file, tmp_path, capsys):
    done = tmp_path / "done.jsonl"
    assert main(["suggest", model_folder, text_file, "--count", "1", "--output", str(done)]) == 0
    capsys.readouterr()
    assert main(["suggest", model_folder, text_file, text_file, "--labelled", str(done)]) == 0
    [first] = read_jsonl(done)
    assert sorted(line["text"] for line in lines_of(capsys)) == sorted(text for text in TEXTS if text != first.text)


def test_label_studio(model_folder, text_file, tmp_path):
    output = tmp_path / "tasks.json"
    words = ["suggest", model_folder, text_file, "--format", "label-studio", "--output", str(output)]
    assert main(words) == 0
    tasks = json.loads(output.read_text(encoding="utf-8"))
    wanted = suggest(task_over(model_folder), [Example("", text, None) for text in TEXTS])
    for task, (example, uncertainty) in zip(tasks, wanted, strict=True):
        assert task["data"]["text"] == example.text
        assert task["data"]["uncertainty"] == pytest.approx(uncertainty, abs=1e-6)
        [prediction] = task["predictions"]
        assert prediction["model_version"] == "model"
        assert [region["value"]["text"] for region in prediction["result"]] == [
            example.text[span.start : span.end] for span in example.spans
        ]
        scores = [region["score"] for region in prediction["result"]]
        assert prediction.get("score") == (pytest.approx(sum(scores) / len(scores)) if scores else None)
    with pytest.warns(UserWarning, match="predictions of tasks without annotation"):
        assert [each.text for each in read_labelstudio(output)] == [each.example.text for each in wanted]
    assert main([*words, "--model_version", "v2"]) == 0
    assert json.loads(output.read_text(encoding="utf-8"))[0]["predictions"][0]["model_version"] == "v2"


def test_choices_of_label_studio(make_text_classifier, text_file, tmp_path):
    model = make_text_classifier()
    model.save_pretrained(tmp_path / "topic")
    output = tmp_path / "tasks.json"
    folder = str(tmp_path / "topic")
    assert main(["suggest", folder, text_file, "--format", "label-studio", "--output", str(output)]) == 0
    for task in json.loads(output.read_text(encoding="utf-8")):
        [result] = task["predictions"][0]["result"]
        wanted = model.classify(task["data"]["text"])
        assert result["type"] == "choices" and result["value"] == {"choices": [wanted.label]}
        assert result["score"] == pytest.approx(wanted.score, abs=1e-5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--format", "label-studio"], "expected --output FILE for --format label-studio, got none"),
        (["--model_version", "v2"], "expected no --model_version for JSON Lines"),
        (["--count", "0"], "expected count of 1 or more"),
        (["--max_similarity", "2"], "expected max_similarity above 0 and at most 1"),
        (["--labelled", "none.txt"], "none.txt"),
    ],
)
def test_mistakes(model_folder, text_file, capsys, flags, message):
    assert message in refused(["suggest", model_folder, text_file, *flags], capsys)


def test_invalid_records(model_folder, tmp_path, capsys):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "비가 온다."}\n{"text": 5}\n', encoding="utf-8")
    assert "expected 'text'" in refused(["suggest", model_folder, str(path)], capsys)
    assert main(["suggest", model_folder, str(path), "--skip_invalid"]) == 0
    captured = capsys.readouterr()
    assert "skipped 1 invalid records, the first" in captured.err and len(captured.out.splitlines()) == 1
