"""Packing: rows hold every window once, and what is learnt from them is what is learnt from the windows alone."""

import pytest
import torch
from ablation_generative_cases import corpus, recipe_over
from generative_cases import byte_level, make_generative_model
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from kospan.modeling import KospanGenerativeNER, KospanGenerativeNERConfig
from kospan.run import build_trainer, train
from kospan.tasks.generative_ner import packing
from kospan.tasks.generative_ner.packing import pack, row_length, unpack
from kospan.tasks.generative_ner.task import GenerativeNERTask

SIZES = {
    **{"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"num_key_value_heads": 2, "max_position_embeddings": 700, "pad_token_id": 0},
}
OWN = {
    "gpt2": {"n_embd": 16, "n_head": 2, "n_layer": 2, "n_positions": 700},
    "bloom": {"n_head": 2, "n_layer": 2},
    "opt": {"word_embed_proj_dim": 16, "ffn_dim": 32},
    "mamba": {"state_size": 4},
}


def task_over(kind: str, packed: bool = True) -> GenerativeNERTask:
    """The task over a random causal LM of a kind; heavier weights let it mind what it reads."""
    torch.manual_seed(0)
    tokenizer = byte_level()
    config = AutoConfig.for_model(kind, **{**SIZES, **OWN.get(kind, {})}, vocab_size=len(tokenizer))
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8 if parameter.dim() > 1 else 1)
    return GenerativeNERTask(
        corpus(),
        KospanGenerativeNER(
            model, tokenizer, KospanGenerativeNERConfig(["LC", "PS"], instruction="", max_new_tokens=60)
        ),
        packing=packed,
    )


def learnt(model, batch: dict, **more) -> tuple[float, list[torch.Tensor]]:
    """The loss, and its gradient by every parameter."""
    model.zero_grad()
    loss = model(**batch, **more).loss
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in model.parameters()]


def check_same(found, expected) -> None:
    """To 1e-5 of the largest gradient."""
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    largest = max(each.abs().max() for each in expected[1])
    assert max((one - other).abs().max() for one, other in zip(found[1], expected[1])) <= 1e-5 * largest


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_packed_rows_teach_what_their_windows_teach(kind):
    task = task_over(kind)
    task.generator.config.max_length = 130
    rows = task.train_features(task.examples("train"))
    windows = task_over(kind, False).train_features(task.examples("train"))
    assert sorted(each for row in rows for each in row["ids"]) == sorted(row["ids"][0] for row in windows)
    windows = [{key: row[key] for key in ("input_ids", "labels")} for row in windows]
    assert sorted(map(str, unpack(rows))) == sorted(map(str, windows)) and 1 < len(rows) < len(windows)
    expected = learnt(task.model, task.collate(windows))
    batch = task.collate(rows)
    assert (batch["position_ids"] == 0).sum() > len(windows) and (batch["labels"][:, 0] == -100).all()
    check_same(learnt(task.model, batch), expected)
    # As the Trainer counts over accumulated batches: each part's sum over the count of all.
    count = (batch["labels"][:, 1:] != -100).sum()
    assert count == sum(label != -100 for window in windows for label in window["labels"])
    parts = [learnt(task.model, task.collate([row]), num_items_in_batch=count) for row in rows]
    summed = sum(loss for loss, _ in parts), [sum(gradients) for gradients in zip(*(each for _, each in parts))]
    check_same(summed, expected)
    # One row of positions that go on is another text.
    batch["position_ids"] = torch.arange(batch["input_ids"].shape[1]).expand_as(batch["input_ids"])
    with pytest.raises(AssertionError):
        check_same(learnt(task.model, batch), expected)


