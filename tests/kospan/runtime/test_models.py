"""Exported models against the models in torch: the same spans and scores, arguments and errors."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from export_cases import exported_folder
from ngram_cases import NGRAM_SETTINGS, with_ngrams
from qa_model_cases import HOSTILE, QUESTIONS, close
from stub_cases import wordpiece

from kospan.runtime import load

LONG = "서울 부산 대구 인천 광주 대전 울산 세종 " * 8
TOKEN_VARIANTS = {
    "characters": {"encoder_input": "units"},
    "subwords": {"encoder_input": "subwords", "calibration_temperature": 1.5},
    "words": {"unit": "word", "word_splitting": "punctuation", "word_shape_feature": True},
    "recurrent": {"encoder_input": "units", "lstm_hidden_size": 6, "lstm_layers": 2, "scheme": "BIOES"},
    "no layers": {"encoder_input": "units", "encoder": {"num_hidden_layers": 0}, "lstm_hidden_size": 8},
    "n-grams": {"encoder_input": "units", "encoder": {"num_hidden_layers": 0}, "lstm_hidden_size": 8, **NGRAM_SETTINGS},
    "linear": {"head": "linear", "head_options": {"feedforward": 12}},
    "positional": {"head": "positional", "head_options": {"decoder": "crf", "heads": 2}},
}


def prepared(model):
    if model.config.head == "positional":
        model.prepare()
    return with_ngrams(model) if model.config.ngram_count else model


@pytest.fixture(params=TOKEN_VARIANTS)
def token_pair(request, make_token_classifier, tmp_path):
    model = prepared(make_token_classifier(**TOKEN_VARIANTS[request.param]))
    return model, load(exported_folder(model, tmp_path / "exported"), threads=1)


def same_spans(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        close(one, other, 1e-4)


def test_extract(token_pair, texts):
    model, exported = token_pair
    documents = [*texts, *HOSTILE, "", "  ", LONG, texts[0].split(), [], np.str_("비가 온다")]
    wanted = model.extract(documents)
    assert sum(map(len, wanted)) > 10
    for batch_size in (1, 3, 32):
        same_spans(exported.extract(documents, batch_size=batch_size), wanted)
    close(exported.extract(texts[0]), wanted[0], 1e-4)
    same_spans(exported.extract(documents, 0.9), model.extract(documents, 0.9))
    scores = zip(exported.token_scores(texts), model.token_scores(texts), strict=True)
    for found, scored in scores:
        assert found.units == scored.units
        assert found.emissions == pytest.approx(scored.emissions.numpy(), abs=1e-4)


def test_extract_with_other_decodings(token_pair, texts):
    model, exported = token_pair
    for settings in (
        {"decode": "posterior"},
        {"decode": "posterior", "overlapping": True, "threshold": {"PS": 0.02, "LC": 0.1, "OG": 0.5}},
        {"decode": "mbr"},
    ):
        same_spans(
            exported.extract([*texts, LONG, "", "  "], **settings), model.extract([*texts, LONG, "", "  "], **settings)
        )


def test_tags_of_units(token_pair, texts):
    model, exported = token_pair
    documents = [*texts, LONG, "", "  ", texts[0].split()]
    wanted = model.tag_units(documents)
    assert sum(map(len, wanted)) > 10
    same_spans(exported.tag_units(documents), wanted)
    scores = sorted(span.score for spans in wanted for span in spans)
    # Between two scores, so that rounding does not decide.
    middle = len(scores) // 2
    threshold = (scores[middle - 1] + scores[middle]) / 2
    same_spans(exported.tag_units(documents, threshold), model.tag_units(documents, threshold))
    with pytest.raises(ValueError, match="threshold to be a number from 0 to 1, got 2"):
        exported.tag_units(texts, 2)


def test_an_operating_point(make_token_classifier, texts, tmp_path):
    model = make_token_classifier(encoder_input="units")
    thresholds = {"PS": 0.05, "LC": 0.1, "OG": 0.3}
    model.config.operating_points = {
        "recall-0.9": {"decode": "posterior", "overlapping": True, "thresholds": thresholds}
    }
    exported = load(exported_folder(model, tmp_path / "exported"))
    wanted = model.extract(texts, operating_point="recall-0.9")
    assert any(wanted)
    same_spans(exported.extract(texts, operating_point="recall-0.9"), wanted)
    with pytest.raises(ValueError, match=r"got 'recall-1', but the model has recall-0\.9"):
        exported.extract(texts, operating_point="recall-1")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1],), TypeError, "every item of texts to be a str, got int at index 0"),
        ((5,), TypeError, "texts to be a str or a list of str, got int"),
        ((["비"], 1.5), ValueError, "threshold to be a number from 0 to 1, got 1.5"),
        ((["비"], 0.0, 0), ValueError, "batch_size to be 1 or more"),
        ((["\ud800"],), ValueError, "half of a surrogate pair"),
        ((["비"], 0.0, 1, "best"), ValueError, "decode to be one of"),
    ],
)
def test_errors_are_those_of_the_model(arguments, error, message, make_token_classifier, tmp_path):
    model = make_token_classifier(encoder_input="units", encoder={"num_hidden_layers": 0})
    exported = load(exported_folder(model, tmp_path / "exported"))
    for each in (model, exported):
        with pytest.raises(error, match=message):
            each.extract(*arguments)


QA_VARIANTS = {
    "recurrent": {"encoder_input": "units", "lstm_hidden_size": 8, "exact_match_feature": True},
    "null": {"encoder_input": "subwords", "allow_no_answer": True, "calibration_temperature": 2.0},
    "words": {"unit": "word", "exact_match_feature": True, "trim_particles": True, "threshold": 0.1},
    "no segments": {"encoder": {"type_vocab_size": 1}, "encoder_input": "units"},
}


@pytest.mark.parametrize("variant", QA_VARIANTS)
def test_answer(variant, make_qa_model, texts, tmp_path):
    model = make_qa_model(tokenizer=wordpiece([*texts, *QUESTIONS]), **QA_VARIANTS[variant])
    exported = load(exported_folder(model, tmp_path / "exported"), threads=1)
    contexts = [*texts[:3], LONG, " "]
    wanted = model.answer(QUESTIONS, contexts, top_k=3)
    assert any(wanted)
    same_spans(exported.answer(QUESTIONS, contexts, top_k=3, batch_size=2), wanted)
    close(exported.answer(QUESTIONS[0], LONG), model.answer(QUESTIONS[0], LONG), 1e-4)
    for settings in (
        {"threshold": 0.2},
        {"max_answer_length": 2, "overlapping": True},
        {"stride": 4, "max_length": 40},
    ):
        same_spans(
            exported.answer(QUESTIONS, contexts, top_k=5, **settings),
            model.answer(QUESTIONS, contexts, top_k=5, **settings),
        )
    found, scored = (each.answer(QUESTIONS[0], LONG, return_probabilities=True) for each in (exported, model))
    assert found.starts == pytest.approx(scored.starts, abs=1e-4) and found.null == pytest.approx(scored.null, abs=1e-4)
    for each in (model, exported):
        with pytest.raises(ValueError, match="a question of one character or more"):
            each.answer(" ", LONG)
        with pytest.raises(ValueError, match="expected max_length to be 64 or less"):
            each.answer(QUESTIONS[0], LONG, max_length=65)


CLASS_VARIANTS = {
    "single": {"encoder_input": "units"},
    "pairs": {"pairs": True, "encoder_input": "units", "calibration_temperature": 1.4},
    "pairs over the second": {"pairs": True, "windowed_field": "text_pair", "pooling": "mean"},
    "regression": {"problem_type": "regression", "value_mean": 2.5, "value_spread": 1.5, "pooling": "mean"},
}


@pytest.mark.parametrize("variant", CLASS_VARIANTS)
def test_classify(variant, make_text_classifier, texts, tmp_path):
    model = make_text_classifier(**CLASS_VARIANTS[variant])
    exported = load(exported_folder(model, tmp_path / "exported"), threads=1)
    pairs = [texts[at - 1][:20] for at in range(len(texts))] + ["비"] * 2 if model.config.pairs else None
    moving = [*texts, LONG[:200], ""]
    given = (pairs, moving) if variant == "pairs over the second" else (moving, pairs)
    wanted = model.classify(*given)
    same_spans([exported.classify(*given, batch_size=2)], [wanted])
    assert exported.scores(*given) == pytest.approx(model.scores(*given), abs=1e-4)
    one = [each and each[0] for each in given]
    close([exported.classify(*one)], [wanted[0]], 1e-4)
    close([exported.inspect(*one).span], [model.inspect(*one).span], 1e-4)
    if model.config.pairs:
        for each in (model, exported):
            with pytest.raises(ValueError, match="expected text_pairs beside texts"):
                each.classify(texts)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_text_gives_the_same_result_whatever_else_is_in_the_batch(precision, make_token_classifier, texts, tmp_path):
    model = make_token_classifier(encoder_input="units", lstm_hidden_size=8)
    exported = load(exported_folder(model, tmp_path / "exported", precision), threads=1)
    tolerance = {"float32": 1e-5, "int8": 0.0}[precision]
    alone = [exported.token_scores([text])[0].emissions for text in texts]
    assert np.ptp(np.concatenate(alone)) > 1
    for batch in (texts, [*reversed(texts)], [texts[0], LONG, *texts]):
        for text, found in zip(batch, exported.token_scores(batch, batch_size=4), strict=True):
            if text in texts:
                assert np.abs(found.emissions - alone[texts.index(text)]).max() <= tolerance


def test_several_threads_may_call_it(make_token_classifier, texts, tmp_path):
    exported = load(exported_folder(make_token_classifier(encoder_input="units"), tmp_path / "exported"), threads=1)
    wanted = [exported.extract(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(exported.extract, texts * 8)) == wanted * 8
