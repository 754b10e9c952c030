"""Question answering over windows and unusual texts; saving, precision and threads."""

import unicodedata
from threading import Barrier, Thread

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qa_model_cases import HOSTILE, QUESTIONS, VARIANTS, batch_of, by_input, close
from stub_cases import SubwordStates, wordpiece
from time_limits import SECONDS
from transformers import AutoModel, AutoModelForQuestionAnswering

from kospan.modeling import Span
from kospan.modeling.alignment import clusters

# --- windows ----------------------------------------------------------------------------------------------------------


def stub(make_qa_model, tokenizer, window: int, **settings):
    model = make_qa_model(
        tokenizer=tokenizer, max_length=window, encoder={"max_position_embeddings": 3000}, **{"stride": 8, **settings}
    )
    model.encoder = SubwordStates(len(model.tokenizer), 16)
    return model


@by_input
@pytest.mark.parametrize("unit", ["character", "word"])
@given(
    order=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    question=st.sampled_from([*QUESTIONS, "가" * 40]),
    max_length=st.integers(30, 70),
    stride=st.integers(1, 8),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_window_and_many_give_equal_answers(
    make_qa_model, texts, unit, encoder_input, order, question, max_length, stride
):
    """With scores that depend on the subword alone, the probabilities are equal too."""
    context, tokenizer = " ".join(texts[at] for at in order), wordpiece(texts)
    found = []
    for size in (2500, max_length):
        model = stub(make_qa_model, tokenizer, size, stride=stride, unit=unit, encoder_input=encoder_input)
        found.append(model.answer(question, context, top_k=8, return_probabilities=True))
    one, many = found
    assert one.answers == many.answers
    np.testing.assert_array_equal(one.starts, many.starts)
    np.testing.assert_array_equal(one.ends, many.ends)


def test_many_windows_are_really_many(make_qa_model, texts):
    model = stub(make_qa_model, wordpiece(texts), 30)
    assert len(model.windows(QUESTIONS[0], model.aligner.documents([" ".join(texts)])[0])) > 3


def test_a_document_of_200_000_characters(make_qa_model, texts):
    model = make_qa_model(
        encoder_input="units",
        max_length=64,
        encoder={"num_hidden_layers": 0, "hidden_size": 8, "num_attention_heads": 2},
    )
    context = ("가나다라마바사아자차 " * 20_000)[:200_000]
    context = context[:150_000] + " 이재용 " + context[150_005:]
    assert len(context) == 200_000
    reading = model.answer("이재용", context, batch_size=256, top_k=3, return_probabilities=True, stride=1)
    assert reading.starts.shape == (200_000,) and reading.starts.sum() == pytest.approx(1)
    assert all(0 <= span.start < span.end <= 200_000 for span in reading.answers)


# --- text -------------------------------------------------------------------------------------------------------------


@by_input
@pytest.mark.parametrize("unit", ["character", "word"])
def test_hostile_characters_keep_offsets_inside_the_text(make_qa_model, texts, unit, encoder_input):
    model = make_qa_model(unit=unit, encoder_input=encoder_input, tokenizer=wordpiece(texts), exact_match_feature=True)
    questions = [*HOSTILE[::-1], "비?"]
    contexts = [*HOSTILE, " ".join(HOSTILE * 3)]
    questions = [question if question.strip() else "비?" for question in questions]
    for context, spans in zip(contexts, model.answer(questions, contexts, top_k=5)):
        assert spans
        units = model.aligner.documents([context])[0].units
        for span in spans:
            assert span.start in {start for start, _ in units} and span.end in {end for _, end in units}
            assert 0 <= span.start < span.end <= len(context)


@by_input
def test_decomposed_hangul_gives_the_same_answers(make_qa_model, texts, encoder_input):
    model = make_qa_model(encoder_input=encoder_input, tokenizer=wordpiece(texts), exact_match_feature=True)
    for question, text in zip(QUESTIONS, texts):
        apart, asked = (unicodedata.normalize("NFD", each) for each in (text, question))
        for question_form in (question, asked):
            one, other = model.answer(question, text, top_k=4), model.answer(question_form, apart, top_k=4)
            surfaces = [unicodedata.normalize("NFC", apart[span.start : span.end]) for span in other]
            assert surfaces == [text[span.start : span.end] for span in one]
            assert [span.score for span in other] == pytest.approx([span.score for span in one], abs=1e-6)


def test_matches_count_composed_characters(make_qa_model):
    model = make_qa_model(exact_match_feature=True)
    text = unicodedata.normalize("NFD", "수도는 서울") + "e\u0301"
    document = model.aligner.documents([text])[0]
    assert len(document.units) == len(clusters(text)) == 7
    assert model.matches("한국의 수도는", document) == [3, 3, 3, 0, 0, 0, 0]
    words = make_qa_model(exact_match_feature=True, unit="word")
    assert words.matches("한국의 수도", words.aligner.documents([text])[0]) == [2, 0]
    assert make_qa_model().matches("한국의 수도", document) == []


def test_a_text_without_characters_has_no_answer(make_qa_model):
    model = make_qa_model()
    assert model.answer("무엇인가?", "") == []
    reading = model.answer("무엇인가?", "", return_probabilities=True)
    assert reading.starts.shape == (0,) and reading.null == 0.0
    assert model.answer("무엇인가?", "", allow_no_answer=True) == [Span(0, 0, "answer", 1.0)]
    assert model.answer(["가?", "나?"], ["", "비가 온다"])[0] == []
    assert make_qa_model(unit="word").answer("무엇인가?", " \n ") == []


BAD = {
    "an empty question": (("", "비"), {}, ValueError, "a question of one character or more, got '' at index 0"),
    "spaces alone": ((["비?", " \n\u3000"], "비"), {}, ValueError, r"got ' \\n\\u3000' at index 1"),
    "a question is no text": ((3, "비"), {}, TypeError, "expected question to be a str or a list of str, got int"),
    "one is none": (
        (["비?", None], "비"),
        {},
        TypeError,
        "every item of question to be a str, got NoneType at index 1",
    ),
    "bytes": ((["비?"], [b"a"]), {}, TypeError, "every item of context to be a str, got bytes at index 0"),
    "no context": ((["비?"], None), {}, TypeError, "expected context to be a str or a list of str, got NoneType"),
    "texts for one question": (("비?", ["비"]), {}, TypeError, "expected one text for one question, got list"),
    "fewer texts": ((["비?", "눈?"], ["비"]), {}, ValueError, "got 2 questions and 1 texts; pass lists of one length"),
    "half a pair": (("비?", "a\ud800"), {}, ValueError, r"half of a surrogate pair, '\\ud800', as character 1"),
    "half a pair asked": (("\udc00?", "a"), {}, ValueError, r"half of a surrogate pair, '\\udc00', as character 0"),
    "top_k 0": (("비?", "비"), {"top_k": 0}, ValueError, "expected top_k of 1 or more, got 0"),
    "top_k true": (("비?", "비"), {"top_k": True}, ValueError, "expected top_k of 1 or more, got True"),
    "top_k a text": (("비?", "비"), {"top_k": "3"}, ValueError, "expected top_k of 1 or more, got '3'"),
    "threshold": (("비?", "비"), {"threshold": 1.5}, ValueError, "threshold to be a number from 0 to 1, got 1.5"),
    "batch_size": (("비?", "비"), {"batch_size": 0}, ValueError, "expected batch_size to be 1 or more windows, got 0"),
    "unknown": (("비?", "비"), {"longst": 3}, TypeError, "expected only the limits max_length, .*, got longst"),
    "longest": (
        ("비?", "비"),
        {"max_answer_length": 0},
        ValueError,
        "max_answer_length to be a whole number of 1 or more",
    ),
    "null": (("비?", "비"), {"allow_no_answer": 1}, ValueError, "expected allow_no_answer to be true or false, got 1"),
    "particles": (("비?", "비"), {"trim_particles": "no"}, ValueError, "trim_particles to be true or false, got 'no'"),
    "max_length": (
        ("비?", "비"),
        {"max_length": 65},
        ValueError,
        "max_length to be 64 or less, which is what the encoder reads",
    ),
    "stride": (("비?", "비"), {"stride": 60}, ValueError, "a stride that leaves a window of 48 .*, got 60; make the"),
    "question": (
        ("가" * 16, "비"),
        {"stride": 40},
        ValueError,
        "a question of at most 4 subwords, got 16; make the window",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_answered_is_refused(make_qa_model, name):
    asked, options, error, says = BAD[name]
    with pytest.raises(error, match=says) as caught:
        make_qa_model().answer(*asked, **options)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_no_config(make_qa_model, value):
    with pytest.raises(ValueError, match="expected threshold to be a number from 0 to 1, got"):
        make_qa_model(threshold=value)


# --- saving, precision, threads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_a_saved_model_comes_back_with_equal_answers(make_qa_model, texts, tmp_path, name):
    model = make_qa_model(**VARIANTS[name], threshold=0.01, trim_particles=True)
    contexts = [*texts[:-1], " ".join(texts)]
    expected = model.answer(QUESTIONS, contexts, top_k=3)
    assert any(expected)
    model.save_pretrained(tmp_path)
    for auto in (AutoModel, AutoModelForQuestionAnswering):
        found = auto.from_pretrained(tmp_path)
        assert type(found).__name__ == "KospanForQuestionAnswering" and not found.training
        assert found.answer(QUESTIONS, contexts, top_k=3) == expected
    assert found.config.to_dict().keys() == model.config.to_dict().keys()
    assert found.limits() == model.limits() and found.config.threshold == 0.01


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_finite_scores(make_qa_model, texts, tmp_path, dtype):
    model = make_qa_model(lstm_hidden_size=8, exact_match_feature=True, allow_no_answer=True)
    model.save_pretrained(tmp_path)
    for half in (AutoModel.from_pretrained(tmp_path, dtype=dtype), AutoModel.from_pretrained(tmp_path).to(dtype)):
        assert half.projection.weight.dtype == dtype
        output = half(**batch_of(half, texts))
        assert output.emissions.dtype == torch.float32 and torch.isfinite(output.emissions).all()
        assert torch.isfinite(output.loss)
        for text, wide, spans in zip(texts, model.answer(QUESTIONS, texts), half.answer(QUESTIONS, texts, top_k=3)):
            assert all(0 <= span.start <= span.end <= len(text) and 0 <= span.score <= 1 for span in spans)
            assert sum(span.score for span in spans) <= 1 + 1e-9 and wide


@pytest.mark.parametrize("training", [True, False])
def test_answering_leaves_the_mode_as_it_was(make_qa_model, texts, training):
    model = make_qa_model(dropout=0.5).train(training)
    found = model.answer(QUESTIONS, texts)
    assert model.training is training and model.answer(QUESTIONS, texts) == found


def test_threads_answer_as_one_does(make_qa_model, texts):
    model = make_qa_model(dropout=0.5, lstm_hidden_size=8).train()
    expected, found, gate = model.answer(QUESTIONS, texts), [None] * 4, Barrier(4)

    def ask(at: int) -> None:
        gate.wait(SECONDS)
        found[at] = [model.answer(QUESTIONS[at:], texts[at:]) for _ in range(4)]

    threads = [Thread(target=ask, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert model.training
    for at, several in enumerate(found):
        for answers in several:
            for ours, theirs in zip(expected[at:], answers, strict=True):
                close(ours, theirs)


def test_a_model_without_tokenizer_says_so(make_qa_model):
    model = make_qa_model()
    model.tokenizer = None
    with pytest.raises(ValueError, match="expected a tokenizer beside the model, got none"):
        model.answer("비?", "비가 온다")


@given(st.lists(st.integers(1, 900), max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_window_is_read_once_in_batches_that_fit(make_qa_model, lengths, batch_size):
    found = list(make_qa_model().batches(lengths, batch_size))
    assert sorted(at for batch in found for at in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[at] for at in batch)
        assert len(batch) <= batch_size and (len(batch) == 1 or len(batch) * longest <= 2048)
    flat = [lengths[at] for batch in found for at in batch]
    assert flat == sorted(lengths)
    # No batch could have taken the first window of the next one.
    for batch, following in zip(found, found[1:]):
        assert len(batch) == batch_size or (len(batch) + 1) * lengths[following[0]] > 2048
