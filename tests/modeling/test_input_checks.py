"""Values that are one text, a sequence of texts, or neither."""

import collections
import enum

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from generative_cases import make_generative_model

from kospan.modeling.input_checks import as_list, as_text, check_documents, check_texts

WORDS = ["비가 온다.", "", "서울"]


class Name(str):
    def __str__(self):
        return "another"


class Weather(enum.StrEnum):
    RAIN = "비"


class Places(torch.utils.data.Dataset):
    """A data set without an iterator that does not end by an IndexError."""

    def __len__(self):
        return len(WORDS)

    def __getitem__(self, at):
        return WORDS[at % len(WORDS)]


def table() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": WORDS})


SEQUENCES = {
    "list": lambda: list(WORDS),
    "tuple": lambda: tuple(WORDS),
    "subclasses": lambda: [Name(word) for word in WORDS],
    "array": lambda: np.array(WORDS),
    "array of objects": lambda: np.array(WORDS, dtype=object),
    "array of strings": lambda: np.array(WORDS, dtype=np.dtypes.StringDType()),
    "part of an array": lambda: np.array(["x", *WORDS, "x"])[1:-1],
    "Series": lambda: pd.Series(WORDS, index=[7, 3, 5]),
    "Series of strings": lambda: pd.Series(WORDS, dtype="string"),
    "categories": lambda: pd.Series(WORDS, dtype="category"),
    "Index": lambda: pd.Index(WORDS),
    "Arrow array": lambda: pa.array(WORDS),
    "large Arrow array": lambda: pa.array(WORDS, pa.large_string()),
    "Arrow dictionary": lambda: pa.array(WORDS).dictionary_encode(),
    "chunks": lambda: pa.chunked_array([WORDS[:1], WORDS[1:]]),
    "Arrow scalars": lambda: list(pa.array(WORDS)),
    "column": lambda: table()["text"],
    "part of a column": lambda: table()["text"][:],
    "Arrow column": lambda: table().with_format("arrow")["text"],
    "NumPy column": lambda: table().with_format("numpy")["text"],
    "pandas column": lambda: table().with_format("pandas")["text"],
    "deque": lambda: collections.deque(WORDS),
    "user's list": lambda: collections.UserList(WORDS),
    "values of a dict": lambda: dict(enumerate(WORDS)).values(),
    "data set of torch": Places,
}
NO_SEQUENCES = {
    "nothing": None,
    "a number": 3,
    "bytes": b"abc",
    "a bytearray": bytearray(b"abc"),
    "a memoryview": memoryview(b"abc"),
    "a dict": {"a": "b"},
    "a set": {"a", "b"},
    "a frozen set": frozenset("ab"),
    "a generator": (word for word in WORDS),
    "an iterator": iter(WORDS),
    "a frame": pd.DataFrame({"text": WORDS}),
    "an array without dimensions": np.array(3),
}
BAD_ITEMS = {
    "a number": (["a", 3], "got int at index 1"),
    "null": (["a", None], "got NoneType at index 1"),
    "bytes": (["a", b"b"], "got bytes at index 1"),
    "a row": (table(), r'got dict at index 0; pass the column of the texts, as in dataset\["text"\]'),
    "an empty cell": (pd.Series(["a", None], dtype="string"), "got NAType at index 1"),
    "an Arrow null": (pa.array(["a", None]), "got NoneType at index 1"),
    "numbers": (np.array([1.5, 2.5]), "got float at index 0"),
    "bytes of an array": (np.array([b"a"]), "got bytes at index 0"),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_sequence_is_a_list_of_plain_texts(name):
    texts = check_texts(SEQUENCES[name]())
    assert texts == WORDS and {type(text) for text in texts} == {str}


@pytest.mark.parametrize("name", NO_SEQUENCES)
def test_what_is_no_sequence_is_refused(name):
    assert as_list(NO_SEQUENCES[name]) is None
    with pytest.raises(TypeError, match=r"expected notes to be a str or a list of str, got .*; pass a list or"):
        check_texts(NO_SEQUENCES[name], "notes")


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_an_item_that_is_no_text_is_named(name):
    texts, says = BAD_ITEMS[name]
    with pytest.raises(TypeError, match=f"expected every item of texts to be a str, {says}"):
        check_texts(texts)


def test_half_a_character_is_refused():
    with pytest.raises(ValueError, match=r"half of a surrogate pair, '\\ud800', as character 1 at index 1"):
        check_texts(("가", "나\ud800"))


@pytest.mark.parametrize("text", ["비", Name("비"), Weather.RAIN, np.str_("비"), np.array("비"), pa.scalar("비")])
def test_one_text_of_any_kind_is_a_plain_text(text):
    assert as_text(text) == "비" and type(as_text(text)) is str


@pytest.mark.parametrize("value", [None, 3, ["비"], ("비",), np.array(["비"]), {"text": "비"}, b"b"])
def test_anything_else_stays_as_it_is(value):
    assert as_text(value) is value


def test_only_what_is_in_memory_where_that_is_asked():
    in_memory = {name for name, make in SEQUENCES.items() if as_list(make(), in_memory=True) is not None}
    assert in_memory >= {"list", "tuple", "array", "Series", "Arrow array", "chunks"}
    assert not in_memory & {"column", "data set of torch", "NumPy column"}


# --- the models -------------------------------------------------------------------------------------------------------


SOME = ("tuple", "array", "Series", "chunks", "column")


def test_token_classification_accepts_every_sequence(make_token_classifier):
    model = make_token_classifier()
    for make in map(SEQUENCES.get, SOME):
        assert model.extract(make()) == model.extract(WORDS)
        assert [each.units for each in model.token_scores(make())] == [each.units for each in model.token_scores(WORDS)]
        assert model.tag_units(make()) == model.tag_units(WORDS)


def test_question_answering_accepts_every_sequence(make_qa_model):
    model, questions = make_qa_model(), ["비?", "눈?", "무엇?"]
    answers, others = model.answer(questions, WORDS), model.answer(questions, "비가 온다.")
    for name in SOME:
        assert model.answer(pd.Series(questions), SEQUENCES[name]()) == answers
    assert model.answer(np.array(questions), np.str_("비가 온다.")) == others


def test_text_classification_accepts_every_sequence(make_text_classifier):
    single, paired = make_text_classifier(), make_text_classifier(pairs=True)
    for make in map(SEQUENCES.get, SOME):
        assert single.classify(make()) == single.classify(WORDS)
        assert paired.classify(make(), make()) == paired.classify(WORDS, WORDS)
        assert (paired.scores(make(), make()) == paired.scores(WORDS, WORDS)).all()


def test_generative_ner_accepts_every_sequence():
    model = make_generative_model()
    for make in map(SEQUENCES.get, SOME):
        assert model.extract(make()) == model.extract(WORDS)


def test_one_text_of_another_kind_gives_one_result(make_token_classifier, make_qa_model, make_text_classifier):
    model, reader, classifier = make_token_classifier(), make_qa_model(), make_text_classifier(pairs=True)
    spans, answers = model.extract("비가 온다."), reader.answer("비?", "비가 온다.")
    for kind in (np.str_, Name, pa.scalar, np.array):
        assert model.extract(kind("비가 온다.")) == model.inspect(kind("비가 온다.")).spans == spans
        assert reader.answer(kind("비?"), kind("비가 온다.")) == answers
        assert classifier.classify(kind("비"), kind("눈")) == classifier.classify("비", "눈")
        assert classifier.inspect(kind("비"), kind("눈")).span == classifier.classify("비", "눈")


def test_documents_are_texts_or_sequences_of_words():
    words = ["비가", "온다."]
    for given in (words, tuple(words), np.array(words), pd.Series(words), pa.array(words)):
        assert check_documents([given, np.str_("비")]) == [words, "비"]
    assert check_documents(np.array([words, words])) == check_documents(pd.Series([words, words])) == [words, words]
    assert check_documents(pa.array([words])) == [words] and check_documents(words) == words
    for wrong, says in (
        ("비", "expected texts to be a str or a list of str, got str"),
        ([b"a"], "expected every item of texts to be a str, got bytes at index 0"),
        ([words, [words]], r"expected every item of texts\[1\] to be a str, got list at index 0"),
        ([{"text": "비"}], r"got dict at index 0; pass the column of the texts"),
    ):
        with pytest.raises(TypeError, match=says):
            check_documents(wrong)


def test_token_classification_accepts_every_sequence_of_words(make_token_classifier):
    model = make_token_classifier(unit="word", encoder_input="units")
    words = ["이재용이", "서울.", "부산에서"]
    expected = model.extract([words])
    assert expected[0]
    column = datasets.Dataset.from_dict({"words": [words]})["words"]
    for given in (np.array([words]), pd.Series([words]), pa.array([words]), column):
        assert model.extract(given) == expected
    assert model.inspect(np.array(words)).spans == expected[0]
