"""The reader: its loss by hand, what may be asked, windows against one window, saving, and text that breaks offsets."""

import itertools

import numpy as np
import pytest
import torch
from qa_model_cases import QUESTIONS, VARIANTS, batch_of, close, one_by_one
from torch import nn

from kospan.modeling import Span
from kospan.modeling.rdrop import double, symmetric_kl

# --- forward ----------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_mean_over_both_ends(make_qa_model, texts):
    model = make_qa_model(exact_match_feature=True)
    batch = batch_of(model, texts)
    found = model(**batch)
    total, rows = 0.0, batch["unit_positions"] != -100
    for at, (start, end) in enumerate(batch["labels"].tolist()):
        scores = found.emissions[at, : 1 + int(rows[at].sum())].double()
        total -= scores[:, 0].log_softmax(dim=0)[start] + scores[:, 1].log_softmax(dim=0)[end]
    assert found.emissions.shape == (len(texts), 1 + rows.shape[1], 2) and found.emissions.dtype == torch.float32
    assert found.loss.item() == pytest.approx(total.item() / (2 * len(texts)), rel=1e-5)
    assert model(**batch, num_items_in_batch=7).loss.item() == pytest.approx(total.item() / 7, rel=1e-5)
    assert model(**{key: value for key, value in batch.items() if key != "labels"}).loss is None


def test_padding_holds_the_lowest_score_and_changes_nothing(make_qa_model, texts):
    model = make_qa_model(lstm_hidden_size=8, encoder_input="units")
    batch = batch_of(model, texts)
    together = model(**batch).emissions
    for at in range(len(texts)):
        units, length = int((batch["unit_positions"][at] != -100).sum()), int(batch["attention_mask"][at].sum())
        alone = {key: value[at : at + 1] for key, value in batch.items() if key != "labels"}
        alone = {key: value[:, : units if key.startswith("unit") else length] for key, value in alone.items()}
        torch.testing.assert_close(together[at, : 1 + units], model(**alone).emissions[0], atol=1e-5, rtol=1e-5)
        assert (together[at, 1 + units :] == torch.finfo(torch.float32).min).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_weight_learns(make_qa_model, texts, name):
    model = make_qa_model(**VARIANTS[name]).train()
    batch, losses = batch_of(model, texts), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(6):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        losses.append(loss.item())
        for part, parameter in model.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), part
        optimizer.step()
    for part, parameter in model.named_parameters():
        if not part.startswith("encoder."):
            assert parameter.grad.abs().sum() > 0, part
    assert losses[-1] < losses[0]


def test_multi_sample_dropout_are_averaged_in_training_alone(make_qa_model, texts):
    model = make_qa_model(dropout=0.5, multi_sample_dropout=4)
    batch, seen = batch_of(model, texts), []
    project = model.project
    model.project = lambda states: seen.append(project(states)) or seen[-1]
    model(**batch)
    assert len(seen) == 1
    seen.clear()
    found = model.train()(**batch).emissions
    assert len(seen) == 4 and not torch.equal(seen[0], seen[1])
    kept = found > torch.finfo(torch.float32).min
    torch.testing.assert_close(found[kept], torch.stack(seen).mean(dim=0)[kept])


def test_r_drop_is_two_forwards_and_their_divergence(make_qa_model, texts):
    model = make_qa_model(dropout=0.4, exact_match_feature=True)
    batch, alpha = batch_of(model, texts), 0.7
    model.train()
    torch.manual_seed(4)
    found = model(**double(batch), rdrop_alpha=alpha)
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
    assert model.projection.weight.grad.abs().sum() > 0


def test_forward_says_what_it_lacks(make_qa_model, texts):
    model = make_qa_model(exact_match_feature=True)
    with pytest.raises(ValueError, match=r"expected unit_positions.*model\.answer\(question, context\)"):
        model(input_ids=torch.tensor([[2, 7, 3]]))
    batch = batch_of(model, texts)
    del batch["exact_match_feature"]
    with pytest.raises(ValueError, match="expected exact_match_feature beside unit_positions"):
        model(**batch)


def test_segments_tell_question_from_text(make_qa_model, texts):
    model = make_qa_model()
    (window,) = model.windows("비?", model.aligner.documents([texts[3]])[0])
    types = model.features(window, [])["token_type_ids"]
    subwords = model.tokenizer.convert_ids_to_tokens(window.input_ids)
    assert "".join(subwords[: types.index(1)]) == "[CLS]비[UNK][SEP]" and types == sorted(types)
    assert "token_type_ids" not in make_qa_model(encoder={"type_vocab_size": 1}).features(window, [])


