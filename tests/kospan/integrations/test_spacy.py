"""The component in pipelines of spaCy."""

import subprocess
import sys

import pytest
from time_limits import SECONDS

from kospan.modeling.spans import Span

pytestmark = pytest.mark.optional("spacy", "spacy")
EXACT = {"nlp": {"tokenizer": {"@tokenizers": "kospan.CharacterTokenizer.v1"}}}


@pytest.fixture
def model(make_token_classifier):
    return make_token_classifier(encoder_input="units")


@pytest.fixture
def folder(model, tmp_path) -> str:
    model.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def pipeline(folder: str, config: dict = EXACT, **settings):
    import spacy

    nlp = spacy.blank("xx", config=config)
    nlp.add_pipe("kospan", config={"model": folder} | settings)
    return nlp


def places(spans) -> list[tuple]:
    """Start, end and label of spans of spaCy or of ours."""
    return [
        (span.start_char, span.end_char, span.label_) if hasattr(span, "label_") else tuple(span[:3]) for span in spans
    ]


def same(found, wanted) -> bool:
    return places(found) == places(wanted) and [span[3] for span in found] == pytest.approx(
        [span[3] for span in wanted], abs=1e-5
    )


def test_spans_of_the_model(folder, model, texts):
    nlp = pipeline(folder)
    for text in [*texts, "", " ", " ".join(texts) * 10]:
        doc, wanted = nlp(text), model.extract(text)
        assert same(doc._.kospan, wanted)
        assert places(doc.spans["kospan"]) == places(wanted)
        assert doc.spans["kospan"].attrs == {
            "scores": pytest.approx([span.score for span in wanted], abs=1e-5),
            "lossy": [False] * len(wanted),
            "dropped": 0,
        }
    assert nlp.pipe_labels["kospan"] == ["PS", "LC", "OG"]
    assert sum(len(model.extract(text)) for text in texts) > len(texts)


TEXT = "서울에서 부산까지 갔다"
SPANS = [Span(0, 2, "LC", 0.9), Span(0, 7, "QT", 0.8), Span(10, 12, "LC", 0.7)]


@pytest.mark.parametrize(
    ("mode", "found", "lossy", "dropped"),
    [
        ("expand", [(0, 4, "LC"), (0, 9, "QT"), (10, 12, "LC")], [True, True, False], 0),
        ("contract", [(0, 4, "QT"), (10, 12, "LC")], [True, False], 1),
        ("strict", [(10, 12, "LC")], [False], 2),
    ],
)
def test_ends_inside_tokens(folder, monkeypatch, mode, found, lossy, dropped):
    """The tokenizer of `xx` keeps particles in the word: spaCy's own alignment decides, and spans are marked."""
    nlp = pipeline(folder, config={}, alignment_mode=mode)
    monkeypatch.setattr(nlp.get_pipe("kospan"), "_extractor", lambda texts: [SPANS for _ in texts])
    doc = nlp(TEXT)
    group = doc.spans["kospan"]
    assert doc._.kospan == SPANS and places(group) == found
    assert group.attrs["lossy"] == lossy == [span._.kospan_lossy for span in group]
    assert group.attrs["dropped"] == dropped and len(group.attrs["scores"]) == len(found)
    exact = pipeline(folder, alignment_mode=mode)
    monkeypatch.setattr(exact.get_pipe("kospan"), "_extractor", lambda texts: [SPANS for _ in texts])
    doc = exact(TEXT)
    assert places(doc.spans["kospan"]) == [span[:3] for span in SPANS] and not any(doc.spans["kospan"].attrs["lossy"])


def test_several_components(folder, model, texts):
    nlp = pipeline(folder)
    nlp.add_pipe("kospan", name="certain", config={"model": folder, "threshold": 0.6, "spans_key": "certain"})
    for doc, spans in zip(list(nlp.pipe(texts)), model.extract(texts), strict=True):
        certain = [span for span in spans if span.score >= 0.6]
        assert places(doc.spans["kospan"]) == places(spans) and places(doc.spans["certain"]) == places(certain)
        assert places(doc._.kospan) == sorted([*places(spans), *places(certain)])
        # A component that runs again replaces its own spans.
        assert len(nlp.get_pipe("certain")(doc)._.kospan) == len(spans) + len(certain)


def test_spans_of_others_are_not_lossy(folder, texts):
    nlp = pipeline(folder)
    doc = nlp(texts[0])
    assert not doc[0:1]._.kospan_lossy and not nlp.make_doc(texts[0])[0:2]._.kospan_lossy


def test_entities(folder, texts):
    from spacy.tokens import Span

    doc = pipeline(folder)(texts[0])
    assert not doc.ents
    doc = pipeline(folder, set_ents=True)(texts[0])
    assert doc.ents and places(doc.ents) == places(doc.spans["kospan"])

    nlp = pipeline(folder, config={}, set_ents=True)
    for text in texts:
        earlier = nlp.make_doc(text)
        earlier.ents = [Span(earlier, at, at + 1, "OLD") for at in range(len(earlier))]
        doc = nlp.get_pipe("kospan")(earlier)
        ours = [span for span in doc.ents if span.label_ != "OLD"]
        covered = {at for span in ours for at in range(span.start, span.end)}
        assert {at for span in doc.spans["kospan"] for at in range(span.start, span.end)} >= covered
        assert [span.start for span in doc.ents if span.label_ == "OLD"] == sorted({*range(len(doc))} - covered)


