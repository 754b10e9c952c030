"""A model with an embedding of each unit's subword beside the hidden states."""

import pytest
import torch

TEXTS = ["이재용 회장이 서울에서", "비가 온다."]


def batch_of(model, texts=TEXTS) -> dict:
    windows = [model.aligner.windows(document)[0] for document in model.aligner.documents(texts)]
    return model.collate([model.features(window) for window in windows])


@pytest.mark.parametrize("lstm", [0, 4])
@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
def test_each_unit_gets_the_vector_of_its_subword(make_token_classifier, encoder_input, lstm):
    model = make_token_classifier(subword_embedding_size=6, encoder_input=encoder_input, lstm_hidden_size=lstm)
    batch = batch_of(model)
    seen = []
    model.subword_embedding.register_forward_hook(lambda module, given, output: seen.append((given, output)))
    model(**batch)
    (units, subwords), states = seen[0]
    assert states.shape == (*units.shape[:2], 16 + 6) and torch.equal(states[..., :16], units)
    for row, positions in enumerate(batch["unit_positions"]):
        for unit, position in enumerate(positions):
            if position != -100:
                subword = batch["input_ids"][row, position]
                assert subwords[row, unit] == subword
                vector = model.subword_embedding.norm(model.subword_embedding.embedding.weight[subword])
                torch.testing.assert_close(states[row, unit, 16:], vector)


def test_off_it_is_the_model_without(make_token_classifier):
    off = make_token_classifier(encoder_input="units")
    assert off.subword_embedding is None and not [name for name, _ in off.named_parameters() if "subword_e" in name]
    assert off.config.subword_embedding_size == 0


def test_earlier_states_of_the_encoder_give_the_same_emissions(make_token_classifier):
    model = make_token_classifier(subword_embedding_size=6, encoder_input="units")
    windows = [model.aligner.windows(document)[0] for document in model.aligner.documents(TEXTS)]
    features = [model.features(window) for window in windows]
    expected = model(**model.collate(features)).emissions
    rows = [{"encoder_states": None, **each} for each in features]
    for row in rows:
        ids = torch.tensor([row["input_ids"]])
        row["encoder_states"] = model.encode(input_ids=ids).last_hidden_state[0].detach().numpy()
    batch = model.collate(rows)
    assert "input_ids" not in batch and batch["unit_subwords"].shape == batch["unit_positions"].shape
    mask = batch["unit_positions"] != -100
    torch.testing.assert_close(model(**batch).emissions[mask], expected[mask])
    del batch["unit_subwords"]
    with pytest.raises(
        ValueError, match=r"expected input_ids or unit_subwords, because .* subword_embedding_size, got n"
    ):
        model(**batch)


def test_it_is_saved_and_used_in_every_window(make_token_classifier, tmp_path):
    model = make_token_classifier(subword_embedding_size=6, encoder_input="units", max_length=16, stride=4)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    text = "이재용 회장이 서울에서 " * 4
    assert again.extract(text) == model.extract(text)
    places = [span[:3] for span in model.extract(text)]
    seen = model.inspect(text)
    assert [span[:3] for span in seen.spans] == places == [span[:3] for span in model.extract([text, "가"])[0]]
    with torch.no_grad():
        model.subword_embedding.norm.weight.mul_(-1)
    assert not torch.equal(model.inspect(text).marginals, seen.marginals)
