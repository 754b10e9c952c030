"""The words nearest to a question's."""

from hypothesis import given
from hypothesis import strategies as st

from kospan.example import Example
from kospan.tasks.question_answering.baseline import nearest_answer, nearest_answers

TEXT = "제주의 감귤 축제는 십일월에 열린다. 부산의 영화제는 시월에 열린다. 비가 오면 다음 날로 미룬다."


def said(question: str, text: str = TEXT) -> list[str]:
    return [text[span.start : span.end] for span in nearest_answer(question, text)]


def test_the_answer_stands_beside_the_questions_words_and_loses_its_particle():
    assert said("감귤 축제는 언제 열리나?") == ["십일월"]
    assert said("부산의 영화제는 언제 열리나?") == ["시월"]


def test_words_of_the_question_are_no_answer():
    assert said("감귤 축제는", "감귤 축제는") == []
    assert said("누구인가?", "") == [] and said("누구인가?", " .,! ") == []


def test_every_question_gets_at_most_one_answer_with_the_label_asked_for():
    documents = [Example("a", TEXT, None, "감귤 축제는 언제?"), Example("b", "", None, "언제?")]
    first, second = nearest_answers(documents, "reply")
    assert first[0].label == "reply" and first[0].score == 1.0 and second == []


@given(st.text(max_size=12), st.text(max_size=60))
def test_any_texts_give_a_span_of_the_text_without_space_at_its_ends(question, text):
    for span in nearest_answer(question, text):
        assert 0 <= span.start < span.end <= len(text)
        surface = text[span.start : span.end]
        assert surface == surface.strip() and surface[0].isalnum() and surface[-1].isalnum()
