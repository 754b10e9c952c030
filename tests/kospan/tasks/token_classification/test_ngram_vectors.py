"""Runs with vectors of character n-grams: what is saved, trained further and refused."""

import pytest
import torch

from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.data.ngram_vectors import read_vectors
from kospan.example import Example
from kospan.modeling import KospanForTokenClassification
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import build_trainer, train

NAMES = ("서울", "부산", "대구", "광주")
SIZES = {"num_hidden_layers": 0, "hidden_size": 8, "embedding_size": 8, "num_attention_heads": 2}


@pytest.fixture
def files(tmp_path):
    """A folder with labelled texts and vectors of three n-grams."""
    examples = [Example(str(at), f"{NAMES[at % 4]}에 {at}번 갔다", (Span(0, 2, "LC"),)) for at in range(16)]
    write_jsonl(tmp_path / "texts.jsonl", examples)
    (tmp_path / "ko.vec").write_text("3 2\n서울 1 0\n\u2581부 0 1\n에\u2581 1 1\n", encoding="utf-8")
    return tmp_path


def recipe_of(files, **settings):
    given = {"train_file": str(files / "texts.jsonl"), "ngram_vectors": str(files / "ko.vec"), "encoder_input": "units"}
    given |= {"dataset": "jsonl", "encoder_options": SIZES, "max_steps": 2, "use_cpu": True}
    return load_recipe(None, {**given, "output_dir": str(files / "out"), **settings})


def test_a_run_saves_its_ngrams_and_leaves_their_vectors_as_they_are(files):
    trainer = build_trainer(recipe_of(files))
    before = trainer.model.ngram_embedding.vectors.clone()
    wanted = read_vectors(files / "ko.vec").vectors
    torch.testing.assert_close(
        torch.nn.functional.normalize(before[1:]),
        torch.tensor(wanted).div(torch.tensor(wanted).norm(dim=1, keepdim=True)),
    )
    train(recipe_of(files))
    assert (files / "out" / "character_ngrams.txt").read_text(encoding="utf-8") == "서울\n\u2581부\n에\u2581\n"
    model = KospanForTokenClassification.from_pretrained(files / "out")
    assert torch.equal(model.ngram_embedding.vectors, before)
    assert (model.config.ngram_vectors, model.config.ngram_count, model.config.longest_ngram) == ("ko.vec", 3, 2)
    for example in read_jsonl(files / "out" / "predictions.jsonl"):
        assert [span[:3] for span in example.spans] == [span[:3] for span in model.extract(example.text)]


def test_a_model_with_ngrams_is_trained_further(files):
    train(recipe_of(files))
    further = {"ngram_vectors": None, "encoder": str(files / "out"), "encoder_options": {}, "ngram_dropout": 0.5}
    model = build_trainer(recipe_of(files, **further, output_dir=str(files / "more"))).model
    assert model.ngrams.ngrams == ("서울", " 부", "에 ") and model.ngram_embedding.dropout.p == 0.5
    (files / "other.vec").write_text("1 2\n서울 1 0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected ngram_vectors to be 'ko.vec' as in the model .*, got .*other.vec"):
        build_trainer(recipe_of(files, **further | {"ngram_vectors": str(files / "other.vec")}))


def test_words_have_no_ngrams(files):
    with pytest.raises(ValueError, match="expected no ngram_vectors with unit: word, where it has no effect"):
        build_trainer(recipe_of(files, unit="word"))


def test_a_missing_file_is_named(files):
    with pytest.raises(FileNotFoundError, match=r"expected a file at .*none.vec"):
        build_trainer(recipe_of(files, ngram_vectors=str(files / "none.vec")))
