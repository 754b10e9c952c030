"""Packed rows: every window is computed as if it were alone, or the model is refused."""

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    ElectraConfig,
    MobileBertConfig,
    ModernBertConfig,
    RobertaConfig,
)

from kospan.modeling.alignment import Aligner
from kospan.tasks.pretraining.attention import check_packed, encoder_inputs, positions
from kospan.tasks.pretraining.windows import TrainingRows, windows_of

TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "비가 온다.", "한국은행이 금리를 올렸다."]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def model_of(config_class, tokenizer, attention="sdpa", **settings):
    torch.manual_seed(0)
    ids = {f"{role}_token_id": at for role, at in (("pad", 0), ("cls", 2), ("sep", 3), ("bos", 2), ("eos", 3))}
    config = config_class(vocab_size=len(tokenizer), max_position_embeddings=80, **ids, **{**SIZES, **settings})
    model = AutoModelForMaskedLM.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4.0)
    return model.eval()


def rows_of(tokenizer) -> TrainingRows:
    windows = windows_of(TEXTS, Aligner(tokenizer, encoder_input="units", max_length=64, stride=0))
    return TrainingRows(windows, [1, 1, 1], 64, seed=0)


def collate(rows, length=64) -> dict:
    batch = {"input_ids": torch.zeros(len(rows), length, dtype=torch.int64)}
    batch["windows"] = torch.full((len(rows), length), -1)
    for at, row in enumerate(rows):
        for name in batch:
            batch[name][at, : len(row[name])] = torch.as_tensor(row[name].astype("int64"))
    return batch


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("config_class", [BertConfig, ElectraConfig, RobertaConfig, ModernBertConfig])
@torch.no_grad()
def test_hidden_states_do_not_depend_on_other_windows(character_tokenizer, config_class, attention):
    local = {"local_attention": 8, "global_attn_every_n_layers": 2} if config_class is ModernBertConfig else {}
    model = model_of(config_class, character_tokenizer, attention, **local)
    rows = rows_of(character_tokenizer)
    row = max(rows, key=lambda each: each["windows"].max())
    batch = collate([row])
    packed = model.base_model(batch["input_ids"], **encoder_inputs(model.config, batch["windows"], packed=True))[0][0]
    for window in range(row["windows"].max() + 1):
        at = batch["windows"][0] == window
        ids = batch["input_ids"][:, at]
        alone = model.base_model(ids, attention_mask=torch.ones_like(ids))[0][0]
        torch.testing.assert_close(packed[at], alone, rtol=1e-4, atol=1e-5)
    check_packed(model, rows, collate)


def test_a_model_whose_windows_see_each_other_is_refused(character_tokenizer, monkeypatch):
    model = model_of(BertConfig, character_tokenizer)
    usual = encoder_inputs
    monkeypatch.setattr(
        "kospan.tasks.pretraining.attention.encoder_inputs",
        lambda config, windows, packed: usual(config, windows, packed) | {"position_ids": None},
    )
    with pytest.raises(
        ValueError, match=r"as it reads each alone, got 'bert', whose states change by .*packing: false"
    ):
        check_packed(model, rows_of(character_tokenizer), collate)


def test_a_model_that_cannot_read_packed_rows_is_refused(character_tokenizer):
    model = model_of(DebertaV2Config, character_tokenizer, "eager", relative_attention=True, pos_att_type=["c2p"])
    with pytest.raises(ValueError, match=r"expected a model that reads .*, got 'deberta-v2'.*; set packing: false"):
        check_packed(model, rows_of(character_tokenizer), collate)


def test_rows_of_one_window_need_no_check():
    check_packed(None, [{"windows": torch.zeros(3, dtype=torch.int64)}], collate)


def test_positions_begin_anew_in_each_window_and_where_the_encoder_counts_from():
    windows = torch.tensor([[0, 0, 0, 1, 1, -1], [0, 1, 2, 2, 2, 2]])
    expected = torch.tensor([[0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 2, 3]])
    assert torch.equal(positions(BertConfig(), windows), expected)
    assert torch.equal(positions(RobertaConfig(pad_token_id=1), windows), expected + 2)


def test_rows_that_are_not_packed_have_the_usual_mask():
    inputs = encoder_inputs(MobileBertConfig(), torch.tensor([[0, 0, -1]]), packed=False)
    assert list(inputs) == ["attention_mask"] and inputs["attention_mask"].tolist() == [[1, 1, 0]]
