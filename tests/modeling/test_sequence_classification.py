"""The classifier: its loss by hand, windows by a slow loop, what may be asked, saving."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from kospan.modeling import KospanSequenceClassificationConfig, Span
from kospan.modeling.rdrop import double

TITLE = "한국은행이 금리를"


def batch_of(model, texts: list[str], labels: list, pairs: list[str] | None = None) -> dict:
    """A padded training batch of every text's first passage."""
    passages = model.passages_of(texts, pairs)
    return model.collate([model.features(parts[0]) | {"labels": label} for parts, label in zip(passages, labels)])


def slow_logits(model, text: str, pair: str | None = None) -> np.ndarray:
    """Windows cut anew, read one at a time without padding, averaged in a loop; [CLS] is 2, [SEP] 3."""
    config = model.config
    first, second = (model.aligner.documents([each or ""])[0].subwords for each in (text, pair))
    second_moves = config.windowed_field == "text_pair"
    moving, fixed = (second, first) if second_moves else (first, second)
    room = config.max_length - len(fixed) - (2 if pair is None else 3)
    total, weights, start = 0.0, 0, 0
    while True:
        part = moving[start : start + room]
        one, other = (fixed, part) if second_moves else (part, fixed)
        ids = [2, *one, 3] if pair is None else [2, *one, 3, *other, 3]
        types = {}
        if pair is not None:
            types["token_type_ids"] = torch.tensor([[0] * (len(one) + 2) + [1] * (len(other) + 1)])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), **types).logits[0].double().numpy()
        weight = max(1, len(part) + len(fixed))
        total, weights = total + weight * logits, weights + weight
        if start + room >= len(moving):
            return total / weights
        start += room - config.stride


# --- forward ----------------------------------------------------------------------------------------------------------


def test_the_loss_of_classes_is_the_mean_cross_entropy(make_text_classifier, texts):
    model = make_text_classifier()
    batch = batch_of(model, texts, [0, 1, 2, 1, 0])
    found = model(**batch)
    rows = [-found.logits[at].double().log_softmax(dim=0)[label] for at, label in enumerate([0, 1, 2, 1, 0])]
    assert found.logits.shape == (5, 3) and found.logits.dtype == torch.float32
    assert found.loss.item() == pytest.approx(sum(rows).item() / 5, rel=1e-5)
    assert model(**batch, num_items_in_batch=7).loss.item() == pytest.approx(sum(rows).item() / 7, rel=1e-5)
    assert model(**{key: value for key, value in batch.items() if key != "labels"}).loss is None


def test_the_loss_of_values_is_the_squared_error_in_spreads(make_text_classifier, texts):
    model = make_text_classifier(problem_type="regression", value_mean=100.0, value_spread=20.0)
    values = [60.0, 100.0, 135.5, 90.0, 120.0]
    batch = batch_of(model, texts, values)
    found = model(**batch)
    outputs = found.logits[:, 0].tolist()
    expected = np.mean([(output - (value - 100) / 20) ** 2 for output, value in zip(outputs, values)])
    assert batch["labels"].dtype == torch.float32
    assert found.loss.item() == pytest.approx(expected, rel=1e-5)
    spans = model.classify(texts)
    assert [span.score for span in spans] == pytest.approx([100 + 20 * output for output in outputs], rel=1e-5)
    assert {span.label for span in spans} == {"value"}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_padding_changes_nothing(make_text_classifier, texts, pooling):
    model = make_text_classifier(pooling=pooling)
    batch = batch_of(model, texts, [0] * 5)
    del batch["labels"]
    together = model(**batch).logits
    for at in range(len(texts)):
        length = int(batch["attention_mask"][at].sum())
        alone = {key: value[at : at + 1, :length] for key, value in batch.items()}
        torch.testing.assert_close(together[at], model(**alone).logits[0], atol=1e-5, rtol=1e-5)
        del alone["attention_mask"]
        torch.testing.assert_close(together[at], model(**alone).logits[0], atol=1e-5, rtol=1e-5)


def test_the_mean_is_that_of_all_states(make_text_classifier, texts):
    model = make_text_classifier(pooling="mean")
    states, mask = torch.randn(2, 5, 16), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    found = model.pooled(states, mask)
    torch.testing.assert_close(found, torch.stack([states[0, :3].mean(dim=0), states[1].mean(dim=0)]))
    half = model.pooled(states.bfloat16(), mask)
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_states_that_the_encoder_gave_take_the_place_of_subwords(make_text_classifier, texts, pooling):
    model = make_text_classifier(pooling=pooling)
    model.freeze_encoder()
    expected, asked = model.logits(texts), []

    def states_of(window: dict) -> np.ndarray | None:
        asked.append(window["input_ids"])
        if len(asked) % 2:
            return None
        with torch.no_grad():
            return model.encoder(input_ids=torch.tensor([window["input_ids"]])).last_hidden_state[0].numpy()

    model.state_source = states_of
    np.testing.assert_allclose(model.logits(texts), expected, atol=1e-5)
    assert len(asked) == len(texts)


