"""Views of the page of a question answering model: marks, the strip of probabilities, the table and the code."""

import html
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from question_answering_views import (
    LEAST_PEAK,
    LONGEST_WORD,
    RANGES,
    answer_python,
    answers_table,
    chosen,
    marked,
    previewed,
    ranges,
    reply,
    stated,
    strip,
)
from served import ServedQuestionAnswering
from space_cases import HOSTILE, KOREAN
from texts import EXAMPLES, say
from views import as_json, percent

from kospan.modeling.colors import colours_of

SETTINGS = settings(max_examples=60, deadline=None)
COLOUR = colours_of(["answer"])["answer"]
# 부산을, 서울에, "no answer", 김연아.
ANSWERS = [(27, 29, "answer", 0.5), (8, 10, "answer", 0.25), (0, 0, "answer", 0.125), (22, 25, "answer", 0.0625)]


def plain(made: str) -> str:
    """The text that a subword of HTML shows, without what the page adds to it."""
    for added in (r"<summary>.*?</summary>", r'<span class="kind".*?</span>'):
        made = re.sub(added, "", made, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", made))


@st.composite
def answered(draw):
    """A text without signs, and answers that do not overlap, best first."""
    text = draw(st.text(st.sampled_from("가나 다.<>&\"'{$@`a\n1"), min_size=1, max_size=80)) * draw(
        st.sampled_from([1, 20])
    )
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    places = draw(st.permutations(list(zip(cuts[::2], cuts[1::2]))))
    if draw(st.booleans()):
        places = [*places[:1], (0, 0), *places[1:]]
    return text, [(start, end, "answer", 0.5 / (at + 1)) for at, (start, end) in enumerate(places)]


# --- marks ------------------------------------------------------------------------------------------------------------


@SETTINGS
@given(answered())
def test_the_marked_text_is_the_text(case):
    text, answers = case
    made = marked(text, answers, COLOUR, "ko")
    assert plain(made) == text
    assert made.count("<mark") == sum(start < end for start, end, *_ in answers)


def test_the_best_is_marked_and_the_others_are_lighter():
    made = marked(KOREAN, ANSWERS, COLOUR, "en")
    found = re.findall(r'<mark class="([^"]*)"[^>]*>([^<]*)<span class="kind" aria-hidden="true">([^<]*)', made)
    assert found == [
        ("answer short", KOREAN[8:10], "2 · 25.0%"),
        ("answer short", KOREAN[22:25], "4 · 6.2%"),
        ("answer best short", KOREAN[27:29], "1 · 50.0%"),
    ]
    assert f"{KOREAN[8:10]}, answer 2, probability 25.0%" in made
    # Where "no answer" comes first nothing is the best.
    assert "best" not in marked(KOREAN, [(0, 0, "answer", 0.9), *ANSWERS[:1]], COLOUR, "en")


def test_text_is_never_markup():
    answers, even = [(0, 25, "answer", 0.5), (25, 40, "answer", 0.25)], np.full(len(HOSTILE), 0.01)
    for made in (
        marked(HOSTILE, answers, COLOUR, "en"),
        reply(HOSTILE, answers, 0.1, "en"),
        strip(HOSTILE, answers, even, even, "en"),
        previewed(HOSTILE, HOSTILE, answers[:1], COLOUR, "en"),
        previewed(HOSTILE, HOSTILE, [], COLOUR, "en"),
    ):
        assert "<script" not in made and "<img" not in made and "<b>굵게" not in made
        assert not {"${", "{{", "`", "@"} & {made[at : at + size] for size in (1, 2) for at in range(len(made))}


def test_a_long_text_is_folded_away_from_its_answers_and_stays_whole():
    text = "가나다라 " * 1000
    made = marked(text, [(2500, 2504, "answer", 0.5)], COLOUR, "ko")
    assert made.count("<details") == 2 and plain(made) == text
    open_text = plain(re.sub(r"<details.*?</details>", "", made, flags=re.DOTALL))
    assert 400 <= len(open_text) <= 450
    # Each fold says how much it holds.
    folds = re.findall(r"<summary>⋯ ([\d,]+) ⋯</summary>(.*?)</details>", made, re.DOTALL)
    assert [int(count.replace(",", "")) for count, _ in folds] == [len(plain(inside)) for _, inside in folds]
    # Nothing is cut inside of what is drawn as one.
    marks = "e" + "\u0301" * 3000
    assert "<details" not in marked(marks, [], COLOUR, "ko")
    hangul = marked("\u1109\u1165\u110b\u116e\u11af" * 200, [], COLOUR, "ko")
    assert all(
        not re.search(r"[>][\u1160-\u11ff]", subword)
        for subword in re.findall(r"<summary>.*?</summary>.|</details>.", hangul)
    )


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_answer_or_none_is_said_with_its_probability():
    best = reply(KOREAN, ANSWERS, 0.125, "en")
    assert f">{KOREAN[27:29]}</b>" in best and "probability 50.0%" in best and "probability of no answer 12.5%" in best
    assert "no answer" not in reply(KOREAN, ANSWERS, 0.0, "en")
    none = reply(KOREAN, [(0, 0, "answer", 0.75)], 0.75, "ko")
    assert say("ko", "no_answer_here") in none and "75.0%" in none
    assert say("ko", "nothing_above") in reply(KOREAN, [], 0.0, "ko")


def test_what_is_shown_is_what_the_model_would_give(qa_model):
    question = "누가 부산을 찾았나?"
    everything = [tuple(span) for span in qa_model.answer(question, KOREAN, top_k=10)]
    for count in (1, 2, 3, 10):
        for least in (0.0, everything[2][3], 0.9):
            wanted = qa_model.answer(question, KOREAN, top_k=count, threshold=least)
            assert chosen(everything, count, least) == [tuple(span) for span in wanted]


def test_table_ranks_answers_and_names_none():
    made = answers_table(KOREAN, ANSWERS, "en")
    assert made["headers"] == ["rank", "Answer", "start", "end", "probability"]
    assert made["data"][0] == [1, KOREAN[27:29], "27", "29", "50.0%"]
    assert made["data"][2] == [3, "(no answer)", "–", "–", "12.5%"]


def test_json_holds_the_question_and_what_is_more_probable_than_none():
    made = json.loads(as_json(KOREAN, stated(ANSWERS), 0.0, question=HOSTILE))
    assert made["question"] == HOSTILE and made["text"] == KOREAN
    assert made["spans"] == [
        {"start": 27, "end": 29, "label": "answer", "score": 0.5},
        {"start": 8, "end": 10, "label": "answer", "score": 0.25},
    ]
    none = [(0, 0, "answer", 0.75), *ANSWERS[:1]]
    assert json.loads(as_json(KOREAN, stated(none), 0.0, question="?"))["spans"] == []


def test_code_runs_and_finds_the_same(qa_model, qa_folder, capsys):
    question, text = "누가 '부산'을\\ 찾았나?", KOREAN + "\n'\"\\\u202e"
    exec(
        compile(
            answer_python(ServedQuestionAnswering(None, str(qa_folder)).loading, question, text, 4, 0.001),
            "snippet",
            "exec",
        ),
        {},
    )
    expected = [
        f"{span.start} {span.end} {text[span.start : span.end]} {span.score:.3f}"
        for span in qa_model.answer(question, text, top_k=4, threshold=0.001)
    ]
    assert len(expected) == 4 and capsys.readouterr().out == "\n".join(expected) + "\n"


@pytest.mark.parametrize("unit", ["character", "word"])
def test_examples_are_pairs(unit):
    assert len(EXAMPLES["question-answering"][unit]) == 3
    for example in EXAMPLES["question-answering"][unit]:
        assert set(example) == {"question", "text"} and example["question"].endswith("?")


# --- character by character -------------------------------------------------------------------------------------------


def cells(made: str) -> list[tuple[str, str, float, float]]:
    """Class, text, and the two shares of each cell, as the tooltip says them."""
    pattern = r'<span class="(cell[^"]*)" style="[^"]*" title="[^"]*? ([\d.]+)% · [^"]*? ([\d.]+)%">(.*?)</span>'
    return [(kinds, plain(text), float(s), float(e)) for kinds, s, e, text in re.findall(pattern, made, re.DOTALL)]


def test_strip_shows_the_models_probabilities(qa_model):
    question = "누가 부산을 찾았나?"
    reading = qa_model.answer(question, KOREAN, top_k=3, return_probabilities=True)
    answers = [tuple(span) for span in reading.answers if span.end]
    made, shown = strip(KOREAN, answers, reading.starts, reading.ends, "en"), ranges(KOREAN, answers)
    wanted = [at for first, last in shown for at in range(first, last)]
    found = cells(made)
    assert "".join(text for _, text, _, _ in found) == "".join(KOREAN[at] for at in wanted)
    for (kinds, _, starts, ends), at in zip(found, wanted, strict=True):
        assert starts == pytest.approx(100 * reading.starts[at], abs=0.051)
        assert ends == pytest.approx(100 * reading.ends[at], abs=0.051)
        assert ("within" in kinds) == any(start <= at < end for start, end, *_ in answers)
        assert ("best" in kinds) == (answers[0][0] <= at < answers[0][1])
    # The upper line is tinted by where the answer begins, the lower one by where it ends, against the largest of both.
    tints = [(float(s), float(e)) for s, e in re.findall(r'style="--s:([\d.]+);--e:([\d.]+)"', made)]
    most = max(LEAST_PEAK, *(max(reading.starts[at], reading.ends[at]) for at in wanted))
    assert tints == [
        (pytest.approx(reading.starts[at] / most, abs=0.0006), pytest.approx(reading.ends[at] / most, abs=0.0006))
        for at in wanted
    ]
    for first, last in shown:
        assert f"start probability {percent(reading.starts[first:last].sum())}" in made
        assert f"end probability {percent(reading.ends[first:last].sum())}" in made


@SETTINGS
@given(answered(), st.integers(0, 2**32 - 1))
def test_cells_hold_all_of_a_passage_and_its_whole_probability(case, seed):
    text, answers = case
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(text)), 2)
    shown = ranges(text, answers)
    assert len(shown) <= RANGES and all(last < first for (_, last), (first, _) in zip(shown, shown[1:]))
    best = next((answer for answer in answers if answer[1]), None)
    made = strip(text, answers, *shares, "ko")
    if best is None:
        assert say("ko", "strip_waiting") in made and not shown
        return
    # The best answer is seen, or as much of it as a passage holds.
    assert any(first <= best[0] < last for first, last in shown)
    found = cells(made)
    wanted = "".join(text[first:last] for first, last in shown)
    assert "".join(shown for _, shown, _, _ in found) == wanted.replace("\n", "↵")
    tints = [float(value) for value in re.findall(r"--[se]:([\d.]+)", made)]
    assert all(0 <= value <= 1 for value in tints)
    peak = max(shares[row, at] for row in (0, 1) for first, last in shown for at in range(first, last))
    assert max(tints) == pytest.approx(min(1.0, peak / LEAST_PEAK), abs=0.001)
    total = sum(shares[0, first:last].sum() for first, last in shown)
    assert sum(starts for _, _, starts, _ in found) == pytest.approx(100 * total, abs=0.05 * len(found) + 1e-6)


