"""FGM and R-Drop against reference implementations."""

import copy

import pytest
import torch
import training_cases as cases
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kospan.modeling.heads import ChainContext
from kospan.modeling.rdrop import double, symmetric_kl, tag_divergence
from kospan.training.adversarial import FGM, perturbation
from kospan.training.learning_rates import check_rates, rate_of


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(lstm_hidden_size=8, encoder_input="units")


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def one_step(model, folder, techniques) -> dict[str, torch.Tensor]:
    """The gradients that one micro-batch of the trainer leaves behind."""
    run = cases.trainer(model, str(folder), techniques)
    batch = cases.collate(cases.features())
    run.current_gradient_accumulation_steps = 1
    run.training_step(model, dict(batch), (batch["labels"] != -100).sum())
    return gradients(model)


def embedded(model, batch):
    return model.get_input_embeddings()(batch["input_ids"])


def without_ids(batch):
    return {key: value for key, value in batch.items() if key != "input_ids"}


@pytest.mark.parametrize("rdrop", [None, "token"])
def test_activation_space_equals_a_reference_over_input_embeddings(rdrop, model, tmp_path):
    epsilon, weight = 0.7, 0.5
    techniques = {"fgm_epsilon": epsilon, "fgm_lambda": weight} | ({"rdrop": rdrop} if rdrop else {})
    found = one_step(copy.deepcopy(model), tmp_path, techniques)

    batch = cases.collate(cases.features())
    model.train()
    if rdrop:
        model.head.register_forward_hook(cases.push_copies_apart)
    leaf = embedded(model, batch).detach().requires_grad_()
    rest = without_ids(batch)

    def clean(vectors):
        if rdrop:
            return model(inputs_embeds=torch.cat([vectors, vectors]), rdrop_alpha=5.0, **double(rest)).loss
        return model(inputs_embeds=vectors, **rest).loss

    (gradient,) = torch.autograd.grad(clean(leaf), leaf)
    gradient = gradient * batch["attention_mask"].unsqueeze(-1)
    delta = epsilon * gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
    (
        clean(embedded(model, batch)) + weight * model(inputs_embeds=embedded(model, batch) + delta, **rest).loss
    ).backward()
    expected = gradients(model)
    assert set(found) == set(expected)
    for name in expected:
        assert torch.allclose(found[name], expected[name], atol=2e-6), name


def test_parameter_space_equals_a_reference_on_the_table(model, tmp_path):
    epsilon = 0.7
    found = one_step(copy.deepcopy(model), tmp_path, {"fgm_epsilon": epsilon, "fgm_space": "parameter"})
    batch = cases.collate(cases.features())
    model.train()
    model(**batch).loss.backward()
    clean = gradients(model)
    table = model.get_input_embeddings().weight
    delta = epsilon * table.grad / table.grad.norm()
    model.zero_grad()
    with torch.no_grad():
        table += delta
    model(**batch).loss.backward()
    for name, value in gradients(model).items():
        assert torch.allclose(found[name], clean[name] + value, atol=2e-6), name


def test_special_subwords_and_padding_are_never_perturbed(model):
    fgm = FGM(model, 0.7, "activation", special_ids=(2, 3))
    batch = cases.collate(cases.features())
    plain = embedded(model, batch)
    model.train()
    with fgm.clean_pass(batch):
        model(**batch).loss.backward()
    with fgm.adversarial_pass(batch):
        moved = (embedded(model, batch) - plain).norm(dim=-1)
    content = (batch["attention_mask"] == 1) & (batch["input_ids"] != 2) & (batch["input_ids"] != 3)
    assert (moved[~content] == 0).all() and (moved[content] > 0).any()
    # Each example has the whole epsilon to itself.
    assert torch.allclose(moved.square().sum(dim=1).sqrt(), torch.full((16,), 0.7), atol=1e-5)
    assert torch.equal(embedded(model, batch), plain)


