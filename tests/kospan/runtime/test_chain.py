"""The chain in NumPy against a model's head in torch, whose recursions are tested against enumeration."""

import numpy as np
import pytest
import torch

from kospan.modeling.tags import labels_of, tag_names, tags_to_spans
from kospan.runtime import chain_sums
from kospan.runtime.chain import Chain

LENGTHS = [1, 2, 7, 23, 40]


@pytest.fixture(params=["linear", "log"])
def sums_domain(request, monkeypatch):
    if request.param == "log":
        monkeypatch.setattr(chain_sums, "SMALLEST_SUM", np.inf)
    return request.param


@pytest.fixture(params=[("BIO", "decode"), ("BIO", "none"), ("BIOES", "both"), ("BIOES", "none")], ids=str)
def pair(request, make_token_classifier):
    """A head with a temperature, and the chain of the same scores."""
    scheme, constrain = request.param
    head = make_token_classifier(scheme=scheme, constrain=constrain, calibration_temperature=1.7).head
    with torch.no_grad():
        for parameter in head.crf.parameters():
            parameter.uniform_(-2, 2)
    crf = head.crf
    scores = {"start": crf.start_transitions, "transitions": crf.transitions, "end": crf.end_transitions}
    scores = {name: values.detach().tolist() for name, values in scores.items()}
    return head, Chain(tag_names(["PS", "LC", "OG"], scheme), scheme, scores, constrain != "none", 1.7)


@pytest.fixture
def batch(pair):
    """Emissions of rows of several lengths as arrays, padded by the chain, and as tensors."""
    head, chain = pair
    random = np.random.default_rng(0)
    rows = [random.normal(0, 3, (length, len(head.tags))).astype(np.float32) for length in LENGTHS]
    emissions, mask = chain.padded(rows)
    padded, same_mask = head.padded([torch.from_numpy(row) for row in rows])
    assert torch.equal(torch.from_numpy(emissions), padded) and torch.equal(torch.from_numpy(mask), same_mask)
    return emissions, mask, padded, same_mask


def test_best_paths_and_posteriors_of_spans(pair, batch, sums_domain):
    head, chain = pair
    emissions, mask, *tensors = batch
    paths = chain.decode(emissions, mask)
    assert paths == head.decode(*tensors)
    spans = [tags_to_spans([head.tags[tag] for tag in path], head.scheme) for path in paths]
    assert sum(map(len, spans)) > 10
    for found, wanted in zip(chain.posteriors(emissions, mask, spans), head.posteriors(*tensors, spans), strict=True):
        assert found == pytest.approx(wanted, abs=1e-6)
    assert chain.posteriors(emissions, mask, [[] for _ in spans]) == [[] for _ in spans]


def test_sums(pair, batch, sums_domain):
    head, chain = pair
    emissions, mask, padded, tensor_mask = batch
    sums = chain.sums(emissions, mask)
    assert sums._in_logs == (sums_domain == "log")
    with torch.no_grad():
        wanted = head.crf.marginals(padded.double(), tensor_mask).numpy()
        partition = head.crf.log_partition(padded.double(), tensor_mask, distribution="decode").numpy()
    found = sums.marginals(slice(None), np.arange(len(head.tags))).transpose(1, 0, 2)
    assert found == pytest.approx(wanted, abs=1e-12)
    assert sums.log_partition == pytest.approx(partition, abs=1e-9)


@pytest.mark.parametrize("length", [1, 5, 50])
def test_posteriors_of_all_spans(pair, batch, sums_domain, length):
    head, chain = pair
    emissions, mask, *tensors = batch
    wanted = head.span_posteriors(*tensors, length)
    found = chain.span_posteriors(emissions, mask, length)
    assert found.at() == pytest.approx(wanted.at().numpy(), abs=1e-12)
    assert found.at(range(3, 9)) == pytest.approx(wanted.at(range(3, 9)).numpy(), abs=1e-12)
    assert found.expected_count() == pytest.approx(wanted.expected_count().numpy(), abs=1e-12)
    no_span = head.no_span_probability(*tensors, wanted).detach().numpy()
    assert chain.no_span_probability(emissions, mask, found) == pytest.approx(no_span, abs=1e-12)


@pytest.mark.parametrize("with_blanks", [False, True])
@pytest.mark.parametrize("block", [1, 10**6])
def test_spans_above_thresholds(pair, batch, with_blanks, block):
    head, chain = pair
    emissions, mask, *tensors = batch
    blank = None
    if with_blanks:
        blank = np.random.default_rng(1).random(mask.shape) < 0.3
        blank &= mask
    thresholds = np.linspace(0.001, 0.02, len(labels_of(head.tags)))
    wanted = head.span_posteriors(*tensors, 6).reaching(thresholds, blank, block)
    found = chain.span_posteriors(emissions, mask, 6).reaching(thresholds, blank, block)
    assert len(found[0]) > 20
    for own, other in zip(found[:4], wanted[:4], strict=True):
        assert own.tolist() == other.tolist()
    assert found[4] == pytest.approx(wanted[4].numpy(), abs=1e-12)


def test_scores_beyond_the_range_of_probabilities(pair):
    head, chain = pair
    random = np.random.default_rng(2)
    emissions, mask = chain.padded([random.normal(0, 3000, (30, len(head.tags))).astype(np.float32)])
    tensors = torch.from_numpy(emissions), torch.from_numpy(mask)
    [path], [wanted] = chain.decode(emissions, mask), head.decode(*tensors)
    assert path == wanted
    spans = [tags_to_spans([head.tags[tag] for tag in path], head.scheme)]
    # Without constraints the best tags of all units are a path, which no range of scores hides.
    assert chain.sums(emissions, mask)._in_logs == chain.constrained
    assert chain.posteriors(emissions, mask, spans)[0] == pytest.approx(head.posteriors(*tensors, spans)[0], abs=1e-6)


def test_a_row_without_an_allowed_path_is_an_error():
    chain = Chain(["I-PS"], "BIO", {"start": [0.0], "transitions": [[0.0]], "end": [0.0]})
    with pytest.raises(ValueError, match="at least one tag path, got none for row 0"):
        chain.sums(np.zeros((1, 2, 1), dtype=np.float32), np.ones((1, 2), dtype=bool))
