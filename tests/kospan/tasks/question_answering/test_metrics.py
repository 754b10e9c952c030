"""Metrics of answers against an oracle that was written from the official rules in another way."""

import random

import pytest
from answer_cases import CASES, compare
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import answer_rules

from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.tasks.question_answering.metrics import (
    RULES,
    answer_metrics,
    korquad2_form,
    korquad2_html_form,
    korquad_form,
    metric_names,
    rules_of,
    score_answers,
    squad_form,
)
from kospan.tasks.question_answering.rouge import klue_rouge_w


@pytest.mark.parametrize("rules", RULES)
def test_perturbed_predictions_have_the_oracle_s_metrics(rules):
    found = compare(CASES, 500, rules, seed=7)
    assert found["difference"] <= 1e-12
    # Each step of the normalisation was put to the test.
    assert list(found["mattered"]) == answer_rules.STEPS[rules] and all(found["mattered"].values()), found["mattered"]
    assert 0.1 < found["means"]["exact_match"] < found["means"]["f1"] < 0.9


def answer_scores(predicted: str, gold: list[str], rules: str) -> tuple[float, float]:
    """Exact match and F1."""
    metrics = answer_metrics(predicted, gold, rules)
    return metrics["exact_match"], metrics["f1"]


TEXTS = st.text(
    st.sampled_from("가나각 aAtheTHE《》〈〉()‘’'\"<>.,-_#$^`~|“「\t\u00a0\u3000\u200b\u0301İß１"), max_size=14
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(TEXTS, st.lists(TEXTS, max_size=3), st.sampled_from(sorted(RULES)))
def test_any_strings_have_the_oracle_s_metrics(predicted, gold, rules):
    assert answer_metrics(predicted, gold, rules) == pytest.approx(
        answer_rules.metrics(predicted, gold, rules), abs=1e-12
    )


@pytest.mark.parametrize(
    "text, korquad, squad",
    [
        ("《토지》", "토지", "《토지》"),
        ("〈B〉 ‘C’", "b c", "〈b〉 ‘c’"),
        # A mark parts, punctuation joins.
        ("서울(한양)시", "서울 한양 시", "서울한양시"),
        ("3.1 운동", "31 운동", "31 운동"),
        ("C++/C#", "cc", "cc"),
        ("The  Beatles, an a", "the beatles an a", "beatles"),
        ("theatre the-sis", "theatre thesis", "theatre thesis"),
        ("“서울”,\u3000부산", "“서울” 부산", "“서울” 부산"),
        ("it's", "it s", "its"),
        ("()", "", ""),
    ],
)
def test_forms(text, korquad, squad):
    assert (korquad_form(text), squad_form(text)) == (korquad, squad)


@pytest.mark.parametrize(
    "predicted, gold, rules, exact, f1",
    [
        # Characters of KorQuAD count without spaces and in any order, words of SQuAD whole.
        ("서울 특별시", ["서울특별시"], "korquad", 0.0, 1.0),
        ("울서", ["서울"], "korquad", 0.0, 1.0),
        ("서울에서", ["서울"], "korquad", 0.0, 2 / 3),
        ("new york", ["york"], "squad", 0.0, 2 / 3),
        ("yorks", ["york"], "squad", 0.0, 0.0),
        ("a a b", ["a b b"], "korquad", 0.0, 2 / 3),
        # Exact match and F1 are each the best of any gold answer.
        ("서울", ["부산", "서울", "서울시"], "korquad", 1.0, 1.0),
        ("서울시청", ["서울역앞", "시청"], "korquad", 0.0, 2 / 3),
        # Of an answer nothing is left: equal, yet SQuAD 1.1 and KorQuAD see nothing shared.
        ("the", ["an"], "squad", 1.0, 0.0),
        ("the", ["an"], "squad_v2", 1.0, 1.0),
        ("()", ["''"], "korquad", 1.0, 0.0),
        ("", ["서울"], "korquad", 0.0, 0.0),
        # SQuAD 2.0 passes over such a gold answer where there is another.
        ("", ["the", "Beatles"], "squad_v2", 0.0, 0.0),
        ("", ["the", "Beatles"], "squad", 1.0, 0.0),
        # Without a gold answer it is right to say nothing.
        ("", [], "korquad", 1.0, 1.0),
        ("", [], "squad", 1.0, 1.0),
        ("", [], "squad_v2", 1.0, 1.0),
        ("", [], "klue_mrc", 1.0, 1.0),
        ("서울", [], "squad_v2", 0.0, 0.0),
        ("서울", [], "korquad", 0.0, 0.0),
    ],
)
def test_scores(predicted, gold, rules, exact, f1):
    assert answer_scores(predicted, gold, rules) == (exact, pytest.approx(f1))


def test_klue_keeps_what_its_pattern_misses():
    """Worked by hand from the benchmark's code: 《》 stay and are wrong, the longest run is 서울."""
    metrics = answer_metrics("《서울》", ["서울"], "klue_mrc")
    assert metrics == {"exact_match": 0.0, "f1": pytest.approx(2 / 3), "rouge_w": pytest.approx(2 * 2 / 6)}
    assert answer_metrics("'서울'", ["서울"], "klue_mrc")["exact_match"] == 1.0
    # A space is a character of ROUGE-W, and parts nothing.
    assert answer_metrics("서울 시", ["서울시"], "klue_mrc")["rouge_w"] == pytest.approx(2 * 2 / 7)
    assert answer_metrics("울서", ["서울"], "klue_mrc")["rouge_w"] == 0.5
    assert answer_metrics("가나 다라", ["나 다"], "klue_mrc")["rouge_w"] == pytest.approx(2 * 3 / 8)


def test_rouge_w_of_long_answers_follows_the_benchmark_s_code():
    generator = random.Random(3)
    for length in (150, 199, 200, 240):
        for _ in range(4):
            gold = "".join(generator.choice("가나다라마 " + "바사아자차카타파하" * 2) for _ in range(length))
            said = gold[: length // 3] + "X" + gold[length // 2 :]
            assert klue_rouge_w(said, gold) == pytest.approx(answer_rules.rouge_w(said, gold), abs=1e-12)
    # All characters of the gold answer are frequent: no run begins with them but at the start of both.
    assert klue_rouge_w("나가나" * 5, "가나" * 100) == 0.0
    assert klue_rouge_w("가나" * 5, "가나" * 100) == pytest.approx(20 / 210)


EXAMPLES = [
    Example("a", "수도는 서울이다", (Span(4, 6, "answer"),), "수도는?"),
    Example("b", "수도는 서울이다", (), "강은?"),
    Example("c", "둘째는 부산이다", (Span(4, 6, "answer"), Span(4, 8, "answer")), "둘째는?"),
]


def test_means_over_questions_and_over_the_answerable_ones():
    predicted = [[Span(4, 7, "answer", 0.6), Span(4, 6, "answer", 0.3)], [Span(0, 2, "answer", 0.2)], []]
    found = score_answers(EXAMPLES, predicted, "klue_mrc")
    assert found == {
        "exact_match": 0.0,
        "f1": pytest.approx(0.8 / 3),
        "rouge_w": pytest.approx(0.8 / 3),
        "exact_match_answerable": 0.0,
        "f1_answerable": pytest.approx(0.4),
        "rouge_w_answerable": pytest.approx(0.4),
        "support_answerable": 2.0,
        "exact_match_unanswerable": 0.0,
        "f1_unanswerable": 0.0,
        "rouge_w_unanswerable": 0.0,
        "support_unanswerable": 1.0,
    }
    assert list(found) == metric_names("klue_mrc", unanswerable=True)
    found = score_answers(EXAMPLES[::2], predicted[::2])
    assert found == {"exact_match": 0.0, "f1": pytest.approx(0.4)} and list(found) == metric_names("korquad")
    found = score_answers(EXAMPLES, [[Span(4, 6, "answer")], [], [Span(4, 8, "answer")]], "squad_v2")
    assert found["f1"] == found["exact_match"] == found["exact_match_unanswerable"] == 1.0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="expected answers to 3 questions, got 1"):
        score_answers(EXAMPLES, [[]])
    with pytest.raises(
        ValueError, match="example 'd': expected gold answers to score by, got none; remove the question"
    ):
        score_answers([Example("d", "가", None, "?")], [[]])
    with pytest.raises(
        ValueError, match="rules to be one of korquad, korquad2, korquad2_html, squad, squad_v2, klue_mrc, got 'bleu'"
    ):
        score_answers(EXAMPLES, [[], [], []], "bleu")
    assert score_answers([], []) == {"exact_match": 0.0, "f1": 0.0}


@pytest.mark.parametrize(
    "dataset, rules",
    [
        ("korquad", "korquad"),
        ("korquad2", "korquad2"),
        ("hub:KorQuAD/squad_kor_v2", "korquad2"),
        ("jsonl", "korquad"),
        ("squad", "squad"),
        ("hub:squad", "squad"),
        ("hub:rajpurkar/squad_v2:plain_text", "squad_v2"),
        ("klue_mrc", "klue_mrc"),
        ("hub:klue/klue:mrc", "klue_mrc"),
        ("hub:klue:mrc", "klue_mrc"),
        ("hub:klue/klue:ner", "korquad"),
    ],
)
def test_rules_of_data_sets(dataset, rules):
    assert rules_of(dataset) == rules


PARTS = st.lists(
    st.sampled_from(
        ["<b>", "</b>", '<td class="x > y">', "<br/>", "<!-- < 강 > -->", "&amp;", "&lt;", "&nbsp;", "<p title='a'>"]
        + ["3월", " 2일", "《강》", "A", "b.", "<강>", "3 < 4", "\u3000", "\n", "‘", ")"]
    ),
    max_size=6,
).map("".join)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(PARTS, PARTS)
def test_korquad2_has_the_oracle_s_metrics_for_text_and_for_html(predicted, gold):
    for rules in ("korquad2", "korquad2_html"):
        assert answer_metrics(predicted, [gold], rules) == pytest.approx(
            answer_rules.metrics(predicted, [gold], rules), abs=1e-12
        )


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("3월 2일", "3월2일"),
        ("<td>3월&nbsp;<b>2일</b></td>", "3월2일"),
        ("A&amp;B &lt;b&gt; C", "abbc"),
        ("<강> 3 < 4", "강34"),
        ("가<!-- <b> 나 -->다", "가다"),
        ("<script>var 강 = '<p>';</script>섬<STYLE>p{}</STYLE >", "섬"),
        ("토지</l", "토지"),
        ("토지<!-- 강", "토지"),
        ("<a href='x>y'>강</a>", "강"),
        ("it's <i>'the'</i>", "itsthe"),
        ("", ""),
    ],
)
def test_the_form_of_html_answers(text, form):
    """Checked against the official script's steps with BeautifulSoup and lxml, which are not needed here."""
    assert korquad2_html_form(text) == form


