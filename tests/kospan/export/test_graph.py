"""Graphs of encoders and layers against the models in torch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from export_cases import exported_folder, operators
from transformers import BertConfig, BigBirdConfig, DebertaV2Config, ElectraConfig, ModernBertConfig, RobertaConfig

from kospan.export import export as export_module
from kospan.export import folder as folder_module
from kospan.export.export import check_exportable, export
from kospan.export.graph import TOLERANCE, GraphLSTM, largest_difference, to_graph
from kospan.export.windows import input_names, random_batch
from kospan.modeling import (
    KospanForTokenClassification,
    KospanGenerativeNERConfig,
    KospanTokenClassificationConfig,
)
from kospan.modeling.bilstm import MaskedBiLSTM
from kospan.modeling.tags import tag_names
from kospan.runtime import load

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES = {
    "electra": lambda size: ElectraConfig(**SMALL, vocab_size=size, embedding_size=8, max_position_embeddings=64),
    "bert": lambda size: BertConfig(**SMALL, vocab_size=size, max_position_embeddings=64),
    "roberta": lambda size: RobertaConfig(**SMALL, vocab_size=size, max_position_embeddings=66, pad_token_id=1),
    "modernbert": lambda size: ModernBertConfig(
        **SMALL,
        vocab_size=size,
        max_position_embeddings=64,
        global_attn_every_n_layers=2,
        local_attention=8,
        pad_token_id=0,
    ),
    "deberta-v2": lambda size: DebertaV2Config(
        **SMALL,
        vocab_size=size,
        max_position_embeddings=64,
        relative_attention=True,
        position_buckets=8,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
    ),
}


@pytest.fixture
def over(character_tokenizer):
    """Builds a model over an encoder's config."""

    def build(encoder_config, **settings):
        torch.manual_seed(0)
        tags = tag_names(["PS", "LC"])
        config = KospanTokenClassificationConfig(
            encoder_config=encoder_config, id2label=dict(enumerate(tags)), max_length=48, stride=8, **settings
        )
        model = KospanForTokenClassification(config).eval()
        model.tokenizer = character_tokenizer
        if encoder_config.model_type == "roberta":
            model.tokenizer.pad_token = model.tokenizer.convert_ids_to_tokens(1)
        return model

    return build


@pytest.mark.parametrize("family", FAMILIES)
def test_encoder_families(family, over, character_tokenizer, texts, tmp_path):
    model = over(FAMILIES[family](len(character_tokenizer)), lstm_hidden_size=6, encoder_input="units")
    exported = load(exported_folder(model, tmp_path / "exported"), threads=1)
    assert "LSTM" in operators(tmp_path / "exported")
    assert largest_difference(model, exported.run) <= TOLERANCE
    for found, wanted in zip(exported.token_scores(texts), model.token_scores(texts), strict=True):
        assert found.emissions == pytest.approx(wanted.emissions.numpy(), abs=1e-4)


def test_the_model_is_as_before_and_the_graph_names_no_files(make_token_classifier):
    model = make_token_classifier(lstm_hidden_size=6)
    recurrent, batch = model.recurrent, random_batch(model, 2, 9, 5, seed=3)
    implementation, wanted = model.encoder.config._attn_implementation, model.window_emissions(batch)
    graph = to_graph(model)
    text = graph.SerializeToString()
    assert b"modeling_electra.py" not in text and b"stack_trace" not in text
    assert model.recurrent is recurrent and model.encoder.config._attn_implementation == implementation
    assert torch.equal(model.window_emissions(batch), wanted)


def test_gates_are_in_the_order_of_onnx():
    recurrent = MaskedBiLSTM(2, 3)
    layer = recurrent.forward_layers[0]
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.arange(4).repeat_interleave(3)[:, None].expand(12, 3))
    assert GraphLSTM(recurrent).hidden_0[0, ::3, 0].tolist() == [0, 3, 1, 2]


def test_a_wrong_graph_is_found(make_token_classifier):
    model = make_token_classifier(lstm_hidden_size=6)

    def run(batch):
        found = model.window_emissions({name: torch.as_tensor(values) for name, values in batch.items()}).numpy().copy()
        found[-1, 0, 0] += 0.01
        return found

    assert largest_difference(model, run) > TOLERANCE


def test_a_graph_that_differs_is_not_written(make_token_classifier, monkeypatch, tmp_path):
    make_token_classifier(encoder={"num_hidden_layers": 0}).save_pretrained(tmp_path / "model")
    monkeypatch.setattr(export_module, "largest_difference", lambda model, run: 0.5)
    with pytest.raises(ValueError, match=r"at most 0\.0001, got a difference of 5\.0e-01 on random windows"):
        export(tmp_path / "model", tmp_path / "exported")
    assert not (tmp_path / "exported").exists() and not [*tmp_path.glob(".exported*")]


@pytest.mark.parametrize(
    "settings",
    [{"encoder_input": "units"}, {"unit": "word", "word_shape_feature": True}, {"encoder_input": "subwords"}],
)
def test_random_windows_have_the_inputs_of_the_model(settings, make_token_classifier, texts):
    model = make_token_classifier(**settings)
    batch = random_batch(model, 3, 12, 7, seed=0)
    assert set(batch) == {*input_names(model), "attention_mask"}
    own = model.features(model.aligner.windows(model.aligner.documents(texts[:1])[0])[0])
    assert set(own) - set(input_names(model)) <= {"unit_places"}
    assert batch["input_ids"].shape == (3, 12) and batch["unit_positions"].shape == (3, 7)
    assert np.isfinite(model.window_emissions(batch).numpy()).all()


@pytest.mark.parametrize("fixture", ["make_qa_model", "make_text_classifier"])
def test_random_windows_of_other_tasks(fixture, request):
    for settings in ({}, {"exact_match_feature": True} if fixture == "make_qa_model" else {"pairs": True}):
        model = request.getfixturevalue(fixture)(**settings)
        batch = random_batch(model, 2, 9, 4, seed=0)
        assert len((getattr(model, "window_logits", None) or model.window_emissions)(batch)) == 2


def test_models_that_cannot_be_exported_say_why(over, make_token_classifier, character_tokenizer):
    bigbird = BigBirdConfig(**SMALL, vocab_size=len(character_tokenizer), block_size=4, num_random_blocks=1)
    with pytest.warns(UserWarning, match="oracle"):
        oracle = make_token_classifier(head="positional", head_options={"oracle": True, "heads": 2})
    for model, message in (
        (over(bigbird), "one whose BigBird encoder chooses its attention for each text, in model; serve it with torch"),
        (
            SimpleNamespace(config=KospanGenerativeNERConfig(["PS"])),
            "a generative model, whose language model is not exported, in model; serve",
        ),
        (SimpleNamespace(config=BertConfig()), "a stock model of type bert, in model; train one with kospan train"),
        (oracle, "one with head_options oracle: true, which reads gold labels, in model; train it without"),
    ):
        with pytest.raises(ValueError, match=f"expected a model for token classification, .* to export, got {message}"):
            check_exportable(model, "model")


def test_int8_of_a_graph_that_is_too_large_for_the_quantizer_is_refused(make_token_classifier, tmp_path, monkeypatch):
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    monkeypatch.setattr(folder_module, "LARGEST_GRAPH", 1000)
    with pytest.raises(ValueError, match=r"a graph of at most 0\.0 GiB for int8, got .*; export it in float32"):
        export(tmp_path / "model", tmp_path / "int8", precision="int8")
    assert not (tmp_path / "int8").exists()
    export(tmp_path / "model", tmp_path / "float32")
    assert (tmp_path / "float32" / "model.onnx.data").is_file()
