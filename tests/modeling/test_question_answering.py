"""The reader: its loss by hand, what may be asked, windows against one window, saving, and text that breaks offsets."""

import itertools
import unicodedata
from threading import Barrier, Thread

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stub_cases import SubwordStates, wordpiece
from time_limits import SECONDS
from torch import nn
from transformers import AutoModel, AutoModelForQuestionAnswering

from kospan.modeling import Span
from kospan.modeling.alignment import clusters
from kospan.modeling.answers import AnswerDistribution, WindowScores
from kospan.training.rdrop import SpanEndsRDrop, double, symmetric_kl

QUESTIONS = ["회장이 어디서 회의를 열었는가?", "언제 부산을 찾았나?", "누가 전했나", "비?", "금리는 얼마나 올랐는가?"]
HOSTILE = [
    "이재용\x00회장\x07이 \x7f서울\x85에서",
    "가족 👨\u200d👩\u200d👧\u200d👦이 부산\u200b에 👩🏽\u200d🚀 왔다",
    "e\u0301 한\u0301국 \ufeff서울",
    "\ufeff\u200b\u200d",
    "\n\n서울\r\n부산\t대구\u3000광주\u00a0울산",
]
by_input = pytest.mark.parametrize("encoder_input", ["units", "subwords"])


def close(one: list[Span], other: list[Span], tolerance: float = 1e-5) -> None:
    assert [span[:3] for span in one] == [span[:3] for span in other]
    assert [span.score for span in one] == pytest.approx([span.score for span in other], abs=tolerance)


def batch_of(reader, texts: list[str]) -> dict:
    """A padded training batch of one window each; the last one lacks the answer."""
    documents, features = reader.aligner.documents(texts), []
    for at, (question, document) in enumerate(zip(QUESTIONS, documents)):
        window = reader.windows(question, document)[0]
        last = len(window.unit_positions)
        ends = [0, 0] if at == len(texts) - 1 else [min(at + 1, last), min(at + 3, last)]
        features.append(reader.features(window, reader.matches(question, document)) | {"labels": ends})
    return reader.collate(features)


def one_by_one(reader, question: str, context: str) -> AnswerDistribution:
    """Windows read one at a time, without padding; the distribution that `answer` must have chosen from."""
    document = reader.aligner.documents([context])[0]
    matches, scores, config = reader.matches(question, document), [], reader.config
    for window in reader.windows(question, document):
        with torch.no_grad():
            found = reader(**reader.collate([reader.features(window, matches)])).emissions[0].numpy()
        scores.append(WindowScores(window.first_unit, found[1:, 0], found[1:, 1], found[0].sum()))
    blank = [not context[start:end].strip() for start, end in document.units]
    return AnswerDistribution(
        scores, document.unit_subwords, config.max_answer_length, config.stride, config.allow_no_answer, blank=blank
    )


# --- forward ----------------------------------------------------------------------------------------------------------

VARIANTS = {
    "plain": {},
    "subwords": {"encoder_input": "subwords"},
    "matches": {"encoder_input": "units", "exact_match_feature": True},
    "recurrent": {"encoder_input": "units", "lstm_hidden_size": 8, "lstm_layers": 2, "exact_match_feature": True},
    "words": {"unit": "word"},
    "no segments": {"encoder": {"type_vocab_size": 1}},
    "null": {"allow_no_answer": True, "calibration_temperature": 2.0},
    "multi-sample dropout": {"dropout": 0.3, "multi_sample_dropout": 3},
}


def test_the_loss_is_the_mean_over_both_ends(make_qa_model, texts):
    reader = make_qa_model(exact_match_feature=True)
    batch = batch_of(reader, texts)
    found = reader(**batch)
    total, rows = 0.0, batch["unit_positions"] != -100
    for at, (start, end) in enumerate(batch["labels"].tolist()):
        scores = found.emissions[at, : 1 + int(rows[at].sum())].double()
        total -= scores[:, 0].log_softmax(dim=0)[start] + scores[:, 1].log_softmax(dim=0)[end]
    assert found.emissions.shape == (len(texts), 1 + rows.shape[1], 2) and found.emissions.dtype == torch.float32
    assert found.loss.item() == pytest.approx(total.item() / (2 * len(texts)), rel=1e-5)
    assert reader(**batch, num_items_in_batch=7).loss.item() == pytest.approx(total.item() / 7, rel=1e-5)
    assert reader(**{key: value for key, value in batch.items() if key != "labels"}).loss is None


