"""Subword dropout: the share of hidden subwords, one mask per training step, none in evaluation, and resumed runs."""

import shutil

import pytest
import torch
from resume_cases import recipe_of
from safetensors.torch import load_file

from kospan.recipe import load_recipe
from kospan.run import build_trainer, train
from kospan.training.subword_dropout import SubwordDropout


class Tokenizer:
    unk_token_id = 1
    all_special_ids = (0, 1, 2, 3)


def test_the_share_is_hidden_and_special_tokens_stay():
    torch.manual_seed(0)
    row = [2, *range(10, 1010), 3, 0, 0]
    given = torch.tensor([row] * 20)
    before = given.clone()
    batch = SubwordDropout(0.1, Tokenizer())({"input_ids": given, "labels": torch.full_like(given, 7)})
    ids = batch["input_ids"]
    changed = ids != given
    assert torch.equal(given, before)
    assert (ids[changed] == 1).all()
    assert not changed[given < 4].any()
    # 20,000 subwords: four standard deviations are 0.0085.
    assert abs(changed[given > 3].float().mean() - 0.1) < 0.0085
    assert len({tuple(mask) for mask in changed.tolist()}) == 20
    assert (batch["labels"] == 7).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=rf"expected subword_dropout to be 0 .off. or a share below 1, got {share}"):
        SubwordDropout(share, Tokenizer())


def test_a_tokenizer_without_an_unknown_token_is_refused():
    tokenizer = Tokenizer()
    tokenizer.unk_token_id = None
    with pytest.raises(ValueError, match=r"expected a tokenizer with an unknown token .* set subword_dropout: 0"):
        SubwordDropout(0.1, tokenizer)


def read(trainer) -> list[torch.Tensor]:
    """The `input_ids` of each forward pass of a training."""
    found = []

    def note(model, args, batch):
        found.append(batch["input_ids"].clone())

    hook = trainer.model.register_forward_pre_hook(note, with_kwargs=True)
    trainer.train()
    hook.remove()
    return found


def test_training_reads_hidden_subwords_and_evaluation_does_not(tmp_path):
    settings = {"dataset": "sample", "encoder_options": {"num_hidden_layers": 0}, "encoder_input": "units"}
    settings |= {"lstm_hidden_size": 4, "output_dir": str(tmp_path), "use_cpu": True, "max_steps": 1}
    settings |= {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "validation_loss": True}
    plain = build_trainer(load_recipe(None, settings))
    hiding = build_trainer(load_recipe(None, {**settings, "subword_dropout": 0.5}))
    unknown = plain.processing_class.unk_token_id
    (shown,), (hidden,) = read(plain), read(hiding)
    assert ((hidden == shown) | (hidden == unknown)).all()
    assert (hidden == unknown).sum() > (shown == unknown).sum() + 20
    text = plain.task.examples("validation")[0].text
    hiding.model.load_state_dict(plain.model.state_dict())
    assert hiding.model.extract(text) == plain.model.extract(text)
    assert hiding.validation_loss(hiding) == plain.validation_loss(plain)


TASKS = ("token-classification", "question-answering", "text-classification")


@pytest.mark.parametrize("task", TASKS)
def test_copies_and_the_adversarial_pass_share_the_mask_of_their_step(task, tmp_path):
    settings = {"subword_dropout": 0.5, "rdrop_alpha": 1.0, "fgm_epsilon": 0.5, "gradient_accumulation_steps": 2}
    settings |= {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False, "num_train_epochs": 1}
    batches = read(build_trainer(recipe_of(task, tmp_path, **settings)))
    assert len(batches) == 6
    masks = []
    for clean, adversarial in zip(batches[::2], batches[1::2]):
        first, second = clean.chunk(2)
        assert torch.equal(first, second) and torch.equal(first, adversarial)
        masks.append((first == 1).tolist())
    assert any(map(any, masks[0])) and masks[0] != masks[1]


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        *((task, {}) for task in TASKS),
        *((task, {"gradient_accumulation_steps": 2, "rdrop_alpha": 1.0, "fgm_epsilon": 0.5}) for task in TASKS[:2]),
        ("token-classification", {"dataloader_num_workers": 1, "dataloader_prefetch_factor": 4}),
    ],
)
@pytest.mark.parametrize("steps", [2, 5, 7])
def test_a_resumed_run_equals_an_uninterrupted_one(task, settings, steps, tmp_path):
    """Five or six steps per epoch: inside the first epoch, at or near its end, and inside the second one."""
    size = 2 // settings.get("gradient_accumulation_steps", 1)
    settings = {"subword_dropout": 0.4, "dropout": 0.2, "per_device_train_batch_size": size, **settings}
    settings |= {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 12, "eval_strategy": "no"}
    settings |= {"load_best_model_at_end": False}
    train(recipe_of(task, tmp_path, **settings))
    out = tmp_path / "out"
    whole, predictions = load_file(out / "model.safetensors"), (out / "predictions.jsonl").read_bytes()
    for checkpoint in out.glob("checkpoint-*"):
        if int(checkpoint.name.rpartition("-")[2]) > steps:
            shutil.rmtree(checkpoint)
    assert (out / f"checkpoint-{steps}").is_dir()
    (out / "model.safetensors").unlink()
    train(recipe_of(task, tmp_path, **settings, resume_from_checkpoint=True))
    again = load_file(out / "model.safetensors")
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert (out / "predictions.jsonl").read_bytes() == predictions
