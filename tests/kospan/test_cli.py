import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from kospan.cli import main
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span

ROOT = Path(__file__).parent.parent.parent
TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "김연아는 부산 사직 체육관을 찾았다.", "비가 온다."]
GOLD = [
    Example("first", TEXTS[0], (Span(0, 3, "PS"), Span(8, 10, "LC"))),
    Example("second", TEXTS[1], (Span(0, 3, "PS"), Span(5, 14, "LC"))),
    Example("third", TEXTS[2], ()),
]
SETTINGS = {
    "encoder_options": "{num_hidden_layers: 0, hidden_size: 16, embedding_size: 16, num_attention_heads: 2}",
    "dataset": "jsonl",
    "encoder_input": "units",
    "max_length": 64,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "max_steps": 2,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": "false",
    "use_cpu": "true",
}
TINY = [f"--{key}={value}" for key, value in SETTINGS.items()]


@pytest.fixture
def model_folder(make_token_classifier, tmp_path):
    """A saved model with the labels PS, LC and OG; its random weights find spans in most texts."""
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def gold_file(tmp_path):
    write_jsonl(tmp_path / "gold.jsonl", GOLD)
    return str(tmp_path / "gold.jsonl")


def refused(words: list[str], capsys) -> str:
    """The one line that a command answers a mistake with."""
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("kospan: ")
    assert message.count("\n") == 1, message
    return message


# --- predict ----------------------------------------------------------------------------------------------------------


def test_predictions_are_what_the_model_extracts(model_folder, make_token_classifier, gold_file, tmp_path, capsys):
    output = tmp_path / "found.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(output)]) == 0
    found = read_jsonl(output)
    assert [(each.id, each.text) for each in found] == [(each.id, each.text) for each in GOLD]
    expected = make_token_classifier(encoder_input="units").extract(TEXTS)
    assert any(expected)
    for example, spans in zip(found, expected):
        assert [span[:3] for span in example.spans] == [span[:3] for span in spans]
        assert [span.score for span in example.spans] == pytest.approx([span.score for span in spans], abs=1e-5)
    assert capsys.readouterr().out == f"3 documents, {sum(map(len, expected))} spans -> {output}\n"
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_place_that_cannot_be_written_is_refused_before_any_text_is_read(command, tmp_path, capsys):
    words = {"predict": ["nowhere", "nothing.txt"], "evaluate": ["nowhere", "--data", "nothing.jsonl"]}[command]
    message = refused([command, *words, "--output", str(tmp_path / "no" / "x.jsonl")], capsys)
    assert f"expected a folder at {tmp_path / 'no'} to write x.jsonl to, found none; make it first" in message
    message = refused([command, *words, "--output", str(tmp_path)], capsys)
    assert f"expected a file to write to at {tmp_path}, got a folder" in message
    assert not list(tmp_path.iterdir())