# --- what may be asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_answers_are_those_of_windows_read_one_by_one(make_qa_model, texts, name):
    model = make_qa_model(**VARIANTS[name])
    model.config.calibration_temperature = 1.0
    contexts = [*texts, " ".join(texts * 3)]
    questions = [*QUESTIONS, QUESTIONS[0]]
    for question, context, spans in zip(questions, contexts, model.answer(questions, contexts, top_k=3)):
        wanted = one_by_one(model, question, context).best(3)
        units = model.aligner.documents([context])[0].units
        ends = [(units[first][0], units[last - 1][1]) if last else (0, 0) for first, last, _ in wanted]
        assert [span[:2] for span in spans] == ends
        assert [span.score for span in spans] == pytest.approx([answer.score for answer in wanted], abs=1e-5)
        assert {span.label for span in spans} == {"answer"}


def test_a_str_gives_a_list_and_lists_give_lists(make_qa_model, texts):
    model = make_qa_model()
    alone = model.answer(QUESTIONS[0], texts[0], top_k=2)
    assert len(alone) == 2 and all(isinstance(span, Span) for span in alone)
    assert model.answer([QUESTIONS[0]], [texts[0]], top_k=2) == [alone]
    assert model.answer((QUESTIONS[0],), (texts[0],), top_k=2) == [alone]
    about_one = model.answer(QUESTIONS, texts[1])
    for one, question in zip(about_one, QUESTIONS, strict=True):
        close(one, model.answer(question, texts[1]))
    assert model.answer([], []) == model.answer([], texts[0]) == []


def test_order_and_batch_size_change_no_answer(make_qa_model, texts):
    model = make_qa_model(lstm_hidden_size=8)
    questions, contexts = QUESTIONS * 2, [*texts, *(" ".join(texts[at:] * 2) for at in range(5))]
    one = model.answer(questions, contexts, top_k=3, batch_size=1)
    for spans, others in zip(one, model.answer(questions, contexts, top_k=3, batch_size=32), strict=True):
        close(spans, others)
    turned = model.answer(questions[::-1], contexts[::-1], top_k=3, batch_size=4)
    for spans, others in zip(one, turned[::-1], strict=True):
        close(spans, others)


def test_many_questions_are_read_in_several_goes(make_qa_model, texts, monkeypatch):
    model = make_qa_model()
    whole = model.answer(QUESTIONS, texts)
    monkeypatch.setattr("kospan.modeling.question_answering_methods.DOCUMENTS_AT_A_TIME", 2)
    for one, other in zip(whole, model.answer(QUESTIONS, texts), strict=True):
        close(one, other)


def test_the_ranking_is_apart_and_sums_to_at_most_one(make_qa_model, texts):
    model, context = make_qa_model(), " ".join(texts)
    spans = model.answer(QUESTIONS[0], context, top_k=40)
    assert 2 <= len(spans) <= 40 and sum(span.score for span in spans) <= 1 + 1e-9
    assert [span.score for span in spans] == sorted((span.score for span in spans), reverse=True)
    for one, other in itertools.combinations(spans, 2):
        assert one.end <= other.start or other.end <= one.start
    shared = model.answer(QUESTIONS[0], context, top_k=40, overlapping=True)
    assert len(shared) == 40 and sum(span.score for span in shared) <= 1 + 1e-9
    assert any(one.end > other.start and other.end > one.start for one, other in itertools.combinations(shared, 2))
    assert shared[0] == spans[0]


def test_the_threshold_is_the_config_s_unless_a_call_says(make_qa_model, texts):
    model = make_qa_model()
    every = model.answer(QUESTIONS[0], texts[0], top_k=5)
    limit = every[2].score
    assert model.answer(QUESTIONS[0], texts[0], top_k=5, threshold=limit) == every[:3]
    model.config.threshold = limit
    assert model.answer(QUESTIONS[0], texts[0], top_k=5) == every[:3]
    assert model.answer(QUESTIONS[0], texts[0], top_k=5, threshold=0.0) == every
    assert model.answer(QUESTIONS[0], texts[0], threshold=1.0) == []


@pytest.mark.parametrize(
    "settings", [{}, {"encoder_input": "units"}, {"trim_particles": True}, {"allow_no_answer": True}]
)
def test_starts_and_ends_are_those_of_all_answers(make_qa_model, texts, settings):
    model, context = make_qa_model(**settings), " ".join(texts)
    reading = model.answer(QUESTIONS[0], context, top_k=100_000, overlapping=True, return_probabilities=True)
    starts, ends = np.zeros(len(context)), np.zeros(len(context))
    for start, end, _, score in reading.answers:
        if end:
            starts[start] += score
            ends[end - 1] += score
    np.testing.assert_allclose(reading.starts, starts, atol=1e-9)
    np.testing.assert_allclose(reading.ends, ends, atol=1e-9)
    assert reading.starts.sum() == pytest.approx(1 - reading.null) and reading.ends.sum() <= 1 + 1e-9
    assert (reading.null > 0) == bool(settings.get("allow_no_answer"))
    listed = model.answer([QUESTIONS[0]], [context], return_probabilities=True)
    assert listed[0].answers == model.answer(QUESTIONS[0], context)


