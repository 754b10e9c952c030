"""Adapters: what is trained, what is saved, and at which rates, against formulas written out and peft's own groups."""

import copy
import re
from pathlib import Path

import pytest
import torch
import training_cases as cases
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel, LlamaConfig, LlamaForCausalLM, TrainerCallback

from kospan.recipe import Recipe, load_recipe
from kospan.training.adapter_checkpoint import ADAPTERS, restore
from kospan.training.learning_rates import check_rates, rate_groups
from kospan.training.lora import (
    Lora,
    adapt_causal_lm,
    adapt_encoder,
    adapted_layers,
    adapter_lines,
    lora_of,
    plain_state,
    save_plain,
)
from kospan.training.trainer import KospanTrainer

SMALL = {"rank": 2, "alpha": 4.0, "dropout": 0.0}
PLUS = {"lora": SMALL, "learning_rates": {"lora_B": "16x"}}
ADAMW = {"optim": "adamw_torch", "weight_decay": 0.01}


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(lstm_hidden_size=8, encoder_input="units", encoder={"embedding_size": 12})


def trained(model, folder, techniques, **settings):
    run = cases.trainer(copy.deepcopy(model), str(folder), techniques, **{**ADAMW, **settings})
    run.train()
    return run


def stirred(model, lora: Lora):
    """A model with adapters that say something: B is born as zero."""
    adapt_encoder(model, lora)
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def emissions(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(**cases.collate(cases.features())).emissions


def tiny_llama(**settings) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=40, **sizes, **settings))


# --- what is trained --------------------------------------------------------------------------------------------------


def test_only_adapters_and_the_layers_above_the_encoder_are_trained(model, tmp_path):
    before = emissions(model)
    run = cases.trainer(model, str(tmp_path), PLUS, **ADAMW)
    assert torch.equal(emissions(model), before)  # B is zero: adapters begin as nothing.
    start = cases.weights(model)
    run.train()
    moved = {name for name, value in cases.weights(model).items() if not torch.equal(value, start[name])}
    outside = {name for name, parameter in model.named_parameters() if not name.startswith("encoder.")}
    adapters = {name for name in start if ".lora_" in name}
    assert moved == outside | adapters and len(outside) > 5 and len(adapters) == 2 * len(list(adapted_layers(model)))


def test_recipes_ask_for_adapters_as_for_anything_else(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("lora_rank: '8'\nlora_alpha: 16\nlora_targets: query,value\nlora_dora: true\n", encoding="utf-8")
    assert lora_of(load_recipe(path)) == Lora(8, 16.0, 0.05, "query,value", False, True)
    assert lora_of(load_recipe(path, {"lora_rank": 0})) is None
    assert lora_of(Recipe(lora_rank=16)) == Lora(16)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"lora_rank": -1}, "flags: expected lora_rank to be a number of 0 or more, got -1; change or remove it"),
        ({"lora_rank": 1.5}, "flags: expected lora_rank to be a whole number, got 1.5"),
        ({"lora_rank": 4, "lora_dropout": 1}, "flags: expected lora_dropout to be a number from 0 to below 1, got 1.0"),
        ({"lora_rank": 4, "lora_alpha": 0}, "expected lora_alpha above 0, got 0, .*; set lora_rank: 0 instead"),
        ({"lora_rank": 4, "lora_targets": " , "}, "expected lora_targets to be all-linear, .*, got ' , '; name the"),
        ({"lora_rank": 4, "freeze_encoder": True}, "expected freeze_encoder: false with lora_rank, got true .*4"),
    ],
)
def test_values_that_make_no_adapters_are_refused(flags, message):
    with pytest.raises(ValueError, match=message):
        lora_of(load_recipe(None, flags))


def test_without_peft_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=re.escape('`pip install -c constraints.txt -e ".[llm]"`')):
        lora_of(Recipe(lora_rank=4))
    extras = Path(__file__).parents[3].joinpath("setup.cfg").read_text(encoding="utf-8")
    assert re.search(r"\nllm =\n    peft>=", extras)


