"""Commands that are killed just before they rename a file: nothing half-written has a final name."""

import contextlib
import os
import signal
from pathlib import Path

import pytest
from cli_cases import TINY

from kospan.cli import main
from kospan.training.saving import broken_part

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the child must begin with what is loaded already")
MOST = 100


def killed(words: list[str], rename: int) -> bool:
    """Run a command in a process that is killed before its rename of this number; False if it has fewer."""
    child = os.fork()
    if not child:
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            try:
                replace, count = os.replace, []

                def renamed(*arguments, **keywords):
                    count.append(1)
                    if len(count) == rename:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return replace(*arguments, **keywords)

                os.replace = renamed
                os._exit(main(words))
            finally:
                os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name, without temporary ones."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {name: path.read_bytes() for name, path in names.items() if not any(p[0] == "." for p in name.split("/"))}


@pytest.mark.parametrize("command", ["predict", "evaluate", "mask", "convert", "export"])
def test_a_killed_command_leaves_whole_files(command, model_folder, gold_file, tmp_path):
    if command == "export":
        pytest.importorskip("onnx")

    def words(folder: Path) -> list[str]:
        target = str(folder / "result")
        return {
            "predict": ["predict", model_folder, gold_file, "--output", target],
            "evaluate": ["evaluate", model_folder, "--data", gold_file, "--output", target],
            "mask": ["mask", model_folder, gold_file, "--rules", "none", "--output", target],
            "convert": ["convert", "data", gold_file, target, "--to", "label-studio"],
            "export": ["export", model_folder, target, "--overwrite"],
        }[command]

    (tmp_path / "whole").mkdir()
    assert main(words(tmp_path / "whole")) == 0
    whole = contents(tmp_path / "whole")
    assert whole
    for rename in range(1, MOST):
        folder = tmp_path / str(rename)
        folder.mkdir()
        was_killed = killed(words(folder), rename)
        found = contents(folder)
        assert found.items() <= whole.items()
        # A folder is complete or has no config.
        assert found == whole or "result/config.json" not in found
        if not was_killed:
            assert found == whole and rename > 1
            return
        assert main(words(folder)) == 0 and contents(folder) == whole


def test_a_killed_end_of_a_training_is_resumed(gold_file, tmp_path):
    """Model, record, scores and predictions are written after the last checkpoint."""

    def words(folder: Path) -> list[str]:
        data = ["--train_file", gold_file, "--validation_file", gold_file, "--output_dir", str(folder)]
        return ["train", *TINY, *data, "--save_strategy", "steps", "--save_steps", "1"]

    results = ("model.safetensors", "predictions.jsonl", "eval_results.json")
    assert main(words(tmp_path / "whole")) == 0
    whole = {name: (tmp_path / "whole" / name).read_bytes() for name in results}
    for rename in range(1, MOST, 12):
        folder = tmp_path / str(rename)
        if not killed(words(folder), rename):
            assert rename > 12
            return
        found = [name for name in results if (folder / name).exists() and (folder / name).read_bytes() != whole[name]]
        assert not found
        checkpoints = [path for path in folder.glob("checkpoint-*") if broken_part(path) is None]
        again = "--resume_from_checkpoint" if checkpoints else "--overwrite_output_dir"
        assert main([*words(folder), again]) == 0
        assert {name: (folder / name).read_bytes() for name in results} == whole
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
