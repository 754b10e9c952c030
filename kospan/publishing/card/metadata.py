"""The head of a model card, which the Hub reads: language, licence, where it comes from, and every figure."""

import math

from huggingface_hub import EvalResult, ModelCardData

from kospan.publishing.card.kinds.base import Kind
from kospan.publishing.card.kinds.registry import kind_of
from kospan.publishing.card.left import Left

# What a calibration adds to the figures, of any kind of model.
CALIBRATION = {
    "calibration_temperature": ("temperature", "temperature of the confidences", {}),
    "calibration_n": ("count", "{claim}s whose confidence was examined", {}),
    "calibration_ece": ("ece", "expected calibration error of {claim}s, calibrated", {"bins": "15 of one width"}),
    "calibration_brier": ("brier_score", "Brier score of {claim}s, calibrated", {}),
    "calibration_auroc": ("roc_auc", "AUROC of right against wrong {claim}s", {}),
}
# What the Hub knows as a metric.
_METRICS = {"f1", "precision", "recall", "exact_match", "accuracy", "pearsonr", "spearmanr", "mae"}


def card_data(left: Left, name: str) -> ModelCardData:
    """What the Hub reads of a card.

    Args:
        left: What the run has left.
        name: The model's name without its owner.
    """
    about, kind = left.about, kind_of(left)
    results = eval_results(left)
    adapter = left.is_adapter
    terms = {}
    if about.licence == "other":
        terms = {"license_name": f"terms-of-{left.setting('dataset').replace('_', '-')}", "license_link": about.link}
    widget = None
    if about.language is not None:
        widget = kind.widget(left.setting("dataset"), about.language)
    return ModelCardData(
        language=about.language,
        license=about.licence,
        **terms,
        library_name="peft" if adapter else "transformers",
        pipeline_tag=kind.PIPELINE,
        base_model=left.base_model,
        **({"base_model_relation": "adapter"} if adapter and left.base_model else {}),
        datasets=[about.hub] if about.hub else None,
        metrics=sorted({result.metric_type for result in results} & _METRICS) or None,
        tags=["kospan", kind.TAG, "custom_code", *(["lora", "peft"] if adapter else [])],
        model_name=name if results else None,
        eval_results=results or None,
        widget=widget,
    )


def eval_results(left: Left) -> list[EvalResult]:
    """Every figure of eval_results.json; `metric_args["figure"]` is its name there."""
    about, kind, found = left.about, kind_of(left), []
    for name, value in left.results.items():
        if value is None or not math.isfinite(value):
            continue
        what, words, settings = metric(kind, name)
        found.append(
            EvalResult(
                task_type=kind.PIPELINE,
                task_name=kind.TASK_NAME,
                dataset_type=about.hub or left.setting("dataset").partition(":")[0],
                dataset_name=about.title,
                dataset_config=about.config,
                dataset_split="validation",
                metric_type=what,
                metric_value=value,
                metric_name=words,
                metric_args={"figure": f"eval_{name}", **kind.measured(left), **settings},
            )
        )
    return found


def metric(kind: Kind, name: str) -> tuple[str, str, dict[str, str]]:
    """Kind of metric, words and settings of a figure of eval_results.json, named without `eval_`.

    >>> from kospan.publishing.card.kinds import tagger
    >>> metric(tagger, "calibration_n")[:2], metric(tagger, "something")[:2]
    (('count', 'spans whose confidence was examined'), ('something', 'something'))
    """
    if name in CALIBRATION:
        what, words, settings = CALIBRATION[name]
        return what, words.format(claim=kind.CLAIM), settings
    return kind.METRICS.get(name) or kind.metric(name) or (name, name.replace("_", " "), {})