def test_padding_holds_the_lowest_score_and_changes_nothing(make_qa_model, texts):
    reader = make_qa_model(lstm_hidden_size=8, encoder_input="units")
    batch = batch_of(reader, texts)
    together = reader(**batch).emissions
    for at in range(len(texts)):
        units, length = int((batch["unit_positions"][at] != -100).sum()), int(batch["attention_mask"][at].sum())
        alone = {key: value[at : at + 1] for key, value in batch.items() if key != "labels"}
        alone = {key: value[:, : units if key.startswith("unit") else length] for key, value in alone.items()}
        torch.testing.assert_close(together[at, : 1 + units], reader(**alone).emissions[0], atol=1e-5, rtol=1e-5)
        assert (together[at, 1 + units :] == torch.finfo(torch.float32).min).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_weight_learns(make_qa_model, texts, name):
    reader = make_qa_model(**VARIANTS[name]).train()
    batch, losses = batch_of(reader, texts), []
    optimizer = torch.optim.AdamW(reader.parameters(), lr=1e-2)
    for _ in range(6):
        optimizer.zero_grad()
        loss = reader(**batch).loss
        loss.backward()
        losses.append(loss.item())
        for part, parameter in reader.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), part
        optimizer.step()
    for part, parameter in reader.named_parameters():
        if not part.startswith("encoder."):
            assert parameter.grad.abs().sum() > 0, part
    assert losses[-1] < losses[0]


def test_multi_sample_dropout_are_averaged_in_training_alone(make_qa_model, texts):
    reader = make_qa_model(dropout=0.5, multi_sample_dropout=4)
    batch, seen = batch_of(reader, texts), []
    project = reader.project
    reader.project = lambda states: seen.append(project(states)) or seen[-1]
    reader(**batch)
    assert len(seen) == 1
    seen.clear()
    found = reader.train()(**batch).emissions
    assert len(seen) == 4 and not torch.equal(seen[0], seen[1])
    kept = found > torch.finfo(torch.float32).min
    torch.testing.assert_close(found[kept], torch.stack(seen).mean(dim=0)[kept])


def test_r_drop_is_two_forwards_and_their_divergence(make_qa_model, texts):
    reader = make_qa_model(dropout=0.4, exact_match_feature=True)
    batch, alpha = batch_of(reader, texts), 0.7
    reader.train()
    torch.manual_seed(4)
    found = reader(**double(batch), divergence=SpanEndsRDrop(alpha))
    first, second = found.emissions.double().chunk(2)
    assert not torch.equal(first, second)
    losses = [nn.functional.cross_entropy(half, batch["labels"], reduction="sum") for half in (first, second)]
    p, q = ([half.softmax(dim=1)[:, :, end] for end in (0, 1)] for half in (first, second))
    apart = sum(symmetric_kl(one, other).sum() for one, other in zip(p, q))
    ends = batch["labels"].numel()
    assert found.divergence.item() == pytest.approx((alpha * apart / 2 / ends).item(), rel=1e-4)
    expected = (losses[0] + losses[1]) / 2 / ends + alpha * apart / 2 / ends
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-4)
    found.loss.backward()
    assert reader.projection.weight.grad.abs().sum() > 0


def test_forward_says_what_it_lacks(make_qa_model, texts):
    reader = make_qa_model(exact_match_feature=True)
    with pytest.raises(ValueError, match=r"expected unit_positions.*model\.answer\(question, context\)"):
        reader(input_ids=torch.tensor([[2, 7, 3]]))
    batch = batch_of(reader, texts)
    del batch["exact_match_feature"]
    with pytest.raises(ValueError, match="expected exact_match_feature beside unit_positions"):
        reader(**batch)


def test_segments_tell_question_from_text(make_qa_model, texts):
    reader = make_qa_model()
    (window,) = reader.windows("비?", reader.aligner.documents([texts[3]])[0])
    types = reader.features(window, [])["token_type_ids"]
    subwords = reader.tokenizer.convert_ids_to_tokens(window.input_ids)
    assert "".join(subwords[: types.index(1)]) == "[CLS]비[UNK][SEP]" and types == sorted(types)
    assert "token_type_ids" not in make_qa_model(encoder={"type_vocab_size": 1}).features(window, [])


