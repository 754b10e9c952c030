"""Every span with its posterior, and summaries of documents, for guarantees of recall and their check."""

from collections.abc import Sequence

import numpy as np
import torch

from kospan.example import Example
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
    model, documents = task.model, [example.document for example in examples]
    found = {
        "score of the predicted spans": [_mean([span.score for span in spans]) for spans in model.extract(documents)],
        "unknown subwords": [_mean(_unknown(model, document)) for document in documents],
    }
    begins = torch.tensor([tag[:2] in ("B-", "S-") for tag in model.config.tags])
    chains = model.token_scores(documents)
    sure, spans = np.full(len(chains), np.nan), np.full(len(chains), np.nan)
    order = [at for at in sorted(range(len(chains)), key=lambda at: len(chains[at].units)) if chains[at].units]
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        batch = torch.nn.utils.rnn.pad_sequence([chains[at].emissions for at in rows], batch_first=True)
        lengths = torch.tensor([len(chains[at].units) for at in rows], device=batch.device)
        mask = torch.arange(batch.shape[1], device=batch.device) < lengths.unsqueeze(1)
        marginals = model.head.marginals(batch, mask).double().masked_fill(~mask.unsqueeze(-1), 0.0)
        sure[rows] = (marginals.max(dim=-1).values.sum(dim=1) / lengths).cpu().numpy()
        spans[rows] = (marginals[..., begins.to(batch.device)].sum(dim=(1, 2)) / lengths).cpu().numpy()
    return {
        **{name: np.array(values) for name, values in found.items()},
        "probability of the best tags": sure,
        f"expected spans per {model.config.unit}": spans,
        f"{model.config.unit}s": np.array([float(len(chain.units)) for chain in chains]),
    }


def _unknown(model, document: str | list[str]) -> list[bool]:
    """Whether each subword of a document is the unknown one."""
    aligner, unknown = model.aligner, model.tokenizer.unk_token_id
    windows = aligner.windows(aligner.documents([document])[0])
    return [token == unknown for window in windows for token in window.input_ids]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else np.nan
