"""The head of a model card, which the Hub reads: language, licence, where it comes from, and every figure."""

import math

from huggingface_hub import EvalResult, ModelCardData

from kospan.publishing.card.left import Left
from kospan.publishing.card.sentences import sentences

# A figure's name without the type that it is for -> what kind of metric it is, in words and settings.
METRICS = {
    "f1": ("f1", "strict micro F1 over exact spans", {"averaging": "micro", "mode": "strict"}),
    "precision": ("precision", "strict micro precision over exact spans", {"averaging": "micro", "mode": "strict"}),
    "recall": ("recall", "strict micro recall over exact spans", {"averaging": "micro", "mode": "strict"}),
    "klue_entity_f1": ("f1", "KLUE entity F1", {"averaging": "macro over types", "mode": "strict, spaces dropped"}),
    "klue_char_f1": ("f1", "KLUE character F1", {"averaging": "macro over tags, O included"}),
    "klue_char_f1_no_o": ("f1", "KLUE character F1 without O", {"averaging": "macro over tags, O left out"}),
    "exact_match": ("exact_match", "exact match", {}),
    "calibration_temperature": ("temperature", "temperature of the confidences", {}),
    "calibration_n": ("count", "spans whose confidence was examined", {}),
    "calibration_ece": ("ece", "expected calibration error of spans, calibrated", {"bins": "15 of one width"}),
    "calibration_brier": ("brier_score", "Brier score of spans, calibrated", {}),
    "calibration_auroc": ("roc_auc", "AUROC of right against wrong spans", {}),
}


def card_data(left: Left, name: str) -> ModelCardData:
    """What the Hub reads of a card.

    Args:
        left: What the run has left.
        name: The model's name without its owner.
    """
    about = left.about
    results = eval_results(left)
    terms = {}
    if about.licence == "other":
        terms = {"license_name": f"terms-of-{left.setting('dataset').replace('_', '-')}", "license_link": about.link}
    widget = None
    if about.language is not None:
        widget = [{"text": text} for text in sentences(left.setting("dataset"), about.language)]
    return ModelCardData(
        language=about.language,
        license=about.licence,
        **terms,
        library_name="transformers",
        pipeline_tag="token-classification",
        base_model=left.base_model,
        datasets=[about.hub] if about.hub else None,
        metrics=sorted({result.metric_type for result in results} & {"f1", "precision", "recall", "exact_match"})
        or None,
        tags=["kospan", "named-entity-recognition", "custom_code"],
        model_name=name if results else None,
        eval_results=results or None,
        widget=widget,
    )


def eval_results(left: Left) -> list[EvalResult]:
    """Every figure of eval_results.json; `metric_args["figure"]` is its name there."""
    about, found = left.about, []
    for name, value in left.results.items():
        if value is None or not math.isfinite(value):
            continue
        kind, words, settings = metric(name)
        found.append(
            EvalResult(
                task_type="token-classification",
                task_name="span extraction",
                dataset_type=about.hub or left.setting("dataset").partition(":")[0],
                dataset_name=about.title,
                dataset_config=about.config,
                dataset_split="validation",
                metric_type=kind,
                metric_value=value,
                metric_name=words,
                metric_args={"figure": f"eval_{name}", "unit": left.config["unit"], **settings},
            )
        )
    return found


def metric(name: str) -> tuple[str, str, dict[str, str]]:
    """Kind, words and settings of a figure of eval_results.json, named without `eval_`.

    >>> metric("f1_PS")[:2], metric("support_PS")[:2], metric("something")[:2]
    (('f1', 'strict F1 of PS'), ('count', 'gold spans of PS'), ('something', 'something'))
    """
    if name in METRICS:
        return METRICS[name]
    if name.startswith("f1_"):
        return "f1", f"strict F1 of {name.removeprefix('f1_')}", {"mode": "strict"}
    if name.startswith("support_"):
        return "count", f"gold spans of {name.removeprefix('support_')}", {}
    return name, name.replace("_", " "), {}