# --- what may be asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_answers_are_those_of_windows_read_one_by_one(make_qa_model, texts, name):
    reader = make_qa_model(**VARIANTS[name])
    reader.config.calibration_temperature = 1.0
    contexts = [*texts, " ".join(texts * 3)]
    questions = [*QUESTIONS, QUESTIONS[0]]
    for question, context, spans in zip(questions, contexts, reader.answer(questions, contexts, top_k=3)):
        wanted = one_by_one(reader, question, context).best(3)
        units = reader.aligner.documents([context])[0].units
        ends = [(units[first][0], units[last - 1][1]) if last else (0, 0) for first, last, _ in wanted]
        assert [span[:2] for span in spans] == ends
        assert [span.score for span in spans] == pytest.approx([answer.score for answer in wanted], abs=1e-5)
        assert {span.label for span in spans} == {"answer"}


def test_a_str_gives_a_list_and_lists_give_lists(make_qa_model, texts):
    reader = make_qa_model()
    alone = reader.answer(QUESTIONS[0], texts[0], top_k=2)
    assert len(alone) == 2 and all(isinstance(span, Span) for span in alone)
    assert reader.answer([QUESTIONS[0]], [texts[0]], top_k=2) == [alone]
    assert reader.answer((QUESTIONS[0],), (texts[0],), top_k=2) == [alone]
    about_one = reader.answer(QUESTIONS, texts[1])
    for one, question in zip(about_one, QUESTIONS, strict=True):
        close(one, reader.answer(question, texts[1]))
    assert reader.answer([], []) == reader.answer([], texts[0]) == []


def test_order_and_batch_size_change_no_answer(make_qa_model, texts):
    reader = make_qa_model(lstm_hidden_size=8)
    questions, contexts = QUESTIONS * 2, [*texts, *(" ".join(texts[at:] * 2) for at in range(5))]
    one = reader.answer(questions, contexts, top_k=3, batch_size=1)
    for spans, others in zip(one, reader.answer(questions, contexts, top_k=3, batch_size=32), strict=True):
        close(spans, others)
    turned = reader.answer(questions[::-1], contexts[::-1], top_k=3, batch_size=4)
    for spans, others in zip(one, turned[::-1], strict=True):
        close(spans, others)


def test_many_questions_are_read_in_several_goes(make_qa_model, texts, monkeypatch):
    reader = make_qa_model()
    whole = reader.answer(QUESTIONS, texts)
    monkeypatch.setattr("kospan.modeling.modeling_question_answering._DOCUMENTS_AT_A_TIME", 2)
    for one, other in zip(whole, reader.answer(QUESTIONS, texts), strict=True):
        close(one, other)


def test_the_ranking_is_apart_and_sums_to_at_most_one(make_qa_model, texts):
    reader, context = make_qa_model(), " ".join(texts)
    spans = reader.answer(QUESTIONS[0], context, top_k=40)
    assert 2 <= len(spans) <= 40 and sum(span.score for span in spans) <= 1 + 1e-9
    assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
    for one, other in itertools.combinations(spans, 2):
        assert one.end <= other.start or other.end <= one.start
    shared = reader.answer(QUESTIONS[0], context, top_k=40, overlapping=True)
    assert len(shared) == 40 and sum(span.score for span in shared) <= 1 + 1e-9
    assert any(one.end > other.start and other.end > one.start for one, other in itertools.combinations(shared, 2))
    assert shared[0] == spans[0]


def test_the_threshold_is_the_config_s_unless_a_call_says(make_qa_model, texts):
    reader = make_qa_model()
    every = reader.answer(QUESTIONS[0], texts[0], top_k=5)
    limit = every[2].score
    assert reader.answer(QUESTIONS[0], texts[0], top_k=5, threshold=limit) == every[:3]
    reader.config.threshold = limit
    assert reader.answer(QUESTIONS[0], texts[0], top_k=5) == every[:3]
    assert reader.answer(QUESTIONS[0], texts[0], top_k=5, threshold=0.0) == every
    assert reader.answer(QUESTIONS[0], texts[0], threshold=1.0) == []