@pytest.mark.parametrize(
    "settings_of",
    [
        {},
        {"pooling": "mean"},
        {"pairs": True},
        {"dropout": 0.3, "multi_sample_dropout": 3},
        {"problem_type": "regression"},
    ],
    ids=str,
)
def test_every_weight_learns(make_text_classifier, texts, settings_of):
    model = make_text_classifier(**settings_of).train()
    values = settings_of.get("problem_type") == "regression"
    labels = [0.5, -1.0, 2.0, 0.0, 1.0] if values else [0, 1, 2, 1, 0]
    batch, losses = batch_of(model, texts, labels, [TITLE] * 5 if model.config.pairs else None), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        losses.append(loss.item())
        for part, parameter in model.named_parameters():
            assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), part
        optimizer.step()
    assert losses[-1] < losses[0]


def test_r_drop_is_half_the_symmetric_divergence(make_text_classifier, texts):
    model = make_text_classifier(dropout=0.4).train()
    batch = batch_of(model, texts, [0, 1, 2, 1, 0])
    found = model(**double(batch), rdrop_alpha=2.0, num_items_in_batch=5)
    first, second = found.logits.double().chunk(2)
    total = task = 0.0
    for p, q, label in zip(first.softmax(dim=1).tolist(), second.softmax(dim=1).tolist(), [0, 1, 2, 1, 0]):
        total += sum(a * np.log(a / b) + b * np.log(b / a) for a, b in zip(p, q)) / 2
        task -= (np.log(p[label]) + np.log(q[label])) / 2
    assert total > 0.01
    assert found.divergence.item() == pytest.approx(2.0 * total / 5, rel=1e-4)
    assert found.loss.item() == pytest.approx((task + 2.0 * total) / 5, rel=1e-4)


def test_r_drop_of_values_is_the_squared_difference(make_text_classifier, texts):
    model = make_text_classifier(problem_type="regression", dropout=0.4).train()
    batch = batch_of(model, texts, [0.5, -1.0, 2.0, 0.0, 1.0])
    found = model(**double(batch), rdrop_alpha=3.0)
    one, other = found.logits[:, 0].double().chunk(2)
    expected = 3.0 * np.mean([(a - b) ** 2 for a, b in zip(one.tolist(), other.tolist())])
    assert expected > 0.01 and found.divergence.item() == pytest.approx(expected, rel=1e-4)


def test_weight_zero_leaves_the_loss_as_it_is(make_text_classifier, texts):
    model = make_text_classifier()
    batch = batch_of(model, texts, [0, 1, 2, 1, 0])
    assert torch.equal(model(**double(batch), rdrop_alpha=0.0).loss, model(**double(batch)).loss)


# --- texts to classes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_windows_are_averaged_by_their_subwords(make_text_classifier, texts, encoder_input, pooling):
    long = [" ".join(texts), " ".join(texts) * 3, texts[0], "", "비"]
    model = make_text_classifier(encoder_input=encoder_input, pooling=pooling, calibration_temperature=1.7)
    assert len(model.passages_of(long, None)[1]) > 4
    expected = np.stack([slow_logits(model, text) for text in long])
    np.testing.assert_allclose(model.logits(long), expected, atol=1e-4)
    scores = np.exp(expected / 1.7) / np.exp(expected / 1.7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(long), scores, atol=1e-4)
    for text, span, row in zip(long, model.classify(long, batch_size=3), scores):
        assert span == Span(0, len(text), model.config.classes[row.argmax()], pytest.approx(row.max(), abs=1e-4))


@pytest.mark.parametrize("field", ["text", "text_pair"])
def test_windows_run_over_one_field_of_a_pair_and_hold_the_other_in_full(make_text_classifier, texts, field):
    model = make_text_classifier(pairs=True, windowed_field=field)
    long, short = [" ".join(texts), texts[0], "", "비"], [TITLE, TITLE, TITLE, "\n"]
    first, second = (long, short) if field == "text" else (short, long)
    expected = np.stack([slow_logits(model, *each) for each in zip(first, second)])
    np.testing.assert_allclose(model.logits(first, second), expected, atol=1e-4)
    for span, row in zip(model.classify(first, second), expected):
        assert span.label == model.config.classes[row.argmax()]
    assert [span.end for span in model.classify(first, second)] == [len(text) for text in first]
    swapped = model.logits([second[1]], [first[1]])
    assert np.abs(swapped - expected[1]).max() > 1e-3, "the order of a pair plays a part"


