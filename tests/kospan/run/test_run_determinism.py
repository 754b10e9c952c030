"""The same recipe and seed give the same bytes on a CPU, whatever was drawn before; another seed gives others."""

import pytest
import resume_cases as cases
import torch

from kospan.run import train

DROPOUT = {"encoder_options": {**cases.ENCODER, "num_hidden_layers": 1, "hidden_dropout_prob": 0.2}}
TECHNIQUES = {"fgm_epsilon": 0.5, "rdrop_alpha": 1.0, "multi_sample_dropout": 2, "subword_dropout": 0.1}
SETTINGS = {
    "token-classification": {**DROPOUT, **TECHNIQUES, "lstm_hidden_size": 8, "mention_replacement": 0.5},
    "question-answering": {**DROPOUT, **TECHNIQUES, "lstm_hidden_size": 8},
    "text-classification": {**DROPOUT, **TECHNIQUES},
    "text-classification values": {**DROPOUT, "fgm_epsilon": 0.5},
    "generative-ner": {"gradient_accumulation_steps": 2},
}
RESULTS = ("eval_results.json", "predictions.jsonl")


def outcome(task: str, folder, **settings) -> dict[str, bytes]:
    """Weights, scores and predictions of a run."""
    train(cases.recipe_of(task, folder, **SETTINGS[task], **settings))
    names = [path.name for path in (folder / "out").glob("*.safetensors")]
    return {name: (folder / "out" / name).read_bytes() for name in (*names, *RESULTS)}


@pytest.mark.parametrize("task", SETTINGS)
def test_a_seed_gives_the_same_weights_bit_for_bit(task, tmp_path):
    one = outcome(task, tmp_path / "one")
    torch.rand(torch.seed() % 7 + 1)
    assert outcome(task, tmp_path / "two") == one
    [weights] = [name for name in one if name.endswith(".safetensors")]
    assert outcome(task, tmp_path / "other", seed=7)[weights] != one[weights]
