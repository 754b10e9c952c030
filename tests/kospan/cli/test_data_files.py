"""Input and output of the commands: forms of files, invalid records, columns, compressed output."""

import bz2
import gzip
import json
import lzma

import pytest

from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "김연아는 부산 사직 체육관을 찾았다.", "비가 온다."]
GOLD = [
    Example("first", TEXTS[0], (Span(0, 3, "PS"), Span(8, 10, "LC"))),
    Example("second", TEXTS[1], (Span(0, 3, "PS"), Span(5, 14, "LC"))),
    Example("third", TEXTS[2], ()),
]


@pytest.fixture
def model(make_token_classifier, tmp_path):
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def refused(words, capsys) -> str:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("kospan: ") and message.count("\n") == 1, message
    return message


def test_predictions_do_not_depend_on_the_name_of_the_file(model, tmp_path, capsys):
    write_jsonl(tmp_path / "a.jsonl", GOLD)
    lines = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.NDJSON").write_bytes(lines)
    (tmp_path / "texts.txt").write_bytes(lines)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(lines))
    found = {}
    for name in ("a.jsonl", "a.NDJSON", "texts.txt", "packed.txt.gz"):
        capsys.readouterr()
        assert main(["predict", model, str(tmp_path / name)]) == 0
        found[name] = capsys.readouterr().out
    assert len(set(found.values())) == 1 and found["a.jsonl"].count("\n") == 3
    (tmp_path / "a.csv").write_text("text\nx\n", encoding="utf-8")
    table = str(tmp_path / "a.csv")
    for command in (["predict", model, table], ["benchmark", model, "--data", table]):
        assert "got a CSV file; name the column of its texts text" in refused(command, capsys)


