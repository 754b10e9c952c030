import unicodedata

import pytest
import torch
from oracles.crf_enumeration import EnumeratedCRF
from stub_cases import SubwordStates, wordpiece
from transformers import AutoModel

from kospan import modeling
from kospan.modeling.tags import tags_to_spans

HOSTILE = [
    "이재용\x00회장\x07이 \x7f서울\x85에서",
    "가족 👨\u200d👩\u200d👧\u200d👦이 부산\u200b에 👩🏽\u200d🚀 왔다",
    "e\u0301 한\u0301국 \ufeff서울",
    "\ufeff\u200b\u200d",
    "\n\n서울\r\n부산\t대구\u3000광주\u00a0울산",
]


def assert_same_spans(one: list, other: list, tolerance: float = 1e-5):
    assert [span[:3] for span in one] == [span[:3] for span in other]
    assert [span.score for span in one] == pytest.approx([span.score for span in other], abs=tolerance)


def enumerated(crf) -> EnumeratedCRF:
    allowed = [getattr(crf, f"allowed_{name}").tolist() for name in ("transitions", "starts", "ends")]
    values = (crf.start_transitions, crf.transitions, crf.end_transitions)
    return EnumeratedCRF(*(each.detach().double().tolist() for each in values), allowed=allowed)


def chain(model, text: str) -> torch.Tensor:
    """Emissions `(units, tags)` of a text that fits into one window, by the public forward."""
    (window,) = model.aligner.windows(model.aligner.documents([text])[0])
    with torch.no_grad():
        return model(**model.collate([model.features(window)])).emissions[0]


# --- what may be asked ------------------------------------------------------------------------------------------------


def test_a_str_gives_a_list_of_spans_and_a_list_gives_a_list_of_lists(make_token_classifier, texts):
    model = make_token_classifier()
    alone, listed = model.extract(texts[0]), model.extract([texts[0]])
    assert alone
    assert listed == [alone]
    assert all(isinstance(span, modeling.Span) for span in alone)
    assert model.extract(tuple(texts)) == model.extract(texts)
    assert model.extract([]) == []


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_texts_without_content_give_no_spans_or_spans_inside(make_token_classifier, unit, encoder_input):
    model = make_token_classifier(unit=unit, encoder_input=encoder_input)
    empty, spaces, one, _ = model.extract(["", "   \t\n ", "가", "서울"])
    assert empty == spaces == []
    assert all(span[:2] == (0, 1) for span in one)
    if unit == "word":
        assert spaces == []


def test_a_hundred_thousand_characters_are_one_document(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units")
    text = ((" ".join(texts) + " ") * 1000)[:100_000]
    spans = model.extract(text, batch_size=128)
    assert len(spans) > 1000
    assert spans[-1].end > 99_000
    assert all(one.end <= other.start for one, other in zip(spans, spans[1:]))
    assert all(0 < span.score <= 1 + 1e-6 for span in spans)


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_hostile_characters_keep_offsets_inside_the_text(make_token_classifier, texts, unit, encoder_input):
    model = make_token_classifier(unit=unit, encoder_input=encoder_input, tokenizer=wordpiece(texts))
    for text, spans in zip(HOSTILE, model.extract(HOSTILE)):
        assert all(0 <= span.start < span.end <= len(text) for span in spans)
        assert all(one.end <= other.start for one, other in zip(spans, spans[1:]))
        assert_same_spans(spans, model.extract(text))


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_decomposed_hangul_gives_the_same_surfaces(make_token_classifier, texts, unit, encoder_input):
    model = make_token_classifier(unit=unit, encoder_input=encoder_input, tokenizer=wordpiece(texts))
    found = 0
    for text in texts:
        decomposed = unicodedata.normalize("NFD", text)
        assert decomposed != text
        composed_spans, decomposed_spans = model.extract(text), model.extract(decomposed)
        surfaces = [unicodedata.normalize("NFC", decomposed[span.start : span.end]) for span in decomposed_spans]
        assert surfaces == [text[span.start : span.end] for span in composed_spans]
        assert [span.label for span in decomposed_spans] == [span.label for span in composed_spans]
        found += len(surfaces)
    assert found


@pytest.mark.parametrize("splitting", ["white_space", "punctuation"])
@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
def test_words_of_a_list_are_tagged_as_exactly_those_words(make_token_classifier, texts, encoder_input, splitting):
    model = make_token_classifier(
        unit="word", encoder_input=encoder_input, tokenizer=wordpiece(texts), word_splitting=splitting
    )
    words = ["이재용", "회장이\u00a0서울에서", "(회의를)", "열었다.", "e\u0301\u200d", "U.S.", "it's"] * 4
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word) + 1
    ends = [start + len(word) for start, word in zip(starts, words)]
    [spans, again], text = model.extract([words, tuple(words)]), " ".join(words)
    assert spans == again and spans
    assert all(span.start in starts and span.end in ends for span in spans)
    seen = model.inspect(words)
    assert (seen.text, seen.units) == (text, list(zip(starts, ends)))
    assert_same_spans(seen.spans, spans)
    [reading] = model.token_scores([words])
    assert reading.units == seen.units
    # The same text as a str is raw.
    assert model.inspect(text).units != seen.units