def test_rdrop_equals_a_reference_with_two_masks(make_token_classifier, tmp_path):
    """Dropout on: the doubled batch draws two masks, and the loss is the mean of both plus the divergence."""
    model = make_token_classifier(encoder_input="units", dropout=0.3)
    batch = cases.collate(cases.features())
    model.train()
    torch.manual_seed(3)
    output = model(**double(batch), rdrop_alpha=1.5)
    half = output.emissions.shape[0] // 2
    mask = batch["labels"] != -100
    losses = [
        -model.head.crf(emissions, batch["labels"], mask, reduction="sum") / mask.sum()
        for emissions in (output.emissions[:half], output.emissions[half:])
    ]
    assert not torch.equal(output.emissions[:half], output.emissions[half:])
    p, q = (each.log_softmax(dim=-1) for each in (output.emissions[:half], output.emissions[half:]))
    both = functional.kl_div(p, q, log_target=True, reduction="none") + functional.kl_div(
        q, p, log_target=True, reduction="none"
    )
    expected = sum(losses) / 2 + 1.5 * both.sum(dim=-1)[mask].sum() / 2 / mask.sum()
    assert torch.allclose(output.loss, expected, atol=1e-5)


def test_levels_agree_where_they_must(make_token_classifier):
    """Without transitions all three levels are one; with them none is another."""
    linear = make_token_classifier(encoder_input="units", head="linear", constrain="none")
    chained = make_token_classifier(encoder_input="units", head="crf", constrain="none")
    batch = double(cases.collate(cases.features()))
    mask = batch["labels"] != -100
    torch.manual_seed(0)
    emissions = torch.randn(*mask.shape, 7)
    for model, alike in ((linear, True), (chained, False)):
        with torch.no_grad():
            token, marginal, sequence = (
                tag_divergence(model.head, emissions, mask, ChainContext(), level)
                for level in ("token", "marginal", "sequence")
            )
        assert torch.allclose(token, marginal, rtol=1e-4) == alike
        assert torch.allclose(token, sequence, rtol=1e-4) == alike


@given(st.integers(-30, 30), st.floats(0.01, 10))
@settings(derandomize=True, deadline=None)
def test_perturbation_has_the_norm_whatever_the_loss_scale(power, epsilon):
    torch.manual_seed(0)
    gradient = torch.randn(3, 4, 5)
    delta, skipped = perturbation(gradient * 10.0**power, epsilon, (1, 2))
    assert torch.allclose(delta.flatten(1).norm(dim=1), torch.full((3,), float(epsilon)), rtol=1e-4)
    assert skipped == 0


def test_a_norm_of_zero_inf_or_nan_gives_no_perturbation_and_is_counted():
    gradient = torch.ones(4, 2, 2)
    gradient[0], gradient[1, 0, 0], gradient[2, 1, 1] = 0, float("inf"), float("nan")
    delta, skipped = perturbation(gradient, 1.0, (1, 2))
    assert skipped == 3 and torch.isfinite(delta).all()
    assert delta[:3].abs().sum() == 0 and delta[3].norm() == pytest.approx(1.0)


def test_symmetric_kl_of_equal_distributions_is_zero_and_of_disjoint_ones_finite():
    p = torch.tensor([0.5, 0.5, 0.0])
    assert symmetric_kl(p, p) == 0
    assert torch.isfinite(symmetric_kl(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])))


def test_rates_by_name():
    rates = check_rates({"encoder": "3e-5", "head": 1e-3, "crf": "10x", "lora_B": "16x"})
    assert rate_of("encoder.layer.1.attention.weight", rates, 5e-5) == ("encoder", 3e-5)
    assert rate_of("module.encoder.layer.1.lora_B.weight", rates, 5e-5) == ("lora_B", pytest.approx(16 * 3e-5))
    assert rate_of("recurrent.lstm.weight_ih_l0", rates, 5e-5) == ("head", 1e-3)
    assert rate_of("head.crf.transitions", rates, 5e-5) == ("crf", pytest.approx(1e-2))
    assert rate_of("recurrent.x", check_rates({"encoder": 3e-5}), 5e-5) == ("other", 5e-5)
    assert rate_of("encoder.a.lora_B", check_rates({"lora_B": "16x"}), 5e-5) == ("lora_B", pytest.approx(8e-4))
    for wrong in ("fast", "x", "-1", "nan"):
        with pytest.raises(ValueError, match="a learning rate such as 3e-5 or a factor such as 16x"):
            check_rates({"head": wrong})
