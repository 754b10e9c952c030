"""Encoders as BigBird and back: nothing lost, nothing changed, and what does not fit is refused."""

import json
import os
import shutil

import pytest
import torch
from conversion_cases import KINDS, REACH, SENTENCES, edit_config, save_source
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BigBirdConfig,
    BigBirdForMaskedLM,
    BigBirdModel,
)

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.checkpoint import digest
from kospan.conversion.parity import check_full_length, compare
from kospan.conversion.restore import convert_back
from kospan.conversion.settings import Settings

LONG = Settings(max_length=61)


def converted(tmp_path, source: str, settings: Settings = LONG):
    folder = tmp_path / "bigbird"
    folder.mkdir(exist_ok=True)
    return folder, convert_to_bigbird(source, folder, settings)


def and_back(tmp_path, folder):
    target = tmp_path / "back"
    target.mkdir()
    return target, convert_back(folder, target)[1]


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [None, "copied", "noised", "absent"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_there_and_back_is_bit_for_bit(tmp_path, kind, segments):
    source = save_source(tmp_path / "source", kind)
    folder, _ = converted(tmp_path, source, Settings(max_length=61, segments=segments))
    target, same = and_back(tmp_path, folder)
    assert same
    # Every file: weights, config, tokenizer.
    assert contents(target) == contents(tmp_path / "source")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_stock_classes_open_it_whole(tmp_path, kind):
    folder, info = converted(tmp_path, save_source(tmp_path / "source", kind))
    assert info["head"] == kind.endswith("head")
    classes = [BigBirdForMaskedLM] if info["head"] else [BigBirdModel, AutoModel]
    for each in classes:
        _, report = each.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"], report
    assert BigBirdModel.from_pretrained(folder).embeddings.position_embeddings.weight.shape == (61, 16)
    assert sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values()) == info["parameters"]


