"""The comparison sees what is wrong, and says where."""

import pytest
import torch
from conversion_cases import SENTENCES, save_source
from safetensors.torch import load_file, save_file

from kospan.conversion.bigbird import convert_to_bigbird
from kospan.conversion.parity import Parity, check, check_full_length, compare, load_full_attention
from kospan.conversion.settings import Settings


@pytest.fixture
def pair(tmp_path):
    """A source, its conversion, and a function that changes a tensor of the conversion."""
    source, folder = save_source(tmp_path / "source", "roberta head"), tmp_path / "bigbird"
    folder.mkdir()
    info = convert_to_bigbird(source, folder, Settings(max_length=61))

    def change(name: str, how) -> None:
        tensors = load_file(folder / "model.safetensors")
        tensors[name] = how(tensors[name])
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return source, folder, info, change


@pytest.mark.parametrize(
    "name, how",
    [
        ("bert.encoder.layer.1.output.LayerNorm.bias", lambda tensor: tensor + 1e-3),
        ("bert.embeddings.position_embeddings.weight", lambda tensor: tensor.roll(1, 0)),
        ("bert.embeddings.token_type_embeddings.weight", lambda tensor: tensor * torch.tensor([[1.0], [1.1]])),
        ("bert.encoder.layer.0.attention.self.key.weight", lambda tensor: tensor.T.contiguous()),
        ("cls.predictions.bias", lambda tensor: tensor + 1e-3),
    ],
)
def test_a_changed_weight_is_seen(pair, name, how):
    source, folder, info, change = pair
    check(compare(source, folder, info, SENTENCES), "source")
    change(name, how)
    found = compare(source, folder, info, SENTENCES)
    wrong = [parity.what for parity in found if not parity.holds]
    with pytest.raises(ValueError, match=f"to read short inputs as its source does, got .* apart for {wrong[0]}"):
        check(found, "source")
    # A wrong second row is seen by two texts alone.
    assert len(wrong) == (1 if "token_type" in name else 4)
    states = max(parity.states for parity in found)
    assert (states < 1e-5) == name.startswith("cls.")


def test_noise_is_compared_by_single_texts_alone(tmp_path):
    source, folder = save_source(tmp_path / "source", "bert"), tmp_path / "bigbird"
    folder.mkdir()
    info = convert_to_bigbird(source, folder, Settings(max_length=61, segments="noised"))
    found = compare(source, folder, info, SENTENCES)
    assert len(found) == 3 and all(parity.holds for parity in found)


def test_weights_that_are_missing_or_unknown_are_refused(pair):
    _, folder, _, _ = pair
    tensors = load_file(folder / "model.safetensors")
    del tensors["bert.pooler.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"got 1 missing or unknown \(first: bert.pooler.weight\); convert again"):
        load_full_attention(folder, head=True)


def test_a_tokenizer_that_cuts_otherwise_is_seen(pair):
    source, folder, info, _ = pair
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"add_prefix_space":false', '"add_prefix_space":true'))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"add_prefix_space": false', '"add_prefix_space": true'), encoding="utf-8")
    with pytest.raises(ValueError, match="to cut as the source's, got other subwords for '이재용 회장이"):
        compare(source, folder, info, SENTENCES)


def test_a_length_that_the_stock_class_cannot_read_is_an_error(tmp_path, monkeypatch):
    """For example a table that ends inside a block."""
    source, folder = save_source(tmp_path / "source", "roberta"), tmp_path / "bigbird"
    folder.mkdir()
    monkeypatch.setattr(Settings, "positions", property(lambda self: self.max_length))
    info = convert_to_bigbird(source, folder, Settings(max_length=45, block_size=4, random_blocks=1))
    with pytest.raises(ValueError, match=r"to read 45 positions with the conversion of source, got: .*; choose"):
        check_full_length(folder, info, SENTENCES)


def test_values_that_are_no_numbers_are_an_error(pair):
    _, folder, info, change = pair
    change("bert.encoder.layer.1.output.LayerNorm.bias", lambda tensor: tensor.fill_(float("nan")))
    with pytest.raises(ValueError, match=r"to read 61 positions .* are not finite; choose another"):
        check_full_length(folder, info, SENTENCES)


def test_large_values_are_measured_by_their_size():
    small = Parity("one", 5, 2e-5, None, 1.0, None)
    assert not small.holds and small._replace(scale=4.0).holds
    scored = Parity("one", 5, 0.0, 2e-5, 1.0, 1.0)
    assert not scored.holds and scored._replace(logit_scale=30.0).holds
