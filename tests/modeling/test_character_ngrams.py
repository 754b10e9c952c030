"""Character n-grams around each character, and a model with their vectors."""

import tempfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kospan.modeling.character_ngrams import NGRAM_FILE, CharacterNgrams, ngram_windows
from kospan.modeling.ngram_embedding import LENGTH

VOCABULARY = ["서", "서울", " 서", "울에서", "에서 ", "김"]


@pytest.fixture
def make_model(make_token_classifier):
    """A tiny model with vectors of `VOCABULARY`; keyword arguments are settings of its config."""

    def build(ngrams=VOCABULARY, **settings):
        sizes = {"ngram_count": len(ngrams), "ngram_size": 5, "longest_ngram": max(map(len, ngrams))}
        model = make_token_classifier(**{"encoder_input": "units", **sizes, **settings})
        model.ngrams = CharacterNgrams(ngrams)
        model.ngram_embedding.set_vectors(torch.randn(len(ngrams), 5, generator=torch.manual_seed(1)))
        return model

    return build


def batch_of(model, text):
    document = model.aligner.documents([text])[0]
    return model.collate([model.features(each) for each in model.aligner.windows(document)])


def test_windows_are_all_that_cover_the_character():
    assert ngram_windows(3) == ((0, 1), (-1, 1), (0, 2), (-2, 1), (-1, 2), (0, 3))


@given(st.text(alphabet="서울에김 \t", max_size=12))
def test_ids_name_the_ngrams_of_the_text_with_spaces_around_it(text):
    ngrams = CharacterNgrams(VOCABULARY)
    padded = "   " + text.replace("\t", " ") + "   "
    for at, row in enumerate(ngrams.ids(text)):
        for number, (start, end) in zip(row, ngrams.windows, strict=True):
            found = padded[3 + at + start : 3 + at + end]
            assert number == (VOCABULARY.index(found) + 1 if found in VOCABULARY else 0)


@pytest.mark.parametrize("ngrams, got", [([], "none"), ([""], "an empty one"), (["가", "가"], "repeated ones")])
def test_a_vocabulary_without_distinct_ngrams_is_refused(ngrams, got):
    with pytest.raises(ValueError, match=f"expected distinct character n-grams, got {got}; write each of them once"):
        CharacterNgrams(ngrams)


@given(st.lists(st.text(alphabet="가나 e\u0301", min_size=1, max_size=4), min_size=1, unique=True))
def test_files_round_trip(ngrams):
    with tempfile.TemporaryDirectory() as folder:
        CharacterNgrams(ngrams).save(folder)
        assert CharacterNgrams.load(f"{folder}/{NGRAM_FILE}", len(ngrams)).ngrams == tuple(ngrams)


def test_composed_and_decomposed_text_have_the_same_ngrams(make_model):
    aligner = make_model().aligner
    composed, decomposed = aligner.documents(["서울에서", "\u1109\u1165\u110b\u116e\u11af에서"])
    assert composed.character_ngrams == decomposed.character_ngrams
    assert composed.character_ngrams == CharacterNgrams(VOCABULARY).ids("서울에서")


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
def test_windows_of_a_long_text_hold_the_ngrams_of_the_whole_text(make_model, encoder_input):
    model = make_model(max_length=16, stride=4, encoder_input=encoder_input)
    text = "김서울에서 " * 9
    whole = CharacterNgrams(VOCABULARY).ids(text)
    windows = model.aligner.windows(model.aligner.documents([text])[0])
    assert len(windows) > 2
    for window in windows:
        last = window.first_unit + len(window.unit_positions)
        assert window.character_ngrams == whole[window.first_unit : last]


def test_batches_pad_each_ngram(make_model):
    model = make_model()
    rows = [model.features(model.aligner.windows(each)[0]) for each in model.aligner.documents(["서울", "서"])]
    ids = model.collate(rows)["character_ngrams"]
    assert ids.shape == (2, 2, 6) and ids[1, 1].eq(-100).all() and ids[0, 0].tolist() == [1, 3, 2, 0, 0, 0]


def test_the_embedding_is_the_projection_of_the_concatenated_vectors(make_model):
    layer = make_model().ngram_embedding.eval()
    ids = torch.tensor([[[1, 3, 2, 0, 0, 0], [-100] * 6]])
    vectors = layer.vectors
    assert vectors[1:].norm(dim=1).allclose(torch.tensor(LENGTH)) and not vectors[0].any()
    row = torch.cat([vectors[1], vectors[3], vectors[2], torch.zeros(15)])
    expected = layer.projection.weight @ row + layer.projection.bias
    torch.testing.assert_close(layer(ids)[0, 0], expected)
    torch.testing.assert_close(layer(ids)[0, 1], layer.projection.bias)


@pytest.mark.parametrize("settings", [{"lstm_hidden_size": 4}, {"head": "linear"}, {"head": "positional"}])
def test_every_head_takes_them(make_model, settings):
    model = make_model(**settings, head_options={"heads": 2} if settings.get("head") == "positional" else {})
    model.prepare()
    assert model.token_scores(["김서울에서"])[0].emissions.shape == (5, len(model.config.tags))


def test_a_model_reads_ngrams_and_is_saved_with_them(make_model, make_token_classifier, tmp_path):
    model, text = make_model(), "김서울에서"
    before = model.token_scores([text])[0].emissions
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.ngrams.ngrams == tuple(VOCABULARY)
    assert torch.equal(again.ngram_embedding.vectors, model.ngram_embedding.vectors)
    torch.testing.assert_close(again.token_scores([text])[0].emissions, before)
    assert again.inspect(text).spans == model.inspect(text).spans == model.extract(text)
    model.ngram_embedding.vectors.zero_()
    assert not torch.allclose(model.token_scores([text])[0].emissions, before)
    off = make_token_classifier(encoder_input="units")
    assert off.ngram_embedding is None and "character_ngrams" not in batch_of(off, text)


def test_only_the_projection_is_trained(make_model):
    names = [name for name, _ in make_model().named_parameters() if "ngram" in name]
    assert names == ["ngram_embedding.projection.weight", "ngram_embedding.projection.bias"]


def test_batches_without_ngrams_are_refused(make_model):
    model = make_model()
    batch = batch_of(model, "서울")
    del batch["character_ngrams"]
    with pytest.raises(ValueError, match=r"expected character_ngrams beside.*has ngram_count, got none; make batches"):
        model(**batch)


def test_a_folder_without_its_ngrams_is_refused(make_model, tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path)
    (tmp_path / NGRAM_FILE).unlink()
    with pytest.raises(OSError, match=NGRAM_FILE):
        type(model).from_pretrained(tmp_path)


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_a_folder_with_a_part_of_its_ngrams_is_refused(cut, make_model, tmp_path):
    """The vectors of missing n-grams would silently be zero."""
    model = make_model()
    model.save_pretrained(tmp_path)
    data = (tmp_path / NGRAM_FILE).read_bytes()
    (tmp_path / NGRAM_FILE).write_bytes(data[:-cut] if cut < 9 else data + data)
    with pytest.raises(ValueError, match=rf"expected {len(VOCABULARY)} lines in .*{NGRAM_FILE}, got .*; copy or downl"):
        type(model).from_pretrained(tmp_path)