@pytest.mark.parametrize("segments", [None, "copied", "absent"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_short_inputs_read_as_with_the_source(tmp_path, kind, segments):
    source = save_source(tmp_path / "source", kind)
    folder, info = converted(tmp_path, source, Settings(max_length=61, segments=segments))
    found = compare(source, folder, info, SENTENCES)
    assert len(found) == (3 if segments == "absent" else 4)
    assert max(parity.length for parity in found) == REACH
    for parity in found:
        assert parity.states <= 1e-5 and parity.scale > 0.5
        assert (parity.logits is not None) == kind.endswith("head")
        assert parity.logits is None or (parity.logits <= 1e-5 and parity.logit_scale > 0.5)


def test_the_pooler_goes_along_and_where_there_is_none_the_first_state_passes(tmp_path):
    for kind in ("bert", "electra"):
        source = save_source(tmp_path / kind, kind)
        (tmp_path / kind / "to").mkdir()
        folder, _ = converted(tmp_path / kind / "to", source)
        ids = AutoTokenizer.from_pretrained(folder)(SENTENCES[0], return_tensors="pt")
        ours = BigBirdModel.from_pretrained(folder, attention_type="original_full").eval()(**ids)
        theirs = AutoModel.from_pretrained(source).eval()(**ids)
        expected = theirs.pooler_output if kind == "bert" else theirs.last_hidden_state[:, 0].tanh()
        assert torch.allclose(ours.pooler_output, expected, atol=1e-6)


def test_settings_are_carried(tmp_path):
    source = save_source(tmp_path / "source", "roberta", hidden_act="relu", bos_token_id=0, eos_token_id=2)
    folder, _ = converted(tmp_path, source, Settings(max_length=61, block_size=16, random_blocks=2))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    expected = {
        "model_type": "big_bird",
        "hidden_act": "relu",
        "layer_norm_eps": 1e-5,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "sep_token_id": 2,
        "hidden_dropout_prob": 0.07,
        "attention_probs_dropout_prob": 0.03,
        "initializer_range": 0.31,
        "max_position_embeddings": 61,
        "source_length": REACH,
        "type_vocab_size": 2,
        "attention_type": "block_sparse",
        "block_size": 16,
        "num_random_blocks": 2,
        "use_bias": True,
        "rescale_embeddings": False,
        "architectures": ["BigBirdModel"],
        "dtype": "float32",
    }
    assert {name: config[name] for name in expected} == expected
    assert config["vocab_size"] == AutoModel.from_pretrained(source).config.vocab_size


def test_half_precision_stays_half(tmp_path):
    source = save_source(tmp_path / "source", "bert head", dtype=torch.bfloat16)
    folder, _ = converted(tmp_path, source)
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    assert BigBirdForMaskedLM.from_pretrained(folder).dtype == torch.bfloat16
    target, same = and_back(tmp_path, folder)
    assert same and contents(target) == contents(tmp_path / "source")


def test_only_the_position_table_grows_and_the_papers_say_what_was_kept(tmp_path):
    source = save_source(tmp_path / "source", "electra discriminator")
    folder, info = converted(tmp_path, source)
    assert info["left_over"] == [
        f"discriminator_predictions.{name}.{kind}"
        for name in ("dense", "dense_prediction")
        for kind in ("bias", "weight")
    ]
    assert info["source_config"] == json.loads((tmp_path / "source" / "config.json").read_text(encoding="utf-8"))
    assert info["repetitions"] == 3 and info["added"] == ["pooler.bias", "pooler.weight"]
    assert str(tmp_path) not in (folder / "conversion.json").read_text(encoding="utf-8")
    # Nothing else is an empty row: no parameter of the source is lost.
    there, here = load_file(tmp_path / "source" / "model.safetensors"), load_file(folder / "model.safetensors")
    same = sum(torch.equal(here[name.removeprefix("electra.")], there[name]) for name in there if "electra." in name)
    assert same == sum("electra." in name for name in there) - 1


# --- other forms of a source ------------------------------------------------------------------------------------------


def rewritten(source: str, change) -> None:
    """The weights of a source in another form."""
    path = os.path.join(source, "model.safetensors")
    save_file(change(load_file(path)), path, metadata={"made": "by hand"})


def test_old_names_of_norms_come_back_as_they_were(tmp_path):
    source = save_source(tmp_path / "source", "bert head")

    def old(tensors):
        tensors = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
        # What old checkpoints hold beside it.
        words = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["cls.predictions.decoder.weight"] = words.clone()
        tensors["cls.seq_relationship.weight"] = torch.ones(2, 16)
        tensors["bert.embeddings.position_ids"] = torch.arange(REACH)[None]
        return tensors

    rewritten(source, old)
    folder, info = converted(tmp_path, source)
    assert info["head"] and info["names"] == {"prefix": "bert.", "old_norms": True}
    assert info["left_over"] == ["bert.embeddings.position_ids", "cls.seq_relationship.weight"]
    assert all(parity.holds for parity in compare(source, folder, info, SENTENCES))
    target, same = and_back(tmp_path, folder)
    assert same and contents(target) == contents(tmp_path / "source")


def test_a_pickled_source_and_one_in_subwords_are_read(tmp_path):
    source = save_source(tmp_path / "source", "roberta head")
    tensors = load_file(os.path.join(source, "model.safetensors"))
    # Tied as pickles have it: two names, one memory.
    tensors["lm_head.decoder.weight"] = tensors["roberta.embeddings.word_embeddings.weight"]
    os.remove(os.path.join(source, "model.safetensors"))
    torch.save(tensors, os.path.join(source, "pytorch_model.bin"))
    folder, info = converted(tmp_path, source)
    assert info["head"] and info["sha256"] == digest(tensors)
    target, same = and_back(tmp_path, folder)
    assert same and digest(load_file(target / "model.safetensors")) == digest(tensors)

    subwords = save_source(tmp_path / "subwords", "roberta")
    model = AutoModel.from_pretrained(subwords)
    os.remove(os.path.join(subwords, "model.safetensors"))
    model.save_pretrained(subwords, max_shard_size="8KB")
    assert not os.path.exists(os.path.join(subwords, "model.safetensors"))
    shutil.rmtree(folder)
    folder, info = converted(tmp_path, subwords)
    assert info["sha256"] == digest(model.state_dict())


def test_a_decoder_of_its_own_is_not_tied(tmp_path):
    for kind in ("electra head", "bert head", "roberta head"):
        place = tmp_path / kind.split()[0]
        source = save_source(place / "source", kind, tie_word_embeddings=False)
        folder, info = converted(place, source)
        assert info["head"] and all(parity.holds for parity in compare(source, folder, info, SENTENCES)), kind
        target, same = and_back(place, folder)
        assert same and contents(target) == contents(place / "source")


def test_a_head_with_another_activation_stays_aside(tmp_path):
    source = save_source(tmp_path / "source", "roberta head", hidden_act="relu")
    folder, info = converted(tmp_path, source)
    assert not info["head"] and "computes gelu and its layers relu" in info["head_left_out"]
    assert {"lm_head.bias", "lm_head.dense.weight"} <= set(info["left_over"])
    assert all(parity.holds for parity in compare(source, folder, info, SENTENCES))
    target, same = and_back(tmp_path, folder)
    assert same and contents(target) == contents(tmp_path / "source")


def test_a_conversion_that_was_trained_on_gives_its_new_values_back(tmp_path):
    source = save_source(tmp_path / "source", "roberta head")
    folder, _ = converted(tmp_path, source)
    model = BigBirdForMaskedLM.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    model.save_pretrained(folder)
    target, same = and_back(tmp_path, folder)
    assert not same
    old, new = (load_file(place / "model.safetensors") for place in (tmp_path / "source", target))
    assert old.keys() == new.keys()
    for name in old:
        expected = old[name] + 1.0
        if name.endswith("position_embeddings.weight"):
            expected[:2] = old[name][:2]
        assert torch.equal(new[name], expected), name
    assert AutoModel.from_pretrained(target).config.model_type == "roberta"


# --- what does not fit ------------------------------------------------------------------------------------------------


def test_an_encoder_with_relative_positions_is_refused(tmp_path):
    source = save_source(tmp_path / "source", "bert")
    for settings, named in (
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"model_type": "deberta-v2", "position_embedding_type": None}, "model_type 'deberta-v2'"),
        ({"model_type": "t5"}, "model_type 't5'"),
    ):
        edit_config(source, **settings)
        with pytest.raises(ValueError, match="expected an encoder with a table of absolute positions") as caught:
            converted(tmp_path, source)
        assert named in str(caught.value) and "by distance" in str(caught.value)


