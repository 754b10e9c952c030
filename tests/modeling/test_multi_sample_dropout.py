"""Multi-sample dropout: the encoder runs once, the projection M times behind M masks, and only in training."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn

from kospan.modeling.heads import ChainContext

M = 4
SETTINGS = {"dropout": 0.5, "multi_sample_dropout": M}


class Case(NamedTuple):
    """A model, a batch with labels, the module that holds dropout and projection, and the loss of given scores."""

    model: nn.Module
    batch: dict
    last: nn.Module
    loss: Callable
    each: bool = False  # whether the loss is the mean of M losses


def token_classifier_case(make_token_classifier, texts, merge: str) -> Case:
    model = make_token_classifier(dropout_merge=merge, encoder_input="units", **SETTINGS)
    windows = [window for each in model.aligner.documents(texts) for window in model.aligner.windows(each)]
    batch = model.collate([model.features(window) for window in windows])
    mask = batch["unit_positions"] != -100
    labels = torch.where(mask, torch.arange(mask.shape[1]) % 3, -100)
    return Case(
        model,
        {**batch, "labels": labels},
        model.head,
        lambda scores: model.head.loss(scores, labels, mask, ChainContext()) / mask.sum(),
        merge == "mean_loss",
    )


def reader_case(make_qa_model, texts) -> Case:
    model, question = make_qa_model(**SETTINGS), "누가 열었나?"
    features = []
    for document in model.aligner.documents(texts):
        matches = model.matches(question, document)
        features += [model.features(window, matches) for window in model.windows(question, document)]
    batch = model.collate(features)
    mask = torch.cat([torch.ones(len(features), 1, dtype=bool), batch["unit_positions"] != -100], dim=1)
    labels = torch.ones(len(features), 2, dtype=torch.long)

    def loss(scores):
        return nn.functional.cross_entropy(scores.masked_fill(~mask.unsqueeze(2), -1e30), labels)

    return Case(model, {**batch, "labels": labels}, model, loss)


def classifier_case(make_text_classifier, texts) -> Case:
    model = make_text_classifier(**SETTINGS)
    passages = [model.passages(document)[0] for document in model.aligner.documents(texts)]
    labels = torch.arange(len(texts)) % 3
    batch = model.collate([model.features(passage) for passage in passages])
    return Case(model, {**batch, "labels": labels}, model, lambda scores: nn.functional.cross_entropy(scores, labels))


@pytest.fixture(params=["tagger", "tagger with a loss for each sample", "reader", "classifier"])
def case(request, make_token_classifier, make_qa_model, make_text_classifier, texts) -> Case:
    torch.manual_seed(5)
    if request.param == "reader":
        return reader_case(make_qa_model, texts)
    if request.param == "classifier":
        return classifier_case(make_text_classifier, texts)
    return token_classifier_case(
        make_token_classifier, texts, "mean_loss" if "each" in request.param else "mean_logits"
    )


class Watched(NamedTuple):
    """Inputs and outputs of the dropout before the projection, and each run of the encoder."""

    given: list
    dropped: list
    encoded: list


def watch(case: Case) -> Watched:
    found = Watched([], [], [])

    def dropout(module, given, output):
        found.given.append(given[0].detach())
        found.dropped.append(output.detach())

    case.last.dropout.register_forward_hook(dropout)
    case.model.encoder.register_forward_hook(lambda *_: found.encoded.append(1))
    return found


def scores_of(output) -> torch.Tensor:
    return output.logits if hasattr(output, "logits") and output.logits is not None else output.emissions


@torch.no_grad()
def check_scores(case: Case, output, dropped: list) -> None:
    """The scores are the mean of the projections; a reader gives padding a very low one."""
    found, expected = scores_of(output), torch.stack([case.last.projection(each) for each in dropped]).mean(dim=0)
    kept = found > -1e30
    torch.testing.assert_close(found[kept], expected[kept])


def test_every_sample_has_a_mask_of_its_own(case):
    watched = watch(case)
    output = case.model.train()(**case.batch)
    assert len(watched.dropped) == M and len(watched.encoded) == 1
    states = watched.given[0]
    assert all(torch.equal(each, states) for each in watched.given)
    masks = [each != 0 for each in watched.dropped]
    assert all(not torch.equal(one, other) for at, one in enumerate(masks) for other in masks[:at])
    for mask, each in zip(masks, watched.dropped):
        assert 0.3 < mask.float().mean() < 0.7
        torch.testing.assert_close(each[mask], 2 * states[mask])
    check_scores(case, output, watched.dropped)


def test_without_training_there_is_one_sample_and_no_mask(case):
    watched = watch(case)
    output = case.model.eval()(**case.batch)
    assert len(watched.dropped) == len(watched.encoded) == 1
    assert torch.equal(watched.given[0], watched.dropped[0])
    check_scores(case, output, watched.dropped)


def test_the_loss_is_that_of_the_mean_or_the_mean_of_the_losses(case):
    watched = watch(case)
    loss = case.model.train()(**case.batch).loss.item()
    with torch.no_grad():
        drawn = [case.last.projection(each) for each in watched.dropped]
        of_mean = case.loss(torch.stack(drawn).mean(dim=0)).item()
        mean_of = sum(case.loss(each).item() for each in drawn) / M
    expected, other = (mean_of, of_mean) if case.each else (of_mean, mean_of)
    assert loss == pytest.approx(expected, rel=1e-4) and loss != pytest.approx(other, rel=1e-3)