def test_no_answer_is_an_empty_span_where_it_takes_part(make_qa_model, texts):
    model = make_qa_model(allow_no_answer=True)
    spans = model.answer(QUESTIONS[0], texts[0], top_k=1000, overlapping=True)
    assert [span[:3] for span in spans].count((0, 0, "answer")) == 1
    assert (0, 0) not in [span[:2] for span in model.answer(QUESTIONS[0], texts[0], top_k=1000, allow_no_answer=False)]
    # Each window alone may lack the answer, so the least of them counts.
    with torch.no_grad():
        model.projection.bias.add_(1.0)
    long = " ".join(texts * 2)
    assert one_by_one(model, QUESTIONS[0], long).null_probability == pytest.approx(
        model.answer(QUESTIONS[0], long, return_probabilities=True).null, abs=1e-6
    )


@pytest.mark.parametrize("settings", [{}, {"encoder_input": "units", "exact_match_feature": True}, {"unit": "word"}])
def test_no_answer_begins_or_ends_with_white_space(make_qa_model, texts, settings):
    model = make_qa_model(**settings)
    context = "\n\n\u3000 " + "\u00a0\n".join(texts[:2]) + " \r\n"
    for overlapping in (False, True):
        reading = model.answer(QUESTIONS[0], context, top_k=10_000, overlapping=overlapping, return_probabilities=True)
        surfaces = [context[span.start : span.end] for span in reading.answers]
        assert surfaces and all(surface and surface == surface.strip() for surface in surfaces)
        for values in (reading.starts, reading.ends):
            assert not values[[character.isspace() for character in context]].any()
            assert values.sum() == pytest.approx(1)
    # All answers are there, so their probabilities are what they are of.
    assert sum(span.score for span in reading.answers) == pytest.approx(1)


def test_a_context_of_white_space_has_no_answer(make_qa_model, texts):
    model, known = make_qa_model(), make_qa_model(allow_no_answer=True)
    for context in ("", " ", "\n\u3000\t " * 30):
        assert model.answer(QUESTIONS[0], context, top_k=5) == []
        assert model.answer(QUESTIONS, [context, *texts[: len(QUESTIONS) - 1]])[0] == []
        assert known.answer(QUESTIONS[0], context, top_k=5) == [(0, 0, "answer", 1.0)]
        reading = model.answer(QUESTIONS[0], context, return_probabilities=True)
        assert (reading.null, reading.starts.sum(), reading.ends.sum()) == (0.0, 0.0, 0.0)


def test_answers_do_not_depend_on_the_kind_of_white_space(make_qa_model, texts):
    model = make_qa_model(encoder_input="units", exact_match_feature=True)
    context, question = " ".join(texts), QUESTIONS[0]
    expected = model.answer(question, context, top_k=3)
    for space in ("\n", "\u3000", "\u00a0", "\u2028", "\x85", "\t"):
        close(model.answer(question.replace(" ", space), context.replace(" ", space), top_k=3), expected)


def test_limits_hold(make_qa_model, texts):
    model, context = make_qa_model(encoder_input="units"), " ".join(texts)

    def longest(**limits) -> int:
        found = model.answer(QUESTIONS[0], context, top_k=10_000, overlapping=True, **limits)
        return max(span.end - span.start for span in found)

    assert (longest(), longest(max_answer_length=2), longest(max_answer_length=99)) == (6, 2, 8)
    assert longest(max_answer_length=99, stride=3) == 3
    document = model.aligner.documents([context])[0]
    window = model.windows("가" * 30, document, model.limits(max_query_length=4, max_length=20))[0]
    assert window.text_at == 1 + 4 + 1 and len(window.input_ids) == 20
    assert len(model.windows("가" * 30, document)[0].input_ids) == 48


def test_a_particle_is_cut_and_equal_answers_are_one(make_qa_model, texts):
    model = make_qa_model(encoder_input="units", max_answer_length=8, max_length=60)
    every = model.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True)
    score = {(span.start, span.end): span.score for span in every}
    found = model.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True, trim_particles=True)
    trimmed = {(span.start, span.end): span.score for span in found}
    seoul, at_seoul = (8, 10), (8, 12)
    assert texts[0][slice(*seoul)] == "서울" and texts[0][slice(*at_seoul)] == "서울에서"
    assert trimmed[seoul] == pytest.approx(score[seoul] + score[at_seoul], rel=1e-9) and at_seoul not in trimmed
    assert sum(trimmed.values()) == pytest.approx(sum(score.values()), abs=1e-9)
    # "에서" alone is what the answer has.
    assert trimmed[10, 12] == score[10, 12]
    model.config.trim_particles = True
    assert model.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True) == found
    assert model.answer(QUESTIONS[0], texts[0], top_k=10_000, overlapping=True, trim_particles=False) == every
    words = make_qa_model(unit="word", trim_particles=True, max_answer_length=1)
    ends = {texts[0][span.start : span.end] for span in words.answer(QUESTIONS[0], texts[0], top_k=9)}
    assert "서울" in ends and not any(each.endswith("에서") for each in ends)