def test_other_kinds_and_other_shapes_are_refused_with_the_reason(tmp_path):
    small = save_source(tmp_path / "small", "electra", embedding_size=8)
    with pytest.raises(
        ValueError, match="expected embedding_size equal to hidden_size, got 8 and 16 in small: its layer"
    ):
        converted(tmp_path, small)
    source = save_source(tmp_path / "source", "bert")
    edit_config(source, is_decoder=True)
    with pytest.raises(ValueError, match="which reads in both directions, got a decoder in source"):
        converted(tmp_path, source)
    edit_config(source, is_decoder=False, model_type="gpt2")
    with pytest.raises(ValueError, match=r"expected an encoder of type roberta, .* got 'gpt2' in source"):
        converted(tmp_path, source)
    edit_config(source, model_type="bert", hidden_size=32)
    with pytest.raises(ValueError, match=r"expected weights in source with the shapes that its config.json gives"):
        converted(tmp_path, source)


def test_a_length_below_the_source_s_is_refused_and_its_own_is_taken(tmp_path):
    source = save_source(tmp_path / "source", "roberta")
    with pytest.raises(ValueError, match="expected max_length of 24 or more, which source reads already, got 23"):
        converted(tmp_path, source, Settings(max_length=23))
    folder, info = converted(tmp_path, source, Settings(max_length=24))
    assert info["repetitions"] == 1
    there = load_file(tmp_path / "source" / "model.safetensors")["embeddings.position_embeddings.weight"]
    assert torch.equal(load_file(folder / "model.safetensors")["embeddings.position_embeddings.weight"], there[2:])


def test_an_own_second_row_needs_one(tmp_path):
    source = save_source(tmp_path / "source", "roberta")
    with pytest.raises(ValueError, match="expected a source with a second segment row for segments 'own', got one row"):
        converted(tmp_path, source, Settings(max_length=61, segments="own"))


