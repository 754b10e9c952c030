"""Encoders below the heads: those that give a state for each subword of a text, and nothing else."""

import json
from pathlib import Path

import pytest
import resume_cases as cases
import torch
import transformers as tf

import kospan
from kospan.cli import main
from kospan.recipe import save_recipe
from kospan.run import build_trainer
from kospan.tasks.encoders import character_tokenizer, check_encoder_options, check_reads

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
BOTH = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
BOTH |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
OTHERS = {
    "t5": (lambda: tf.T5Config(d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2), "an encoder and a decoder"),
    "bart": (lambda: tf.BartConfig(**BOTH), "an encoder and a decoder"),
    "vit": (lambda: tf.ViTConfig(**SMALL), "whose config has no vocab_size"),
    "wav2vec2": (
        lambda: tf.Wav2Vec2Config(**SMALL, conv_dim=(8, 8), conv_stride=(2, 2), conv_kernel=(2, 2)),
        "expected an encoder that returns a hidden state for each subword",
    ),
    "mamba": (lambda: tf.MambaConfig(hidden_size=16, num_hidden_layers=1), "returns a hidden state for each subword"),
}


@pytest.fixture
def folder(tmp_path):
    """Saves a model without a head, as its config says, with a tokenizer."""

    def save(config):
        tokenizer = character_tokenizer([example.text for example in cases.people(12)])
        if getattr(config, "vocab_size", None):
            config.vocab_size, config.pad_token_id = len(tokenizer), 0
        tf.AutoModel.from_config(config).save_pretrained(tmp_path / "encoder")
        tokenizer.save_pretrained(tmp_path / "encoder")
        return str(tmp_path / "encoder")

    return save


@pytest.mark.parametrize(
    ("kind", "task"),
    [*((kind, "token-classification") for kind in OTHERS), ("t5", "question-answering"), ("t5", "text-classification")],
)
def test_a_model_of_another_kind_is_refused_in_one_line(kind, task, folder, tmp_path, capsys):
    config, message = OTHERS[kind]
    recipe = cases.recipe_of(task, tmp_path, encoder=folder(config()), encoder_options=None, max_length=40)
    save_recipe(recipe, tmp_path / "recipe.yaml")
    capsys.readouterr()  # The model was saved with a progress bar.
    assert main(["train", str(tmp_path / "recipe.yaml")]) == 2
    error = capsys.readouterr().err
    assert message in error and f"of type '{kind}'" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "config",
    [
        lambda: tf.BertConfig(**SMALL),
        lambda: tf.DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=16),
        lambda: tf.CLIPTextConfig(**SMALL),
        lambda: tf.LlamaConfig(**SMALL),
    ],
    ids=["bert", "distilbert", "clip", "llama"],
)
def test_encoders_of_several_kinds_train(config, folder, tmp_path):
    settings = {"encoder_options": None, "max_length": 40, "max_steps": 1, "eval_strategy": "no", "save_strategy": "no"}
    settings |= {"load_best_model_at_end": False}
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, encoder=folder(config()), **settings))
    trainer.train()
    assert trainer.state.global_step == 1


MODERN = SMALL | {"num_hidden_layers": 4, "global_attn_every_n_layers": 2, "local_attention": 8}


