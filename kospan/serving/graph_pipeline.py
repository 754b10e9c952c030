"""Pipelines over exported models, which have no torch."""

from contextlib import nullcontext

from kospan.modeling.pipelines import PIPELINES
from kospan.runtime.graph_model import GraphModel

# Model type of an exported model -> task.
TASKS = {
    "kospan-token-classification": "token-classification",
    "kospan-question-answering": "question-answering",
    "kospan-sequence-classification": "text-classification",
}


class _WithoutTorch:
    """Mixin that replaces transformers' constructor, which needs a model in torch."""

    def __init__(self, model: GraphModel):
        self.model = model
        self._given: set[str] = set()
        self._batch_size = None
        self._preprocess_params, self._forward_params, self._postprocess_params = {}, {}, {}

    def device_placement(self):
        """Return a context without effect."""
        return nullcontext()


def graph_pipeline(model: GraphModel):
    """Build the pipeline of an exported model.

    Its methods `items`, `results`, `texts` and `positions` are those of the pipeline in torch.

    Args:
        model: A model that `kospan.runtime.load` returned.

    >>> graph_pipeline(kospan.runtime.load("exported")).results(["비가 온다."])  # doctest: +SKIP
    [[]]
    """
    base = PIPELINES[TASKS[model.config.model_type]]
    return type(f"Graph{base.__name__}", (_WithoutTorch, base), {})(model)