@pytest.mark.parametrize(
    "settings", [{}, {"encoder_input": "units"}, {"trim_particles": True}, {"allow_no_answer": True}]
)
def test_starts_and_ends_are_those_of_all_answers(make_qa_model, texts, settings):
    reader, context = make_qa_model(**settings), " ".join(texts)
    reading = reader.answer(QUESTIONS[0], context, top_k=100_000, overlapping=True, return_probabilities=True)
    starts, ends = np.zeros(len(context)), np.zeros(len(context))
    for start, end, _, score in reading.answers:
        if end:
            starts[start] += score
            ends[end - 1] += score
    np.testing.assert_allclose(reading.starts, starts, atol=1e-9)
    np.testing.assert_allclose(reading.ends, ends, atol=1e-9)
    assert reading.starts.sum() == pytest.approx(1 - reading.null) and reading.ends.sum() <= 1 + 1e-9
    assert (reading.null > 0) == bool(settings.get("allow_no_answer"))
    listed = reader.answer([QUESTIONS[0]], [context], return_probabilities=True)
    assert listed[0].answers == reader.answer(QUESTIONS[0], context)


def test_no_answer_is_an_empty_span_where_it_takes_part(make_qa_model, texts):
    reader = make_qa_model(allow_no_answer=True)
    spans = reader.answer(QUESTIONS[0], texts[0], top_k=1000, overlapping=True)
    assert [span[:3] for span in spans].count((0, 0, "answer")) == 1
    assert (0, 0) not in [span[:2] for span in reader.answer(QUESTIONS[0], texts[0], top_k=1000, allow_no_answer=False)]
    # Each window alone may lack the answer, so the least of them counts.
    with torch.no_grad():
        reader.projection.bias.add_(1.0)
    long = " ".join(texts * 2)
    assert one_by_one(reader, QUESTIONS[0], long).null_probability == pytest.approx(
        reader.answer(QUESTIONS[0], long, return_probabilities=True).null, abs=1e-6
    )


@pytest.mark.parametrize("settings", [{}, {"encoder_input": "units", "exact_match_feature": True}, {"unit": "word"}])
def test_no_answer_begins_or_ends_with_white_space(make_qa_model, texts, settings):
    reader = make_qa_model(**settings)
    context = "\n\n\u3000 " + "\u00a0\n".join(texts[:2]) + " \r\n"
    for overlapping in (False, True):
        reading = reader.answer(QUESTIONS[0], context, top_k=10_000, overlapping=overlapping, return_probabilities=True)
        surfaces = [context[span.start : span.end] for span in reading.answers]
        assert surfaces and all(surface and surface == surface.strip() for surface in surfaces)
        for values in (reading.starts, reading.ends):
            assert not values[[character.isspace() for character in context]].any()
            assert values.sum() == pytest.approx(1)
    # All answers are there, so their probabilities are what they are of.
    assert sum(span.score for span in reading.answers) == pytest.approx(1)


def test_a_context_of_white_space_has_no_answer(make_qa_model, texts):
    reader, known = make_qa_model(), make_qa_model(allow_no_answer=True)
    for context in ("", " ", "\n\u3000\t " * 30):
        assert reader.answer(QUESTIONS[0], context, top_k=5) == []
        assert reader.answer(QUESTIONS, [context, *texts[: len(QUESTIONS) - 1]])[0] == []
        assert known.answer(QUESTIONS[0], context, top_k=5) == [(0, 0, "answer", 1.0)]
        reading = reader.answer(QUESTIONS[0], context, return_probabilities=True)
        assert (reading.null, reading.starts.sum(), reading.ends.sum()) == (0.0, 0.0, 0.0)


def test_answers_do_not_depend_on_the_kind_of_white_space(make_qa_model, texts):
    reader = make_qa_model(encoder_input="units", exact_match_feature=True)
    context, question = " ".join(texts), QUESTIONS[0]
    expected = reader.answer(question, context, top_k=3)
    for space in ("\n", "\u3000", "\u00a0", "\u2028", "\x85", "\t"):
        close(reader.answer(question.replace(" ", space), context.replace(" ", space), top_k=3), expected)


def test_limits_hold(make_qa_model, texts):
    reader, context = make_qa_model(encoder_input="units"), " ".join(texts)

    def longest(**limits) -> int:
        found = reader.answer(QUESTIONS[0], context, top_k=10_000, overlapping=True, **limits)
        return max(span.end - span.start for span in found)

    assert (longest(), longest(max_answer_length=2), longest(max_answer_length=99)) == (6, 2, 8)
    assert longest(max_answer_length=99, stride=3) == 3
    document = reader.aligner.documents([context])[0]
    window = reader.windows("가" * 30, document, reader.limits(max_query_length=4, max_length=20))[0]
    assert window.text_at == 1 + 4 + 1 and len(window.input_ids) == 20
    assert len(reader.windows("가" * 30, document)[0].input_ids) == 48