def test_labels_of_a_text_do_not_stand_in_the_way_of_its_prediction(model, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"text": TEXTS[0], "label": "정치", "spans": "none", "ner": [[0, 3, "ZZ"]]}) + "\n", encoding="utf-8"
    )
    assert main(["predict", model, str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out.jsonl")]) == 0
    assert read_jsonl(tmp_path / "out.jsonl")[0].text == TEXTS[0]


def test_compressed_output_holds_the_same_and_is_the_same_each_time(model, tmp_path, capsys):
    write_jsonl(tmp_path / "gold.jsonl.gz", GOLD)
    assert gzip.decompress((tmp_path / "gold.jsonl.gz").read_bytes()).count(b"\n") == 3
    gold = str(tmp_path / "gold.jsonl.gz")
    for name in ("one.jsonl.gz", "other.jsonl.gz", "plain.jsonl"):
        assert main(["predict", model, gold, "--output", str(tmp_path / name)]) == 0
    one, other, plain = ((tmp_path / name).read_bytes() for name in ("one.jsonl.gz", "other.jsonl.gz", "plain.jsonl"))
    assert one == other and gzip.decompress(one) == plain
    for name in ("e.json", "e.json.gz"):
        assert main(["evaluate", model, "--data", gold, "--output", str(tmp_path / name)]) == 0
    assert gzip.decompress((tmp_path / "e.json.gz").read_bytes()) == (tmp_path / "e.json").read_bytes()
    for form in ("doccano", "label-studio", "jsonl"):
        assert main(["convert", "data", gold, str(tmp_path / f"{form}.gz"), "--to", form]) == 0
        assert b"first" in gzip.decompress((tmp_path / f"{form}.gz").read_bytes())
    for name, module in (("a.jsonl.bz2", bz2), ("a.jsonl.xz", lzma)):
        assert main(["predict", model, gold, "--output", str(tmp_path / name)]) == 0
        assert module.decompress((tmp_path / name).read_bytes()) == plain
        assert main(["predict", model, str(tmp_path / name), "--output", str(tmp_path / "again.jsonl")]) == 0
        assert (tmp_path / "again.jsonl").read_bytes() == plain
    capsys.readouterr()
    refused(["predict", "nowhere", gold, "--output", str(tmp_path / "a.jsonl.lz4")], capsys)
    message = refused(["predict", "nowhere", gold, "--output", str(tmp_path / "a.jsonl.zst")], capsys)
    assert "expected a file name without compression or with .gz, .bz2, .xz to write to" in message


def test_invalid_records_are_counted_or_skipped_by_every_command(model, tmp_path, capsys):
    data = tmp_path / "gold.jsonl"
    write_jsonl(data, GOLD)
    unknown = {"id": "u", "text": "가", "spans": [{"start": 0, "end": 1, "label": "ZZ"}]}
    with data.open("a", encoding="utf-8") as file:
        file.write('{"id": "x"}\n{"id": "y", "text": 1}\n' + json.dumps(unknown) + "\n")
    for command in (["predict", model, str(data)], ["evaluate", model, "--data", str(data)]):
        message = refused(command, capsys)
        assert "gold.jsonl:4: expected the key 'text', got 'id'" in message
        assert "(1 more record is invalid; --skip_invalid continues without them)" in message
    for command in ("analyze", "calibrate"):
        assert "gold.jsonl:4" in refused([command, model, "--data", str(data)], capsys)
    assert main(["predict", model, str(data), "--skip_invalid"]) == 0
    printed = capsys.readouterr()
    # Spans of the file are no part of a text to predict on.
    assert printed.out.count("\n") == 4
    assert printed.err.startswith("skipped 2 invalid records, the first: ") and "gold.jsonl:4" in printed.err
    output = tmp_path / "e.json"
    assert main(["evaluate", model, "--data", str(data), "--skip_invalid", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"skipped records     2 invalid in {data}, the first: {data}:4" in printed
    assert "skipped records     1 that the model cannot read, the first: example 'u'" in printed
    examined = json.loads(output.read_text(encoding="utf-8"))["examination"]
    assert (examined["documents"], examined["skipped"], examined["left_out"]) == (3, 3, 0)
    report = tmp_path / "report"
    assert main(["analyze", model, "--data", str(data), "--skip_invalid", "--output", str(report)]) == 0
    assert json.loads((report / "metrics.json").read_text(encoding="utf-8"))["skipped"] == 3


def test_columns_are_named_on_the_command_line(model, tmp_path, capsys):
    data = tmp_path / "a.conll"
    rows = [(1, "이재용", "B-PS"), (2, "회장", "O")]
    data.write_text("".join(f"{at}\t{token}\t{tag}\tx\n" for at, token, tag in rows), encoding="utf-8")
    words = ["evaluate", model, "--data", str(data), "--dataset", "conll"]
    assert "pass --token_column 1" in refused(words, capsys)
    assert "column 2 holds tags: pass --tag_column 2" in refused([*words, "--token_column", "1"], capsys)
    assert main([*words, "--token_column", "1", "--tag_column", "-2"]) == 0
    assert "expected no quoting with the data set 'conll'" in refused([*words, "--quoting", "none"], capsys)


PAGE = "<h1>대전</h1><p>대전은 <b>도시</b>이다. <img></p>"


def test_questions_that_were_left_out_count_in_the_scores(make_qa_model, tmp_path, capsys):
    make_qa_model(encoder_input="units").save_pretrained(tmp_path / "model")
    asked = [
        {"id": name, "question": "무엇인가?", "answer": {"text": text, "answer_start": PAGE.index(text)}}
        for name, text in (("a", "도시"), ("b", "<img>"), ("c", "<b>도시</b>"))
    ]
    data = {"version": "KorQuAD_2.0", "data": [{"title": "대전", "context": PAGE, "qas": asked}]}
    (tmp_path / "a.json").write_text(json.dumps(data), encoding="utf-8")
    output = tmp_path / "e.json"
    words = ["evaluate", str(tmp_path / "model"), "--data", str(tmp_path / "a.json"), "--dataset", "korquad2"]
    with pytest.warns(UserWarning, match="skipped 1 of 3 questions"):
        assert main([*words, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert f"unusable records    1 in {tmp_path / 'a.json'}, which count 0 in scores" in printed
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["eval_support_left_out"] == 1.0 and found["examination"]["left_out"] == 1
    assert found["examination"]["rules"] == "korquad2" and found["examination"]["documents"] == 2
    per_question = found["examination"]["groups"]["question word"]
    mean = sum(row["f1"] * row["questions"] for row in per_question) / 3
    assert found["eval_f1"] == pytest.approx(mean)
