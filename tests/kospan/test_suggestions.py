"""Choice of texts for annotation."""

from types import SimpleNamespace

import numpy as np
import pytest
from generative_cases import make_generative_model

from kospan.api import task_over
from kospan.evaluation.uncertainty import STRATEGIES, uncertainties
from kospan.example import Example
from kospan.suggestions import Chosen, suggest


def examples(texts, **fields) -> list[Example]:
    return [Example(f"text-{at}", text, None, **fields) for at, text in enumerate(texts)]


@pytest.fixture
def task(make_token_classifier):
    return task_over(make_token_classifier(encoder_input="units"))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("total", [False, True])
def test_the_most_uncertain_texts_come_first(task, texts, strategy, total):
    values = task.spec.uncertainty(task, examples(texts), strategy, total, 32)
    found = suggest(task, examples(texts), 3, strategy, total)
    order = sorted(range(len(texts)), key=lambda at: -values[at])[:3]
    assert [each.example.text for each in found] == [texts[at] for at in order]
    assert [each.uncertainty for each in found] == pytest.approx([values[at] for at in order])
    for example, _ in found:
        wanted = task.model.extract(example.text)
        assert [span[:3] for span in example.spans] == [span[:3] for span in wanted]
    assert len(suggest(task, examples(texts), 100)) == len(texts)


def test_sum_and_mean_rank_differently(task, texts):
    mean, total = (suggest(task, examples(texts), 5, total=total) for total in (False, True))
    assert [each.example.text for each in mean] != [each.example.text for each in total]


def test_equal_and_similar_texts_are_skipped(task, texts):
    near = texts[0].replace("이재용", "이재웅")
    data = examples([texts[0], near, texts[0].replace(" ", "  "), texts[1], texts[0]])

    def chosen(**settings) -> list[str]:
        return sorted(" ".join(each.example.text.split()) for each in suggest(task, data, 5, **settings))

    assert chosen(max_similarity=0.5) in (sorted([texts[0], texts[1]]), sorted([near, texts[1]]))
    assert chosen(max_similarity=1) == sorted([texts[0], near, texts[1]])
    assert chosen(max_similarity=0.5, labelled=examples([texts[0]])) == [texts[1]]


def test_similarity_is_the_jaccard_index():
    chosen = Chosen(["가나", "다라"])
    # Runs of two to four characters with a mark at both ends: 3 + 2 + 1; "가" and its mark are shared.
    assert chosen.similarity("가다") == pytest.approx(1 / 11)
    assert chosen.similarity("KBS") == 0 and Chosen().similarity("가") == 0
    assert Chosen(["KBS 뉴스"]).similarity("kbs\t뉴스") == 1
    chosen.add("가다")
    assert chosen.similarity("가다") == 1


def test_questions(make_qa_model, texts):
    task = task_over(make_qa_model())
    questions = ["누가 말했나?", "어디에서 열었나?", "언제 왔나?", "무엇이 올랐나?"]
    data = [Example(question, texts[0], None, question) for question in questions]
    for strategy in STRATEGIES:
        values = task.spec.uncertainty(task, data, strategy, False, 32)
        for example, value in zip(data, values):
            # All answers one by one.
            rows = [
                span.score for span in task.model.answer(example.question, example.text, 10**4, 0.0, overlapping=True)
            ]
            exact = uncertainties(np.array(rows), strategy)
            if strategy != "entropy":
                assert value == pytest.approx(exact, abs=1e-5)
            else:
                # The answers after the first ones are one outcome.
                lumped = np.array([*rows[:20], max(0.0, 1 - sum(rows[:20]))])
                assert value == pytest.approx(uncertainties(lumped, strategy), abs=1e-4) and value <= exact + 1e-4
        found = suggest(task, data, 10, strategy)
        assert sorted(each.example.question for each in found) == sorted(questions)
        assert all(len(each.example.spans) == 1 for each in found)
    with pytest.raises(ValueError, match=r"expected no sum over units for question-answering, .* leave out total=True"):
        suggest(task, data, total=True)
    blank = [Example("a", " ", None, "누가?")]
    assert suggest(task, blank)[0].uncertainty == 0


def test_classes(make_text_classifier, texts):
    task = task_over(make_text_classifier())
    rows = task.model.scores(texts)
    for strategy in STRATEGIES:
        wanted = sorted(uncertainties(rows, strategy), reverse=True)
        found = suggest(task, examples(texts), 5, strategy)
        assert [each.uncertainty for each in found] == pytest.approx(wanted, abs=1e-6)
    pairs = task_over(make_text_classifier(pairs=True))
    found = suggest(pairs, [Example(str(at), texts[0], None, text_pair=text) for at, text in enumerate(texts[1:4])])
    assert len(found) == 3


def test_values_are_refused(make_text_classifier, texts):
    task = task_over(make_text_classifier(problem_type="regression"))
    with pytest.raises(ValueError, match="expected a model of classes, got one of values"):
        suggest(task, examples(texts))


def test_generative_models(texts):
    task = task_over(make_generative_model())
    values = task.spec.uncertainty(task, examples(texts), "least_confidence", True, 32)
    for value, spans in zip(values, task.predict(examples(texts)), strict=True):
        assert value == pytest.approx(-np.log([span.score for span in spans]).sum() if spans else 0, abs=1e-5)
    with pytest.raises(ValueError, match="expected the strategy least_confidence for a generative model, got margin"):
        suggest(task, examples(texts), strategy="margin")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "expected count of 1 or more, got 0"),
        ({"max_similarity": 0}, "expected max_similarity above 0 and at most 1, got 0"),
        ({"max_similarity": 1.5}, "expected max_similarity"),
        ({"strategy": "random"}, "expected strategy to be one of"),
    ],
)
def test_wrong_settings(task, texts, settings, message):
    with pytest.raises(ValueError, match=message):
        suggest(task, examples(texts), **settings)


def test_tasks_without_probabilities_are_refused(texts):
    task = SimpleNamespace(spec=SimpleNamespace(name="other", uncertainty=None))
    with pytest.raises(ValueError, match="expected a model whose predictions have probabilities, got one of other"):
        suggest(task, examples(texts))