def test_validation_loss_is_that_of_the_windows():
    tasks = [task_over("llama", packed) for packed in (False, True)]
    totals = []
    for task in tasks:
        features = task.train_features(task.examples("validation"))
        found = list(task.spec.losses(task, task.model, features, 3))
        totals.append(sum(float(loss * count) for loss, count in found) / sum(int(count) for _, count in found))
        assert [int(count) > 0 for _, count in found] == [True, True]  # Four windows, three at once.
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(9, 25))
def test_rows_hold_every_window_once_whole_and_in_order(sizes, length):
    windows = [{"input_ids": [at] * size, "labels": [-at] * size} for at, size in enumerate(sizes)]
    rows = pack(windows, length)
    assert rows == pack(windows, length)
    assert sorted(unpack(rows), key=lambda window: window["input_ids"]) == windows
    for row in rows:
        assert len(row["input_ids"]) == len(row["labels"]) == len(row["position_ids"]) <= length
        # Within a row in the data's order.
        assert row["input_ids"] == sorted(row["input_ids"])
    # No row could be poured into another: greedy packing never takes twice the rows there must be.
    assert len(rows) <= max(1, 2 * -(-sum(sizes) // length))
    assert unpack(windows) == windows


def test_a_window_is_packed_into_the_fullest_row_with_room():
    windows = [{"input_ids": [at] * size, "labels": [at] * size} for at, size in enumerate((6, 8, 2, 3))]
    assert [row["input_ids"] for row in pack(windows, 10)] == [[0] * 6 + [3] * 3, [1] * 8 + [2] * 2]


def test_rows_are_as_long_as_window_or_2048_or_the_context():
    def length(longest: int, context: int, **more) -> int:
        return row_length(make_generative_model("characters", lm={"max_position_embeddings": context}, **more), longest)

    assert length(90, 700) == 700 and length(90, 4096) == 2048 and length(3000, 4096) == 3000
    assert length(90, 8192, max_length=4096) == 4096 and length(90, 700, max_length=4096) == 700


@pytest.mark.parametrize("kind", ["bloom", "opt", "mamba"])
def test_a_model_whose_windows_would_see_each_other_is_refused(kind):
    task = task_over(kind)
    message = (
        rf"expected a model that reads windows packed into one row .*, got '{kind}', whose scores change .* remove"
    )
    with pytest.raises(ValueError, match=message):
        task.train_features(task.examples("train"))
    assert task_over(kind, False).train_features(task.examples("train"))


def test_a_model_that_takes_no_positions_is_refused():
    task = task_over("llama")
    whole = task.model.forward
    task.model.forward = lambda input_ids, attention_mask=None, use_cache=None: whole(input_ids, attention_mask)
    with pytest.raises(ValueError, match="expected a model that takes position_ids with packing, got 'llama', which"):
        task.train_features(task.examples("train"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_is_no_reason_to_refuse(dtype):
    task = task_over("llama")
    task.model.to(dtype).train()
    assert task.train_features(task.examples("train")) and task.model.training


def test_a_single_window_is_packed_without_trying():
    task = task_over("mamba")
    (row,) = task.train_features(task.examples("train")[:1])
    assert row["position_ids"] == [*range(len(row["input_ids"]))]


def test_a_model_is_tried_once(monkeypatch):
    task, tried = task_over("llama"), []
    monkeypatch.setattr("kospan.tasks.generative_ner.task.check_packing", lambda *given: tried.append(given))
    for split in ("train", "validation"):
        task.train_features(task.examples(split))
    assert len(tried) == 1 and packing.TRIED < 100


def test_a_run_on_packed_rows_says_how_full_they_are(tmp_path, capsys):
    flags = {"packing": True, "max_length": 250, "max_new_tokens": 60, "validation_loss": True}
    metrics = train(recipe_over(tmp_path, **flags, per_device_train_batch_size=1, gradient_accumulation_steps=2))
    assert 0 <= metrics["eval_f1"] <= 1
    printed = capsys.readouterr().out
    assert "packing             6 windows in 2 rows of up to 250 positions, " in printed
    assert "% full; a batch counts rows, of 3.0 windows each" in printed


def test_a_step_on_rows_is_the_step_on_all_their_windows(tmp_path):
    """For every accumulation, weighed as in the stock Trainer."""
    stepped = []
    for flags in (
        {"packing": False, "per_device_train_batch_size": 6},
        {"packing": True, "per_device_train_batch_size": 2},
        {"packing": True, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 2},
    ):
        fixed = {
            "max_length": 250,
            "max_new_tokens": 60,
            "max_steps": 1,
            "optim": "sgd",
            "lr_scheduler_type": "constant",
        }
        quiet = {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
        trainer = build_trainer(recipe_over(tmp_path, **flags, **fixed, **quiet, learning_rate=1.0))
        assert (len(trainer.train_dataset) == 2) == bool(trainer.task.packed) == flags["packing"]
        trainer.train()
        stepped.append(torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()]))
    for each in stepped[1:]:
        torch.testing.assert_close(each, stepped[0], rtol=1e-5, atol=1e-6)
