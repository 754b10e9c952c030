"""The recognizer in presidio-analyzer's engines, over blank spaCy pipelines: nothing is downloaded."""

import pytest

from kospan.modeling.spans import Span

pytestmark = pytest.mark.optional("presidio_analyzer", "presidio")
TEXT = "정하윤 교수는 대구에서 강연하고 010-1234-5678로 전화했다."
SPANS = [Span(0, 3, "PS", 0.97), Span(8, 10, "LC", 0.83), Span(11, 13, "QT", 0.4)]


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(encoder_input="units")


@pytest.fixture
def known(make_token_classifier, monkeypatch):
    """A model with fixed spans of each text that is not empty."""
    model = make_token_classifier(encoder_input="units", labels=["PS", "LC", "OG", "DT", "TI", "QT"])

    def extract(texts, threshold=None, batch_size=32, **decoding):
        return [[span for span in SPANS if text and span.score >= (threshold or 0)] for text in texts]

    monkeypatch.setattr(model, "extract", extract)
    return model


def engine_of(*recognizers, language: str = "ko", **settings):
    """An engine over a blank pipeline."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    nlp_engine = SpacyNlpEngine()
    nlp_engine.nlp = {language: spacy.blank("xx")}
    registry = RecognizerRegistry(list(recognizers), supported_languages=[language])
    return AnalyzerEngine(registry, nlp_engine, supported_languages=[language], **settings)


def recognizer(model, *arguments, **settings):
    from kospan.integrations.presidio import KospanRecognizer

    return KospanRecognizer(model, *arguments, **settings)


def test_engine_returns_the_spans_of_the_model(model, texts):
    from kospan.integrations.presidio import entity_of

    engine, found = engine_of(recognizer(model)), 0
    for text in [*texts, "", " ", " ".join(texts) * 20]:
        results = engine.analyze(text, "ko")
        wanted = {(span.start, span.end, entity_of(span.label), span.score) for span in model.extract(text)}
        # The engine itself omits results that lie in another one of their entity, and those with score 0.
        assert {(each.start, each.end, each.entity_type, each.score) for each in results} <= wanted
        found += len(results)
        assert len(results) == len({each for each in wanted if each[3] > 0})
    assert found > len(texts)
    assert engine.get_supported_entities("ko") and set(engine.get_supported_entities("ko")) == {
        "PERSON",
        "LOCATION",
        "ORGANIZATION",
    }


def test_entities_scores_and_explanation(known):
    engine = engine_of(recognizer(known))
    results = engine.analyze(TEXT, "ko", return_decision_process=True)
    assert [(TEXT[each.start : each.end], each.entity_type, each.score) for each in results] == [
        ("정하윤", "PERSON", 0.97),
        ("대구", "LOCATION", 0.83),
        (TEXT[11:13], "QT", 0.4),
    ]
    explanation = results[0].analysis_explanation
    assert explanation.recognizer == "KospanRecognizer" and explanation.original_score == 0.97
    assert "Labelled PS with the probability 0.9700" in explanation.textual_explanation
    assert results[0].recognition_metadata["recognizer_name"] == "KospanRecognizer"


@pytest.mark.parametrize(
    ("settings", "call", "found"),
    [
        ({}, {"entities": ["PERSON"]}, ["PERSON"]),
        ({}, {"entities": ["DATE_TIME"]}, []),
        ({}, {"score_threshold": 0.9}, ["PERSON"]),
        ({"threshold": 0.5}, {}, ["PERSON", "LOCATION"]),
        ({"labels": {"QT": "QUANTITY", "LC": None}}, {}, ["PERSON", "QUANTITY"]),
        ({"supported_entities": ["LOCATION"]}, {}, ["LOCATION"]),
        ({"score_thresholds": {"PERSON": 0.99}}, {}, ["LOCATION", "QT"]),
        ({}, {"allow_list": ["대구"]}, ["PERSON", "QT"]),
    ],
)
def test_settings(known, settings, call, found):
    results = engine_of(recognizer(known, **settings)).analyze(TEXT, "ko", **call)
    assert [each.entity_type for each in results] == found


def test_dictionaries_and_configuration_files(model, texts, tmp_path, monkeypatch):
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

    from kospan.integrations.presidio import KospanRecognizer

    model.save_pretrained(tmp_path / "ko-ner")
    own = recognizer(str(tmp_path / "ko-ner"), threshold=0.5, labels={"OG": None}, name="names")
    copy = KospanRecognizer.from_dict(own.to_dict())
    assert copy.to_dict() == own.to_dict() and "ORGANIZATION" not in copy.supported_entities
    assert [each.to_dict() for each in copy.analyze(texts[0])] == [each.to_dict() for each in own.analyze(texts[0])]
    # A configuration cannot name a model, so it takes the default one.
    monkeypatch.chdir(tmp_path)
    entry = {"name": "KospanRecognizer", "type": "predefined", "supported_languages": ["ko"]}
    settings = {"supported_languages": ["ko"], "global_regex_flags": 26, "recognizers": [entry]}
    [found] = RecognizerRegistryProvider(registry_configuration=settings).create_recognizer_registry().recognizers
    assert isinstance(found, KospanRecognizer) and found.supported_language == "ko"


def test_the_model_is_not_run_for_other_entities(known, monkeypatch):
    one = recognizer(known)
    monkeypatch.setattr(known, "extract", None)
    assert one.analyze(TEXT, ["EMAIL_ADDRESS"]) == []


def test_beside_a_rule_of_presidio_and_in_any_language(known):
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    phone = PhoneRecognizer(supported_regions=("KR",), supported_language="de")
    results = engine_of(recognizer(known, "de"), phone, language="de").analyze(TEXT, "de")
    assert {each.entity_type for each in results} == {"PERSON", "LOCATION", "QT", "PHONE_NUMBER"}


def test_batch_engine(model, texts):
    from presidio_analyzer import BatchAnalyzerEngine

    engine = engine_of(recognizer(model))
    batch = BatchAnalyzerEngine(engine)
    found = batch.analyze_iterator(texts, "ko", batch_size=2)
    assert [[each.to_dict() for each in results] for results in found] == [
        [each.to_dict() for each in engine.analyze(text, "ko")] for text in texts
    ]
    table = {"name": texts, "age": [3, 5], "note": texts[0]}
    rows = {each.key: each.recognizer_results for each in batch.analyze_dict(table, "ko")}
    assert [len(results) for results in rows["name"]] == [len(results) for results in found]
    assert len(rows["note"]) == len(found[0])


@pytest.mark.optional("presidio_anonymizer", "presidio")
def test_anonymizer(known):
    from presidio_anonymizer import AnonymizerEngine

    results = engine_of(recognizer(known, labels={"QT": None})).analyze(TEXT, "ko")
    masked = AnonymizerEngine().anonymize(TEXT, results).text
    assert masked == TEXT.replace("정하윤", "<PERSON>").replace("대구", "<LOCATION>")


def test_operating_point(make_token_classifier, texts):
    model = make_token_classifier(encoder_input="units")
    model.config.operating_points = {
        "all": {"decode": "posterior", "thresholds": {label: 0.01 for label in ("PS", "LC", "OG")}, "overlapping": True}
    }
    one = recognizer(model, operating_point="all")
    for text, spans in zip(texts, model.extract(texts, operating_point="all"), strict=True):
        assert [(each.start, each.end, each.score) for each in one.analyze(text)] == [
            (span.start, span.end, pytest.approx(span.score, abs=1e-5)) for span in spans
        ]
    with pytest.raises(ValueError, match="expected the name of an operating point"):
        recognizer(model, operating_point="other")


@pytest.mark.parametrize(
    ("label", "entity"),
    [
        *(("PS", "PERSON"), ("LC", "LOCATION"), ("OG", "ORGANIZATION"), ("DT", "DATE_TIME"), ("TI", "DATE_TIME")),
        *(("person", "PERSON"), ("geo", "LOCATION"), ("gpe", "LOCATION"), ("corporation", "ORGANIZATION")),
        *(("RRN", "KR_RRN"), ("PHONE", "PHONE_NUMBER"), ("EMAIL", "EMAIL_ADDRESS"), ("CARD", "CREDIT_CARD")),
        *(("organization", "ORGANIZATION"), ("phone_number", "PHONE_NUMBER"), ("kr_rrn", "KR_RRN")),
        *(("ACCOUNT", "ACCOUNT"), ("product", "product"), ("사건", "사건")),
    ],
)
def test_entity_of(label, entity):
    from kospan.integrations.presidio import entity_of

    assert entity_of(label) == entity


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": {"XX": "PERSON"}}, "expected labels of the model .*got 'XX'"),
        ({"supported_entities": ["PERSON", "CITY"]}, "expected supported_entities among PERSON.*got 'CITY'"),
        ({"threshold": 2}, "threshold"),
        ({"decode": "other"}, "decode"),
    ],
)
def test_wrong_settings(model, settings, message):
    with pytest.raises(ValueError, match=message):
        recognizer(model, **settings)


def test_wrong_models(make_qa_model, tmp_path):
    with pytest.raises(
        ValueError, match="expected a model of token-classification or generative-ner, got one of quest"
    ):
        recognizer(make_qa_model())
    with pytest.raises(FileNotFoundError, match="expected a model"):
        recognizer(str(tmp_path / "none"))
