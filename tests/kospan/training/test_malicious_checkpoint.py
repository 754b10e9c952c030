"""Checkpoints with pickles that would run code: none runs, whatever file holds it."""

import pickle
from pathlib import Path

import pytest
import torch
import training_cases as cases

from kospan.training.saving import broken_part, resumable_checkpoint

FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "scaler.pt")


class Payload:
    """An object whose pickle writes a file when it is opened."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return Path.write_text, (self.target, "ran")


@pytest.fixture
def checkpoint(make_token_classifier, tmp_path):
    """A checkpoint as the Trainer writes it."""
    model = make_token_classifier(encoder_input="units")
    cases.trainer(model, str(tmp_path / "out"), save_strategy="steps", save_steps=2, optim="adamw_torch").train()
    return tmp_path / "out" / "checkpoint-2"


def write_payload(path: Path, target: Path, form: str) -> None:
    if form == "pickle":
        path.write_bytes(pickle.dumps(Payload(target)))
    else:  # torch's archive.
        torch.save({"state": Payload(target), "param_groups": [], "python": Payload(target)}, path)


@pytest.mark.parametrize("form", ["pickle", "archive"])
@pytest.mark.parametrize("file", FILES)
def test_no_payload_runs(make_token_classifier, checkpoint, tmp_path, file, form):
    target = tmp_path / "ran.txt"
    write_payload(checkpoint / file, target, form)
    reason = broken_part(checkpoint)
    # The arguments are never read; a bare pickle is no archive of torch.
    assert reason is None if file == "training_args.bin" else reason.startswith(f"{file} ")
    assert not target.exists()
    if reason is not None:
        with pytest.raises(FileNotFoundError, match=f"to resume from, got one where {file}"):
            resumable_checkpoint(checkpoint.parent, str(checkpoint))
    # Past our own check, the Trainer refuses it as well.
    trainer = cases.trainer(make_token_classifier(encoder_input="units"), str(tmp_path / "again"), optim="adamw_torch")
    if file == "training_args.bin":
        trainer.train(resume_from_checkpoint=str(checkpoint))
    elif file != "scaler.pt":  # Without fp16 on a GPU it is not read.
        with pytest.raises(Exception, match=r"(?i)weights.only|Weights only"):
            trainer.train(resume_from_checkpoint=str(checkpoint))
    assert not target.exists()


@pytest.mark.parametrize("form", ["pickle", "archive"])
def test_the_payload_itself_works(tmp_path, form):
    write_payload(tmp_path / "a.pt", tmp_path / "ran.txt", form)
    if form == "pickle":
        pickle.loads((tmp_path / "a.pt").read_bytes())
    else:
        torch.load(tmp_path / "a.pt", weights_only=False)
    assert (tmp_path / "ran.txt").read_text(encoding="utf-8") == "ran"


def test_a_whole_checkpoint_of_numpys_state_is_whole(checkpoint):
    with pytest.raises(pickle.UnpicklingError):
        torch.load(checkpoint / "rng_state.pth", weights_only=True)
    assert broken_part(checkpoint) is None
