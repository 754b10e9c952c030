"""`kospan train`."""

import os

import pytest
from cli_cases import TINY, refused
from safetensors import SafetensorError

from kospan.cli import main


def test_trained_model_predicts(gold_file, tmp_path, capsys):
    folder = tmp_path / "run"
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(folder)]
    assert main(["train", *TINY, *files]) == 0
    assert {"config.json", "model.safetensors", "recipe.yaml", "eval_results.json"} <= set(os.listdir(folder))
    assert main(["predict", str(folder), gold_file]) == 0
    assert "expected an empty output_dir" in refused(["train", *TINY, *files], capsys)


@pytest.mark.parametrize(
    "words, named",
    [
        (["train", "nowhere.yaml"], "expected a recipe at nowhere.yaml"),
        (["train", "--lstm_hiden_size", "3"], "did you mean lstm_hidden_size?"),
        (["train", "--max_length", "wide"], "expected max_length to be a whole number, got 'wide'"),
        (["train", "--task", "taging"], "expected task to be one of token-classification"),
        (["train", "--num_train_epochs", "many"], "--num_train_epochs"),
        (["train", "--dataset", "smaple"], "did you mean 'sample'?"),
        (["train", "--head", "softmax"], "expected head to be one of"),
        (["train", "--dataset", "jsonl"], "expected a train_file"),
        (["train", "--encoder", "no/such"], "expected an encoder on the Hub or in a folder"),
        (["train", "--max_length", "9999"], "expected a window of at most 512"),
        (["train", "a", "b"], "got the extra word 'b'"),
    ],
)
def test_error_in_a_recipe_is_one_line_and_status_2(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert named in refused(words if "nowhere.yaml" in words else [*words, "--use_cpu", "true"], capsys)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("step", ["checkpoint", "end"])
def test_full_disk_is_one_line_that_says_how_to_continue(step, gold_file, tmp_path, monkeypatch, capsys):
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
    assert message.startswith(f"kospan: expected free space on the disk of {tmp_path / 'out'}, got none while saving;")
    assert "--resume_from_checkpoint" in message and message.count("\n") == 1


def test_ctrl_c_is_one_line_and_the_shells_status(gold_file, tmp_path, monkeypatch, capsys):
    def pressed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kospan.api.read_texts", pressed)
        assert main(["predict", "model", gold_file]) == 130
    assert capsys.readouterr().err == "kospan: stopped by Ctrl-C; run the same command to start again\n"
    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", pressed)
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(tmp_path / "out")]
    assert main(["train", *TINY, *files]) == 130
    message = capsys.readouterr().err
    assert message.startswith("kospan: stopped by Ctrl-C; pass --resume_from_checkpoint") and message.count("\n") == 1


def test_bug_during_training_keeps_its_traceback(gold_file, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("transformers.modeling_utils.safe_save_file", broken)
    files = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(tmp_path / "out")]
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        main(["train", *TINY, *files])
