"""The positional head: its loss and parts, that labels never reach a prediction, and the inspection."""

import warnings

import pytest
import torch
import training_cases as cases
from oracles import positional_loops as loops
from transformers import AutoModel

from kospan.modeling.heads import HEADS, ChainContext, check_head
from kospan.modeling.rdrop import double

GATES = [{"gate": "soft"}, {"gate": "hard"}, {"gate": "share", "share": 0.5}]


@pytest.fixture
def make(make_token_classifier):
    """A tiny token classifier with the positional head, e_PAD read off its encoder."""

    def build(options: dict | None = None, **settings):
        options = {"heads": 4, **(options or {})}
        model = make_token_classifier(head="positional", head_options=options, **{"encoder_input": "units", **settings})
        model.prepare()
        return model

    return build


def batch() -> dict[str, torch.Tensor]:
    return cases.collate(cases.features())


def other_labels(labels: torch.Tensor) -> torch.Tensor:
    return torch.where(labels == -100, labels, (labels + 1) % 7)


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", GATES)
@pytest.mark.parametrize("decoder", ["linear", "crf"])
def test_the_loss_is_that_of_tags_and_half_that_of_gates(make, decoder, options):
    model = make({"decoder": decoder, **options}).train()
    rows, units = batch(), int((batch()["labels"] != -100).sum())
    output = model(**rows)
    mask = rows["labels"] != -100
    if decoder == "crf":
        tags = -model.head.crf(output.emissions, rows["labels"], mask, reduction="sum") / units
    else:
        tags = torch.nn.functional.cross_entropy(output.emissions.flatten(0, 1), rows["labels"].flatten())
    assert torch.allclose(output.parts["tag_loss"], tags, atol=1e-5)
    states = model.encoder(rows["input_ids"], rows["attention_mask"]).last_hidden_state
    states = model.unit_states(states, rows["unit_positions"], rows["unit_places"], None, mask)
    logits = torch.nn.functional.linear(states, model.head.attention.gates.weight, model.head.attention.gates.bias)
    names = [[model.config.tags[tag] for tag in row if tag != -100] for row in rows["labels"].tolist()]
    gates = sum(loops.gate_loss(row.tolist(), tags) for row, tags in zip(logits, names))
    assert float(output.parts["positional_loss"]) == pytest.approx(0.5 * gates / units, rel=1e-4)
    assert torch.allclose(output.loss, sum(output.parts.values()))
    assert model.eval()(**rows).parts is None


def test_a_weight_of_0_turns_the_gates_loss_off(make):
    plain, weighted = make({"positional_loss": 0}).train(), make({"positional_loss": 2.0}).train()
    one, other = plain(**batch()), weighted(**batch())
    assert set(one.parts) == {"tag_loss"} and torch.allclose(one.loss, one.parts["tag_loss"])
    assert torch.allclose(other.loss - other.parts["positional_loss"], one.loss, atol=1e-6)


def test_a_window_that_does_not_end_its_document_asks_nothing_of_its_last_unit(make):
    model = make().train()
    rows = batch()
    whole, cut = model(**rows), model(**{**rows, "ends": torch.zeros(16, dtype=torch.bool)})
    assert cut.parts["positional_loss"] < whole.parts["positional_loss"]
    assert torch.allclose(cut.parts["tag_loss"], whole.parts["tag_loss"])


def test_everything_learns(make):
    """Every parameter of the head and of the encoder gets a gradient; e_PAD is no parameter."""
    model = make().train()
    model(**batch()).loss.backward()
    idle = {name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()}
    # A bias of the keys adds the same to all scores of a query.
    assert {name for name in idle if "head" in name} <= {"head.attention.key.bias"}
    assert "head.attention.padding_state" in dict(model.named_buffers())


@pytest.mark.parametrize("level", ["token", "marginal", "sequence"])
@pytest.mark.parametrize("decoder", ["linear", "crf"])
def test_rdrop_and_multi_sample_dropout(make, level, decoder):
    model = make({"decoder": decoder}, dropout=0.4, multi_sample_dropout=3, dropout_merge="mean_loss").train()
    output = model(**double(batch()), rdrop_alpha=1.0, rdrop_level=level)
    assert output.divergence > 0
    assert torch.allclose(output.loss, output.divergence + sum(output.parts.values()), atol=1e-5)
    output.loss.backward()
    assert all(each.grad.isfinite().all() for each in model.head.parameters() if each.grad is not None)


def test_bfloat16_autocast_stays_near_float32(make):
    model = make().train()
    plain = model(**batch())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(**batch())
    assert found.emissions.dtype == torch.float32
    assert float(found.loss) == pytest.approx(float(plain.loss), rel=0.05)