def test_sources_that_lack_a_part_are_refused(tmp_path):
    source = save_source(tmp_path / "source", "bert")
    weights = os.path.join(source, "model.safetensors")
    whole = load_file(weights)
    save_file({name: tensor for name, tensor in whole.items() if "layer.1.output.dense" not in name}, weights)
    with pytest.raises(ValueError, match=r"lacks 2 of them \(first: encoder.layer.1.output.dense.weight\); copy"):
        converted(tmp_path, source)
    with open(weights, "r+b") as file:
        file.truncate(os.path.getsize(weights) // 2)
    with pytest.raises(
        ValueError, match=r"expected whole weights in source, got model.safetensors missing or cut short"
    ):
        converted(tmp_path, source)
    os.remove(weights)
    with pytest.raises(FileNotFoundError, match=r"expected weights in source, found neither model.safetensors nor"):
        converted(tmp_path, source)
    save_file(whole, weights)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        os.remove(os.path.join(source, name))
    with pytest.raises(FileNotFoundError, match="expected a tokenizer beside source, found none"):
        converted(tmp_path, source)
    with pytest.raises(
        FileNotFoundError, match="expected an encoder on the Hub or in a folder under the name 'nobody/x'"
    ):
        converted(tmp_path, "nobody/x")
    with open(os.path.join(source, "config.json"), "w", encoding="utf-8") as file:
        file.write("{")
    with pytest.raises(ValueError, match=r"source/config.json: expected JSON"):
        converted(tmp_path, source)


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    source = save_source(tmp_path / "source", "bert", vocab_size=20)
    with pytest.raises(ValueError, match="expected a tokenizer whose ids lie below the source's vocab_size 20, got id"):
        converted(tmp_path, source)


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"max_length": 0}, ValueError, "expected max_length of 1 or more, got 0"),
        ({"max_length": 64.0}, TypeError, "expected max_length to be a whole number, got 64.0"),
        ({"block_size": 0}, ValueError, "expected block_size of 1 or more, got 0"),
        ({"random_blocks": -1}, ValueError, "expected random_blocks of 0 or more, got -1"),
        ({"random_blocks": 0, "max_length": 321}, ValueError, "of 1 or more for a max_length above 320, got 0, with"),
        ({"segments": "two"}, ValueError, "expected segments to be one of own, copied, noised, absent, got 'two'"),
        ({"segment_noise": -0.1}, ValueError, "expected segment_noise of 0 or more, got -0.1; 0.02 is the default"),
        ({"schedule": "linear"}, ValueError, "expected schedule to be one of"),
    ],
)
def test_settings_that_make_no_bigbird_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Settings(**settings)


@pytest.mark.parametrize("max_length", [24, 27, 28, 29, 31, 32, 33, 45])
@pytest.mark.parametrize("kind", ["roberta", "bert head"])
def test_the_stock_class_reads_every_length(tmp_path, kind, max_length):
    """Full attention up to 28, sparse above; the last block of an input may be short anywhere."""
    settings = Settings(max_length=max_length, block_size=4, random_blocks=1)
    folder, info = converted(tmp_path, save_source(tmp_path / "source", kind), settings)
    most = info["max_length"]
    assert max_length <= most < max_length + 4 and (most == max_length or (most % 4 == 0 and most > 28))
    config = BigBirdConfig.from_pretrained(folder)
    assert config.max_position_embeddings == most == AutoTokenizer.from_pretrained(folder).model_max_length
    stock = BigBirdForMaskedLM if kind.endswith("head") else BigBirdModel
    sparse = stock.from_pretrained(folder).eval()
    for length in [*range(29, most + 1), *range(1, min(28, most) + 1)]:
        found = sparse(torch.full((1, length), 5))[0]
        assert found.shape[1] == length and found.isfinite().all(), length
        assert sparse.base_model.attention_type == ("block_sparse" if length > 28 else "original_full")
    assert check_full_length(folder, info, SENTENCES) == ([most, 29] if most > 29 else [most])
    target, same = and_back(tmp_path, folder)
    assert same and contents(target) == contents(tmp_path / "source")


def test_without_random_blocks_all_is_read_in_full(tmp_path):
    settings = Settings(max_length=40, block_size=8, random_blocks=0)
    folder, info = converted(tmp_path, save_source(tmp_path / "source", "roberta"), settings)
    assert check_full_length(folder, info, SENTENCES) == [40]


def test_the_way_back_needs_a_conversion_whose_parts_belong_together(tmp_path):
    source = save_source(tmp_path / "source", "bert")
    with pytest.raises(
        FileNotFoundError, match=r"expected a conversion in .*source, found no conversion.json there; name"
    ):
        and_back(tmp_path, tmp_path / "source")
    folder, _ = converted(tmp_path, source)
    BertModel(
        BertConfig(**{**AutoModel.from_pretrained(source).config.to_dict(), "num_hidden_layers": 1})
    ).save_pretrained(folder)
    os.rmdir(tmp_path / "back")
    with pytest.raises(ValueError, match=r"expected the weights of conversion.json in .*, got others"):
        and_back(tmp_path, folder)
