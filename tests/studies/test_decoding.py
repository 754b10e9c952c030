"""Study of decodings: halves by documents, counts, the plug-in threshold and the page."""

import numpy as np
import pytest
import torch

from kospan.data.corpus import read_examples
from studies.decoding import Part, main, parts

LINES = "-DOCSTART- -X- O O\n\nSeoul NNP I-NP I-LOC\nis VBZ I-VP O\n\nKim NNP I-NP I-PER\n\n"


@pytest.fixture
def saved(make_token_classifier, tmp_path):
    model = make_token_classifier(unit="word", labels=["LOC", "PER"])
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "recipe.yaml").write_text("name: tiny\nseed: 1\n", encoding="utf-8")
    (tmp_path / "eng.txt").write_text(LINES * 5, encoding="utf-8")
    return model, str(tmp_path / "eng.txt"), tmp_path


def test_halves_and_counts_are_by_document(saved):
    model, data, _ = saved
    selection, report = parts(model, "conll2003", data, "-")
    assert (len(selection.examples), len(report.examples)) == (4, 6)
    assert report.first_texts.tolist() == [0, 2, 4]
    by_text = report.counts()
    assert by_text[:, 2].tolist() == [1] * 6
    assert report.by_document(by_text).tolist() == by_text.reshape(3, 2, 3).sum(axis=1).tolist()
    with pytest.raises(AssertionError, match="parts share texts"):
        parts(model, "conll2003", data, data)


def test_the_plug_in_threshold_is_half_the_best_estimate(saved):
    model, data, _ = saved
    part = Part(model, read_examples("conll2003", data), range(10))
    threshold = part.corpus_threshold()
    estimates = {}
    for value in np.linspace(0.01, 0.99, 99):
        spans = [span for text in part.spans(decode="posterior", threshold=value) for span in text]
        scores = model.head.marginals(*_batch(part)).sum(dim=(0, 1))
        gold = sum(scores[at].item() for at, tag in enumerate(model.config.tags) if tag[:2] == "B-")
        estimates[value] = 2 * sum(span.score for span in spans) / (len(spans) + gold)
    assert 2 * threshold == pytest.approx(max(estimates.values()), abs=1e-4)


def _batch(part):
    emissions = torch.nn.utils.rnn.pad_sequence(part.emissions, batch_first=True)
    lengths = torch.tensor([len(chain) for chain in part.emissions])
    return emissions, torch.arange(emissions.shape[1]) < lengths.unsqueeze(1)


def test_the_page_names_all_decodings(saved, monkeypatch):
    _, data, folder = saved
    words = ["--model", str(folder / "model"), "--dataset", "conll2003", "--data", data, "--report", "-"]
    monkeypatch.setattr("sys.argv", ["decoding.py", *words, "--note", "A note.", "--out", str(folder / "page.md")])
    monkeypatch.setattr("studies.decoding.fit_temperature", lambda found: 1.0)  # All spans of the tiny model are wrong.
    main()
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert "Recipe `tiny`, seed 1. A note. Selection: 2 documents, 4 sentences; report: 3 documents" in page
    assert [line.split(" | ")[0] for line in page.splitlines() if line.startswith(("| viterbi", "| mbr"))] == [
        "| viterbi",
        "| mbr",
    ]
    assert str(folder) not in page