# --- labels never reach a prediction ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [*GATES, {"gold_gate": 1.0}, {"gate": "hard", "gold_gate": 1.0}])
@pytest.mark.parametrize("progress", [None, 0.0, 0.5])
def test_labels_cannot_reach_a_prediction(make, options, progress):
    model = make(options).eval()
    model.head.set_progress(progress)
    rows = batch()
    with torch.no_grad():
        one = model(**rows)
        other = model(**{**rows, "labels": other_labels(rows["labels"])})
        none = model(**{key: value for key, value in rows.items() if key != "labels"})
    assert torch.equal(one.emissions, other.emissions) and torch.equal(one.emissions, none.emissions)
    assert torch.equal(one.tags, none.tags)
    assert not torch.equal(one.loss, other.loss)


def test_extract_never_hands_labels_to_the_head(make, texts, monkeypatch):
    model = make({"gold_gate": 1.0})
    model.train()
    model.head.set_progress(0.0)
    seen, forward = [], model.head.forward

    def watched(states, mask, labels=None, context=None):
        seen.append((labels, model.head.training))
        return forward(states, mask, labels, context)

    monkeypatch.setattr(model.head, "forward", watched)
    assert any(model.extract(texts))
    assert seen and all(each == (None, False) for each in seen)


def test_the_oracle_leaks_where_labels_are_given_and_says_so(make, texts):
    with pytest.warns(UserWarning, match="leaks gold labels into predictions"):
        model = make({"oracle": True})
    plain, rows = make(), batch()
    model.load_state_dict(plain.state_dict())
    with torch.no_grad():
        one, other = (model(**{**rows, "labels": each}) for each in (rows["labels"], other_labels(rows["labels"])))
    assert not torch.equal(one.emissions, other.emissions)
    assert model.extract(texts) == plain.extract(texts)


# --- gold gates while training ----------------------------------------------------------------------------------------


def test_gold_gates_fall_linearly_and_only_in_training(make):
    head = make({"gold_gate": 0.5}).train().head
    assert head.gold_share() == 0.0, "where nobody tells how far training is, none are mixed in"
    found = []
    for progress in (0.0, 0.125, 0.25, 0.5, 0.75, 1.0):
        head.set_progress(progress)
        found.append(head.gold_share())
    assert found == [1.0, 0.75, 0.5, 0.0, 0.0, 0.0]
    head.set_progress(0.0)
    assert head.eval().gold_share() == 0.0
    never = make().train().head
    never.set_progress(0.0)
    assert never.gold_share() == 0.0


def test_gold_gates_are_what_the_units_pass_in_the_first_step(make):
    model = make({"gold_gate": 1.0}).train()
    rows = batch()
    model.head.set_progress(0.0)
    mask = rows["labels"] != -100
    states = torch.randn(*mask.shape, 16)
    found = model.head(states, mask, rows["labels"], ChainContext(positions=rows["unit_positions"]))
    inside = (rows["labels"] > 0).float()
    expected = model.head.attention(states, mask, rows["unit_positions"], inside, 1.0)
    assert torch.equal(found.emissions, model.head.project(expected.states))
    model.head.set_progress(1.0)
    later = model.head(states, mask, rows["labels"], ChainContext(positions=rows["unit_positions"]))
    assert not torch.allclose(later.emissions, found.emissions)


# --- e_PAD ------------------------------------------------------------------------------------------------------------


def test_e_pad_is_the_encoders_state_at_pad(make):
    model = make(encoder={"hidden_dropout_prob": 0.5, "num_hidden_layers": 2})
    tokenizer = model.tokenizer
    subwords = torch.tensor([[tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id]])
    with torch.no_grad():
        expected = model.encoder.eval()(subwords).last_hidden_state[0, 1]
    assert torch.equal(model.head.attention.padding_state, expected) and expected.any()
    model.train()
    model.prepare()
    assert torch.equal(model.head.attention.padding_state, expected) and model.encoder.training


def test_a_tokenizer_without_pad_is_named(make):
    model = make()
    model.tokenizer.pad_token = None
    with pytest.raises(ValueError, match="with cls, pad and sep tokens for head: positional, got one without pad;"):
        model.prepare()


@pytest.mark.parametrize(
    "options",
    [{}, {"gate": "share", "share": 0.85, "decoder": "crf"}, {"beginning": "neighbours", "feedforward": 24}],
)
def test_a_saved_model_finds_the_same(make, options, tmp_path, texts):
    model = make(options, scheme="BIOES", encoder_input="subwords")
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert torch.equal(again.head.attention.padding_state, model.head.attention.padding_state)
    assert again.extract(texts) == model.extract(texts) and any(model.extract(texts))
    assert torch.equal(again.head.tag_goes_on, model.head.tag_goes_on)
    assert any(".crf." in name for name in again.state_dict()) == (options.get("decoder") == "crf")
    loaded = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert loaded.extract(texts[0]) is not None


