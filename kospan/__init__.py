"""kospan: fine-tune, evaluate, publish and deploy models that find spans in text, Korean first.

Public names are imported on first access: `import kospan` loads neither torch nor transformers.

>>> import kospan
>>> kospan.Span(0, 2, "LC").label
'LC'
"""

import importlib
import importlib.util

__version__ = "0.1.0"

# Public name -> module.
_MODULES = {
    "CRF": "kospan.modeling.crf",
    "KospanForQuestionAnswering": "kospan.modeling",
    "KospanForSequenceClassification": "kospan.modeling",
    "KospanForTokenClassification": "kospan.modeling",
    "KospanGenerativeNER": "kospan.modeling",
    "KospanGenerativeNERConfig": "kospan.modeling",
    "KospanPreTrainedModel": "kospan.modeling",
    "KospanQuestionAnsweringConfig": "kospan.modeling",
    "KospanSequenceClassificationConfig": "kospan.modeling",
    "KospanTokenClassificationConfig": "kospan.modeling",
    "KospanTrainer": "kospan.training.trainer",
    "Span": "kospan.modeling.spans",
    "build_trainer": "kospan.run",
    "evaluate": "kospan.api",
    "installed_models": "kospan.model_names",
    "load": "kospan.api",
    "mask": "kospan.masking.masker",
    "model_path": "kospan.model_names",
    "predict": "kospan.api",
    "predict_corpus": "kospan.corpus.run",
    "train": "kospan.run",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str):
    """Import a public name from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})


if importlib.util.find_spec("kospan.modeling") is None:
    raise ImportError(
        "expected an installed kospan, got the folder kospan/ of a clone; run `pip install -e .` in the clone"
    )