def word_subwords():
    """A tokenizer as BERT has it: `[CLS] A [SEP] B [SEP]`, types 0 and 1."""
    words = ["비", "##가", "온", "##다", "눈", "##이", ",", "."]
    vocabulary = {subword: at for at, subword in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def byte_subwords():
    """A tokenizer as RoBERTa has it: `<s> A </s></s> B </s>`, all of type 0."""
    vocabulary = {subword: at for at, subword in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    vocabulary |= {subword: len(vocabulary) + at for at, subword in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", cls_token="<s>", sep_token="</s>"
    )


def typed_oddly():
    """A tokenizer whose special tokens have types of their own, as Funnel Transformer's."""
    tokenizer = word_subwords()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:2 $A:0 [SEP]:0", pair="[CLS]:2 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )  # fmt: skip
    return tokenizer


TOKENIZERS = {"BERT": word_subwords, "RoBERTa": byte_subwords, "Funnel": typed_oddly, "ours": lambda: None}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("field", ["text", "text_pair"])
def test_a_pair_is_read_as_its_tokenizer_writes_it(make_text_classifier, character_tokenizer, kind, field):
    tokenizer = TOKENIZERS[kind]() or character_tokenizer
    model = make_text_classifier(tokenizer=tokenizer, encoder={"type_vocab_size": 3}, pairs=True, windowed_field=field)
    for pair in [("비가 온다.", "눈이 온다"), ("비", "눈이, 비가"), ("", "비가"), (" 온다 ", "비"), ("비가", "비가")]:
        [[passage]] = model.passages_of(*([each] for each in pair))
        expected = tokenizer(*pair, return_token_type_ids=True)
        features = model.features(passage)
        assert features["input_ids"] == expected["input_ids"]
        assert features["token_type_ids"] == expected["token_type_ids"]
    if kind in ("BERT", "ours"):
        assert expected["token_type_ids"] == [0] * (passage.pair_at) + [1] * (len(passage.input_ids) - passage.pair_at)
    model.config.encoder_config.type_vocab_size = 1
    assert list(model.features(passage)) == ["input_ids"]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(long=st.integers(0, 120), short=st.integers(0, 25), max_length=st.integers(24, 64), stride=st.integers(0, 9))
def test_no_subword_of_a_pair_is_left_out(make_text_classifier, texts, long, short, max_length, stride):
    line = " ".join(texts)
    for field in ("text", "text_pair"):
        model = make_text_classifier(pairs=True, windowed_field=field, max_length=max_length, stride=stride)
        moving, fixed = model.aligner.documents([(line * 2)[:long], line[:short]])
        pair = (moving, fixed) if field == "text" else (fixed, moving)
        room = max_length - 3 - short
        if long > room and room - stride < max(1, max_length // 16):
            with pytest.raises(ValueError, match="at most"):
                model.passages(*pair)
            continue
        covered = set()
        for passage in model.passages(*pair):
            first, second = passage.input_ids[1 : passage.pair_at - 1], passage.input_ids[passage.pair_at : -1]
            own, other = (first, second) if field == "text" else (second, first)
            assert other == fixed.subwords and len(passage.input_ids) <= max_length
            assert own == moving.subwords[passage.first_subword : passage.first_subword + len(own)]
            assert passage.input_ids[passage.windowed_at : passage.windowed_at + len(own)] == own
            assert moving.units[passage.first_subword : passage.first_subword + len(own)][:1] in (
                [], [(passage.start, passage.start + 1)],
            )  # fmt: skip
            assert passage.weight == max(1, len(passage.input_ids) - 3)
            covered |= set(range(passage.first_subword, passage.first_subword + len(own)))
        assert covered == set(range(long))


def test_a_field_that_leaves_no_room_is_refused_with_its_place_and_the_settings(make_text_classifier, texts):
    model = make_text_classifier(pairs=True)
    with pytest.raises(ValueError, match=r"^index 1: expected a text_pair of at most 34 subwords, .* got 38; shorten"):
        model.classify([texts[0], " ".join(texts)], [TITLE, "비" * 38])
    with pytest.raises(
        ValueError, match=r"raise max_length \(48\), lower stride \(8\), or train with windowed_field: text_p"
    ):
        model.inspect("비가 온다", "비" * 48)
    # What fits into one window needs no room for an overlap.
    assert len(model.inspect("비가 온다", "비" * 40).passages) == 1
    other = make_text_classifier(pairs=True, windowed_field="text_pair")
    with pytest.raises(
        ValueError, match=r"^index 0: expected a text of at most 34 .* train with windowed_field: text$"
    ):
        other.logits(["비" * 40], [" ".join(texts)])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_gets_one_span_over_the_whole_of_it(make_text_classifier, text):
    model = make_text_classifier(max_length=24, stride=4)
    span = model.classify(text)
    assert (span.start, span.end) == (0, len(text)) and span.label in model.config.classes
    assert 1 / 3 - 1e-6 <= span.score <= 1
    found = model.inspect(text)
    assert found.span[:3] == span[:3] and found.span.score == pytest.approx(span.score, abs=1e-5)
    assert sum(found.scores.values()) == pytest.approx(1) and next(iter(found.scores)) == span.label
    stretches = [part[:2] for part in found.passages]
    assert stretches[0][0] == 0 or not text.strip() or stretches[0][0] < len(text)
    assert all(0 <= start <= end <= len(text) for start, end in stretches)


def test_a_str_gives_a_span_and_lists_give_lists(make_text_classifier, texts):
    model = make_text_classifier()
    together = model.classify(texts)
    assert [model.classify(text)[:3] for text in texts] == [span[:3] for span in together]
    assert model.classify([]) == []
    assert model.classify("") == Span(0, 0, together[0].label, pytest.approx(1)) or model.classify("").end == 0
    least = sorted(span.score for span in together)[2]
    kept = model.classify(texts, threshold=least)
    assert [span is None for span in kept] == [span.score < least for span in together] and None in kept


def test_a_model_is_in_the_mode_it_was_in(make_text_classifier, texts):
    model = make_text_classifier(dropout=0.5).train()
    assert model.classify(texts) == model.classify(texts) and model.training


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda model: model.classify(3), TypeError, "expected texts to be a str or a list of str, got int"),
        (lambda model: model.classify(["a", None]), TypeError, "got NoneType at index 1"),
        (lambda model: model.classify("a\ud800"), ValueError, "half of a surrogate pair"),
        (lambda model: model.classify("a", threshold=1.5), ValueError, "threshold to be a number from 0 to 1, got 1.5"),
        (lambda model: model.classify("a", batch_size=0), ValueError, "batch_size to be 1 or more"),
        (lambda model: model.classify("a", "b"), ValueError, "expected no text_pairs, because the model reads single"),
        (lambda model: model.classify("a", ["b"]), TypeError, "expected one text_pair for one text, got list"),
    ],
)
def test_what_may_not_be_asked_of_a_model_of_single_texts(make_text_classifier, ask, error, words):
    with pytest.raises(error, match=words):
        ask(make_text_classifier())


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda model: model.classify("a"), "expected text_pairs beside texts, .* pass the second text of each pair"),
        (lambda model: model.classify(["a", "b"], ["c"]), "expected a text_pair for each text, got 1 for 2"),
        (lambda model: model.classify("a", "b\udfff"), "text_pairs to be Unicode text, got half"),
    ],
)
def test_what_may_not_be_asked_of_a_model_of_pairs(make_text_classifier, ask, words):
    with pytest.raises(ValueError, match=words):
        ask(make_text_classifier(pairs=True))