def test_a_raw_text_and_its_words_have_the_same_spans_but_for_offsets(make_token_classifier, texts):
    model = make_token_classifier(unit="word", encoder_input="units", word_splitting="punctuation")
    raw, tokens = "이재용, 서울에서 (부산) 열었다.", ["이재용", ",", "서울에서", "(", "부산", ")", "열었다", "."]
    found, [listed] = model.extract(raw), model.extract([tokens])
    assert found and [raw[each.start : each.end].replace(" ", "") for each in found] == [
        " ".join(tokens)[each.start : each.end].replace(" ", "") for each in listed
    ]
    assert [each[2:] for each in found] == [each[2:] for each in listed]
    assert model.extract([raw, tokens, raw]) == [found, listed, found]


SPACES = [chr(code) for code in range(0x3001) if chr(code).isspace() and chr(code) != " "]


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_spans_do_not_depend_on_the_kind_of_white_space(make_token_classifier, texts, unit, encoder_input):
    model = make_token_classifier(
        unit=unit, encoder_input=encoder_input, tokenizer=wordpiece(texts), lstm_hidden_size=8
    )
    text = " ".join(texts)
    spans, *others = model.extract([text, *(text.replace(" ", space) for space in SPACES)])
    assert spans and len(others) == 28
    for found in others:
        assert_same_spans(found, spans)
    for line_end in ("\r\n", "  \u3000"):
        longer = text.replace(" ", line_end)
        once = model.extract(text.replace(" ", " " * len(line_end)))
        assert_same_spans(model.extract(longer), once)


@pytest.mark.parametrize("unit", ["character", "word"])
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_no_span_begins_or_ends_with_white_space(make_token_classifier, texts, scheme, unit):
    """A model that tags everything as one span, or every unit as a span of its own."""
    model = make_token_classifier(scheme=scheme, labels=["PS"], constrain="decode", unit=unit)
    text = "\u3000\n" + texts[0] + " \t" + texts[1] + "\r\n\u00a0"
    for head in ("one", "many"):
        with torch.no_grad():
            model.head.projection.weight.mul_(0.0)
            rare = ("O", "B", "S") if head == "one" else ("O", "I", "E")
            model.head.projection.bias.copy_(torch.tensor([-9.0 * (tag[0] in rare) for tag in model.config.tags]))
        spans = model.extract(text)
        assert spans, head
        surfaces = [text[span.start : span.end] for span in spans]
        assert all(surface and surface == surface.strip() for surface in surfaces)
        # The score is that of the tags on the whole path.
        [reading] = model.token_scores([text])
        mask = torch.ones(1, len(reading.units), dtype=torch.bool)
        path = [model.config.tags[tag] for tag in model.head.decode(reading.emissions[None], mask)[0]]
        tagged = tags_to_spans(path, scheme)
        scores = model.head.posteriors(reading.emissions[None], mask, [tagged])[0]
        kept = [
            score
            for (first, last, _), score in zip(tagged, scores)
            if text[reading.units[first][0] : reading.units[last - 1][1]].strip()
        ]
        assert [span.score for span in spans] == kept
        assert unit == "word" or len(kept) < len(tagged) or surfaces == [text.strip()]
        assert_same_spans(model.inspect(text).spans, spans)
    assert model.extract(" \n\u2028\u3000") == []


