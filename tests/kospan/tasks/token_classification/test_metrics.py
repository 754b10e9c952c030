import doctest
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kospan.tasks.token_classification.metrics
from kospan.evaluation.span_counts import counts_per_document, counts_per_type, unit_tag_ids
from kospan.example import Example
from kospan.modeling.alignment import unit_spans
from kospan.modeling.spans import Span
from kospan.modeling.tags import spans_to_tags
from kospan.tasks.token_classification.metrics import ScoredSpans, score_spans

ROOT = Path(__file__).resolve().parents[4]
LABELS = ["LC", "OG", "PS"]


def klue_metrics(examples, predicted, labels) -> dict[str, float]:
    return ScoredSpans(examples, predicted, "character", labels).klue


def flat_metrics(examples, predicted, labels, unit) -> dict[str, float]:
    scored = ScoredSpans(examples, predicted, unit, labels)
    return {"flat_f1": scored.weighted_tag_f1(1), "flat_f1_with_o": scored.weighted_tag_f1(0)}


def spans_in(length: int) -> st.SearchStrategy[list[Span]]:
    """Spans of a text of `length` characters, sorted, without overlaps, touching ones included."""

    def build(cuts: list[int], labels: list[str]) -> list[Span]:
        subwords = list(zip(sorted(cuts), sorted(cuts)[1:]))
        return [Span(start, end, label) for (start, end), label in zip(subwords, labels) if label != "O"]

    cuts = st.lists(st.integers(0, length), unique=True, max_size=8)
    return st.builds(build, cuts, st.lists(st.sampled_from(["O", *LABELS]), min_size=8, max_size=8))


@st.composite
def scored(draw) -> tuple[list[Example], list[list[Span]]]:
    texts = draw(st.lists(st.text("가나 ", min_size=1, max_size=12), min_size=1, max_size=6))
    gold = [Example(str(at), text, tuple(draw(spans_in(len(text))))) for at, text in enumerate(texts)]
    kept = [draw(st.one_of(st.just(list(example.spans)), spans_in(len(example.text)))) for example in gold]
    return gold, kept


def tags(examples: list[Example], spans: list) -> list[list[str]]:
    return [spans_to_tags([s[:3] for s in row], len(example.text)) for example, row in zip(examples, spans)]


def test_documented_examples_hold():
    assert doctest.testmod(kospan.tasks.token_classification.metrics).failed == 0


def test_words_that_a_document_brings_are_its_units():
    text = "Oslo's U.S . it"
    gold = (Span(0, 6, "LC"), Span(7, 12, "OG"))
    raw = Example("a", text, gold)
    listed = Example("b", text, gold, words=("Oslo's", "U.S", ".", "it"))
    place = {"LC": 1, "OG": 3}
    assert unit_tag_ids(raw.document, gold, place, "word").tolist() == [1, 2, 3, 4, 0]
    assert unit_tag_ids(listed.document, gold, place, "word").tolist() == [1, 3, 4, 0]
    assert len(unit_tag_ids(listed.document, gold, place, "character")) == len(text)


def test_metrics_worked_by_hand():
    gold = [
        Example("a", "이재용 회장이 서울에서", (Span(0, 3, "PS"), Span(8, 10, "LC"))),
        Example("b", "부산과 대구", (Span(0, 2, "LC"), Span(4, 6, "LC"))),
        Example("c", "아무도 없다", ()),
    ]
    predicted = [
        [Span(0, 3, "PS", 0.4), Span(8, 10, "OG")],  # right (whatever its score), wrong type
        [Span(0, 3, "LC"), Span(4, 6, "LC")],  # wrong boundary, right
        [Span(0, 2, "PS")],  # spurious
    ]
    scores = score_spans(gold, predicted, "word", LABELS)
    assert scores["precision"] == 2 / 5
    assert scores["recall"] == 2 / 4
    assert scores["f1"] == pytest.approx(4 / 9)
    assert scores["f1_LC"] == pytest.approx(2 / (2 + 3))
    assert scores["f1_PS"] == pytest.approx(2 / (2 + 1))
    assert scores["f1_OG"] == 0.0
    assert [scores[f"support_{label}"] for label in LABELS] == [3.0, 0.0, 1.0]
    assert not any(name.startswith("klue") for name in scores)
    assert all(type(value) is float for value in scores.values())


def test_nothing_gold_and_nothing_predicted_is_zero_and_finite():
    for examples in ([], [Example("a", "없다", ())], [Example("a", "", ())]):
        scores = score_spans(examples, [[] for _ in examples], "character", LABELS)
        assert scores["f1"] == scores["klue_entity_f1"] == 0.0
        assert all(math.isfinite(value) for value in scores.values())