@pytest.mark.parametrize(
    ("targets", "inside"),
    [
        ("all-linear", {"embeddings_project", "query", "key", "value", "dense"}),
        ("attention-mlp", {"query", "key", "value", "dense"}),
        ("query, value", {"query", "value"}),
        ("output.dense", {"dense"}),
    ],
)
def test_targets_of_an_encoder(targets, inside, model):
    adapt_encoder(model, Lora(2, targets=targets))
    found = {name.rpartition(".")[2] for name, _ in adapted_layers(model)}
    assert found == inside
    assert all(name.startswith("encoder.") for name, _ in adapted_layers(model))


@pytest.mark.parametrize("targets", ["all-linear", "attention-mlp"])
def test_targets_of_a_language_model_exclude_its_output_layer(targets):
    adapted = adapt_causal_lm(tiny_llama(), Lora(2, targets=targets))
    names = {name.rpartition(".")[2] for name, _ in adapted_layers(adapted)}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name for name, each in adapted.named_parameters() if each.requires_grad} == {
        name for name, _ in adapted.named_parameters() if ".lora_" in name
    }


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(model):
    with pytest.raises(
        ValueError, match=r"got 'q_proj', which none .* ends with; it has embeddings_project, query, key"
    ):
        adapt_encoder(model, Lora(2, targets="query,q_proj"))


def test_a_line_describes_the_adapters(model):
    assert adapter_lines(model) == []
    size = 2 * sum(sum(each.weight.shape) for each in model.encoder.modules() if isinstance(each, torch.nn.Linear))
    adapt_encoder(model, Lora(2, 4.0, 0.1, dora=False, rslora=True))
    layers = len(list(adapted_layers(model)))
    assert adapter_lines(model) == [
        f"adapters            rsLoRA on {layers} layers (all-linear): rank 2, alpha 4, dropout 0.1; {size:,} parameters"
    ]


# --- what is saved ----------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 5), st.floats(0.5, 64), st.booleans(), st.booleans(), st.sampled_from(["all-linear", "query,dense"])
)
@settings(derandomize=True, deadline=None, max_examples=12)
def test_merged_weights_are_the_formulas(token_classifier, rank, alpha, rslora, dora, targets):
    model = stirred(copy.deepcopy(token_classifier), Lora(rank, alpha, 0.0, targets, rslora, dora))
    state, scale = model.state_dict(), alpha / (rank**0.5 if rslora else rank)
    plain, seen = plain_state(model), 0
    for name, _ in adapted_layers(model):
        a, b = (state[f"{name}.lora_{each}.default.weight"].double() for each in "AB")
        weight = state[f"{name}.base_layer.weight"].double() + scale * b @ a
        if dora:
            weight *= (state[f"{name}.lora_magnitude_vector.default.weight"].double() / weight.norm(dim=1))[:, None]
        assert torch.allclose(plain[f"{name}.weight"].double(), weight, rtol=1e-4, atol=1e-4), name
        seen += 1
    assert seen and plain.keys() == token_classifier.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.fixture(scope="module")
def token_classifier():
    from conftest import LABELS, TEXTS, tiny_electra, with_large_weights

    from kospan.modeling import KospanForTokenClassification, KospanTokenClassificationConfig
    from kospan.modeling.tags import tag_names
    from kospan.tasks.encoders import character_tokenizer

    tokenizer, tags = character_tokenizer(TEXTS), tag_names(LABELS, "BIO")
    names = {"id2label": dict(enumerate(tags)), "label2id": {tag: at for at, tag in enumerate(tags)}}
    torch.manual_seed(0)
    config = KospanTokenClassificationConfig(
        encoder_config=tiny_electra(tokenizer, {"embedding_size": 12}), max_length=64, **names
    )
    return with_large_weights(KospanForTokenClassification(config), tokenizer)