def test_what_is_drawn_as_one_is_one_cell_with_the_sum():
    text = "\u1109\u1165\u110b\u116e\u11af e\u0301 👨\u200d👩\u200d👧!"
    starts, ends = np.arange(len(text)) / 1000, np.arange(len(text))[::-1] / 1000
    found = cells(strip(text, [(0, 3, "answer", 0.5)], starts, ends, "en"))
    assert [shown for _, shown, _, _ in found] == [
        "\u1109\u1165",
        "\u110b\u116e\u11af",
        " ",
        "e\u0301",
        " ",
        "👨\u200d👩\u200d👧",
        "!",
    ]
    assert found[1][2] == pytest.approx(100 * starts[2:5].sum(), abs=0.051)
    assert found[1][3] == pytest.approx(100 * ends[2:5].sum(), abs=0.051)


def test_a_word_keeps_together_with_the_space_behind_it():
    text = "가나 다라" + "마" * LONGEST_WORD
    even = np.full(len(text), 1 / len(text))
    made = strip(text, [(0, 2, "answer", 0.5)], even, even, "ko")
    assert [plain(word) for word in re.findall(r'<span class="word">((?:<span.*?</span>)*)</span>', made)] == ["가나 "]


def test_a_long_document_shows_the_passages_around_its_best_answers():
    text = "가 나. " * 2000
    answers = [(at, at + 1, "answer", 0.1) for at in (5000, 10, 9000, 5010, 3000)]
    even = np.full(len(text), 1 / len(text))
    shown = ranges(text, answers)
    assert [any(first <= at < last for first, last in shown) for at, *_ in answers] == [True, True, True, False, False]
    assert len(cells(strip(text, answers, even, even, "ko"))) < 200 * RANGES
    # Once there are enough, one that touches them still widens them.
    wider = ranges(text, [*answers, (5003, 5008, "answer", 0.01)])
    assert len(wider) == RANGES and any(first <= 5000 and last >= 5008 for first, last in wider)


def test_an_answer_of_a_file_is_shown_in_its_surroundings():
    text = "가나다. " * 200 + "김연아는 부산을 찾았다. " + "라마바. " * 200
    start = text.index("부산")
    made = previewed("어디?", text, [(start, start + 2, "answer", 0.5)], COLOUR, "ko")
    assert re.findall(r"<mark[^>]*>([^<]*)<", made) == ["부산"] and ">어디?</p>" in made
    assert "김연아는" in made and len(plain(made)) < 400
    none = previewed("어디?", text, [], COLOUR, "ko")
    assert "<mark" not in none and say("ko", "no_answer") in none and text[:300] in plain(none)
    assert text[:301] not in plain(none)