@pytest.mark.parametrize(
    ("settings", "extract"),
    [
        ({"threshold": 0.6}, {"threshold": 0.6}),
        ({"decode": "posterior", "threshold": 0.3}, {"decode": "posterior", "threshold": 0.3}),
    ],
)
def test_settings(folder, model, texts, settings, extract):
    nlp = pipeline(folder, spans_key="names", **settings)
    docs = list(nlp.pipe(texts))
    wanted = model.extract(texts, **extract)
    assert [places(doc.spans["names"]) for doc in docs] == [places(spans) for spans in wanted]


def test_pipe_predicts_in_batches(folder, model, texts, monkeypatch):
    nlp = pipeline(folder)
    extractor, sizes = nlp.get_pipe("kospan")._extractor, []
    predict = extractor.task.predict

    def counted(documents, *rest, **more):
        sizes.append(len(documents))
        return predict(documents, *rest, **more)

    monkeypatch.setattr(extractor.task, "predict", counted)
    docs = list(nlp.pipe(texts * 3, batch_size=4))
    assert sizes == [4, 4, 4, 3]
    assert [doc.text for doc in docs] == texts * 3
    assert all(same(doc._.kospan, wanted) for doc, wanted in zip(docs, model.extract(texts * 3)))
    assert [context for _, context in nlp.pipe([(text, at) for at, text in enumerate(texts)], as_tuples=True)] == [
        *range(len(texts))
    ]


def test_errors_go_to_the_handler(folder, texts):
    nlp = pipeline(folder)
    docs = [nlp.make_doc(text) for text in texts]
    component = nlp.get_pipe("kospan")

    def extract(given):
        raise ValueError("expected other texts")

    component._extractor = extract
    with pytest.raises(ValueError, match="expected other texts"):
        component(docs[0])
    seen = []
    nlp.set_error_handler(lambda name, proc, docs, error: seen.append((name, len(docs))))
    assert list(component.pipe(docs, batch_size=3)) == [] and seen == [("kospan", 3), ("kospan", 2)]


def test_pipelines_are_stored_with_the_name_of_the_model(folder, texts, tmp_path):
    import spacy

    nlp = pipeline(folder, threshold=0.4)
    nlp.to_disk(tmp_path / "pipeline")
    assert not list((tmp_path / "pipeline").rglob("*.safetensors"))
    wanted = [places(doc._.kospan) for doc in nlp.pipe(texts)]
    copies = [
        spacy.load(tmp_path / "pipeline"),
        spacy.util.get_lang_class("xx").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    ]
    for copy in copies:
        assert copy.get_pipe_meta("kospan").factory == "kospan"
        assert [places(doc._.kospan) for doc in copy.pipe(texts)] == wanted
    with pytest.raises(FileNotFoundError, match=r"expected a model.*gone"):
        spacy.load(tmp_path / "pipeline", config={"components.kospan.model": str(tmp_path / "gone")})


def test_documents_are_stored_with_their_spans(folder, texts):
    from spacy.tokens import Doc, DocBin

    nlp = pipeline(folder, config={})
    docs = list(nlp.pipe(texts))
    data = DocBin(docs=docs, store_user_data=True).to_bytes()
    restored = [*DocBin().from_bytes(data).get_docs(nlp.vocab)]
    restored += [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    restored += [doc.copy() for doc in docs]
    for doc, wanted in zip(restored, docs * 3, strict=True):
        assert doc._.kospan == wanted._.kospan
        assert places(doc.spans["kospan"]) == places(wanted.spans["kospan"])
        assert doc.spans["kospan"].attrs == wanted.spans["kospan"].attrs
    plain = [*DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(nlp.vocab)]
    assert all(doc._.kospan == [] for doc in plain)


CODE = """
import multiprocessing, sys

def main():
    import spacy, torch
    multiprocessing.set_start_method(sys.argv[1])
    torch.set_num_threads(2)
    nlp = spacy.blank("xx", config={"nlp": {"tokenizer": {"@tokenizers": "kospan.CharacterTokenizer.v1"}}})
    nlp.add_pipe("kospan", config={"model": sys.argv[2]})
    texts = sys.argv[3:] * 2
    own = [[span[:3] for span in nlp(text)._.kospan] for text in texts]
    found = [[span[:3] for span in doc._.kospan] for doc in nlp.pipe(texts, n_process=2, batch_size=2)]
    print(len(found) == len(texts) and any(own) and own == found)

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_several_processes(folder, texts, tmp_path, method):
    (tmp_path / "run.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, tmp_path / "run.py", method, folder, *texts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.stdout.split() == ["True"], done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alignment_mode": "other"}, "alignment_mode"),
        ({"treshold": 0.5}, "treshold"),
        ({"threshold": 2.0}, "threshold"),
        ({"operating_point": "x"}, "expected the name of an operating point"),
        ({"model": "/none/at/all"}, "expected a model"),
    ],
)
def test_wrong_settings(folder, settings, message):
    with pytest.raises((ValueError, OSError), match=message):
        pipeline(folder, **settings)


def test_other_models_are_refused(make_qa_model, tmp_path):
    make_qa_model().save_pretrained(tmp_path / "qa")
    with pytest.raises(ValueError, match="expected a model of token-classification or generative-ner"):
        pipeline(str(tmp_path / "qa"))
