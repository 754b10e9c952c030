"""Code that runs a model: public names, and the registration of the classes with transformers' Auto classes.

Names are imported when they are used, so that parts that need no torch, such as `kospan.modeling.alignment`, do not
import it. The classes are registered when transformers' Auto classes are imported, or at once where they already are.
"""

import importlib
import importlib.util
import sys

_MODULES = {
    "CRF": "crf",
    "KospanForQuestionAnswering": "modeling_question_answering",
    "KospanForSequenceClassification": "modeling_sequence_classification",
    "KospanForTokenClassification": "modeling_token_classification",
    "KospanGenerativeNER": "modeling_generative_ner",
    "KospanGenerativeNERConfig": "configuration_generative_ner",
    "KospanPreTrainedModel": "modeling_kospan",
    "KospanQuestionAnsweringConfig": "configuration_kospan",
    "KospanQuestionAnsweringPipeline": "pipelines",
    "KospanSequenceClassificationConfig": "configuration_kospan",
    "KospanTextClassificationPipeline": "pipelines",
    "KospanTokenClassificationConfig": "configuration_kospan",
    "KospanTokenClassificationPipeline": "pipelines",
    "Span": "spans",
}
# Auto class beside AutoModel -> config and model class.
_AUTO = {
    "AutoModelForTokenClassification": ("KospanTokenClassificationConfig", "KospanForTokenClassification"),
    "AutoModelForQuestionAnswering": ("KospanQuestionAnsweringConfig", "KospanForQuestionAnswering"),
    "AutoModelForSequenceClassification": ("KospanSequenceClassificationConfig", "KospanForSequenceClassification"),
}
# Modules that import transformers, by the beginnings of their names.
_IMPORT_TRANSFORMERS = tuple(
    f"{__name__}.{start}"
    for start in (
        *("base_models", "code_files", "configuration_", "constraints", "encoders"),
        *("modeling_", "pipeline", "sparse_"),
    )
)

__all__ = list(_MODULES)


def __getattr__(name: str):
    """A public name, imported from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})


def _register_configs() -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    from .configuration_kospan import former_configs

    for config_class in (*(__getattr__(config) for config, _ in _AUTO.values()), *former_configs()):
        AutoConfig.register(config_class.model_type, config_class)


def _register_models() -> None:
    from transformers.models.auto import modeling_auto

    for auto_class, (config, model) in _AUTO.items():
        for name in ("AutoModel", auto_class):
            getattr(modeling_auto, name).register(__getattr__(config), __getattr__(model))


class _AutoClasses:
    """Import hook that registers the classes when a module of transformers' Auto classes has been imported."""

    waiting = {
        "transformers.models.auto.configuration_auto": _register_configs,
        "transformers.models.auto.modeling_auto": _register_models,
    }

    def find_spec(self, name, path=None, target=None):
        """The module's own spec, whose loader also registers the classes."""
        if self.waiting and name.startswith(_IMPORT_TRANSFORMERS):
            # First, because registration needs these modules whole.
            importlib.import_module("transformers.models.auto.modeling_auto")
        register = self.waiting.pop(name, None)
        if register is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_register(module):
            execute(module)
            register()

        spec.loader.exec_module = execute_and_register
        return spec


for _name, _register in list(_AutoClasses.waiting.items()):
    if _name in sys.modules:
        del _AutoClasses.waiting[_name]
        _register()
if _AutoClasses.waiting:
    sys.meta_path.insert(0, _AutoClasses())