def test_plain_text_is_read_a_document_per_line(model_folder, tmp_path, capsys):
    path = tmp_path / "texts.txt"
    path.write_text(f"{TEXTS[0]}\n\n{TEXTS[1]}\n", encoding="utf-8")
    assert main(["predict", model_folder, str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == TEXTS[:2]
    assert all(set(span) == {"start", "end", "label", "score"} for line in lines for span in line["spans"])


def test_the_threshold_reaches_the_model(model_folder, gold_file, tmp_path):
    output = tmp_path / "found.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(output), "--threshold", "1"]) == 0
    assert [example.spans for example in read_jsonl(output)] == [(), (), ()]


def test_a_threshold_that_is_no_probability_is_refused(model_folder, gold_file, capsys):
    assert main(["predict", model_folder, gold_file, "--threshold", "1.1"]) == 2
    assert capsys.readouterr().err.startswith("kospan: expected threshold to be a number from 0 to 1, got 1.1;")


def test_what_is_predicted_can_be_trained_on(model_folder, gold_file, tmp_path, capsys):
    predicted = tmp_path / "predicted.jsonl"
    assert main(["predict", model_folder, gold_file, "--output", str(predicted)]) == 0
    files = ["--train_file", str(predicted), "--validation_file", str(predicted)]
    assert main(["train", *TINY, *files, "--output_dir", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "model.safetensors").is_file()
    assert main(["evaluate", str(tmp_path / "again"), "--data", str(predicted)]) == 0
    assert main(["evaluate", model_folder, "--data", str(predicted), "--output", str(tmp_path / "f.json")]) == 0
    capsys.readouterr()
    # The model agrees with itself.
    assert json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["eval_f1"] == 1.0


# --- evaluate ---------------------------------------------------------------------------------------------------------


def test_evaluating_prints_and_writes_the_metrics(model_folder, gold_file, tmp_path, capsys):
    output = tmp_path / "metrics.json"
    assert main(["evaluate", model_folder, "--data", gold_file, "--output", str(output)]) == 0
    metrics = json.loads(output.read_text(encoding="utf-8"))
    assert all(name.startswith("eval_") for name in metrics if name != "examination")
    assert 0 <= metrics["eval_f1"] <= 1
    printed = capsys.readouterr().out
    assert "by type" in printed and "klue_entity_f1" in printed and f"{metrics['eval_f1']:.4f}" in printed
    examination = metrics["examination"]
    assert examination["metrics"]["f1"] == metrics["eval_f1"] and examination["documents"] == 3


def test_evaluating_the_shipped_sample_needs_no_file(make_token_classifier, tmp_path, capsys):
    labels = ["PS", "LC", "OG", "DT", "TI", "QT"]
    make_token_classifier(encoder_input="units", labels=labels, max_length=64).save_pretrained(tmp_path / "model")
    words = ["evaluate", str(tmp_path / "model"), "--dataset", "sample", "--data", "validation", "--train", "train"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "by surface" in printed and "unseen" in printed and "classes of errors" in printed


@pytest.mark.parametrize("command", ["evaluate", "analyze"])
def test_unlabelled_texts_are_named_before_they_are_read(command, model_folder, tmp_path, capsys):
    write_jsonl(tmp_path / "texts.jsonl", [Example("x", TEXTS[0], None)])
    message = refused([command, model_folder, "--data", str(tmp_path / "texts.jsonl")], capsys)
    assert "texts.jsonl): expected labelled texts, got one without spans; write [] where a text holds none" in message


@pytest.mark.parametrize("command", ["predict", "evaluate", "analyze", "benchmark", "subwords"])
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(command, gold_file, tmp_path, monkeypatch, capsys):
    # There is no such model: whoever opened it first would say so.
    words = {
        "predict": ["predict", "nowhere", gold_file],
        "benchmark": ["benchmark", "nowhere"],
        "subwords": ["analyze", "--tokenizer", "nowhere", "--data", gold_file],
    }.get(command, [command, "nowhere", "--data", gold_file])
    if command in ("predict", "evaluate"):
        message = refused([*words, "--output", str(tmp_path / "no" / "such" / "file.json")], capsys)
        assert f"expected a folder at {tmp_path / 'no' / 'such'} to write file.json to, found none; make it" in message
        message = refused([*words, "--output", str(tmp_path)], capsys)
        assert f"expected a file to write to at {tmp_path}, got a folder; name a file inside it" in message
    message = refused([*words, "--output", str(Path(gold_file) / "inside")], capsys)
    assert f"expected a folder to write to at {gold_file}, got a file; name another place" in message
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != tmp_path)
    message = refused([*words, "--output", str(tmp_path / "new")], capsys)
    assert f"expected a folder that may be written to, got {tmp_path}; name another place" in message


def test_a_folder_without_a_tokenizer_is_not_examined(model_folder, gold_file, capsys):
    for path in [*Path(model_folder).glob("tokenizer*"), *Path(model_folder).glob("special_tokens*")]:
        path.unlink()
    config = {"model_type": "electra", "vocab_size": 9}
    (Path(model_folder) / "config.json").write_text(json.dumps(config), encoding="utf-8")
    # transformers makes up one to which every word is unknown.
    message = refused(["analyze", "--tokenizer", model_folder, "--data", gold_file], capsys)
    assert "expected a tokenizer beside the encoder" in message and "found none" in message


def test_ctrl_c_leaves_no_traceback(model_folder, gold_file, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("kospan.tasks.span_task.examine", interrupted)
    output = tmp_path / "metrics.json"
    assert main(["evaluate", model_folder, "--data", gold_file, "--output", str(output)]) == 130
    assert capsys.readouterr().err.endswith("kospan: stopped by Ctrl-C; the same command begins again\n")
    assert not output.exists()


@pytest.mark.skipif(os.name == "nt", reason="pipes")
@pytest.mark.parametrize("words", [["train.py", "--help"], ["-m", "kospan.cli", "predict", "--help"]])
def test_a_pipe_that_nobody_reads_is_no_mistake(words):
    """As in `train.py --help | head -0`: the pipe is closed before a word is written."""
    reader, writer = os.pipe()
    os.close(reader)
    # Unbuffered, argparse itself meets the closed pipe and passes over it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, *words], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, env=environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_librarys_message_of_several_lines_is_one(gold_file, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    refused(["analyze", "--tokenizer", str(tmp_path / "nothing"), "--data", gold_file], capsys)


# --- benchmark and tokenizers -----------------------------------------------------------------------------------------


def test_measuring_prints_a_table_and_leaves_a_plot(model_folder, tmp_path, capsys):
    words = ["benchmark", model_folder, "--lengths", "8", "16", "--batches", "2", "--calls", "1"]
    assert main([*words, "--output", str(tmp_path / "speed")]) == 0
    assert "characters/s" in capsys.readouterr().out
    found = json.loads((tmp_path / "speed" / "speed.json").read_text(encoding="utf-8"))
    assert [(row["length"], row["batch"]) for row in found["rows"]] == [(8, 2), (16, 2)]
    assert (tmp_path / "speed" / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_tokenizer_is_analyzed_without_a_model(model_folder, gold_file, tmp_path, capsys):
    words = ["analyze", "--tokenizer", model_folder, "--data", gold_file, "--output", str(tmp_path / "report")]
    assert main(words) == 0
    assert "subwords per word" in capsys.readouterr().out
    assert json.loads((tmp_path / "report" / "subwords.json").read_text(encoding="utf-8"))["documents"] == 3
    for extra, given in (([model_folder, "--tokenizer", model_folder], "both"), ([], "neither")):
        assert main(["analyze", *extra, "--data", gold_file]) == 2
        assert f"expected a model or --tokenizer NAME to analyze, got {given}" in capsys.readouterr().err


# --- train and convert ------------------------------------------------------------------------------------------------


def test_training_leaves_a_model_that_predicts(gold_file, tmp_path, capsys):
    folder = tmp_path / "run"
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(folder)]
    assert main(["train", *TINY, *files]) == 0
    assert {"config.json", "model.safetensors", "recipe.yaml", "eval_results.json"} <= set(os.listdir(folder))
    assert main(["predict", str(folder), gold_file]) == 0
    assert "expected an empty output_dir" in refused(["train", *TINY, *files], capsys)


@pytest.mark.parametrize("form", ["doccano", "label-studio", "brat"])
def test_data_converts_there_and_back(gold_file, tmp_path, capsys, form):
    other, back = str(tmp_path / ("there.json" if form == "label-studio" else "there")), str(tmp_path / "back.jsonl")
    other += ".jsonl" if form == "doccano" else ""
    assert main(["convert", "data", gold_file, other, "--to", form]) == 0
    assert main(["convert", "data", other, back, "--from", form]) == 0
    assert capsys.readouterr().out.count("\n") >= 2
    found = {example.text: [span[:3] for span in example.spans] for example in read_jsonl(back)}
    assert found == {example.text: [span[:3] for span in example.spans] for example in GOLD}


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_model_that_is_not_there_is_said_so(gold_file, tmp_path, capsys):
    for command in (["predict", "no/such/model", gold_file], ["evaluate", "no/such/model", "--data", gold_file]):
        assert "expected a model on the Hub or in a folder under the name 'no/such/model'" in refused(command, capsys)


def test_a_file_in_a_folder_s_place_and_a_folder_in_a_file_s_are_told(model_folder, gold_file, tmp_path, capsys):
    message = refused(["predict", gold_file, gold_file], capsys)
    assert f"expected a model's folder or its name on the Hub, got the file {gold_file}; name" in message
    message = refused(["train", *TINY, "--train_file", gold_file, "--encoder", gold_file], capsys)
    assert f"expected a model's folder or its name on the Hub, got the file {gold_file}; name" in message
    message = refused(["train", *TINY, "--train_file", gold_file, "--output_dir", gold_file], capsys)
    assert f"expected a folder to write to at {gold_file}, got a file; name another place" in message
    message = refused(["convert", "data", gold_file, str(tmp_path)], capsys)
    assert f"expected a file to write to, got the folder {tmp_path}; name a file inside it" in message


def test_what_cannot_be_looked_into_is_told_before_the_analysis(model_folder, gold_file, capsys, monkeypatch):
    monkeypatch.setattr("kospan.report.analysis.analyze", None)
    message = refused(["analyze", model_folder, "--data", gold_file, "--attention", "가나" * 400], capsys)
    assert "got one of 800 characters; pass a shorter sentence with --attention" in message and "가나" not in message


def test_a_model_of_another_kind_is_refused(make_token_classifier, gold_file, tmp_path, capsys):
    make_token_classifier().encoder.save_pretrained(tmp_path / "encoder")
    message = refused(["predict", str(tmp_path / "encoder"), gold_file], capsys)
    assert "got ElectraModel; train one with kospan train" in message


def test_a_model_without_tokenizer_is_refused(make_token_classifier, gold_file, tmp_path, capsys):
    model = make_token_classifier()
    model.tokenizer = None
    model.save_pretrained(tmp_path / "bare")
    assert "expected a tokenizer beside the model" in refused(["predict", str(tmp_path / "bare"), gold_file], capsys)


@pytest.mark.parametrize(
    "content, named",
    [
        ('{"id": "a", "text": "서울"}\n{"id": "b"\n', "texts.jsonl:2: expected one JSON object per line"),
        ('{"id": "a", "text": 3}\n', "texts.jsonl:1: expected 'text' to be a string, got 3"),
        ("", "expected at least one text, got an empty file"),
    ],
)
def test_texts_that_cannot_be_read_are_named_by_file_and_line(model_folder, tmp_path, capsys, content, named):
    path = tmp_path / "texts.jsonl"
    path.write_text(content, encoding="utf-8")
    output = tmp_path / "found.jsonl"
    assert named in refused(["predict", model_folder, str(path), "--output", str(output)], capsys)
    assert not output.exists()


def test_a_file_that_is_not_there_is_said_so(model_folder, tmp_path, capsys):
    missing = str(tmp_path / "nowhere.jsonl")
    assert "nowhere.jsonl" in refused(["predict", model_folder, missing], capsys)
    assert "nowhere.jsonl" in refused(["evaluate", model_folder, "--data", missing], capsys)
    assert "nowhere.jsonl" in refused(["convert", "data", missing, str(tmp_path / "out"), "--to", "brat"], capsys)


def test_unlabelled_or_unknown_labels_cannot_be_scored(model_folder, tmp_path, capsys):
    path = tmp_path / "data.jsonl"
    write_jsonl(path, [Example("odd", "오후 세 시", (Span(0, 2, "TI"),))])
    message = refused(["evaluate", model_folder, "--data", str(path)], capsys)
    assert "example 'odd'" in message and "got 'TI'" in message
    write_jsonl(path, [GOLD[0], Example("bare", "비가 온다.", None)])
    assert "'bare'" in refused(["evaluate", model_folder, "--data", str(path)], capsys)


@pytest.mark.parametrize(
    "words, named",
    [
        (["train", "nowhere.yaml"], "expected a recipe at nowhere.yaml"),
        (["train", "--recurent_size", "3"], "did you mean lstm_hidden_size?"),
        (["train", "--max_length", "wide"], "expected window to be a int, got 'wide'"),
        (["train", "--task", "token-clasification"], "expected task to be one of token-classification"),
        (["train", "--num_train_epochs", "many"], "--num_train_epochs"),
        (["train", "--dataset", "smaple"], "did you mean 'sample'?"),
        (["train", "--head", "softmax"], "expected head to be one of"),
        (["train", "--dataset", "jsonl"], "expected a train_file"),
        (["train", "--encoder", "no/such"], "expected an encoder on the Hub or in a folder"),
        (["train", "--max_length", "9999"], "expected a window of at most 512"),
        (["train", "a", "b"], "got the extra word 'b'"),
    ],
)
def test_a_mistake_in_a_recipe_is_one_line_and_status_2(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert named in refused(words if "nowhere.yaml" in words else [*words, "--use_cpu", "true"], capsys)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("step", ["checkpoint", "end"])
def test_a_full_disk_is_one_line_that_says_how_to_go_on(step, gold_file, tmp_path, monkeypatch, capsys):
    def full(*args, **kwargs):
        if step == "checkpoint":  # As torch's writer of archives has it.
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 3131840 vs 3131732")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    name = {"checkpoint": "torch.save", "end": "transformers.modeling_utils.safe_save_file"}[step]
    monkeypatch.setattr(name, full)
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(tmp_path / "out")]
    saving = ["--save_strategy", "steps", "--save_steps", "1"] if step == "checkpoint" else []
    assert main(["train", *TINY, *files, *saving]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"kospan: expected room on the disk of {tmp_path / 'out'}, got none while saving;")
    assert "--resume_from_checkpoint" in message and message.count("\n") == 1


def test_stopping_by_hand_is_one_line_and_the_shell_s_status(gold_file, tmp_path, monkeypatch, capsys):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kospan.data.texts.read_texts", pressed)
        assert main(["predict", "model", gold_file]) == 130
    assert capsys.readouterr().err == "kospan: stopped by Ctrl-C; the same command begins again\n"
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", pressed)
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(tmp_path / "out")]
    assert main(["train", *TINY, *files]) == 130
    message = capsys.readouterr().err
    assert message.startswith("kospan: stopped by Ctrl-C; pass --resume_from_checkpoint") and message.count("\n") == 1


def test_a_bug_while_training_keeps_its_trace(gold_file, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", broken)
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(tmp_path / "out")]
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        main(["train", *TINY, *files])


@pytest.mark.parametrize("words", [[], ["predict"], ["dance"], ["convert"], ["evaluate", "model"]])
def test_an_incomplete_command_shows_its_usage_and_status_2(words, capsys):
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2
    assert "usage: kospan" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["predict", "--help"], ["convert", "data", "--help"]])
def test_help_is_shown_with_status_0(words, capsys):
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 0
    assert "usage: kospan" in capsys.readouterr().out


def test_the_command_s_status_reaches_the_shell():
    command = [sys.executable, "-m", "kospan.cli", "train", "nowhere.yaml"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert found.returncode == 2
    assert found.stderr.startswith("kospan: expected a recipe at nowhere.yaml") and found.stdout == ""