def test_a_word_that_is_no_text_is_refused_by_its_document(make_token_classifier):
    model = make_token_classifier(unit="word")
    with pytest.raises(TypeError, match=r"expected every item of texts\[1\] to be a str, got int at index 0"):
        model.extract(["가", [3, "나"]])
    with pytest.raises(ValueError, match=r"every item of texts\[0\] to be Unicode text, got half of a surrogate pair"):
        model.extract([["가", "\ud800"]])
    assert model.extract([[], ["", " "], ""]) == [[], [], []]


def test_what_is_no_text_is_refused_by_its_index(make_token_classifier):
    model = make_token_classifier()
    with pytest.raises(TypeError, match=r"got int at index 1"):
        model.extract(["서울", 3])
    with pytest.raises(TypeError, match=r"got bytes at index 0"):
        model.extract([b"Seoul"])
    with pytest.raises(TypeError, match=r"a str or a list of str, got NoneType"):
        model.extract(None)
    with pytest.raises(TypeError, match=r"got dict"):
        model.inspect({"text": "서울"})


def test_a_model_without_tokenizer_says_so(make_token_classifier):
    model = make_token_classifier()
    model.tokenizer = None
    with pytest.raises(ValueError, match=r"expected a tokenizer beside the model.*model\.tokenizer ="):
        model.extract("서울")


def test_a_tokenizer_that_cannot_be_read_is_named_where_text_comes_in(make_token_classifier, tmp_path):
    make_token_classifier().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8")[:99], encoding="utf-8")
    model = AutoModel.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"a tokenizer beside the model, got none that can be read \(.+\); load the"):
        model.extract("서울")


def test_forward_without_unit_positions_says_what_to_call(make_token_classifier):
    model = make_token_classifier()
    with pytest.raises(ValueError, match=r"expected unit_positions.*model\.extract\(text\)"):
        model(input_ids=torch.tensor([[2, 7, 3]]))


@pytest.mark.parametrize("training", [True, False])
def test_extracting_leaves_the_mode_as_it_was(make_token_classifier, texts, training):
    model = make_token_classifier(dropout=0.5).train(training)
    found = model.extract(texts)
    assert model.training is training
    assert model.extract(texts) == found, "dropout was on"
    model.inspect(texts[0])
    assert model.training is training
    tokenizer, model.tokenizer = model.tokenizer, None
    with pytest.raises(ValueError, match="tokenizer"):
        model.extract(texts)
    assert model.training is training
    model.tokenizer = tokenizer


# --- windows, batches, scores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder_input", ["units", "subwords"])
@pytest.mark.parametrize("unit", ["character", "word"])
def test_one_window_and_many_give_equal_spans_where_states_depend_on_the_subword_alone(
    make_token_classifier, texts, unit, encoder_input
):
    text = " ".join(texts * 3)
    found = {}
    for window, stride in [(2000, 8), (16, 3), (7, 0)]:
        model = make_token_classifier(
            unit=unit,
            encoder_input=encoder_input,
            max_length=window,
            stride=stride,
            tokenizer=wordpiece(texts),
            encoder={"max_position_embeddings": 2000},
        )
        model.encoder = SubwordStates(len(model.tokenizer), 16)
        windows = model.aligner.windows(model.aligner.documents([text])[0])
        assert (len(windows) > 1) == (window < 2000)
        found[window] = model.extract(text)
    assert found[2000]
    assert_same_spans(found[2000], found[16])
    assert_same_spans(found[2000], found[7])


@pytest.mark.parametrize("settings", [{}, {"lstm_hidden_size": 8, "lstm_layers": 2}, {"head": "linear"}])
def test_a_batch_equals_texts_one_by_one(make_token_classifier, texts, settings):
    model = make_token_classifier(**settings)
    many = [*texts, "", " ".join(texts), "가", *HOSTILE]
    for text, spans in zip(many, model.extract(many, batch_size=3)):
        assert_same_spans(spans, model.extract(text))


def test_the_threshold_leaves_out_what_scores_lower(make_token_classifier, texts):
    model = make_token_classifier()
    every = model.extract(texts)
    scores = sorted(span.score for spans in every for span in spans)
    threshold = scores[len(scores) // 2]
    kept = model.extract(texts, threshold=threshold)
    assert kept == [[span for span in spans if span.score >= threshold] for spans in every]
    assert 0 < sum(map(len, kept)) < len(scores)
    assert model.extract(texts, threshold=1.0) == [[] for _ in texts]


@pytest.mark.parametrize("constrain", ["none", "decode"])
@pytest.mark.parametrize("scheme, labels", [("BIO", ["PS", "LC"]), ("BIOES", ["PS"])])
def test_paths_and_scores_are_those_of_enumeration(make_token_classifier, scheme, labels, constrain):
    model = make_token_classifier(scheme=scheme, labels=labels, constrain=constrain, encoder_input="units")
    with torch.no_grad():  # Milder scores, so that several paths stay probable, and spans rather than nothing.
        model.head.projection.weight.mul_(0.1)
        model.head.projection.bias[0] = -2.0
    tags, text = model.config.tags, "서울에서"
    oracle, emissions = enumerated(model.head.crf), chain(model, text).double().tolist()
    if constrain == "none":
        oracle.allowed = EnumeratedCRF(oracle.start, oracle.transitions, oracle.end).allowed
    best = [tags[tag] for tag in oracle.paths(emissions)[0][0]]
    spans = tags_to_spans(best, scheme)
    assert spans
    assert [span[:3] for span in model.extract(text)] == spans

    listed = [(start, end, label) for start in range(4) for end in range(start + 1, 5) for label in labels]
    posterior = dict.fromkeys(listed, 0.0)
    for path, probability in oracle.probabilities(emissions).items():
        for span in tags_to_spans([tags[tag] for tag in path], scheme):
            posterior[span] += probability
    for span in model.extract(text):
        assert span.score == pytest.approx(posterior[span[:3]], abs=1e-5)
    mask = torch.ones(1, len(text), dtype=torch.bool)
    scores = model.head.posteriors(chain(model, text).unsqueeze(0), mask, [listed])[0]
    assert scores == pytest.approx(list(posterior.values()), abs=1e-5)


# --- looking inside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_inspection_gives_marginals_and_attention_rows_that_sum_to_one(make_token_classifier, texts, implementation):
    model = make_token_classifier(encoder={"num_hidden_layers": 2}, max_length=24)
    model.encoder.set_attn_implementation(implementation)
    text = " ".join(texts)
    found = model.inspect(text)
    assert found.text == text
    assert found.marginals.shape == (len(text), len(model.config.tags))
    torch.testing.assert_close(found.marginals.sum(dim=-1), torch.ones(len(text)))
    assert found.tags == model.config.tags
    assert_same_spans(found.spans, model.extract(text))
    assert len(found.windows) > 1
    for window in found.windows:
        length = len(window.subwords)
        assert len(window.offsets) == length <= 24
        assert window.subwords[0] == "[CLS]" and window.subwords[-1] == "[SEP]"
        assert window.offsets[0] == window.offsets[-1] == (0, 0)
        for subword, (start, end) in zip(window.subwords[1:-1], window.offsets[1:-1]):
            assert subword in (text[start:end], " ")
        assert [attention.shape for attention in window.attentions] == [(2, length, length)] * 2
        for attention in window.attentions:
            torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, length))
    assert model.encoder.config._attn_implementation == implementation


def test_inspecting_an_empty_text_gives_empty_values(make_token_classifier):
    found = make_token_classifier().inspect("")
    assert found.spans == found.units == found.windows == []
    assert found.marginals.shape == (0, 7)


def test_the_attention_implementation_comes_back_after_an_error(make_token_classifier, monkeypatch):
    model = make_token_classifier()
    before = model.encoder.config._attn_implementation
    assert before != "eager"
    monkeypatch.setattr(model, "_view", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.inspect("서울")
    assert model.encoder.config._attn_implementation == before
