"""Model code: public names, and the registration of the classes with transformers' Auto classes.

Names are imported on first access, so that modules without torch, such as `kospan.modeling.alignment`, can be used
without it. For the same reason the classes are registered when transformers' Auto classes are imported, before or after
this package, by whatever name of transformers needs them.
"""

import functools
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
# Auto class beside AutoModel -> config and model.
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
    """Import a public name from its module."""
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
    if importlib.util.find_spec("torch") is None:
        return
    from transformers.models.auto import modeling_auto

    for auto_class, (config, model) in _AUTO.items():
        for name in ("AutoModel", auto_class):
            getattr(modeling_auto, name).register(__getattr__(config), __getattr__(model))


class _RegisterAfterImport:
    """Import hook that registers the classes as soon as the modules of the Auto classes are imported.

    These may be imported by a module of this package, whose own classes do not exist yet, or by transformers'
    pipelines, which the modules of this package import: the hook waits until no module of these kinds is being
    imported.
    """

    pending = {
        "transformers.models.auto.configuration_auto": _register_configs,
        "transformers.models.auto.modeling_auto": _register_models,
    }
    depth = 0

    def find_spec(self, name, path=None, target=None):
        """Return the spec of the other finders, with a loader that also registers the classes."""
        waited_for = name in self.pending or name == "transformers.pipelines" or name.startswith(f"{__name__}.")
        if not self.pending or not waited_for:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(self.execute, spec.loader.exec_module)
        return spec

    def execute(self, execute, module) -> None:
        """Execute a module, then register the classes unless another module is still being imported."""
        self.depth += 1
        try:
            execute(module)
        finally:
            self.depth -= 1
        if not self.depth:
            self.register()

    def register(self) -> None:
        """Register the classes with the Auto classes that are imported."""
        for name in list(self.pending):
            # A registration imports modules of this package, which call this method again.
            if name in sys.modules and name in self.pending:
                self.pending.pop(name)()


_hook = _RegisterAfterImport()
_hook.register()
if _hook.pending:
    sys.meta_path.insert(0, _hook)