@settings(derandomize=True, deadline=None, max_examples=150)
@given(scored())
def test_f1_equals_seqeval_on_character_tags(drawn):
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold, predicted = drawn
    scores = score_spans(gold, predicted, "word", LABELS)
    truth, guess = tags(gold, [example.spans for example in gold]), tags(gold, predicted)
    expected = f1_score(truth, guess, mode="strict", scheme=IOB2, zero_division=0)
    assert scores["f1"] == pytest.approx(expected, abs=1e-12)
    assert scores["f1"] == pytest.approx(f1_score(truth, guess, zero_division=0), abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(scored())
def test_klue_metrics_equal_the_plain_reading_of_the_benchmark(drawn):
    from seqeval.metrics import f1_score as entity_f1_score
    from seqeval.scheme import IOB2
    from sklearn.metrics import f1_score

    gold, predicted = drawn
    sides = []
    for spans in ([example.spans for example in gold], predicted):
        rows = zip(gold, tags(gold, spans))
        sides.append([tag for example, row in rows for char, tag in zip(example.text, row) if char != " "])
    truth, guess = sides
    found = klue_metrics(gold, predicted, LABELS)
    if set(truth) | set(guess) > {"O"}:
        expected = entity_f1_score([truth], [guess], average="macro", mode="strict", scheme=IOB2, zero_division=0)
        assert found["klue_entity_f1"] == pytest.approx(expected, abs=1e-12)
    names = ["B-LC", "I-LC", "B-OG", "I-OG", "B-PS", "I-PS", "O"]
    for name, labels in (("klue_char_f1", names), ("klue_char_f1_no_o", names[:-1])):
        if truth:
            expected = f1_score(truth, guess, labels=labels, average="macro", zero_division=1)
            assert found[name] == pytest.approx(expected, abs=1e-12)


def test_klue_metrics_worked_by_hand():
    # "서울 시" is one entity with a space inside; the entity that ends the first sentence touches the one that opens
    # the second, of the same type, as soon as the sentences are concatenated: the B- keeps the two apart.
    gold = [
        Example("a", "나는 서울 시", (Span(3, 7, "LC"),)),
        Example("b", "부산 김", (Span(0, 2, "LC"), Span(3, 4, "PS"))),
    ]
    perfect = klue_metrics(gold, [list(example.spans) for example in gold], ["LC", "PS"])
    assert perfect == {"klue_entity_f1": 1.0, "klue_char_f1": 1.0, "klue_char_f1_no_o": 1.0}

    # gold  나O 는O 서B 울I 시I | 부B 산I 김B-PS        guess  나O 는O 서B 울I 시O | 부B 산I 김B-PS
    found = klue_metrics(gold, [[Span(3, 5, "LC")], list(gold[1].spans)], ["LC", "PS"])
    assert found["klue_entity_f1"] == pytest.approx((1 / 2 + 1) / 2)  # LC: 1 right of 2 and 2; PS: 1 of 1
    others = [1, 2 * 2 / (2 + 3), 1, 1]  # B-LC; I-LC; B-PS; I-PS, which neither side uses, counts as 1
    assert found["klue_char_f1_no_o"] == pytest.approx(sum(others) / 4)
    assert found["klue_char_f1"] == pytest.approx((2 * 2 / (3 + 2) + sum(others)) / 5)  # O: 2 right of 3 and 2


def test_klue_entity_f1_keeps_touching_entities_of_neighbouring_sentences_apart():
    gold = [Example("a", "서울", (Span(0, 2, "LC"),)), Example("b", "부산", (Span(0, 2, "LC"),))]
    assert klue_metrics(gold, [[Span(0, 2, "LC")], []], ["LC"])["klue_entity_f1"] == pytest.approx(2 / 3)


def test_a_span_that_begins_with_a_space_is_wrong_for_klue_too():
    gold = [Example("a", "가 서울", (Span(2, 4, "LC"),))]
    assert klue_metrics(gold, [[Span(1, 4, "LC")]], ["LC"])["klue_entity_f1"] == 0.0


def test_counts_per_type_add_up_to_counts_per_document():
    gold = [Example("a", "서울 부산", (Span(0, 2, "LC"), Span(3, 5, "PS"))), Example("b", "없다", ())]
    predicted = [[Span(0, 2, "LC"), Span(3, 5, "OG")], [Span(0, 1, "PS")]]
    by_type = counts_per_type(gold, predicted, LABELS)
    assert by_type.shape == (2, 3, 3)
    assert by_type.dtype == np.int64
    assert by_type[0].tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 1]]
    assert (by_type.sum(axis=1) == counts_per_document(gold, predicted)).all()