@pytest.mark.parametrize("dora", [False, True])
def test_a_saved_model_is_an_ordinary_one(dora, model, tmp_path, texts):
    plain = dict(model.state_dict())
    stirred(model, Lora(2, 4.0, 0.1, dora=dora))
    save_plain(model, tmp_path)
    opened, report = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert opened.state_dict().keys() == plain.keys()
    assert torch.allclose(emissions(opened), emissions(model), atol=1e-4)
    found, expected = ([[span[:3] for span in spans] for spans in each.extract(texts)] for each in (opened, model))
    assert found == expected and any(found)
    assert not torch.equal(opened.encoder.embeddings_project.weight, plain["encoder.embeddings_project.weight"])
    assert "lora" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert not list(tmp_path.glob("adapter*"))


def test_every_checkpoint_is_an_ordinary_model_and_the_best_one_comes_back_bit_for_bit(model, tmp_path):
    seen = {}

    class Keep(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            seen[state.global_step] = cases.weights(kwargs["model"])

    run = cases.trainer(model, str(tmp_path), PLUS, **ADAMW, save_strategy="steps", save_steps=2)
    run.add_callback(Keep())
    run.train()
    opened = AutoModel.from_pretrained(tmp_path / "checkpoint-2")
    run.state.best_model_checkpoint = str(tmp_path / "checkpoint-2")
    last = emissions(model)
    run._load_best_model()
    assert all(torch.equal(value, seen[2][name]) for name, value in model.state_dict().items())
    assert torch.allclose(emissions(opened), emissions(model), atol=1e-5)
    assert not torch.allclose(last, emissions(model), atol=1e-3)


@pytest.mark.parametrize("dora", [False, True])
def test_stop_and_resume_equals_an_unbroken_run_bit_for_bit(dora, make_token_classifier, tmp_path):
    model = make_token_classifier(
        encoder_input="units", lstm_hidden_size=8, dropout=0.2, encoder={"hidden_dropout_prob": 0.1}
    )
    techniques = PLUS | {"lora": {**SMALL, "dropout": 0.1, "dora": dora}, "fgm_epsilon": 0.5, "rdrop": "token"}
    settings = {"train_sampling_strategy": "random", "accumulation": 2, "batch": 2, "lr_scheduler_type": "linear"}
    settings |= {"save_strategy": "steps", "save_steps": 3, "max_steps": 6}
    unbroken = trained(model, tmp_path / "unbroken", techniques, **settings)

    # Other adapters are drawn before the checkpoint's take their place.
    resumed = cases.trainer(
        copy.deepcopy(model), str(tmp_path / "resumed"), techniques | {"lora_seed": 2}, **ADAMW, **settings
    )
    resumed.train(resume_from_checkpoint=str(tmp_path / "unbroken" / "checkpoint-3"))
    expected = cases.weights(unbroken.model)
    assert all(torch.equal(value, expected[name]) for name, value in resumed.model.state_dict().items())


def test_a_checkpoint_that_does_not_fit_is_refused(model, make_token_classifier, tmp_path):
    saving = {"save_strategy": "steps", "save_steps": 2, "max_steps": 2}
    trained(model, tmp_path / "with", PLUS, **saving)
    trained(model, tmp_path / "without", {}, **saving)
    with_them, without = (str(tmp_path / name / "checkpoint-2") for name in ("with", "without"))
    adapted = adapt_encoder(copy.deepcopy(model), Lora(**SMALL))
    with pytest.raises(
        FileNotFoundError, match=rf"expected adapters in .*{ADAPTERS}.*this training has none; remove lora_rank"
    ):
        restore(adapted, without)
    with pytest.raises(
        ValueError, match=r"without adapters in .* got one with them; resume with the recipe's lora_rank"
    ):
        cases.trainer(copy.deepcopy(model), str(tmp_path), {}, **ADAMW).train(resume_from_checkpoint=with_them)
    for other, message in (
        (Lora(3), "lora_rank: 2, .*, got 3"),
        (Lora(2, 8.0), "lora_alpha: 4, .*, got 8"),
        (Lora(2, 4.0, rslora=True), "lora_rslora: false, .*, got true"),
        (Lora(2, 4.0, dora=True), "lora_dora: false, .*, got true"),
    ):
        message = rf"expected {message}; resume with the recipe of that training, or start again with --overwrite"
        with pytest.raises(ValueError, match=message):
            restore(adapt_encoder(copy.deepcopy(model), other), with_them)
    with pytest.raises(
        ValueError,
        match=r"got others of lora_targets: all-linear \(encoder\..*lora_A.*: none in the .*\(2, \d+\) there",
    ):
        restore(adapt_encoder(copy.deepcopy(model), Lora(2, 4.0, targets="query")), with_them)
    # The same layers by another name, and another dropout.
    layers = "query,key,value,dense,embeddings_project"
    restore(adapt_encoder(copy.deepcopy(model), Lora(2, 4.0, 0.5, targets=layers)), with_them)
    other = make_token_classifier(seed=9, lstm_hidden_size=8, encoder_input="units", encoder={"embedding_size": 12})
    with pytest.raises(
        ValueError, match=r"expected the encoder that the checkpoint .* was trained on, got one whose enc"
    ):
        restore(adapt_encoder(other, Lora(**SMALL)), with_them)
    restore(adapted, with_them)
    with pytest.raises(ValueError, match=r"expected lora_alpha: 4, with which the checkpoint .* was made, got 2;"):
        run = cases.trainer(copy.deepcopy(model), str(tmp_path), PLUS | {"lora": {**SMALL, "alpha": 2.0}}, **ADAMW)
        run.train(resume_from_checkpoint=with_them)
    # Earlier files do not say what they were made with; their weights do.
    path = Path(with_them, ADAPTERS)
    save_file(load_file(path), path, metadata={"format": "pt"})
    restore(adapted, with_them)
    for other, message in (
        (Lora(3), r"got others \(encoder\..*lora_A.*: \(3, \d+\) in the recipe, \(2, \d+\) there"),
        (Lora(2, 8.0), "set the recipe's encoder, lora_alpha and lora_rslora to that of that training"),
    ):
        with pytest.raises(ValueError, match=message):
            restore(adapt_encoder(copy.deepcopy(model), other), with_them)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Lora(3, 4.0), "lora_rank: 2, .*, got 3"),
        (Lora(2, 8.0), "lora_alpha: 4, .*, got 8"),
        (Lora(2, 4.0, rslora=True), "lora_rslora: false, .*, got true"),
        (Lora(2, 4.0, dora=True), "lora_dora: false, .*, got true"),
        (Lora(2, 4.0, 0.5), None),
    ],
)
def test_a_language_model_resumes_only_from_adapters_of_its_own_settings(other, message, tmp_path):
    def run(lora: Lora) -> KospanTrainer:
        rows = [{"input_ids": [3, 4, 5], "labels": [3, 4, 5]}] * 4
        settings = {"save_strategy": "steps", "save_steps": 1, "max_steps": 1, **ADAMW}
        arguments = cases.arguments(str(tmp_path), **settings)
        return KospanTrainer(model=adapt_causal_lm(tiny_llama(), lora), args=arguments, train_dataset=rows)

    run(Lora(2, 4.0, 0.0)).train()
    checkpoint = str(tmp_path / "checkpoint-1")
    if message is None:
        run(other).train(resume_from_checkpoint=checkpoint)
    else:
        with pytest.raises(ValueError, match=rf"expected {message}; resume with the recipe of that training"):
            run(other).train(resume_from_checkpoint=checkpoint)


