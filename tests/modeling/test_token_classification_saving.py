"""Saving, precision and training of token-classification models."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from stub_cases import wordpiece
from transformers import AutoModel

from kospan.modeling.tags import may_follow, may_start

# --- saving and loading -----------------------------------------------------------------------------------------------

VARIANTS = {
    "crf": {},
    "linear": {"head": "linear"},
    "linear without bans": {"head": "linear", "constrain": "none"},
    "BIOES": {"scheme": "BIOES"},
    "BIOES, bans in the likelihood too": {"scheme": "BIOES", "constrain": "both"},
    "no bans": {"constrain": "none"},
    "recurrent": {"lstm_hidden_size": 8, "lstm_layers": 2},
    "each unit by itself": {"encoder_input": "units", "normalization": "none"},
    "words": {"unit": "word"},
    "temperature": {"calibration_temperature": 2.5},
    "multi-sample dropout": {"multi_sample_dropout": 5, "dropout_merge": "mean_loss", "dropout": 0.3},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_saved_model_comes_back_with_equal_spans(make_token_classifier, texts, tmp_path, name):
    model = make_token_classifier(**VARIANTS[name], tokenizer=wordpiece(texts))
    if model.place_embedding is not None:
        assert model.place_embedding.weight.std() > 0.01
    expected = model.extract([*texts, " ".join(texts)])
    model.save_pretrained(tmp_path)
    found = AutoModel.from_pretrained(tmp_path)
    assert type(found).__name__ == "KospanForTokenClassification" and not found.training
    assert found.extract([*texts, " ".join(texts)]) == expected
    assert any(expected)
    assert found.config.to_dict().keys() == model.config.to_dict().keys()
    for key in (
        "scheme",
        "head",
        "constrain",
        "unit",
        "encoder_input",
        "normalization",
        "max_length",
        "stride",
        "tags",
    ):
        assert getattr(found.config, key) == getattr(model.config, key)
    assert found.head.crf.constrained == model.config.constrain
    assert found.head.crf.temperature == model.config.calibration_temperature
    for table in ("allowed_transitions", "allowed_starts", "allowed_ends"):
        assert torch.equal(getattr(found.head.crf, table), getattr(model.head.crf, table))


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize("head", ["crf", "linear"])
def test_a_loaded_model_still_bans_what_may_not_follow(make_token_classifier, tmp_path, scheme, head):
    make_token_classifier(scheme=scheme, head=head).save_pretrained(tmp_path)
    model = AutoModel.from_pretrained(tmp_path)
    torch.manual_seed(3)
    tags = model.config.tags
    emissions = 20 * torch.randn(8, 12, len(tags))
    for path in model.head.decode(emissions, torch.ones(8, 12, dtype=torch.bool)):
        named = [tags[tag] for tag in path]
        assert may_start(named[0])
        assert all(may_follow(one, two, scheme) for one, two in zip(named, named[1:]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("how", ["loaded in half", "loaded and cast"])
def test_half_precision_keeps_the_crf_wide(make_token_classifier, texts, tmp_path, dtype, how):
    model = make_token_classifier(lstm_hidden_size=8)
    model.save_pretrained(tmp_path)
    if how == "loaded in half":
        half = AutoModel.from_pretrained(tmp_path, dtype=dtype)
    else:
        half = AutoModel.from_pretrained(tmp_path).to(dtype)
    assert half.encoder.embeddings.word_embeddings.weight.dtype == dtype
    for (name, ours), theirs in zip(model.head.crf.named_parameters(), half.head.crf.parameters()):
        assert theirs.dtype == torch.float32
        assert torch.equal(ours, theirs), name
    torch.manual_seed(1)
    emissions = (8 * torch.randn(2, 512, 7)).to(dtype)
    gold = torch.zeros(2, 512, dtype=torch.long)
    likelihoods = [each.head.crf(emissions, gold, reduction="none") for each in (model, half)]
    torch.testing.assert_close(*likelihoods, atol=1e-3, rtol=0)
    # The same in double precision: 512 units in half would be off by hundreds of nats.
    exact = model.head.crf(emissions.double(), gold, reduction="none")
    torch.testing.assert_close(likelihoods[1].double(), exact, atol=1e-3, rtol=0)
    marginals = [each.head.crf.marginals(emissions) for each in (model, half)]
    torch.testing.assert_close(*marginals, atol=1e-3, rtol=0)
    assert model.head.crf.decode(emissions) == half.head.crf.decode(emissions)
    for text, spans in zip(texts, half.extract(texts)):
        assert all(0 <= span.start < span.end <= len(text) and 0 <= span.score <= 1 + 1e-6 for span in spans)


@pytest.mark.parametrize("dropped", ["crf.", "head."])
def test_scores_missing_from_a_checkpoint_are_born_small(make_token_classifier, texts, tmp_path, dropped):
    make_token_classifier().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    kept = {name: value.clone() for name, value in weights.items() if dropped not in name}
    assert 0 < len(kept) < len(weights)
    save_file(kept, path, metadata={"format": "pt"})
    for _ in range(3):
        model = AutoModel.from_pretrained(tmp_path)
        for parameter in model.head.parameters():
            assert torch.isfinite(parameter).all()
            assert parameter.abs().max() < 10
        for parameter in model.head.crf.parameters():
            assert 0 < parameter.abs().max() <= 0.1
        model.extract(texts)


# --- training ---------------------------------------------------------------------------------------------------------


def training_batch(model, texts: list[str]) -> dict:
    documents = model.aligner.documents(texts)
    batch = model.collate([model.features(model.aligner.windows(document)[0]) for document in documents])
    torch.manual_seed(2)
    labels = torch.randint(0, len(model.config.tags), batch["unit_positions"].shape)
    return {**batch, "labels": labels.masked_fill(batch["unit_positions"] == -100, -100)}


def test_a_frozen_encoder_stays_in_evaluation_mode_and_keeps_its_weights(make_token_classifier, texts):
    model = make_token_classifier(lstm_hidden_size=8, encoder={"hidden_dropout_prob": 0.5})
    model.freeze_encoder()
    model.train()
    assert model.head.training and not any(module.training for module in model.encoder.modules())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    batch = training_batch(model, texts)
    for _ in range(2):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("encoder."), name
    model.extract(texts)
    assert model.training and not model.encoder.training


def test_a_stock_call_gives_loss_emissions_and_best_tags(make_token_classifier, texts):
    model = make_token_classifier()
    batch = training_batch(model, texts)
    output = model(**batch)
    mask = batch["unit_positions"] != -100
    assert output.loss.dim() == 0 and torch.isfinite(output.loss)
    assert output.emissions.shape == (*mask.shape, 7) and output.emissions.dtype == torch.float32
    assert torch.equal(output.tags != -100, mask)
    likelihood = model.head.crf(output.emissions, batch["labels"].clamp(min=0), mask)
    assert output.loss.item() == pytest.approx(-likelihood.item() / mask.sum().item(), rel=1e-5)
    assert model.train()(**batch).tags is None


def test_the_loss_falls_under_every_variant(make_token_classifier, texts):
    for name, settings in VARIANTS.items():
        if settings.get("constrain") == "both":
            continue
        model = make_token_classifier(**settings, tokenizer=wordpiece(texts)).train()
        batch = training_batch(model, texts)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(8):
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], name
