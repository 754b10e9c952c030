"""Every span with its posterior, and summaries of documents, for guarantees of recall and their check."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.example import Example
from kospan.modeling.span_decoding import chain_batches, decode_spans
from kospan.modeling.span_selection import decoding_of
from kospan.modeling.spans import Span
from kospan.task import Task

_ROWS = 64


def every_span(task: Task, examples: Sequence[Example], threshold: float) -> list[list[Span]]:
    """Return every span of each document whose posterior reaches a threshold, overlapping ones, too."""
    documents = [example.document for example in examples]
    return task.model.extract(documents, threshold, decode="posterior", overlapping=True)


@torch.no_grad()
def document_summaries(task: Task, examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Return numbers of each document that a shift of the data changes `(documents,)`, NaN where one has none."""
    model, texts = task.model, [example.document for example in examples]
    documents, chains = model.aligner.documents(texts), [found.emissions for found in model.token_scores(texts)]
    predicted = decode_spans(model.head, documents, chains, decoding_of(task.labels), _ROWS)
    unknown = model.tokenizer.unk_token_id
    begins = torch.tensor([tag[:2] in ("B-", "S-") for tag in model.config.tags])
    sure, spans = np.full(len(chains), np.nan), np.full(len(chains), np.nan)
    for rows, batch, mask in chain_batches(model.head, chains, _ROWS):
        lengths = mask.sum(dim=1)
        marginals = model.head.marginals(batch, mask).double().masked_fill(~mask.unsqueeze(-1), 0.0)
        sure[rows] = (marginals.max(dim=-1).values.sum(dim=1) / lengths).cpu().numpy()
        spans[rows] = (marginals[..., begins.to(batch.device)].sum(dim=(1, 2)) / lengths).cpu().numpy()
    return {
        "score of the predicted spans": np.array([_mean([span.score for span in found]) for found in predicted]),
        "unknown subwords": np.array([_mean(np.array(each.subwords) == unknown) for each in documents]),
        "probability of the best tags": sure,
        f"expected spans per {model.config.unit}": spans,
        f"{model.config.unit}s": np.array([float(len(each.units)) for each in documents]),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan
