"""`extract` with the posteriors of all spans: against the head, in any batch, through pipeline and command line."""

import json
import math
import unicodedata

import pytest
import torch
from cli_cases import refused
from transformers import pipeline

import kospan
from kospan.cli import main
from kospan.modeling.span_posteriors import SpanPosteriors
from kospan.modeling.tags import tags_to_spans
from kospan.modeling.words import trimmed

TEXTS = [
    "이재용 회장이 서울에서",
    "부산 사직 체육관을 찾았다.",
    "",
    "  ",
    "비",
    "서울 부산 대구 인천 광주 대전 울산 세종 " * 8,
]


@pytest.fixture(params=["BIO", "BIOES"])
def model(request, make_token_classifier):
    return make_token_classifier(encoder_input="units", scheme=request.param, max_length=64, stride=16)


def triples(spans):
    return [span[:3] for span in spans]


@pytest.mark.parametrize("decode", ["posterior", "mbr"])
def test_spans_do_not_depend_on_the_batch(model, decode):
    alone = [model.extract(text, 0.02, decode=decode) for text in TEXTS]
    for size in (1, 2, 32):
        together = model.extract(TEXTS, 0.02, size, decode=decode)
        assert [triples(spans) for spans in together] == [triples(spans) for spans in alone]
        scores = [[span.score for spans in each for span in spans] for each in (together, alone)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert any(alone) and not alone[2] and not alone[3]


def test_scores_are_those_of_the_best_path_where_both_find_a_span(model):
    best = model.extract(TEXTS)
    every = model.extract(TEXTS, 1e-6, decode="posterior", overlapping=True)
    compared = 0
    for text, spans, all_spans in zip(TEXTS, best, every):
        scores = {span[:3]: span.score for span in all_spans}
        for span in spans:
            around = text[max(0, span.start - 1) : span.end + 1]
            # A span beside white space may also be tagged with it, which its score on the best path does not count.
            if span[:3] in scores and " " not in (around[:1], around[-1:]):
                assert scores[span[:3]] == pytest.approx(span.score, abs=1e-5)
                compared += 1
            elif span[:3] in scores:
                assert scores[span[:3]] >= span.score - 1e-5
    assert compared


def test_sets_are_nested_and_disjoint_or_sorted(model):
    thresholds = (0.3, 0.1, 0.03, 0.01)
    nested = [model.extract(TEXTS[0], value, decode="posterior", overlapping=True) for value in thresholds]
    for fewer, more in zip(nested, nested[1:]):
        assert set(triples(fewer)) <= set(triples(more))
    assert len(nested[-1]) > len(nested[0])
    for spans in nested:
        assert triples(spans) == sorted(triples(spans), key=lambda span: span[:2])
    for decode in ("posterior", "mbr"):
        spans = model.extract(TEXTS[5], 0.0, decode=decode)
        assert all(one.end <= two.start for one, two in zip(spans, spans[1:]))
        assert all(span.start < span.end and not TEXTS[5][span.start].isspace() for span in spans)
        assert all(not TEXTS[5][span.end - 1].isspace() for span in spans)


def test_words_are_decoded_as_words(make_token_classifier):
    model = make_token_classifier(unit="word")
    spans = model.extract([["서울", "부산", "비가"]], 0.05, decode="posterior", overlapping=True)[0]
    assert spans and {span.start for span in spans} <= {0, 3, 6}


@pytest.mark.parametrize(
    "settings",
    [
        {"constrain": "none"},
        {"head": "linear"},
        {"head": "linear", "constrain": "none", "scheme": "BIOES"},
        {"head": "positional"},
        {"calibration_temperature": 3.0},
    ],
    ids=str,
)
def test_scores_are_sums_over_all_tag_sequences(make_token_classifier, settings):
    model = make_token_classifier(encoder_input="units", labels=["X"], **settings)
    text, crf = "서울 가", model.head.crf
    [scores] = model.token_scores([text])
    mask = torch.ones(1, len(text), dtype=torch.bool)
    expected = {}
    total = crf.log_partition(scores.emissions.unsqueeze(0), mask).item()
    for path, score in crf.k_best(scores.emissions.unsqueeze(0), 10_000, mask)[0]:
        spans = tags_to_spans([model.config.tags[tag] for tag in path], model.config.scheme)
        places = {trimmed(text, start, end) for start, end, _ in spans}
        for place in places:
            if place[0] < place[1]:
                expected[place] = expected.get(place, 0.0) + math.exp(score - total)
    found = model.extract(text, 1e-12, decode="posterior", overlapping=True)
    assert {span[:2]: span.score for span in found} == pytest.approx(expected, abs=1e-5) and expected


@pytest.mark.parametrize("settings", [{"threshold": 0.02, "overlapping": True}, {"threshold": 0.02}])
def test_decomposed_text_has_the_same_spans(model, settings):
    text = unicodedata.normalize("NFD", TEXTS[0])
    found = model.extract(text, decode="posterior", **settings)
    composed = [(unicodedata.normalize("NFC", text[span.start : span.end]), span.label) for span in found]
    expected = model.extract(TEXTS[0], decode="posterior", **settings)
    assert composed == [(TEXTS[0][span.start : span.end], span.label) for span in expected] and composed


def test_spans_longer_than_the_maximum_are_not_found(model):
    spans = model.extract("가" * 40, 1e-30, decode="posterior", overlapping=True)
    assert max(span.end - span.start for span in spans) == 16


def test_an_operating_point_is_saved_and_used(model, tmp_path):
    labels = sorted({tag[2:] for tag in model.config.tags if tag != "O"})
    point = {
        "decode": "posterior",
        "overlapping": True,
        "thresholds": dict.fromkeys(labels, 0.05),
        "max_span_length": 4,
    }
    model.config.operating_points = {"recall-0.9": point}
    model.save_pretrained(tmp_path / "model")
    loaded = kospan.load(tmp_path / "model")
    found = loaded.extract(TEXTS[0], operating_point="recall-0.9")
    expected = loaded.extract(TEXTS[0], 0.05, decode="posterior", overlapping=True)
    assert triples(found) == [span for span in triples(expected) if span[1] - span[0] <= 4] and found
    piped = loaded.pipeline()(TEXTS[0], operating_point="recall-0.9")
    assert [(each["start"], each["end"], each["entity_group"]) for each in piped] == triples(found)
    # The pipeline of the Hub takes a threshold for each label.
    pipe = pipeline("token-classification", model=str(tmp_path / "model"), trust_remote_code=True)
    thresholds = {label: 0.02 * (at + 1) for at, label in enumerate(labels)}
    piped = pipe(TEXTS[:2], decode="posterior", overlapping=True, threshold=thresholds)
    expected = loaded.extract(TEXTS[:2], thresholds, decode="posterior", overlapping=True)
    assert [[each["start"] for each in one] for one in piped] == [[span.start for span in one] for one in expected]
    assert any(piped)


def test_the_command_line_passes_the_settings(model, tmp_path, capsys):
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "texts.txt").write_text(TEXTS[0] + "\n", encoding="utf-8")
    words = ["predict", str(tmp_path / "model"), str(tmp_path / "texts.txt")]
    assert main([*words, "--decode", "posterior", "--overlapping", "--threshold", "0.05"]) == 0
    spans = json.loads(capsys.readouterr().out)["spans"]
    expected = model.extract(TEXTS[0], 0.05, decode="posterior", overlapping=True)
    assert [(span["start"], span["end"], span["label"]) for span in spans] == triples(expected)
    assert "whose spans are disjoint" in refused([*words, "--overlapping"], capsys)
    assert "the model has none" in refused([*words, "--operating_point", "recall-0.95"], capsys)


def test_settings_of_the_pipeline_are_checked(model):
    pipe = model.pipeline()
    with pytest.raises(ValueError, match="expected thresholds above 0"):
        pipe(TEXTS[0], decode="posterior", overlapping=True, threshold=0.0)
    with pytest.raises(ValueError, match="expected whole spans for decode"):
        pipe(TEXTS[0], decode="posterior", aggregation_strategy="none")
    with pytest.raises(ValueError, match="expected decode to be one of"):
        pipe(TEXTS[0], decode="greedy")


def test_all_posteriors_are_not_computed_for_the_best_path(model, monkeypatch):
    monkeypatch.setattr(SpanPosteriors, "at", None)
    assert any(model.extract(TEXTS))