def test_a_value_has_no_threshold(make_text_classifier):
    model = make_text_classifier(problem_type="regression")
    with pytest.raises(ValueError, match="expected threshold 0 of a model that gives values"):
        model.classify("a", threshold=0.5)


@pytest.mark.parametrize(
    ("settings_of", "words"),
    [
        (
            {"problem_type": "ranking"},
            "expected problem_type to be one of single_label_classification, regression, got 'ranking'",
        ),
        ({"pooling": "max"}, "expected pooling to be one of cls, mean, got 'max'"),
        ({"windowed_field": "title"}, "expected windowed_field to be one of text, text_pair, got 'title'"),
        (
            {"pairs": True, "max_query_length": 64},
            "expected a model of pairs that reads the text first, got one of an earl",
        ),
        ({"multi_sample_dropout": 0}, r"expected multi_sample_dropout of 1 \(off\) or more, got 0"),
        ({"value_spread": 0.0}, "expected a finite value_mean and a value_spread above 0, got 0.0 and 0.0"),
        ({"value_mean": float("nan")}, "expected a finite value_mean"),
        ({"problem_type": "regression", "id2label": {0: "a", 1: "b"}}, "expected one label, the value's name"),
    ],
)
def test_settings_out_of_range_are_refused(settings_of, words):
    with pytest.raises(ValueError, match=words):
        KospanSequenceClassificationConfig(**settings_of)


# --- saving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForSequenceClassification])
def test_a_saved_model_says_the_same(make_text_classifier, tmp_path, texts, auto):
    model = make_text_classifier(pairs=True, pooling="mean", calibration_temperature=1.3)
    model.save_pretrained(tmp_path)
    again = auto.from_pretrained(tmp_path)
    assert again.config.classes == ["경제", "사회", "정치"] and again.config.pairs
    expected = model.scores(texts, [TITLE] * 5)
    np.testing.assert_allclose(again.scores(texts, [TITLE] * 5), expected, atol=1e-6)
