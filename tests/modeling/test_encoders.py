import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    BertForPreTraining,
    BigBirdConfig,
    BigBirdForMaskedLM,
    BigBirdForPreTraining,
    DebertaV2Config,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
)

from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
from kospan.modeling.settings import encoder_limit
from kospan.modeling.tags import tag_names

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
TAGS = tag_names(["PS", "LC"])


def character_vocabulary(texts: list[str], special: list[str]) -> PreTrainedTokenizerFast:
    """A subword per character; `special` names padding, unknown, first and last subword in vocabulary order."""
    listed = [*special, *sorted(set("".join(texts)))]
    tokenizer = Tokenizer(
        WordLevel({subword: at for at, subword in enumerate(listed)}, unk_token=ROLES["unk"](special))
    )
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    first, last = ROLES["cls"](special), ROLES["sep"](special)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {last}", special_tokens=[(each, listed.index(each)) for each in (first, last)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{role}_token": name(special) for role, name in ROLES.items()}
    )


# Which of the special subwords plays which role, in BERT's vocabularies and in RoBERTa's.
ROLES = {
    "pad": lambda special: "[PAD]" if "[PAD]" in special else "<pad>",
    "unk": lambda special: "[UNK]" if "[PAD]" in special else "<unk>",
    "cls": lambda special: "[CLS]" if "[PAD]" in special else "<s>",
    "sep": lambda special: "[SEP]" if "[PAD]" in special else "</s>",
}
BERTS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
ROBERTAS = ["<s>", "<pad>", "</s>", "<unk>"]

# Family -> config without vocabulary, special subwords, and how many positions it reads.
FAMILIES = {
    "electra": (ElectraConfig(**SMALL, embedding_size=8, max_position_embeddings=40), BERTS, 40),
    "bert": (BertConfig(**SMALL, max_position_embeddings=40), BERTS, 40),
    "roberta": (RobertaConfig(**SMALL, max_position_embeddings=42, pad_token_id=1), ROBERTAS, 40),
    "xlm-roberta": (XLMRobertaConfig(**SMALL, max_position_embeddings=42, pad_token_id=1), ROBERTAS, 40),
    "deberta-v2": (
        DebertaV2Config(
            **SMALL,
            max_position_embeddings=40,
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            norm_rel_ebd="layer_norm",
        ),
        BERTS,
        None,
    ),
    "modernbert": (
        ModernBertConfig(
            **SMALL,
            max_position_embeddings=40,
            pad_token_id=0,
            cls_token_id=2,
            sep_token_id=3,
            bos_token_id=2,
            eos_token_id=3,
        ),
        BERTS,
        40,
    ),
    # Sparse above 28 positions.
    "big_bird": (
        BigBirdConfig(**SMALL, max_position_embeddings=40, block_size=4, num_random_blocks=1, sep_token_id=3),
        BERTS,
        40,
    ),
}
by_family = pytest.mark.parametrize("family", FAMILIES)


def parts(family: str, texts: list[str]):
    """An encoder's config and a tokenizer that fits it."""
    config, special, _ = FAMILIES[family]
    tokenizer = character_vocabulary(texts, special)
    config = type(config)(**{**config.to_dict(), "vocab_size": len(tokenizer)})
    assert config.pad_token_id == tokenizer.pad_token_id
    return config, tokenizer


def token_classifier_config(encoder_config, **settings) -> KospanTokenClassificationConfig:
    named = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: at for at, tag in enumerate(TAGS)}}
    return KospanTokenClassificationConfig(
        encoder_config=encoder_config, **named, **{"max_length": 24, "stride": 4, **settings}
    )


def saved_encoder(folder, encoder_config, cls=None) -> dict[str, torch.Tensor]:
    """Saves an encoder with random weights; gives what the file holds."""
    torch.manual_seed(11)
    (AutoModel.from_config(encoder_config) if cls is None else cls(encoder_config)).save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def assert_weights_are_those_of(model: KospanForTokenClassification, saved: dict[str, torch.Tensor], prefix: str = ""):
    own = model.encoder.state_dict()
    assert own
    for name, value in own.items():
        assert torch.equal(value, saved[prefix + name]), name


@by_family
def test_a_model_over_any_family_trains_saves_loads_and_extracts(family, texts, tmp_path):
    encoder_config, tokenizer = parts(family, texts)
    saved = saved_encoder(tmp_path / "encoder", encoder_config)
    model = KospanForTokenClassification.from_encoder(
        str(tmp_path / "encoder"), token_classifier_config(encoder_config), tokenizer
    )
    assert_weights_are_those_of(model, saved)
    assert model.get_input_embeddings() is model.encoder.get_input_embeddings()
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert not [name for name, _ in model.named_parameters() if "pooler" in name]

    documents = model.aligner.documents(texts)
    windows = [window for document in documents for window in model.aligner.windows(document)]
    batch = model.train().collate([model.features(window) for window in windows])
    padding = batch["unit_positions"] == -100
    batch["labels"] = (torch.arange(padding.shape[1]) % 2).expand(padding.shape).masked_fill(padding, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model(**batch).loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in model.parameters() if each.grad is not None)
    assert model.get_input_embeddings().weight.grad.abs().sum() > 0
    optimizer.step()

    long = " ".join(texts)
    expected = model.eval().extract([*texts, long])
    assert any(expected)
    model.save_pretrained(tmp_path / "tagger")
    found = AutoModel.from_pretrained(tmp_path / "tagger")
    assert found.encoder.config.model_type == encoder_config.model_type
    assert found.extract([*texts, long]) == expected
    assert not [name for name, _ in found.named_parameters() if "pooler" in name]


