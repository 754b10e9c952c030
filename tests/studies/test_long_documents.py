"""The study of long documents: joining, cutting, places, sets, rows by place; variants on a tiny model."""

import json
from argparse import Namespace

import numpy as np
import pytest
from conversion_cases import roberta_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from kospan.example import Example
from kospan.modeling.spans import Span
from studies import long_documents
from studies.joined_text import BETWEEN, Part, Subwords, joined, sentences
from studies.long_documents import baseline, make_conversion, make_data, one_run
from studies.long_documents_page import read_results, rows_of, write_page
from studies.long_scores import BASELINES, WIDTH, answer_rows, apart, bucket, by_bucket, entity_rows, score
from studies.long_sets import answers, beginnings, entities, evenly, pairs
from studies.long_variants import SHORT, VARIANTS
from studies.taper_text import small_tokenizer
from studies.taper_train import small_roberta

SENTENCES = ["서울의 큰 회사 대표는 김민수 부장이다.", "비가 온다.", "부산에서 3.5도를 쟀다고 박지훈 기자가 전했다."]
ENTITIES = [[("김민수", "PS")], [], [("부산", "LC"), ("3.5도", "QT")]]


@pytest.fixture(scope="module")
def subwords():
    """Subwords of letters, several to a syllable."""
    return Subwords(small_tokenizer(SENTENCES * 3, 60, SHORT))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A KLUE of 48 sentences and a KorQuAD of 9 articles with two paragraphs of two questions each."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["## one", "## two", "## three", "## four", "## five"]
    for at in range(48):
        text, marked, tags = SENTENCES[at % 3], SENTENCES[at % 3], {}
        for surface, label in ENTITIES[at % 3]:
            marked = marked.replace(surface, f"<{surface}:{label}>")
            start = text.index(surface)
            tags |= {place: f"{'B' if place == start else 'I'}-{label}" for place in range(start, start + len(surface))}
        rows.append(f"## klue-ner-v1_dev_{at:05}-wikitree\t{marked}")
        rows += [f"{character}\t{tags.get(place, 'O')}" for place, character in enumerate(text)]
        rows.append("")
    (folder / "klue-ner").mkdir()
    (folder / "klue-ner" / "dev.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    articles = []
    for at in range(9):
        context = f"{at}번 글의 첫 문장이다. " + " ".join(SENTENCES)
        asked = [("누구인가?", "김민수"), ("어디인가?", "부산")]
        paragraphs = [
            {
                "context": context,
                "qas": [
                    {"id": f"{at}-{of}-{word}", "question": word, "answers": [_answer(context, said)]}
                    for word, said in asked
                ],
            }
            for of in range(2)
        ]
        articles.append({"title": f"글 {at}", "paragraphs": paragraphs})
    (folder / "korquad-v1").mkdir()
    (folder / "korquad-v1" / "dev.json").write_text(json.dumps({"data": articles}), encoding="utf-8")
    return folder


def _answer(context: str, text: str) -> dict:
    return {"text": text, "answer_start": context.index(text)}


# --- joining and cutting ----------------------------------------------------------------------------------------------


@st.composite
def texts(draw):
    """Parts with one span each, and their sizes."""
    words = draw(st.lists(st.text("가나다 ", min_size=1, max_size=8), min_size=1, max_size=12))
    spans = [draw(st.integers(0, len(word) - 1)) for word in words]
    parts = [Part(word, (Span(at, draw(st.integers(at + 1, len(word))), "X"),)) for word, at in zip(words, spans)]
    return parts, [draw(st.integers(0, 9)) for _ in words]


@given(texts(), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_joined_texts_keep_their_order_and_their_spans_and_fit(drawn, limit):
    parts, sizes = drawn
    found = list(joined(parts, sizes, limit))
    held = [(part, size) for part, size in zip(parts, sizes) if size <= limit]
    assert BETWEEN.join(each.text for each in found) == BETWEEN.join(part.text for part, _ in held)
    surfaces = [each.text[span.start : span.end] for each in found for span in each.spans]
    assert surfaces == [part.text[span.start : span.end] for part, _ in held for span in part.spans]
    # As many as fit: the next part would have been one too many.
    at = 0
    for each in found:
        many = len(each.spans)
        assert sum(size for _, size in held[at : at + many]) <= limit
        at += many
        assert at == len(held) or sum(size for _, size in held[at - many : at + 1]) > limit
    assert at == len(held)


def test_joining_refuses_sizes_that_are_not_those_of_the_parts():
    with pytest.raises(ValueError):
        list(joined([Part("가", ())], [], 3))


def test_sentences_hold_their_spans_and_a_span_over_an_edge_is_left_out():
    text = "서울은 3.5도다. 부산은 몇 도인가?\n대전은 덥다"
    spans = [Span(text.index(word), text.index(word) + 2, "LC") for word in ("서울", "부산", "대전")]
    spans.append(Span(spans[1].start - 3, spans[1].end, "over"))
    found = sentences(text, spans)
    assert [each.text for each in found] == ["서울은 3.5도다.", "부산은 몇 도인가?", "대전은 덥다"]
    assert [[each.text[s.start : s.end] for s in each.spans] for each in found] == [["서울"], ["부산"], ["대전"]]


def test_a_beginning_ends_in_front_of_the_first_subword_that_is_cut_off(subwords):
    text = SENTENCES[0]
    example = Example("a", text, (Span(0, 2, "LC"), Span(13, 16, "PS")), "누구?")
    many = subwords.sizes([text])[0]
    assert subwords.beginning(example, many) == example
    for most in range(1, many):
        cut = subwords.beginning(example, most)
        assert text.startswith(cut.text) and cut.question == "누구?"
        # All of it fits, and one more character would not.
        assert subwords.sizes([cut.text])[0] <= most < subwords.sizes([text[: len(cut.text) + 2]])[0]
        assert cut.spans == tuple(span for span in example.spans if span.end <= len(cut.text))


def test_a_place_is_the_first_subword_of_the_spans_first_character(subwords):
    text = "\n".join(SENTENCES)
    offsets = subwords.offsets(text)
    for at, character in enumerate(text):
        if not character.isspace():
            [place] = subwords.places(text, [Span(at, at + 1, "X")])
            assert place == next(subword for subword, (start, end) in enumerate(offsets) if start <= at < end)
    assert bucket(0) == 0 and bucket(WIDTH) == 1 and bucket(10**6) == 7


def test_places_hold_where_a_subword_has_several_characters():
    subwords, text = Subwords(roberta_tokenizer()), "The library in the old town"
    [place] = subwords.places(text, [Span(5, 8, "X")])
    start, end = subwords.offsets(text)[place]
    assert start <= 5 < end and end - start > 1


# --- sets -------------------------------------------------------------------------------------------------------------


def test_documents_of_entities_hold_every_sentence_of_their_split_once(data, subwords):
    found = entities(data, subwords, 200)
    assert max(subwords.sizes([each.text for part in found.values() for each in part])) <= 200
    assert sum(len(each.text.split(BETWEEN)) for each in found["validation"]) == 6
    assert sum(len(each.text.split(BETWEEN)) for each in found["train"]) == 42
    surfaces = [(each.text[s.start : s.end], s.label) for each in found["train"] for s in each.spans]
    assert sorted(set(surfaces)) == sorted(each for part in ENTITIES for each in part)


def test_questions_are_asked_of_the_stretch_that_holds_their_answer(data, subwords):
    found = answers(data, subwords, 100, {"train": 10**6, "validation": 10**6})
    assert {each.id.split("-")[0] for each in found["validation"]} == {"0", "8"}
    assert {each.id.split("-")[0] for each in found["train"]} == set("1234567")
    assert len(found["train"]) == 28
    for each in found["train"]:
        [span] = each.spans
        assert each.text[span.start : span.end] == ("김민수" if each.question == "누구인가?" else "부산")
        assert subwords.sizes([each.text])[0] <= 100
    # The two paragraphs are joined: some stretches hold the end of one and the beginning of the next.
    wide = answers(data, subwords, 200, {"train": 10**6, "validation": 10**6})["train"]
    assert any(BETWEEN + f"{each.id[0]}번" in each.text for each in wide)
    assert evenly([1, 2, 3, 4], 2) == [1, 3] and evenly([1], 2) == [1]


def test_a_question_whose_answer_is_cut_off_is_not_trained_on_but_counts(data, subwords):
    whole = answers(data, subwords, 100, {"train": 10**6, "validation": 10**6})
    room = subwords.sizes(["0번 글의 첫 문장이다. " + SENTENCES[0]])[0]
    trained = beginnings(whole["train"], subwords, room, training=True)
    assert 0 < len(trained) < len(whole["train"]) and all(each.spans for each in trained)
    counted = beginnings(whole["validation"], subwords, room, training=False)
    assert len(counted) == len(whole["validation"]) and not all(each.spans for each in counted)


def test_one_text_of_a_pair_names_a_quantity_and_both_orders_are_as_frequent(data, subwords):
    found = pairs(data, subwords, {"train": 20, "validation": 8})
    for part in found.values():
        labels = [each.spans[0].label for each in part]
        assert labels.count("first") == labels.count("second") == len(part) / 2
        for each in part:
            named = ["3.5도" in text for text in (each.text, each.text_pair)]
            assert named == [each.spans[0].label == "first", each.spans[0].label == "second"]
            assert each.spans[0][:2] == (0, len(each.text))


def test_a_missing_set_is_named(tmp_path, subwords):
    with pytest.raises(FileNotFoundError, match="expected klue-ner"):
        entities(tmp_path, subwords, 100)


# --- scores -----------------------------------------------------------------------------------------------------------


def test_entities_are_counted_where_they_begin(subwords):
    text = BETWEEN.join([SENTENCES[0]] * 30)
    gold = tuple(Span(at, at + 3, "PS") for at in range(len(text)) if text.startswith("김민수", at))
    assert len(gold) == 30
    example = Example("a", text, gold)
    places = subwords.places(text, gold)
    said = [gold[0], gold[1]._replace(label="LC"), gold[-1], Span(0, 2, "PS")]
    [rows] = entity_rows([example], [said], subwords)
    assert rows[:, 2].tolist() == [sum(min(place // 128, 7) == at for place in places) for at in range(8)]
    assert rows[0].tolist() == [1, 3, rows[0, 2]]
    assert rows.sum(axis=0).tolist() == [2, 4, 30]
    assert score(rows) == pytest.approx(2 * 2 / 34)
    assert by_bucket(rows[None])[0] == pytest.approx(2 / (3 + rows[0, 2]))


def test_answers_are_means_over_the_questions_of_a_place(subwords):
    text = BETWEEN.join(SENTENCES * 8)
    late = text.rindex("김민수")
    examples = [
        Example(name, text, (Span(at, at + 3, "answer"),), "누구?")
        for name, at in (("a", text.index("김민수")), ("b", late), ("c", late))
    ]
    predicted = [[Span(*examples[0].spans[0][:3])], [], [Span(late, late + 2, "answer")]]
    rows = answer_rows(examples, predicted, subwords)
    place = bucket(subwords.places(text, examples[1].spans)[0])
    assert place > 0
    assert by_bucket(rows)[0] == 1 and by_bucket(rows)[place] == pytest.approx((0 + 0.8) / 2)
    assert score(rows) == pytest.approx(1.8 / 3)


def test_a_difference_covers_its_own_stretch_alone_and_takes_the_mean_of_seeds():
    one, other = (np.zeros((40, 2, 3), dtype=int) for _ in range(2))
    one[..., 1:], other[..., 1:] = 1, 1
    one[:, 0, 0] = 1
    assert apart([one], [other], 0, 1).difference == 1 and apart([one], [other], 1).difference == 0
    assert apart([one, other], [other, other]).difference == pytest.approx(0.25)


def test_the_text_with_more_digits_is_said_to_name_the_quantity():
    pairs_of = [("3개와 12원", "4명"), ("없다", "7월"), ("없다", "없다")]
    documents = [Example(str(at), first, None, text_pair=second) for at, (first, second) in enumerate(pairs_of)]
    assert [spans[0].label for spans in BASELINES["pairs"]([], documents)] == ["first", "second", "first"]


# --- the whole of it --------------------------------------------------------------------------------------------------


def test_every_variant_writes_its_result_once_and_the_page_shows_it(data, tmp_path, monkeypatch):
    tokenizer = small_tokenizer(SENTENCES * 3, 60, SHORT)
    source = tmp_path / "source"
    small_roberta(len(tokenizer), SHORT, 32, 1, 0).save_pretrained(source)
    tokenizer.save_pretrained(source)
    monkeypatch.setattr(long_documents, "COMMON", long_documents.COMMON | {"max_steps": 1})
    arguments = Namespace(data=data, source=source, work=tmp_path / "work", questions=8)
    own = Subwords(AutoTokenizer.from_pretrained(source))
    for task in ("entities", "answers", "pairs"):
        make_data(task, arguments, own)
        baseline(arguments, own, task)
    for name in ("copied", "absent"):
        make_conversion(arguments, name)
    variants = [("entities", "truncated"), ("answers", "windowed"), ("answers", "converted"), ("pairs", "absent")]
    for task, variant in variants:
        assert (task, variant) in VARIANTS
        one_run(arguments, own, task, variant, 42)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "results").rglob("*.json")}
    assert len(kept) == 3 + len(variants) and not list((tmp_path / "work" / "runs").iterdir())
    one_run(arguments, own, "pairs", "absent", 42)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    found = read_results(tmp_path / "work" / "results" / "entities")
    assert list(found) == ["baseline", "truncated"] and found["truncated"][0]["settings"]["seed"] == 42
    assert score(rows_of(found["baseline"], "f1")[0]) == 1
    write_page(tmp_path / "work" / "results", tmp_path / "page")
    tables = (tmp_path / "page" / "tables.md").read_text(encoding="utf-8")
    assert "## Answers" in tables and "| converted | 42 |" in tables and "| F1 less that of windowed |" in tables
    assert (tmp_path / "page" / "answers.png").stat().st_size > 1000
