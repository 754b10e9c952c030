"""`encoder_states` stand for `input_ids`: in a batch, in a forward pass, and where windows are read."""

from itertools import chain

import numpy as np
import pytest
import torch
from transformers import AutoModel

TEXTS = ["이재용 회장이 서울에서 회의를 열었다.", "비가 온다.", "김연아는 부산을 찾았다. " * 8, ""]


class Source:
    """The encoder's states of some windows, and which windows were asked for."""

    def __init__(self, model, knows=lambda window: True):
        self.model, self.knows, self.asked = model, knows, []

    def __call__(self, window):
        self.asked.append(window)
        if not self.knows(window):
            return None
        read = {key: torch.tensor([window[key]]) for key in ("input_ids", "token_type_ids") if key in window}
        with torch.no_grad():
            return self.model.encoder(**read).last_hidden_state[0].numpy()


def counted(model) -> list[int]:
    """Grows by the rows of each batch that the encoder reads."""
    calls = []
    model.encoder.register_forward_hook(
        lambda module, args, kwargs, output: calls.append(len(output.last_hidden_state)), with_kwargs=True
    )
    return calls


@pytest.fixture(params=["token_classifier", "reader"])
def model(request, make_token_classifier, make_qa_model):
    if request.param == "token_classifier":
        return make_token_classifier(lstm_hidden_size=8, encoder_input="subwords", word_shape_feature=True)
    return make_qa_model(lstm_hidden_size=8, exact_match_feature=True, encoder={"type_vocab_size": 2})


def features(model) -> list[dict]:
    documents = model.aligner.documents(TEXTS)
    if hasattr(model, "head"):
        return [model.features(window) for document in documents for window in model.aligner.windows(document)]
    question = "누가 왔는가?"
    return [
        model.features(window, model.matches(question, document))
        for document in documents
        for window in model.windows(question, document)
    ]


def used(model, source=None):
    """Everything a user gets: emissions are compared through spans and their scores."""
    model.state_source = source
    if hasattr(model, "head"):
        return model.extract(TEXTS)
    return [reading.answers for reading in model.answer(["누가 왔는가?"] * 4, TEXTS, 3, return_probabilities=True)]


def assert_same_spans(found, expected):
    assert any(expected)
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in expected]
    for one, other in zip(chain(*found), chain(*expected)):
        assert one.score == pytest.approx(other.score, abs=1e-5)


def test_states_in_place_of_subwords_give_the_same_emissions_and_gradients(model):
    windows, source = features(model), Source(model)
    plain = model.collate(windows)
    cached = model.collate([window | {"encoder_states": source(window)} for window in windows])
    assert "input_ids" not in cached and "token_type_ids" not in cached
    assert cached["encoder_states"].shape == (*plain["input_ids"].shape, 16)
    assert cached["encoder_states"].dtype == torch.float32
    for key in plain.keys() & cached.keys():
        assert torch.equal(plain[key], cached[key]), key
    lengths = plain["attention_mask"].sum(dim=1)
    assert len(set(lengths.tolist())) > 1
    for row, length in zip(cached["encoder_states"], lengths):
        assert (row[length:] == 0).all() and (row[:length] != 0).any(dim=1).all()
    one, other = model(**plain).emissions, model(**cached).emissions
    units = plain["unit_positions"] != -100
    if not hasattr(model, "head"):
        units = torch.cat([torch.ones_like(units[:, :1]), units], dim=1)
    torch.testing.assert_close(one[units], other[units], rtol=1e-5, atol=1e-5)
    gradients = []
    for emissions in (one, other):
        model.zero_grad()
        emissions[units].square().sum().backward()
        gradients.append({name: value.grad for name, value in model.named_parameters() if "encoder." not in name})
    for name, value in gradients[0].items():
        if value is not None:
            torch.testing.assert_close(value, gradients[1][name], rtol=1e-4, atol=1e-4)