# --- rates ------------------------------------------------------------------------------------------------------------


def test_ratio_1_is_plain_lora_bit_for_bit(make_token_classifier, tmp_path):
    model = make_token_classifier(encoder_input="units", lstm_hidden_size=8, dropout=0.1)
    lora = {"lora": {**SMALL, "dropout": 0.1}}
    found = {
        ratio: cases.weights(trained(model, tmp_path / ratio, lora | rates, max_steps=8).model)
        for ratio, rates in (
            ("none", {}),
            ("1x", {"learning_rates": {"lora_B": "1x"}}),
            ("16x", {"learning_rates": {"lora_B": "16x"}}),
        )
    }
    assert all(torch.equal(value, found["1x"][name]) for name, value in found["none"].items())
    differs = {name for name, value in found["none"].items() if not torch.equal(value, found["16x"][name])}
    assert any("lora_A" in name for name in differs) and any("lora_B" in name for name in differs)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_on_a_language_model_the_groups_are_those_of_peft(decay):
    from peft.optimizers import create_loraplus_optimizer

    model = adapt_causal_lm(tiny_llama(), Lora(4))
    expected_groups = create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=2e-4, loraplus_lr_ratio=16, loraplus_weight_decay=decay
    ).param_groups
    names = {name for name, _ in model.named_parameters()}
    groups = rate_groups(model, check_rates({"lora_B": "16x"}), 2e-4, decay, names)

    def rates(found):
        return {id(each): (rate, decay) for rate, decay, parameters in found for each in parameters}

    ours = rates((group.rate, group.decay, group.parameters) for group in groups)
    theirs = rates((group["lr"], group["weight_decay"], group["params"]) for group in expected_groups)
    assert ours == theirs
    assert len(ours) == 2 * 14 and len(groups) == len([group for group in expected_groups if group["params"]]) == 2


