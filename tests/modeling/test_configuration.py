import json

import pytest
from transformers import AutoConfig, ElectraConfig, RobertaConfig

from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig

TINY = {
    "embedding_size": 8,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
    "vocab_size": 12,
    "max_position_embeddings": 16,
}


def config(**settings) -> KospanTokenClassificationConfig:
    return KospanTokenClassificationConfig(encoder_config=ElectraConfig(**TINY), **settings)


@pytest.mark.parametrize(
    "name, value, choices",
    [
        ("unit", "token", "character, word"),
        ("encoder_input", "tokens", "units, subwords"),
        ("normalization", "NFD", "NFC, none"),
        ("word_splitting", "spaces", "white_space, punctuation"),
        ("scheme", "IOB", "BIO, BIOES"),
        ("dropout_merge", "mean", "mean_logits, mean_loss"),
        ("constrain", "train", "none, decode, both"),
    ],
)
def test_a_value_that_is_no_choice_is_refused_with_the_choices(name, value, choices):
    with pytest.raises(ValueError, match=f"expected {name} to be one of {choices}, got '{value}'"):
        config(**{name: value})


def test_multi_sample_dropout_below_one_are_refused():
    with pytest.raises(ValueError, match=r"expected multi_sample_dropout of 1 \(off\) or more, got 0"):
        config(multi_sample_dropout=0)


def test_an_encoder_config_without_model_type_is_refused():
    with pytest.raises(ValueError, match="expected encoder_config to name its model_type"):
        KospanTokenClassificationConfig(encoder_config={"hidden_size": 8})


def test_an_encoder_config_may_come_as_a_dict():
    given = {"model_type": "roberta", "hidden_size": 24}
    found = KospanTokenClassificationConfig(encoder_config=given)
    assert isinstance(found.encoder_config, RobertaConfig)
    assert found.hidden_size == 24
    assert given == {"model_type": "roberta", "hidden_size": 24}


def test_numbers_that_come_as_text_become_numbers():
    found = config(max_length="64", stride="8", lstm_hidden_size="16", dropout="0.3", calibration_temperature="2")
    assert (found.max_length, found.stride, found.lstm_hidden_size) == (64, 8, 16)
    assert (found.dropout, found.calibration_temperature) == (0.3, 2.0)


def test_an_unknown_head_and_unknown_options_of_a_head_are_refused():
    with pytest.raises(ValueError, match=r"expected head to be one of .*crf.*, got 'softmax'"):
        KospanForTokenClassification(config(head="softmax"))
    with pytest.raises(ValueError, match=r"head_options of CRFHead.*got 'heads'"):
        KospanForTokenClassification(config(head="crf", head_options={"heads": 8}))


def test_places_are_used_where_a_character_may_be_inside_a_subword():
    assert config().uses_places
    assert not config(unit="word").uses_places
    assert not config(encoder_input="units").uses_places


def test_a_saved_config_comes_back_whole(tmp_path):
    tags = ["O", *(f"{prefix}-{label}" for label in ("z", "a") for prefix in "BI"), *(f"B-{at}" for at in range(9))]
    given = config(
        unit="word",
        encoder_input="units",
        normalization="none",
        word_splitting="punctuation",
        max_length=12,
        stride=3,
        calibration_temperature=1.5,
        scheme="BIOES",
        head="linear",
        lstm_hidden_size=4,
        lstm_layers=2,
        lstm_dropout=0.2,
        dropout=0.3,
        multi_sample_dropout=5,
        dropout_merge="mean_loss",
        constrain="both",
        places=7,
        id2label=dict(enumerate(tags)),
        label2id={tag: at for at, tag in enumerate(tags)},
    )
    given.save_pretrained(tmp_path)
    found = AutoConfig.from_pretrained(tmp_path)
    assert type(found) is KospanTokenClassificationConfig
    assert isinstance(found.encoder_config, ElectraConfig)
    # Fourteen tags: sorted as text, "10" would stand before "2".
    assert found.tags == given.tags == tags
    stored, kept = json.loads(given.to_json_string(use_diff=False)), json.loads(found.to_json_string(use_diff=False))
    for key, value in stored.items():
        if key not in ("_name_or_path", "transformers_version", "architectures", "auto_map"):
            assert kept[key] == value, key
    assert {"unit", "scheme", "places", "encoder_config", "calibration_temperature"} <= set(stored)


@pytest.mark.parametrize("splitting", ["white_space", "punctuation"])
def test_a_saved_config_says_how_words_are_split(tmp_path, splitting):
    config(unit="word", word_splitting=splitting).save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert stored["word_splitting"] == splitting
    # A model that was saved before there was a choice parts text at white space.
    del stored["word_splitting"]
    (tmp_path / "config.json").write_text(json.dumps(stored), encoding="utf-8")
    assert AutoConfig.from_pretrained(tmp_path).word_splitting == "white_space"


def test_a_config_without_an_encoder_can_be_made_and_shown():
    # transformers makes one to see which settings differ from the defaults.
    found = KospanTokenClassificationConfig()
    assert found.encoder_config is None
    assert found.to_dict()["encoder_config"] is None
    assert "KospanTokenClassificationConfig" in repr(config())


def test_writing_a_config_leaves_the_encoder_config_alone():
    found = config()
    found.encoder_config.auto_map = {"AutoModel": "someone/else--other.Other"}
    written = found.to_dict()
    assert "auto_map" not in written["encoder_config"]
    written["encoder_config"]["hidden_size"] = 0
    assert found.encoder_config.auto_map and found.hidden_size == 8