def test_a_particle_is_cut_and_equal_answers_are_one(make_qa_model, texts):
    reader = make_qa_model(encoder_input="units", max_answer_length=8, max_length=60)
    every = reader.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True)
    score = {(span.start, span.end): span.score for span in every}
    found = reader.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True, trim_particles=True)
    trimmed = {(span.start, span.end): span.score for span in found}
    seoul, at_seoul = (8, 10), (8, 12)
    assert texts[0][slice(*seoul)] == "서울" and texts[0][slice(*at_seoul)] == "서울에서"
    assert trimmed[seoul] == pytest.approx(score[seoul] + score[at_seoul], rel=1e-9) and at_seoul not in trimmed
    assert sum(trimmed.values()) == pytest.approx(sum(score.values()), abs=1e-9)
    # "에서" alone is what the answer has.
    assert trimmed[10, 12] == score[10, 12]
    reader.config.trim_particles = True
    assert reader.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True) == found
    assert reader.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True, trim_particles=False) == every
    words = make_qa_model(unit="word", trim_particles=True, max_answer_length=1)
    ends = {texts[0][span.start : span.end] for span in words.answer(QUESTIONS[0], texts[0], top_k=9)}
    assert "서울" in ends and not any(each.endswith("에서") for each in ends)


# --- windows ----------------------------------------------------------------------------------------------------------


def stub(make_qa_model, tokenizer, window: int, **settings):
    reader = make_qa_model(
        tokenizer=tokenizer, max_length=window, encoder={"max_position_embeddings": 3000}, **{"stride": 8, **settings}
    )
    reader.encoder = SubwordStates(len(reader.tokenizer), 16)
    return reader


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
    """Where a score depends on the subword alone, also the probabilities are equal."""
    context, tokenizer = " ".join(texts[at] for at in order), wordpiece(texts)
    found = []
    for size in (2500, max_length):
        reader = stub(make_qa_model, tokenizer, size, stride=stride, unit=unit, encoder_input=encoder_input)
        found.append(reader.answer(question, context, top_k=8, return_probabilities=True))
    one, many = found
    assert one.answers == many.answers
    np.testing.assert_array_equal(one.starts, many.starts)
    np.testing.assert_array_equal(one.ends, many.ends)


def test_many_windows_are_really_many(make_qa_model, texts):
    reader = stub(make_qa_model, wordpiece(texts), 30)
    assert len(reader.windows(QUESTIONS[0], reader.aligner.documents([" ".join(texts)])[0])) > 3


def test_a_document_of_200_000_characters(make_qa_model, texts):
    reader = make_qa_model(
        encoder_input="units",
        max_length=64,
        encoder={"num_hidden_layers": 0, "hidden_size": 8, "num_attention_heads": 2},
    )
    context = ("가나다라마바사아자차 " * 20_000)[:200_000]
    context = context[:150_000] + " 이재용 " + context[150_005:]
    assert len(context) == 200_000
    reading = reader.answer("이재용", context, batch_size=256, top_k=3, return_probabilities=True, stride=1)
    assert reading.starts.shape == (200_000,) and reading.starts.sum() == pytest.approx(1)
    assert all(0 <= span.start < span.end <= 200_000 for span in reading.answers)


# --- text -------------------------------------------------------------------------------------------------------------


@by_input
@pytest.mark.parametrize("unit", ["character", "word"])
def test_hostile_characters_keep_offsets_inside_the_text(make_qa_model, texts, unit, encoder_input):
    reader = make_qa_model(unit=unit, encoder_input=encoder_input, tokenizer=wordpiece(texts), exact_match_feature=True)
    questions = [*HOSTILE[::-1], "비?"]
    contexts = [*HOSTILE, " ".join(HOSTILE * 3)]
    questions = [question if question.strip() else "비?" for question in questions]
    for context, spans in zip(contexts, reader.answer(questions, contexts, top_k=5)):
        assert spans
        units = reader.aligner.documents([context])[0].units
        for span in spans:
            assert span.start in {start for start, _ in units} and span.end in {end for _, end in units}
            assert 0 <= span.start < span.end <= len(context)


@by_input
def test_decomposed_hangul_gives_the_same_answers(make_qa_model, texts, encoder_input):
    reader = make_qa_model(encoder_input=encoder_input, tokenizer=wordpiece(texts), exact_match_feature=True)
    for question, text in zip(QUESTIONS, texts):
        apart, asked = (unicodedata.normalize("NFD", each) for each in (text, question))
        for question_form in (question, asked):
            one, other = reader.answer(question, text, top_k=4), reader.answer(question_form, apart, top_k=4)
            surfaces = [unicodedata.normalize("NFC", apart[span.start : span.end]) for span in other]
            assert surfaces == [text[span.start : span.end] for span in one]
            assert [span.score for span in other] == pytest.approx([span.score for span in one], abs=1e-6)


