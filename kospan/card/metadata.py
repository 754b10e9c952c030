"""Metadata of a model card, which the Hub reads: language, licence, base model, data set and all metrics."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData, eval_result_entries_to_yaml

from kospan.evaluation.metrics import Metric, find_metric
from kospan.task import TaskSpec

# The file in which the Hub looks for scores of its data sets; model-index in the card is the older form.
EVAL_RESULTS = ".eval_results/kospan.yaml"
# The `type` of data that are not a whole split of the Hub: the name of a data set would claim its scores.
NOT_ON_HUB = "other"
# Metrics that the Hub knows.
_KNOWN = {"f1", "precision", "recall", "exact_match", "accuracy", "pearsonr", "spearmanr", "mae"}
# Metrics of a calibration, in every task; "*" are the task's claims.
_CALIBRATION = {
    "calibration_temperature": Metric(None, "temperature of the confidences", "temperature"),
    "calibration_n": Metric(None, "* whose confidence was examined", "count"),
    "calibration_ece": Metric(
        None, "expected calibration error of *, calibrated", "ece", {"bins": "15 of equal width"}
    ),
    "calibration_brier": Metric(None, "Brier score of *, calibrated", "brier_score"),
    "calibration_auroc": Metric(None, "AUROC of right against wrong *", "roc_auc"),
}


def card_data(record: Mapping, spec: TaskSpec, name: str, held_out: str) -> ModelCardData:
    """The metadata of a card.

    Args:
        record: The record of the run, with the task's values.
        spec: The model's task.
        name: The model's name without its owner.
        held_out: The validation data in words.
    """
    about, adapter, base_model = record["about"], record["is_adapter"], record["base_model"]
    results = eval_results(record, spec, held_out)
    terms = {}
    if about.licence == "other":
        terms["license_name"] = f"terms-of-{str(record['settings']['dataset']).replace('_', '-')}"
        terms["license_link"] = about.link
    return ModelCardData(
        language=about.language,
        license=about.licence,
        **terms,
        library_name="peft" if adapter else "transformers",
        pipeline_tag=spec.pipeline_tag,
        base_model=base_model,
        **({"base_model_relation": "adapter"} if adapter and base_model else {}),
        datasets=[record["trained_on_hub"]] if record["trained_on_hub"] else None,
        metrics=sorted({result.metric_type for result in results} & _KNOWN) or None,
        tags=["kospan", spec.card.tag, "custom_code", *(["lora", "peft"] if adapter else [])],
        model_name=name if results else None,
        eval_results=results or None,
        widget=_widget(record, spec),
    )


def _widget(record: Mapping, spec: TaskSpec) -> list[dict[str, str]] | None:
    """Inputs for the Hub's widget, which calls a question `text`; None where the language is not known."""
    if record["about"].language is None:
        return None
    items = spec.card.examples(record["settings"]["dataset"], record["about"].language)
    return [
        {"text": item["question"], "context": item["text"]} if "question" in item else {"text": item["text"]}
        for item in items
    ]


def eval_results(record: Mapping, spec: TaskSpec, held_out: str) -> list[EvalResult]:
    """All metrics of eval_results.json; `metric_args["metric"]` is the name there.

    Data set, configuration and split are those of the Hub where the scores are of a whole split from there; other data
    are described in words.
    """
    found = []
    for name, value in record["results"].items():
        if value is None or not math.isfinite(value):
            continue
        metric = metric_of(spec, name)
        found.append(
            EvalResult(
                task_type=spec.pipeline_tag,
                task_name=spec.card.task_name,
                **_scored_data(record, name, held_out),
                metric_type=metric.type,
                metric_value=value,
                metric_name=metric.words,
                metric_args={"metric": f"eval_{name}", **record["metric_args"], **metric.settings},
            )
        )
    return found


def _scored_data(record: Mapping, name: str, held_out: str) -> dict[str, str | None]:
    """The data of a metric, as `EvalResult` names them."""
    calibration = record["calibration"]
    if name == "merged_difference":
        return {"dataset_type": NOT_ON_HUB, "dataset_name": "sentences of kospan"}
    if name in _CALIBRATION and not (calibration and calibration["reported"].get("validation")):
        return {"dataset_type": NOT_ON_HUB, "dataset_name": "texts that the calibration was reported on"}
    title, split = record["about"].title, record["scored_on_hub"]
    if split is None:
        return {"dataset_type": NOT_ON_HUB, "dataset_name": f"{title}: {held_out}".replace("`", "")}
    return {
        "dataset_type": split.name,
        "dataset_name": title,
        "dataset_config": split.config,
        "dataset_split": split.split,
        "dataset_revision": split.revision,
    }


def eval_results_file(record: Mapping, spec: TaskSpec) -> str | None:
    """The contents of `EVAL_RESULTS`: the main score; None unless it is of a whole split on the Hub.

    A task of a leaderboard has one value, so the other metrics are in the card alone.
    """
    split, results = record["scored_on_hub"], record["results"]
    name = next((name for name in spec.card.headline if results.get(name) is not None), None)
    if split is None or name is None or not math.isfinite(results[name]):
        return None
    metric = metric_of(spec, name)
    details = {"split": split.split, **metric.settings, **record["metric_args"]}
    entry = EvalResultEntry(
        dataset_id=split.name,
        task_id=split.config or "default",
        value=results[name],
        dataset_revision=split.revision,
        notes=", ".join([metric.words, *(f"{key} {value}" for key, value in details.items())]),
    )
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), allow_unicode=True, sort_keys=False, width=1000)


def metric_of(spec: TaskSpec, name: str) -> Metric:
    """A metric of eval_results.json, named without `eval_`; one that is not known has its name as words."""
    if name in _CALIBRATION:
        metric = _CALIBRATION[name]
        return metric._replace(words=metric.words.replace("*", spec.card.claims))
    return find_metric(spec.metrics, name) or Metric(None, name.replace("_", " "), type=name)


def other_metrics(record: Mapping, spec: TaskSpec) -> list[tuple[Metric, float]]:
    """Metrics that no table of the templates shows."""
    shown = (*spec.card.in_tables, "calibration_*")
    return [
        (metric_of(spec, name), value)
        for name, value in record["results"].items()
        if value is not None and not any(fnmatchcase(name, pattern) for pattern in shown)
    ]
