"""Log lines and record of examples that a run neither trained on nor scored."""

import json

import pytest
from huggingface_hub import ModelCard
from sklearn.metrics import f1_score

from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import train

TINY = {
    "encoder": "scratch",
    "encoder_options": {"num_hidden_layers": 0, "hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2},
    "encoder_input": "units",
    "max_length": 64,
    "stride": 8,
    "learning_rate": "3e-2",
    "max_steps": 2,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "save_strategy": "no",
    "load_best_model_at_end": False,
    "use_cpu": True,
}


def test_invalid_records_are_skipped_on_request_and_reported(tmp_path, capsys):
    examples = [Example(f"e{at}", f"대전에 비가 {at}번 왔다", (Span(0, 2, "LC"),)) for at in range(9)]
    path = tmp_path / "train.jsonl"
    write_jsonl(path, examples)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"id": "x"}\n{\n')
    flags = TINY | {"dataset": "jsonl", "train_file": str(path), "output_dir": str(tmp_path / "out")}
    with pytest.raises(ValueError, match=r"train\.jsonl:10: expected the key 'text', .* \(1 more record is invalid"):
        train(load_recipe(None, flags))
    train(load_recipe(None, flags | {"skip_invalid": "true"}))
    assert f"skipped records     2 invalid in the train part, the first: {path}:10" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "training_record.json").read_text(encoding="utf-8"))
    assert record["missing"] == {"train": {"invalid": 2, "left_out": 0}} and record["adjusted"]["skipped"] == 2
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "2 records of the data could not be read and were skipped." in card


def test_questions_that_were_left_out_count_in_every_score(tmp_path, capsys):
    pages = []
    for at in range(10):
        html = f"<h1>마을 {at}</h1><p>마을은 <b>{1950 + at}년</b>에 생겼다.<img></p>"
        texts = {"a": f"<b>{1950 + at}년</b>", "b": "<img>"}
        asked = [
            {"id": f"{at}{name}", "question": "언제?", "answer": {"text": text, "answer_start": html.index(text)}}
            for name, text in texts.items()
        ]
        pages.append({"title": "마을", "context": html, "qas": asked})
    path = tmp_path / "pages.json"
    path.write_text(json.dumps({"data": pages}), encoding="utf-8")
    flags = TINY | {
        "task": "question-answering",
        "dataset": "korquad2",
        "train_file": str(path),
        "max_query_length": 16,
    }
    with pytest.warns(UserWarning, match="skipped 10 of 20 questions"):
        metrics = train(load_recipe(None, flags | {"output_dir": str(tmp_path / "out")}))
    printed = capsys.readouterr().out
    assert "unusable records    2 in the validation part, which count 0 in scores" in printed
    # Two of four questions were asked.
    assert metrics["eval_support_left_out"] == 2.0 and metrics["eval_exact_match"] <= 0.5
    folder = tmp_path / "out"
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    assert record["missing"]["validation"] == {"invalid": 0, "left_out": 2}
    overall = record["evaluation"]["overall"]
    assert overall["questions"] == 4 and overall["f1"] == pytest.approx(metrics["eval_f1"])
    [entry] = [each for each in record["training"]["history"] if "eval_f1" in each]
    assert entry["eval_f1"] == pytest.approx(metrics["eval_f1"], abs=1e-6)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "by the official rules of KorQuAD 2.x" in card
    assert "2 questions, and 2 more whose answer is no readable text, which count 0." in card


def test_klue_sts_is_scored_by_its_benchmark_s_threshold_too(tmp_path):
    rows = [
        {"text": f"비가 {at}번 온다", "text_pair": f"비가 {at % 3}번 온다", "label": f"{at % 6}.0"} for at in range(16)
    ]
    path = tmp_path / "sts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    flags = TINY | {"task": "text-classification", "train_file": str(path), "metric_for_best_model": "pearson"}
    flags |= {"validation_file": str(path), "output_dir": str(tmp_path / "out")}
    metrics = train(load_recipe(None, flags | {"dataset": "klue_sts", "metric_for_best_model": "klue_sts_f1"}))
    said = [
        json.loads(line)["spans"][0]["score"]
        for line in (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    gold = [float(row["label"]) for row in rows]
    expected = f1_score([value >= 3 for value in gold], [value >= 3 for value in said], zero_division=0.0)
    assert metrics["eval_klue_sts_f1"] == pytest.approx(expected)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "F1 at threshold 3" in card and "3점을 기준으로 한 F1은" in card
    found = {each.metric_args["metric"]: each.metric_type for each in ModelCard(card).data.eval_results}
    assert found["eval_klue_sts_f1"] == "f1"
    other = train(load_recipe(None, flags | {"dataset": "labelled", "output_dir": str(tmp_path / "other")}))
    assert "eval_klue_sts_f1" not in other