def test_matches_count_composed_characters(make_qa_model):
    reader = make_qa_model(exact_match_feature=True)
    text = unicodedata.normalize("NFD", "수도는 서울") + "e\u0301"
    document = reader.aligner.documents([text])[0]
    assert len(document.units) == len(clusters(text)) == 7
    assert reader.matches("한국의 수도는", document) == [3, 3, 3, 0, 0, 0, 0]
    words = make_qa_model(exact_match_feature=True, unit="word")
    assert words.matches("한국의 수도", words.aligner.documents([text])[0]) == [2, 0]
    assert make_qa_model().matches("한국의 수도", document) == []


def test_a_text_without_characters_has_no_answer(make_qa_model):
    reader = make_qa_model()
    assert reader.answer("무엇인가?", "") == []
    reading = reader.answer("무엇인가?", "", return_probabilities=True)
    assert reading.starts.shape == (0,) and reading.null == 0.0
    assert reader.answer("무엇인가?", "", allow_no_answer=True) == [Span(0, 0, "answer", 1.0)]
    assert reader.answer(["가?", "나?"], ["", "비가 온다"])[0] == []
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
def test_a_saved_reader_comes_back_with_equal_answers(make_qa_model, texts, tmp_path, name):
    reader = make_qa_model(**VARIANTS[name], threshold=0.01, trim_particles=True)
    contexts = [*texts[:-1], " ".join(texts)]
    expected = reader.answer(QUESTIONS, contexts, top_k=3)
    assert any(expected)
    reader.save_pretrained(tmp_path)
    for auto in (AutoModel, AutoModelForQuestionAnswering):
        found = auto.from_pretrained(tmp_path)
        assert type(found).__name__ == "KospanForQuestionAnswering" and not found.training
        assert found.answer(QUESTIONS, contexts, top_k=3) == expected
    assert found.config.to_dict().keys() == reader.config.to_dict().keys()
    assert found.limits() == reader.limits() and found.config.threshold == 0.01


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_finite_scores(make_qa_model, texts, tmp_path, dtype):
    reader = make_qa_model(lstm_hidden_size=8, exact_match_feature=True, allow_no_answer=True)
    reader.save_pretrained(tmp_path)
    for half in (AutoModel.from_pretrained(tmp_path, dtype=dtype), AutoModel.from_pretrained(tmp_path).to(dtype)):
        assert half.projection.weight.dtype == dtype
        output = half(**batch_of(half, texts))
        assert output.emissions.dtype == torch.float32 and torch.isfinite(output.emissions).all()
        assert torch.isfinite(output.loss)
        for text, wide, spans in zip(texts, reader.answer(QUESTIONS, texts), half.answer(QUESTIONS, texts, top_k=3)):
            assert all(0 <= span.start <= span.end <= len(text) and 0 <= span.score <= 1 for span in spans)
            assert sum(span.score for span in spans) <= 1 + 1e-9 and wide


@pytest.mark.parametrize("training", [True, False])
def test_answering_leaves_the_mode_as_it_was(make_qa_model, texts, training):
    reader = make_qa_model(dropout=0.5).train(training)
    found = reader.answer(QUESTIONS, texts)
    assert reader.training is training and reader.answer(QUESTIONS, texts) == found


def test_threads_answer_as_one_does(make_qa_model, texts):
    reader = make_qa_model(dropout=0.5, lstm_hidden_size=8).train()
    expected, found, gate = reader.answer(QUESTIONS, texts), [None] * 4, Barrier(4)

    def ask(at: int) -> None:
        gate.wait(SECONDS)
        found[at] = [reader.answer(QUESTIONS[at:], texts[at:]) for _ in range(4)]

    threads = [Thread(target=ask, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert reader.training
    for at, several in enumerate(found):
        for answers in several:
            for ours, theirs in zip(expected[at:], answers, strict=True):
                close(ours, theirs)


def test_a_reader_without_tokenizer_says_so(make_qa_model):
    reader = make_qa_model()
    reader.tokenizer = None
    with pytest.raises(ValueError, match="expected a tokenizer beside the model, got none"):
        reader.answer("비?", "비가 온다")


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
