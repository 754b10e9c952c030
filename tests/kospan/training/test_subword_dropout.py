"""Subword dropout hides the share it is asked to hide, in training only."""

import pytest
import torch

from kospan.recipe import load_recipe
from kospan.run import build_trainer
from kospan.training.subword_dropout import SubwordDropout


class Tokenizer:
    unk_token_id = 1
    all_special_ids = (0, 1, 2, 3)


def together(features: list[dict]) -> dict:
    return {key: torch.tensor([feature[key] for feature in features]) for key in features[0]}


def test_the_share_is_hidden_and_special_tokens_stay():
    torch.manual_seed(0)
    row = [2, *range(10, 1010), 3, 0, 0]
    features = [{"input_ids": row, "labels": [7] * len(row)} for _ in range(20)]
    batch = SubwordDropout(together, 0.1, Tokenizer())(features)
    ids, given = batch["input_ids"], torch.tensor([row] * 20)
    changed = ids != given
    assert (ids[changed] == 1).all()
    assert not changed[given < 4].any()
    # 20,000 subwords: four standard deviations are 0.0085.
    assert abs(changed[given > 3].float().mean() - 0.1) < 0.0085
    assert len({tuple(mask) for mask in changed.tolist()}) == 20
    assert (batch["labels"] == 7).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=rf"expected subword_dropout to be 0 .off. or a share below 1, got {share}"):
        SubwordDropout(together, share, Tokenizer())


def test_a_tokenizer_without_an_unknown_token_is_refused():
    tokenizer = Tokenizer()
    tokenizer.unk_token_id = None
    with pytest.raises(ValueError, match=r"expected a tokenizer with an unknown token .* set subword_dropout: 0"):
        SubwordDropout(together, 0.1, tokenizer)


def test_training_reads_hidden_subwords_and_evaluation_does_not(tmp_path):
    settings = {"dataset": "sample", "encoder_options": {"num_hidden_layers": 0}, "encoder_input": "units"}
    settings |= {"lstm_hidden_size": 4, "output_dir": str(tmp_path), "use_cpu": True}
    plain = build_trainer(load_recipe(None, settings))
    hiding = build_trainer(load_recipe(None, {**settings, "subword_dropout": 0.5}))
    assert plain.data_collator == plain.task.collate
    features = [plain.train_dataset[at] for at in range(4)]
    unknown = plain.processing_class.unk_token_id
    shown, hidden = (trainer.data_collator(features)["input_ids"] == unknown for trainer in (plain, hiding))
    assert hidden.sum() > shown.sum() + 20
    text = plain.task.examples("validation")[0].text
    hiding.model.load_state_dict(plain.model.state_dict())
    assert hiding.model.extract(text) == plain.model.extract(text)