def test_exactly_one_of_subwords_and_states_is_taken(model):
    windows, source = features(model), Source(model)
    plain = model.collate(windows)
    states = model.collate([window | {"encoder_states": source(window)} for window in windows])["encoder_states"]
    with pytest.raises(
        ValueError, match="expected one of input_ids, inputs_embeds and encoder_states, got input_ids and"
    ):
        model(**plain, encoder_states=states)
    without = {key: value for key, value in plain.items() if key != "input_ids"}
    with pytest.raises(ValueError, match=r"expected one of input_ids, .* got none; encoder_states replace input_ids"):
        model(**without)
    for wrong in (states[..., :8], states[0]):
        with pytest.raises(ValueError, match=r"expected encoder_states .batch, length, 16., got .*this encoder"):
            model(**without, encoder_states=wrong)
    for more in ("output_hidden_states", "output_attentions"):
        with pytest.raises(ValueError, match="expected input_ids beside output_hidden_states or output_attentions"):
            model(**without, encoder_states=states, **{more: True})


def test_known_windows_pass_the_encoder_by_and_unknown_ones_do_not(model):
    model.freeze_encoder()
    expected, windows = used(model), features(model)
    calls = counted(model)
    assert_same_spans(used(model), expected)
    whole = sum(calls)
    assert whole == len(windows) >= 4
    calls.clear()
    known = {tuple(window["input_ids"]) for window in windows[::2]}
    table = {tuple(window["input_ids"]): Source(model)(window) for window in windows}
    calls.clear()

    def knows_half(window):
        return table[tuple(window["input_ids"])] if tuple(window["input_ids"]) in known else None

    assert_same_spans(used(model, knows_half), expected)
    assert sum(calls) == sum(tuple(window["input_ids"]) not in known for window in windows)
    calls.clear()
    assert_same_spans(used(model, lambda window: table[tuple(window["input_ids"])]), expected)
    assert calls == []
    # The head sees what the source says, and nothing else.
    nothing = used(model, lambda window: np.zeros((len(window["input_ids"]), 16), dtype=np.float32))
    assert nothing != expected


def test_an_encoder_that_is_trained_asks_no_source(model):
    source, expected = Source(model), used(model)
    assert used(model, source) == expected and source.asked == []


def test_a_source_is_never_saved(model, tmp_path):
    model.freeze_encoder()
    model.state_source = Source(model)
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert again.state_source is None
    assert "state_source" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert set(again.state_dict()) == set(model.state_dict())
    assert_same_spans(used(again), used(model))


def test_a_model_in_half_precision_takes_states_in_float32(make_token_classifier):
    model = make_token_classifier().to(torch.bfloat16)
    model.head.crf.float()
    windows, source = features(model), Source(make_token_classifier())
    emissions = model(**model.collate([window | {"encoder_states": source(window)} for window in windows])).emissions
    assert emissions.dtype == torch.float32 and torch.isfinite(emissions).all()


def test_a_frozen_encoder_that_was_put_into_training_by_hand_is_put_back(model):
    model.freeze_encoder()
    for mode in (True, False):
        model.encoder.train()
        assert model.train(mode) is model
        assert not any(module.training for module in model.encoder.modules())
        rest = [module for name, module in model.named_modules() if not name.startswith("encoder")]
        assert len(rest) > 3 and {module.training for module in rest} == {mode}
    thawed = model.train()
    thawed._encoder_is_frozen = False
    assert thawed.train().encoder.training


def test_gradients_are_forgotten_and_a_frozen_encoder_has_none(model):
    batch = model.collate(features(model)[:1])

    def backward():
        model(**batch).emissions.sum().backward()
        return [name for name, value in model.named_parameters() if value.grad is not None]

    assert any(name.startswith("encoder.") for name in backward())
    model.freeze_encoder()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    gradients = backward()
    assert gradients and not any(name.startswith("encoder.") for name in gradients)
    model.zero_grad(set_to_none=False)
    assert all((parameter.grad == 0).all() for parameter in model.parameters() if parameter.grad is not None)
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