def test_korquad2_differs_from_korquad_in_spaces_and_tags():
    assert answer_scores("3월2일", ["<b>3월</b> 2일"], "korquad2_html") == (1.0, 1.0)
    assert answer_scores("3월2일", ["3월 2일"], "korquad2") == (1.0, 1.0)
    assert answer_scores("3월2일", ["3월 2일"], "korquad") == (0.0, 1.0)
    # Of both answers nothing is left: they are equal and share nothing.
    assert answer_scores("<br>", ["()"], "korquad2_html") == (1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Map<Key, Value>", "mapkeyvalue"),
        ("&lt;", "lt"),
        ("&nbsp; 하나", "nbsp하나"),
        ("x & y", "xy"),
        ("if a<b then", "ifabthen"),
        ("<!-- 참고 -->", "참고"),
        ("《강》\t3월 2일", "강3월2일"),
    ],
)
def test_the_form_of_korquad2_keeps_what_looks_like_markup(text, form):
    assert korquad2_form(text) == form


def test_left_out_questions_count_0():
    predicted = [[Span(4, 6, "answer")], [], []]
    asked = score_answers(EXAMPLES[::2], predicted[::2], "korquad2")
    found = score_answers(EXAMPLES[::2], predicted[::2], "korquad2", left_out=3)
    assert (asked["exact_match"], found["exact_match"], found["f1"]) == (0.5, 0.2, 0.2)
    assert (found["exact_match_left_out"], found["f1_left_out"], found["support_left_out"]) == (0.0, 0.0, 3.0)
    assert list(found) == metric_names("korquad2", left_out=True) and "support_left_out" not in asked
    found = score_answers(EXAMPLES, predicted, "klue_mrc", left_out=1)
    assert (found["exact_match"], found["support_answerable"], found["support_left_out"]) == (0.5, 2.0, 1.0)
    assert list(found) == metric_names("klue_mrc", True, True)
