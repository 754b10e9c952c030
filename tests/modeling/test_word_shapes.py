"""Shapes of units, and a model with the word-shape feature."""

import pytest
import torch

from kospan.modeling.word_shapes import SHAPES, shape_of


@pytest.mark.parametrize(
    "shape, units",
    [
        ("lower", ["the", "k.", "naïve", "x"]),
        ("Capital", ["Seoul", "O'neill", "Éa"]),
        ("C", ["A", "Ω"]),
        ("UPPER", ["EU", "NATO"]),
        ("U.P.", ["U.S.", "A.", "AT&T"]),
        ("miXed", ["MiniLM", "iPhone", "Anglo-Dutch", "McDonald"]),
        ("letters and digits", ["F-16", "3rd", "B2b"]),
        ("digits", ["1996", "٣"]),
        ("digits and marks", ["3.5", "1996-08-22", "%5"]),
        ("marks", ["-", "“", "🙂", "\u200d"]),
        ("space", [" ", "\u00a0"]),
        ("hangul", ["서", "서울", "ㅋ"]),
        ("han", ["漢"]),
        ("other letters", ["あ", "ע"]),
    ],
)
def test_shapes(shape, units):
    assert [SHAPES[shape_of(unit)] for unit in units] == [shape] * len(units)


def test_any_text_has_a_shape():
    assert all(0 <= shape_of(chr(at)) < len(SHAPES) for at in range(0x3000))
    assert 0 <= shape_of("") < len(SHAPES)


@pytest.mark.parametrize("settings", [{"encoder_input": "units"}, {"encoder_input": "subwords", "unit": "word"}])
def test_a_model_with_the_feature_reads_capitals(make_token_classifier, settings):
    texts = ["ab cd", "AB Cd"]
    with_shapes, without_shapes = (
        make_token_classifier(word_shape_feature=True, **settings),
        make_token_classifier(**settings),
    )
    tokenizer = with_shapes.tokenizer
    # Both texts are the same subwords: the unknown one.
    assert len({tokenizer(character)["input_ids"][1] for character in "abcdABC"}) == 1
    one, other = (reading.emissions for reading in with_shapes.token_scores(texts))
    assert not torch.equal(one, other)
    one, other = (reading.emissions for reading in without_shapes.token_scores(texts))
    assert torch.equal(one, other)


def test_long_texts_carry_their_shapes_through_windows(make_token_classifier):
    model = make_token_classifier(word_shape_feature=True, encoder_input="units", max_length=16, stride=4)
    text = "Ab3 -가漢" * 12
    document = model.aligner.documents([text])[0]
    for window in model.aligner.windows(document):
        last = window.first_unit + len(window.unit_positions)
        assert window.word_shape_feature == [shape_of(character) for character in text[window.first_unit : last]]
    assert model.extract(text) == model.extract([text, "가"])[0]


def test_batches_without_shapes_are_refused(make_token_classifier):
    model = make_token_classifier(word_shape_feature=True, encoder_input="units")
    batch = model.collate(
        [model.features(each) for each in model.aligner.windows(model.aligner.documents(["가나"])[0])]
    )
    assert batch["word_shape_feature"].shape == batch["unit_positions"].shape
    del batch["word_shape_feature"]
    with pytest.raises(ValueError, match=r"expected word_shape_feature beside unit_positions.*got none; make batches"):
        model(**batch)


def test_it_is_saved_and_off_is_what_it_was(make_token_classifier, tmp_path):
    model = make_token_classifier(word_shape_feature=True, encoder_input="units")
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.extract("Ab 가나다") == model.extract("Ab 가나다")
    off = make_token_classifier(encoder_input="units")
    assert off.shape_embedding is None and not [name for name, _ in off.named_parameters() if "shape" in name]
