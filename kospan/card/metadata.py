"""The head of a model card, which the Hub reads: language, licence, where it comes from, and every metric."""

import math

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData, eval_result_entries_to_yaml

from kospan.card.kinds.base import Kind
from kospan.card.kinds.registry import kind_of
from kospan.card.run_record import RunRecord

# What a calibration adds to the metrics, of any kind of model.
CALIBRATION = {
    "calibration_temperature": ("temperature", "temperature of the confidences", {}),
    "calibration_n": ("count", "{claim}s whose confidence was examined", {}),
    "calibration_ece": ("ece", "expected calibration error of {claim}s, calibrated", {"bins": "15 of one width"}),
    "calibration_brier": ("brier_score", "Brier score of {claim}s, calibrated", {}),
    "calibration_auroc": ("roc_auc", "AUROC of right against wrong {claim}s", {}),
}
# Where the Hub looks for scores of its data sets; model-index in the card is the older form.
EVAL_RESULTS = ".eval_results/kospan.yaml"
# The `type` of a data set that is no whole split of the Hub: the name of one would claim its scores.
NOT_ON_HUB = "other"
# What the Hub knows as a metric.
_METRICS = {"f1", "precision", "recall", "exact_match", "accuracy", "pearsonr", "spearmanr", "mae"}


def card_data(left: RunRecord, name: str) -> ModelCardData:
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
        datasets=[left.trained_on_hub] if left.trained_on_hub else None,
        metrics=sorted({result.metric_type for result in results} & _METRICS) or None,
        tags=["kospan", kind.TAG, "custom_code", *(["lora", "peft"] if adapter else [])],
        model_name=name if results else None,
        eval_results=results or None,
        widget=widget,
    )


def eval_results(left: RunRecord) -> list[EvalResult]:
    """Every metric of eval_results.json; `metric_args["metric"]` is its name there.

    Data set, configuration and split are those of the Hub where the scores are of a whole split that was read from
    there; anything else is described in words.
    """
    kind, found = kind_of(left), []
    for name, value in left.results.items():
        if value is None or not math.isfinite(value):
            continue
        what, words, settings = metric(kind, name)
        found.append(
            EvalResult(
                task_type=kind.PIPELINE,
                task_name=kind.TASK_NAME,
                **_scored_data(left, name),
                metric_type=what,
                metric_value=value,
                metric_name=words,
                metric_args={"metric": f"eval_{name}", **kind.measured(left), **settings},
            )
        )
    return found


def _scored_data(left: RunRecord, name: str) -> dict[str, str | None]:
    """The data that a metric is of, as `EvalResult` names them."""
    words = _elsewhere(left, name)
    split = None if words else left.scored_on_hub
    if split is not None:
        return {
            "dataset_type": split.name,
            "dataset_name": left.about.title,
            "dataset_config": split.config,
            "dataset_split": split.split,
            "dataset_revision": split.revision,
        }
    if not words:
        words = f"{left.about.title}: {kind_of(left).held_out(left)[0]}".replace("`", "")
    return {"dataset_type": NOT_ON_HUB, "dataset_name": words}


def _elsewhere(left: RunRecord, name: str) -> str | None:
    """What a metric was measured on, where that is not the validation data."""
    if name == "merged_difference":
        return "sentences of kospan"
    calibrated = left.calibration is not None and left.calibration["reported"].get("validation")
    return "texts that the calibration was reported on" if name in CALIBRATION and not calibrated else None


def eval_results_file(left: RunRecord) -> str | None:
    """The contents of `EVAL_RESULTS`: the model's main score; None where it is not of a whole split on the Hub.

    A task of a leaderboard has one value, so the other metrics are in the card alone.
    """
    split, kind = left.scored_on_hub, kind_of(left)
    name = next((name for name in kind.HEADLINE if left.results.get(name) is not None), None)
    if split is None or name is None or not math.isfinite(left.results[name]):
        return None
    details = {"split": split.split, **metric(kind, name)[2], **kind.measured(left)}
    entry = EvalResultEntry(
        dataset_id=split.name,
        task_id=split.config or "default",
        value=left.results[name],
        dataset_revision=split.revision,
        notes=", ".join([metric(kind, name)[1], *(f"{key} {value}" for key, value in details.items())]),
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), allow_unicode=True, sort_keys=False, width=1000)


def metric(kind: Kind, name: str) -> tuple[str, str, dict[str, str]]:
    """Kind of metric, words and settings of a metric of eval_results.json, named without `eval_`.

    >>> from kospan.card.kinds import tagger
    >>> metric(tagger, "calibration_n")[:2], metric(tagger, "something")[:2]
    (('count', 'spans whose confidence was examined'), ('something', 'something'))
    """
    if name in CALIBRATION:
        what, words, settings = CALIBRATION[name]
        return what, words.format(claim=kind.CLAIM), settings
    return kind.METRICS.get(name) or kind.metric(name) or (name, name.replace("_", " "), {})