GOLD = [Example("first", "서울과 부산", (Span(0, 2, "LC"),))]


@pytest.mark.parametrize(
    ("examples", "predicted", "unit", "message"),
    [
        (
            GOLD,
            [[Span(0, 3, "LC"), Span(2, 4, "PS")]],
            "word",
            r"'first'.*do not overlap.*\(0, 3, 'LC'\).*keep_longest",
        ),
        (GOLD, [[Span(4, 9, "LC")]], "word", r"'first'.*end <= 6.*\(4, 9, 'LC'\)"),
        (GOLD, [[Span(2, 2, "LC")]], "word", r"'first'.*start < end"),
        (GOLD, [[Span(0, 2, "QT")]], "word", r"'first'.*among LC, OG, PS, got 'QT'"),
        (GOLD, [], "word", r"each of 1 examples, got 0 lists"),
        (GOLD, [[]], "syllable", r"one of character, word, got 'syllable'"),
        ([Example("bare", "서울", None)], [[]], "word", r"'bare'.*unlabelled.*give it empty spans"),
    ],
)
def test_what_cannot_be_scored_is_refused(examples, predicted, unit, message):
    with pytest.raises(ValueError, match=message):
        score_spans(examples, predicted, unit, LABELS)


def test_long_inputs_cost_time_in_proportion():
    # one sequence of 300,000 characters: a scorer that copies the rest at each entity would need minutes
    example = Example("a", "서울과 " * 75_000, tuple(Span(at, at + 2, "LC") for at in range(0, 300_000, 4)))
    scores = score_spans([example], [list(example.spans)[:-1]], "character", LABELS)
    assert scores["klue_entity_f1"] == pytest.approx(1.0, abs=1e-4)


def test_importing_the_scores_does_not_import_the_scorers():
    code = (
        "import sys; before = set(sys.modules); import kospan.tasks.token_classification.metrics; print([m for m in "
        "('seqeval', 'evaluate', 'kospan.tasks.token_classification.klue_metrics') if m in set(sys.modules) - "
        "before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def unit_tags(example: Example, spans, unit: str) -> list[str]:
    # The texts hold neither punctuation nor words of their own.
    found = re.finditer(r"\S+" if unit == "word" else r"(?s).", example.text)
    units = [match.span() for match in found]
    return spans_to_tags(unit_spans(units, sorted(spans)), len(units))


@pytest.mark.parametrize("unit", ["character", "word"])
@given(scored())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_flat_metrics_equal_a_loop_and_scikit_learn(unit, both):
    from sklearn.metrics import f1_score

    examples, predicted = both
    gold = [tag for example in examples for tag in unit_tags(example, example.spans, unit)]
    found = [tag for example, spans in zip(examples, predicted) for tag in unit_tags(example, spans, unit)]
    metrics = flat_metrics(examples, predicted, LABELS, unit)
    names = ["O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI")]
    for name, wanted in (("flat_f1_with_o", names), ("flat_f1", names[1:])):
        total, support = 0.0, 0
        for tag in wanted:
            right = sum(one == other == tag for one, other in zip(gold, found))
            total += gold.count(tag) * 2 * right / max(1, gold.count(tag) + found.count(tag))
            support += gold.count(tag)
        assert metrics[name] == pytest.approx(total / max(1, support))
        if support:
            theirs = f1_score(gold, found, labels=wanted, average="weighted", zero_division=0)
            assert metrics[name] == pytest.approx(theirs)


def test_flat_metrics_worked_by_hand():
    """For a b c d gold is B I O B of one type, predicted B O O B: B all right (2 of 4), I never (1 of 4), O half."""
    gold = [Example("a", "a b c d", (Span(0, 3, "PS"), Span(6, 7, "PS")))]
    found = flat_metrics(gold, [[Span(0, 1, "PS"), Span(6, 7, "PS")]], ["PS"], "word")
    assert found["flat_f1"] == pytest.approx(2 / 3)
    assert found["flat_f1_with_o"] == pytest.approx((2 * 1 + 1 * 0 + 1 * 2 / 3) / 4)
    nothing = [Example("a", "a", ()), Example("b", "", ())]
    assert flat_metrics(nothing, [[], []], ["PS"], "word") == {"flat_f1": 0.0, "flat_f1_with_o": 1.0}
    assert flat_metrics([], [], ["PS"], "word") == {"flat_f1": 0.0, "flat_f1_with_o": 0.0}