def test_an_lstm_in_between_is_refused_and_so_are_options_nobody_knows(make):
    with pytest.raises(ValueError, match="expected lstm_hidden_size: 0 with head: positional, got 8: closed gates"):
        make(lstm_hidden_size=8)
    with pytest.raises(ValueError, match=r"head_options of PositionalHead to be among .*positional_loss.* got 'gates'"):
        make({"gates": "soft"})
    with pytest.raises(ValueError, match="gate of head_options"):
        make({"gate": "firm"})


@pytest.mark.parametrize("head", HEADS)
def test_a_head_can_be_checked_without_an_encoder(make_token_classifier, head):
    config = make_token_classifier(head=head, head_options={"heads": 2} if head == "positional" else {}).config
    check_head(config)
    if head == "positional":
        config.head_options = {"heads": 12}
        check_head(config)
        config.head_options = {"heads": "many"}
        with pytest.raises(ValueError, match="heads of head_options to be a whole number"):
            check_head(config)


def test_without_positions_the_way_out_is_named(make):
    with pytest.raises(ValueError, match="positions of units for head: positional, got none; call the model"):
        make().head(torch.zeros(1, 2, 16), torch.ones(1, 2, dtype=torch.bool))


def test_a_new_model_begins_as_its_options_say_and_an_opened_one_as_it_was_saved(make, tmp_path):
    plain, model = make({"feedforward": 24}), make({"beginning": "neighbours", "feedforward": 24})
    assert float(plain.head.attention.position_embedding.weight.std()) < 0.5  # 0.02, enlarged
    assert float(model.head.attention.position_embedding.weight.std()) == pytest.approx(1.0, abs=0.05)
    for layer in (model.head.feedforward.widen, model.head.feedforward.narrow, model.head.attention.value):
        assert float(layer.weight.std()) == pytest.approx(layer.in_features**-0.5, rel=0.2)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(0.5)
    model.save_pretrained(tmp_path)
    kept = AutoModel.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(kept[name], value) for name, value in model.state_dict().items())


# --- what it shows ----------------------------------------------------------------------------------------------------


def test_inspect_gives_gates_and_attention(make, texts):
    model = make()
    seen = model.inspect(texts[0])
    [view] = seen.windows
    units = len(seen.units)
    assert seen.gates.shape == (units,) and view.head_attention.shape == (4, units, units)
    assert torch.allclose(view.head_attention.sum(dim=-1), torch.ones(4, units), atol=1e-5)
    [window] = model.aligner.windows(model.aligner.documents([texts[0]])[0])
    rows = model.collate([model.features(window)])
    with torch.no_grad():
        states = model.encoder(rows["input_ids"], rows["attention_mask"]).last_hidden_state
        states = model.unit_states(states, rows["unit_positions"], rows["unit_places"], None, rows["unit_places"] > -1)
        expected = model.head.attention.gates(states)[0, :, 0].sigmoid()
    assert torch.allclose(seen.gates, expected, atol=1e-5)
    assert seen.spans == model.extract(texts[0])


def test_gates_of_a_long_text_come_from_the_windows_that_own_the_units(make, texts):
    model = make(max_length=16, stride=6)
    text = " ".join(texts)
    seen = model.inspect(text)
    assert len(seen.windows) > 2 and seen.gates.shape == (len(text),)
    assert all(view.head_attention.shape[1] == len(view.offsets) - 2 for view in seen.windows)
    document = model.aligner.documents([text])[0]
    owner = model.aligner.owners(document, model.aligner.windows(document))
    for at in (0, len(text) // 2, len(text) - 1):
        view = seen.windows[owner[at]]
        part = model.aligner.windows(document)[owner[at]]
        rows = model.collate([model.features(part)])
        with torch.no_grad():
            states = model.encoder(rows["input_ids"], rows["attention_mask"]).last_hidden_state
            gate = model.head.attention.gates(states[0, rows["unit_positions"][0, at - view.first_unit]])[0].sigmoid()
        assert float(seen.gates[at]) == pytest.approx(float(gate), abs=1e-5)


def test_heads_without_attention_show_none(make_token_classifier, texts):
    seen = make_token_classifier().inspect(texts[0])
    assert seen.gates is None and seen.windows[0].head_attention is None
    assert seen.windows[0].first_unit == 0


def test_no_warning_without_the_oracle(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()