@by_family
def test_padding_changes_nothing_whatever_the_family(family, texts):
    encoder_config, tokenizer = parts(family, texts)
    torch.manual_seed(0)
    model = KospanForTokenClassification(token_classifier_config(encoder_config)).eval()
    model.tokenizer = tokenizer
    short, long = (
        [model.features(window) for window in model.aligner.windows(document)]
        for document in model.aligner.documents(["비가", texts[1]])
    )
    with torch.no_grad():
        alone = model(**model.collate(short)).emissions[0]
        padded = model(**model.collate([*short, *long])).emissions[0]
    torch.testing.assert_close(padded[: len(alone)], alone, atol=1e-5, rtol=0)


@by_family
def test_a_window_is_as_long_as_the_encoder_reads_and_no_longer(family, texts):
    encoder_config, tokenizer = parts(family, texts)
    limit = FAMILIES[family][2]
    assert encoder_limit(encoder_config) == limit
    text = " ".join(texts * 2)
    model = KospanForTokenClassification(token_classifier_config(encoder_config, max_length=limit or 64))
    model.tokenizer = tokenizer
    longest = max(len(window.input_ids) for window in model.aligner.windows(model.aligner.documents([text])[0]))
    assert longest == (limit or 64)
    spans = model.eval().extract(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert model.inspect(text).marginals.shape == (len(text), len(TAGS))
    if limit is not None:
        model = KospanForTokenClassification(token_classifier_config(encoder_config, max_length=limit + 1))
        model.tokenizer = tokenizer
        with pytest.raises(ValueError, match=rf"at most {limit}.*got window {limit + 1}; set max_length: {limit}"):
            model.extract(text)


@pytest.mark.parametrize(
    "family, cls, prefix",
    [
        ("electra", ElectraForPreTraining, "electra."),
        ("electra", ElectraForMaskedLM, "electra."),
        ("bert", BertForPreTraining, "bert."),
        ("roberta", RobertaForMaskedLM, "roberta."),
        ("big_bird", BigBirdForPreTraining, "bert."),
        ("big_bird", BigBirdForMaskedLM, "bert."),
    ],
)
def test_a_checkpoint_from_pretraining_gives_its_own_weights(family, cls, prefix, texts, tmp_path):
    encoder_config, tokenizer = parts(family, texts)
    saved = saved_encoder(tmp_path, encoder_config, cls)
    assert all(name.startswith(prefix) for name in saved if ".embeddings." in name)
    model = KospanForTokenClassification.from_encoder(str(tmp_path), token_classifier_config(encoder_config), tokenizer)
    assert_weights_are_those_of(model, saved, prefix)


@by_family
def test_a_checkpoint_without_one_of_its_weights_is_refused_by_name(family, texts, tmp_path):
    encoder_config, tokenizer = parts(family, texts)
    saved = saved_encoder(tmp_path, encoder_config)
    lost = sorted(name for name in saved if name.endswith("weight") and ".1." in name)[0]
    del saved[lost]
    save_file(saved, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"lacks 1 of them .first: {lost}"):
        KospanForTokenClassification.from_encoder(str(tmp_path), token_classifier_config(encoder_config), tokenizer)


def test_a_checkpoint_of_another_family_is_refused(texts, tmp_path):
    bert, tokenizer = parts("bert", texts)
    saved_encoder(tmp_path, bert, BertForPreTraining)
    electra, _ = parts("electra", texts)
    with pytest.raises(ValueError, match=r"lacks \d+ of them"):
        KospanForTokenClassification.from_encoder(str(tmp_path), token_classifier_config(electra), tokenizer)


def test_a_checkpoint_without_a_pooler_is_complete(texts, tmp_path):
    encoder_config, tokenizer = parts("bert", texts)
    saved = saved_encoder(tmp_path, encoder_config)
    kept = {name: value for name, value in saved.items() if "pooler" not in name}
    assert len(kept) < len(saved)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model = KospanForTokenClassification.from_encoder(str(tmp_path), token_classifier_config(encoder_config), tokenizer)
    assert_weights_are_those_of(model, saved)


@by_family
def test_a_saved_config_names_no_path_and_asks_for_no_remote_code_of_the_encoder(family, texts, tmp_path):
    encoder_config, tokenizer = parts(family, texts)
    saved_encoder(tmp_path / "private folder", encoder_config)
    model = KospanForTokenClassification.from_encoder(
        str(tmp_path / "private folder"), token_classifier_config(encoder_config), tokenizer
    )
    model.config.encoder_config.trust_remote_code = True
    model.config.encoder_config.auto_map = {"AutoModel": "someone/else--modeling_other.Other"}
    model.save_pretrained(tmp_path / "tagger")
    text = (tmp_path / "tagger" / "config.json").read_text(encoding="utf-8")
    nested = json.loads(text)["encoder_config"]
    assert nested["model_type"] == family
    assert not {"_name_or_path", "trust_remote_code", "auto_map"} & set(nested)
    assert "private folder" not in text and "someone" not in text and str(tmp_path) not in text
    assert "trust_remote_code" not in text
    # Saved a second time, by who loaded it from a folder of their own.
    AutoModel.from_pretrained(tmp_path / "tagger").save_pretrained(tmp_path / "again")
    again = (tmp_path / "again" / "config.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in again
    assert json.loads(again)["encoder_config"] == nested
