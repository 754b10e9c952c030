"""Groups and classes of answers: they add up, and agree with places of answers and with scores."""

import json
from types import SimpleNamespace
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.breakdown import (
    ANSWER_CLASSES,
    LENGTH_GROUPS,
    NO_ANSWER,
    analyze,
    answer_class,
    answer_length,
    differs_by_particle,
    scores,
)
from kospan.tasks.question_answering.metrics import RULES, score_answers
from kospan.tasks.question_answering.question_words import QUESTION_WORDS, question_word


def task_of(rules: str = "korquad", left_out: int = 0) -> SimpleNamespace:
    """The part of a task that a breakdown needs."""

    def metrics(examples, predicted):
        return score_answers(examples, predicted, rules, left_out)

    return SimpleNamespace(rules=rules, left_out=left_out, metrics=metrics)


TEXT = "수도는 서울특별시이고, the second city는 부산에서 (멀지) 않은 곳이다."
QUESTIONS = ["누가 썼나?", "언제인가?", "왕은?", "Who was it?", "몇 개인가?", "How many?", "무엇이 어디에 있나?"]
PLACES = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 24)).map(
    lambda pair: Span(pair[0], min(len(TEXT), sum(pair)), "answer")
)


@st.composite
def answered(draw):
    gold = tuple(sorted(draw(st.lists(PLACES, max_size=3))))
    source = draw(st.sampled_from(["news", "wiki", ""]))
    example = Example("", TEXT, gold, draw(st.sampled_from(QUESTIONS)), source)
    said = draw(st.one_of(st.lists(PLACES, max_size=2), st.sampled_from([list(gold[:1]), []])))
    return example, said


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(answered(), min_size=1, max_size=6), st.sampled_from(sorted(RULES)))
def test_classes_and_groups_add_up(questions, rules):
    examples, predicted = [each for each, _ in questions], [said for _, said in questions]
    found = analyze(task_of(rules), examples, predicted, training=examples[:1], samples=20)
    assert found["documents"] == len(examples) and found["metrics"] == score_answers(examples, predicted, rules)
    classes = found["errors"]["classes"]
    assert list(classes) == list(ANSWER_CLASSES) and sum(classes.values()) == len(examples)
    assert classes["exact"] / len(examples) == pytest.approx(found["metrics"]["exact_match"])
    assert classes["no answer said"] == sum(
        not said and not answer_scores_exact(example, said, rules) for example, said in questions
    )
    assert 0 <= found["particles"] <= len(examples) - classes["exact"]
    for title, rows in found["groups"].items():
        assert sum(row["questions"] for row in rows) == len(examples), title
        for name in ("exact_match", "f1"):
            total = sum(row["questions"] * row[name] for row in rows)
            assert total / len(examples) == pytest.approx(found["metrics"][name]), (title, name)
            for row in rows:
                low, high = row[f"{name} interval"]
                assert -1e-9 <= low <= high <= 1 + 1e-9
    assert ("source" in found["groups"]) == (len({example.source for example in examples}) > 1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def answer_scores_exact(example, said, rules):
    return score_answers([example], [said], rules)["exact_match"]


@settings(derandomize=True, deadline=None)
@given(answered())
def test_places_of_a_wrong_answer(question):
    example, said = question
    found = answer_class(example, said, exact=False)
    if not said or not example.spans:
        assert found == ("answer where there is none" if said else "no answer said")
        return
    mine = set(range(said[0].start, said[0].end))
    golds = [set(range(gold.start, gold.end)) for gold in example.spans]
    if found == "too long":
        assert any(mine >= gold for gold in golds)
    elif found == "too short":
        assert any(mine <= gold for gold in golds) and not any(mine >= gold for gold in golds)
    elif found == "overlaps":
        assert any(mine & gold and mine - gold and gold - mine for gold in golds)
    else:
        assert found == "elsewhere" and not any(mine & gold for gold in golds)


def one(said, gold=((4, 9),), **settings):
    example = Example("a", TEXT, tuple(Span(*pair, "answer") for pair in gold), "수도는 어디인가?", "news")
    predicted = [[Span(*said, "answer", 0.5)] if said else []]
    return analyze(task_of(), [example], predicted, samples=10, **settings)


@pytest.mark.parametrize(
    "said, gold, kind, particles",
    [
        ((4, 9), ((4, 9),), "exact", 0),
        # The same characters elsewhere are an exact match too, and marks at the ends are none.
        ((TEXT.index("(멀지)"), TEXT.index("(멀지)") + 4), ((TEXT.index("멀지"), TEXT.index("멀지") + 2),), "exact", 0),
        ((4, 11), ((4, 9),), "too long", 1),
        ((0, 9), ((4, 9),), "too long", 0),
        ((4, 6), ((4, 9),), "too short", 0),
        ((4, 9), ((4, 11),), "too short", 1),
        ((0, 6), ((4, 9),), "overlaps", 0),
        ((0, 2), ((4, 9),), "elsewhere", 0),
        ((), ((4, 9),), "no answer said", 0),
        ((4, 9), (), "answer where there is none", 0),
        ((), (), "exact", 0),
        # Right by one gold answer, a particle away from another: not wrong.
        ((4, 9), ((4, 9), (4, 11)), "exact", 0),
        # Of two gold answers the one that fits better decides.
        ((4, 11), ((4, 9), (4, 20)), "too long", 1),
    ],
)
def test_kinds(said, gold, kind, particles):
    found = one(said, gold)
    assert {name for name, count in found["errors"]["classes"].items() if count} == {kind}
    assert found["particles"] == particles


@pytest.mark.parametrize(
    "answer, gold, differs",
    [
        ("부산에서", ["부산"], True),
        ("부산", ["서울", "부산은"], True),
        ("부산에서는", ["부산"], True),
        ("부산시", ["부산"], False),
        ("부산 은", ["부산"], False),
        ("은", [""], False),
        ("", ["은"], False),
        ("부산", ["부산"], False),
        ("대부산은", ["부산"], False),
        ("부산)", ["부산"], False),
    ],
)
def test_particles(answer, gold, differs):
    assert differs_by_particle(answer, gold) == differs


@pytest.mark.parametrize(
    "length, group", [(0, NO_ANSWER), (1, "1-2"), (2, "1-2"), (3, "3-4"), (8, "5-8"), (16, "9-16"), (17, "17 and more")]
)
def test_lengths(length, group):
    spans = (Span(1, 1 + length, "answer"), Span(2, 4, "answer")) if length else ()
    assert answer_length(Example("a", "가" * 40, spans)) == group and group in LENGTH_GROUPS


@pytest.mark.parametrize(
    "question, group",
    [
        ("이 소설은 누가 썼는가?", "누구"),
        ("감독은 누군가?", "누구"),
        ("누가복음을 쓴 사람은?", "other"),
        ("이것의 이름은 무엇인가?", "무엇"),
        ("뭐라고 불렸나?", "무엇"),
        ("무슨 요일인가?", "무엇"),
        ("언제부터 시작했나?", "언제"),
        ("언제나 푸른 나무는?", "other"),
        ("어디에서 태어났나?", "어디"),
        ("어느 곳에서 열렸나?", "어디"),
        ("어느 나라 사람인가?", "어떤, 어느"),
        ("어떤 병을 앓았나?", "어떤, 어느"),
        ("몇 년에 끝났나?", "몇, 얼마"),
        ("길이는 얼마인가?", "몇, 얼마"),
        ("얼마 후 세운 나라는?", "other"),
        ("몇몇 학자가 주장한 설은?", "other"),
        ("왜 떠났나?", "왜"),
        ("떠난 까닭은 왜일까?", "왜"),
        ("임진왜란 때의 왕은?", "other"),
        ("왜군을 막은 장군은?", "other"),
        ("어떻게 만드는가?", "어떻게"),
        # The last word decides in Korean, the first in English.
        ("어떤 사람이 언제 죽었나?", "언제"),
        ("In which year did the man who wrote it die?", "which"),
        ("When I Grow Up의 순위는?", "other"),
        ("Who는 어디 밴드인가?", "어디"),
        ("WHO wrote it?", "who"),
        ("Whose book was it?", "who"),
        ("The whole what-not?", "what"),
        ("How  much is it?", "how many"),
        ("How was it made?", "how"),
        ("Why?", "why"),
        ("Name the river.", "other"),
        (normalize("NFD", "누구인가?"), "누구"),
        ("", "other"),
    ],
)
def test_question_words(question, group):
    assert question_word(question) == group and group in QUESTION_WORDS


def test_rows_stand_in_order_and_name_what_occurs():
    examples = [
        Example(str(at), TEXT, (Span(4, 4 + length, "answer"),) if length else (), question)
        for at, (length, question) in enumerate([(9, "왕은?"), (0, "누가?"), (2, "왕은?"), (20, "언제?")])
    ]
    found = analyze(task_of(), examples, [list(example.spans) for example in examples], examples[:1], samples=5)
    shown = {title: [(row["group"], row["questions"]) for row in rows] for title, rows in found["groups"].items()}
    assert shown == {
        "question word": [("누구", 1), ("언제", 1), ("other", 2)],
        "answer length": [("1-2", 1), ("9-16", 1), ("17 and more", 1), (NO_ANSWER, 1)],
        "answer": [("seen in training", 1), ("not seen in training", 2), (NO_ANSWER, 1)],
    }
    assert found["metrics"]["exact_match"] == 1.0
    assert "answer" not in analyze(task_of(), examples, [[]] * 4, samples=5)["groups"]


@pytest.mark.parametrize("sources, shown", [(1, False), (2, True), (30, True), (31, False)])
def test_sources_are_shown_where_a_table_says_something(sources, shown):
    examples = [Example(str(at), TEXT, (Span(4, 6, "answer"),), "왕은?", f"s{at % sources}") for at in range(62)]
    groups = analyze(task_of(), examples, [[]] * 62, samples=2)["groups"]
    assert ("source" in groups) == shown


def test_what_cannot_be_examined_is_refused():
    with pytest.raises(ValueError, match="expected answers to 0 questions, got 1"):
        analyze(task_of(), [], [[]])
    with pytest.raises(ValueError, match="expected rules to be one of"):
        analyze(task_of("bleu"), [], [])


def test_left_out_questions_are_in_the_overall_row_alone():
    examples = [Example(str(at), "수도는 서울이다", (Span(4, 6, "answer"),), "어디?") for at in range(3)]
    predicted = [[Span(4, 6, "answer")], [Span(4, 6, "answer")], []]
    task = task_of("korquad2", left_out=1)
    kept = scores(task, examples, examples, predicted, [[]] * 3)
    assert (kept["overall"]["questions"], kept["overall"]["exact_match"], kept["baseline"]["f1"]) == (4, 0.5, 0.0)
    assert sum(row["questions"] for row in kept["groups"]["question word"]) == 3 == sum(kept["errors"].values())
    found = analyze(task, examples, predicted)
    assert found["metrics"]["exact_match"] == 0.5 and found["metrics"]["support_left_out"] == 1.0