def test_the_trainer_multiplies_the_learning_rate_of_b(model, tmp_path):
    techniques = {"lora": SMALL, "learning_rates": {"encoder": 1e-3, "head": 5e-3, "lora_B": "16x"}}
    run = cases.trainer(model, str(tmp_path), techniques, **ADAMW)
    run.create_optimizer()
    rates = {group.name: (group.rate, group.decay) for group in run.rate_groups if group.decay}
    assert rates == {"encoder": (1e-3, 0.01), "head": (5e-3, 0.01), "lora_B": (1.6e-2, 0.01)}
    assert run.optimizer.param_groups[0]["lr"] == 1e-3
    owned = sum(group.size for group in run.rate_groups)
    assert owned == sum(each.numel() for each in model.parameters() if each.requires_grad)


def test_lengths_of_dora_do_not_decay(model, tmp_path):
    run = cases.trainer(model, str(tmp_path), {"lora": {**SMALL, "dora": True}}, **ADAMW)
    decayed = run.get_decay_parameter_names(model)
    assert not [name for name in decayed if "magnitude" in name] and [name for name in decayed if "lora_A" in name]


# --- with the rest ----------------------------------------------------------------------------------------------------


def test_recomputed_activations_change_nothing(make_token_classifier, tmp_path):
    model = make_token_classifier(encoder_input="units", encoder={"num_hidden_layers": 2, "hidden_dropout_prob": 0.1})
    techniques = PLUS | {"lora": {**SMALL, "dropout": 0.1}, "fgm_epsilon": 0.5}
    kept = trained(model, tmp_path / "kept", techniques)
    recomputed = trained(model, tmp_path / "recomputed", techniques, activation_checkpointing=True)
    assert recomputed.model.is_gradient_checkpointing
    expected = cases.weights(kept.model)
    for name, value in cases.weights(recomputed.model).items():
        assert torch.allclose(value, expected[name], atol=1e-6), name
    plain = trained(
        model, tmp_path / "plain", PLUS | {"lora": {**SMALL, "dropout": 0.1}}, activation_checkpointing=True
    )
    assert any(not torch.equal(value, expected[name]) for name, value in cases.weights(plain.model).items())


def test_word_vectors_are_frozen_so_their_table_cannot_be_perturbed(model, tmp_path):
    with pytest.raises(ValueError, match="frozen ones, which have no gradient; use fgm_space: activation"):
        cases.trainer(model, str(tmp_path), PLUS | {"fgm_epsilon": 0.5, "fgm_space": "parameter"})


def test_sharded_weights_are_refused(model, tmp_path, monkeypatch):
    from accelerate import Accelerator
    from accelerate.utils import DistributedType

    monkeypatch.setattr(Accelerator, "distributed_type", DistributedType.FSDP)
    with pytest.raises(ValueError, match=r"expected whole weights on every process with lora_rank .*got FSDP"):
        KospanTrainer(model=adapt_encoder(model, Lora(2)), args=cases.arguments(str(tmp_path)))