def test_of_fewer_layers_the_first_are_used(folder, tmp_path):
    """The states are those after the second of four layers, also after saving and loading."""
    name = folder(tf.ModernBertConfig(**MODERN))
    recipe = cases.recipe_of(
        "token-classification", tmp_path, encoder=name, encoder_options={"num_hidden_layers": 2}, max_length=40
    )
    trainer = build_trainer(recipe)
    encoder = trainer.model.encoder.eval()
    assert encoder.config.layer_types == ["full_attention", "sliding_attention"] and len(encoder.layers) == 2
    whole = tf.AutoModel.from_pretrained(name).eval()
    ids = torch.randint(4, whole.config.vocab_size, (2, 30), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = whole.final_norm(whole(ids, output_hidden_states=True).hidden_states[2])
        torch.testing.assert_close(encoder(ids).last_hidden_state, wanted)
        trainer.task.save(trainer.model, tmp_path / "model")
        loaded = kospan.load(str(tmp_path / "model")).encoder
        torch.testing.assert_close(loaded(ids).last_hidden_state, wanted)


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        (lambda: tf.ModernBertConfig(**MODERN), "num_hidden_layers"),
        (lambda: tf.DistilBertConfig(dim=16, n_layers=4, n_heads=2, hidden_dim=16), "n_layers"),
        (lambda: tf.DistilBertConfig(dim=16, n_layers=4, n_heads=2, hidden_dim=16), "num_hidden_layers"),
    ],
)
def test_more_layers_than_the_encoder_has_are_refused(config, setting, folder, tmp_path):
    settings = {"encoder": folder(config()), "max_length": 40}
    message = (
        rf"expected encoder_options\['{setting}'\] to be at most 4, the encoder's number of layers, got 5; lower it"
    )
    with pytest.raises(ValueError, match=message):
        build_trainer(cases.recipe_of("token-classification", tmp_path, encoder_options={setting: 5}, **settings))
    trainer = build_trainer(cases.recipe_of("token-classification", tmp_path, encoder_options={setting: 3}, **settings))
    assert trainer.model.encoder.config.num_hidden_layers == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_hidden_layers": 0}, r"with which an encoder can be built, got .*ZeroDivisionError"),
        ({"layer_types": ["full_attention"]}, "with a type for each of 4 layers, got 1; correct it"),
        ({"layer_types": ["full"] * 4}, r"with which an encoder can be built, got .*KeyError: 'full'"),
        ({"layer_types": 4}, r"\['layer_types'\] to be a list, got 4"),
        ({"rope_parameters": {"factor": 1}}, "with which an encoder can be built, got .*Validation error"),
        ({"pad_token_id": 9999}, "with which an encoder can be built, got .*9999"),
        ({"global_attn_every_n_layers": 1}, "without global_attn_every_n_layers for an encoder whose config lists"),
        ({"local_attention": 0}, r"\['local_attention'\] to be 1 or more, got 0"),
    ],
)
def test_options_that_do_not_fit_the_encoder_are_one_line(options, message, folder, tmp_path):
    recipe = cases.recipe_of(
        "token-classification",
        tmp_path,
        encoder=folder(tf.ModernBertConfig(**MODERN)),
        encoder_options=options,
        max_length=40,
    )
    with pytest.raises(ValueError, match=message):
        build_trainer(recipe)


def test_a_model_of_another_task_is_no_encoder_but_has_one(make_token_classifier, tmp_path):
    make_token_classifier().save_pretrained(tmp_path / "model")
    recipe = cases.recipe_of("text-classification", tmp_path, encoder=str(tmp_path / "model"), encoder_options=None)
    with pytest.raises(ValueError, match=r"expected an encoder, or a model of the recipe's task .* save its encoder w"):
        build_trainer(recipe)


def test_a_config_with_a_wrong_value_is_one_line(folder, tmp_path):
    name = Path(folder(tf.BertConfig(**SMALL)))
    config = json.loads((name / "config.json").read_text(encoding="utf-8"))
    (name / "config.json").write_text(json.dumps(config | {"hidden_size": "wide"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected a config.json of transformers beside .*'hidden_size'"):
        build_trainer(cases.recipe_of("token-classification", tmp_path, encoder=str(name), encoder_options=None))


def test_the_check_changes_neither_mode_nor_random_state(make_token_classifier):
    encoder = make_token_classifier(encoder={"hidden_dropout_prob": 0.5}).encoder
    for mode in (False, True):
        encoder.train(mode)
        before = torch.random.get_rng_state()
        check_reads(encoder, "tiny", 0)
        assert encoder.training == mode and torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_act": "gelo"}, "\\['hidden_act'\\] to be an activation .*, got 'gelo'; did you mean gelu"),
        ({"initializer_range": -1}, "\\['initializer_range'\\] to be 0 or more, got -1"),
        ({"id2label": {0: "a"}}, "got 'id2label'; remove it"),
        ({"model_type": "bert"}, "got 'model_type'; remove it"),
        ({1: 2}, "got 1; remove it"),
    ],
)
def test_options_that_say_nothing_of_an_encoder_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        check_encoder_options(options, tf.ElectraConfig())
