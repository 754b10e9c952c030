"""Calibration of a saved model: fits a temperature, and rewrites config, scores and model card in its folder."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from kospan.card.card import write_card
from kospan.card.record import read_record
from kospan.card.training_record import predicted_examples
from kospan.data.jsonl import read_jsonl, record
from kospan.data.seen_texts import NAME as TRAINING_TEXTS
from kospan.data.seen_texts import digest, read_keys, seen_among, text_keys
from kospan.evaluation.calibration import check_precision
from kospan.evaluation.confidence import calibration_report, threshold_report
from kospan.evaluation.operating_point import Goal
from kospan.evaluation.shift import NAME as SAMPLE
from kospan.evaluation.shift import sample_of
from kospan.evaluation.span_counts import check_gold
from kospan.example import Example
from kospan.model_names import check_not_installed
from kospan.operating_points import Parts, check_disjoint, check_shift, cut_parts, operating_points, score_parts
from kospan.task import Task
from kospan.tasks.encoders import load_ours
from kospan.tasks.loading import check_not_exported, open_saved
from kospan.tasks.registry import spec_of_folder
from kospan.training.record import NAME
from kospan.training.saving import check_output, read_object, written_whole

# Metrics that `eval_results.json` gains: confidence of the spans after calibration, on the reported documents.
RESULTS = ("n", "ece", "brier", "auroc")


def calibrate(
    folder: str | os.PathLike,
    examples: Sequence[Example],
    reported: Sequence[Example] | None = None,
    say: Callable[[str], None] = print,
    precision: float | None = None,
    goals: Sequence[Goal] = (),
    certified: Sequence[Example] = (),
) -> dict:
    """Fit the temperature of a saved model, and rewrite its config, predictions, results and model card.

    The spans of the best path do not change, only their confidence; question answering omits answers below its
    threshold.

    Args:
        folder: Folder of a model, as written by a run.
        examples: Documents with gold spans to fit the temperature to. Those with a text of the folder's predictions or
            of `reported` are left out: no score may be reported on documents that were fitted to.
        reported: Documents with gold spans to report calibration on; None takes those of every other text of
            `examples`, from the second, and fits to the rest.
        say: Takes a line about documents that were left out, or about a precision that no threshold gives.
        precision: Also choose the smallest threshold at which this share of the kept predictions is right, on the
            fitted documents. A config with a threshold gets it. None resets a threshold that an earlier calibration
            chose, for other confidences.
        goals: Guarantees of recall; each becomes an operating point of the config.
        certified: Documents with gold spans that the guarantees are computed from, disjoint from all others.

    Returns: Result of `kospan.evaluation.confidence.calibration_report`, and under `threshold` that of
        `threshold_report` if a precision is given, and under `recall` the results of
        `kospan.operating_points.operating_points`; it is also written to `calibration.json`.

    Raises: FileNotFoundError or ValueError if the folder holds no such model, the documents cannot fit a temperature,
        leave none to report on, or hold a label that the model does not know, the precision is out of range, or a
        recall cannot be certified; nothing is written then.
    """
    folder = Path(folder)
    if precision is not None:
        check_precision(precision)
    config, spec = config_of(folder), spec_of_folder(folder)
    check_output(folder, folder=True)
    has_card = (folder / "README.md").is_file()
    if has_card:
        read_record(folder, spec)  # Fails now, not after the work, if the card cannot be written again.
    check_gold([*examples, *(reported or ()), *certified])
    stored = read_jsonl(folder / "predictions.jsonl") if (folder / "predictions.jsonl").is_file() else []
    kept = _unreported(examples, [*stored, *(reported or ())], say)
    if reported is None:
        kept, reported = _halves(kept)
    task = open_saved(os.fspath(folder))
    task.spec.check_examples(task, [*kept, *reported, *certified], "data")
    found = [task.spec.confidence(task, part) for part in (kept, reported)]
    report = calibration_report(*found)
    # The card may call the reported documents the validation data only if they are the same.
    read, scored = ([(each.question, each.text) for each in part] for part in (reported, stored))
    report["reported"]["validation"] = read == scored
    if precision is not None:
        report["threshold"] = threshold_report(*found, report["temperature"], precision)
        _say_missed(report["threshold"], say)
    changed = {"calibration_temperature": report["temperature"]} | _threshold(folder, config, report)
    model = load_ours(folder, **changed, dtype=torch.float32).to(task.model.device).eval()
    calibrated = task.over(model, "jsonl")
    points = _operating_points(folder, calibrated, report, goals, Parts(kept, list(certified), reported), say)
    if "operating_points" in config or points:
        changed["operating_points"] = points
    with written_whole(folder) as temporary:
        _write_json(temporary / "calibration.json", report)
        if goals:
            summaries = sample_of(spec.document_summaries(calibrated, certified))
            sample = {"documents": len(certified), "texts": digest(certified), "summaries": summaries}
            _write_json(temporary / SAMPLE, sample, indent=None)
        if stored:
            predicted = task.predict(stored, model=model)
            lines = [
                json.dumps(record(example, spans=spans), ensure_ascii=False) + "\n"
                for example, spans in zip(stored, predicted)
            ]
            (temporary / "predictions.jsonl").write_text("".join(lines), encoding="utf-8")
        if (folder / "eval_results.json").is_file():
            results = read_object(folder / "eval_results.json")
            after = report["spans"]["posterior"]["after"]["metrics"]
            results["eval_calibration_temperature"] = report["temperature"]
            results |= {f"eval_calibration_{name}": after[name] for name in RESULTS}
            _write_json(temporary / "eval_results.json", results, indent=2)
        if (folder / NAME).is_file():
            written = read_object(folder / NAME)
            written["examples"] = predicted_examples(spec, model, written.get("examples", []))
            _write_json(temporary / NAME, written, ensure_ascii=False, allow_nan=False)
        _write_json(temporary / "config.json", config | changed, indent=2, sort_keys=True)
    if has_card:
        write_card(folder, spec)
    return report


def calibrate_recall(
    folder: str | os.PathLike,
    goals: Sequence[Goal],
    data: Sequence[Example],
    selection: Sequence[Example] | None = None,
    reported: Sequence[Example] | None = None,
    training: Sequence[Example] | None = None,
    skip_seen: bool = False,
    say: Callable[[str], None] = print,
    precision: float | None = None,
) -> dict:
    """Calibrate a model as `calibrate` does, and guarantee its recall by operating points in its config.

    Data are in four disjoint parts: training, selection (temperature, kind of bound), calibration (thresholds), report.

    Args:
        folder: Folder of a model, as written by a run.
        goals: The guarantees.
        data: Documents with gold spans that are cut at random, with a fixed seed, into the parts that are not given.
        selection: The selection part.
        reported: The report part.
        training: The model's training documents; None takes their keys from `training_texts.txt` in the folder.
        skip_seen: Leave out training texts of the other parts, instead of an error.
        say: As in `calibrate`.
        precision: As in `calibrate`.

    Returns: As `calibrate`.

    Raises: FileNotFoundError or ValueError as `calibrate`, and if the parts overlap, or the training texts are unknown.
    """
    folder = Path(folder)
    config_of(folder)
    if spec_of_folder(folder).every_span is None:
        raise ValueError(
            f"expected a model of token classification in {folder} for a guarantee of recall, got one of "
            f"{spec_of_folder(folder).name}; remove --recall"
        )
    keys = _training_keys(folder, training)
    stored = read_jsonl(folder / "predictions.jsonl") if (folder / "predictions.jsonl").is_file() else []
    given = [_unreported(data, stored, say), selection, reported]
    if skip_seen:
        given = [part and _unseen(part, keys, say) for part in given]
    parts = cut_parts(*given)
    check_disjoint(parts, keys)
    return calibrate(folder, parts.selection, parts.report, say, precision, goals, parts.calibration)


def check_data(folder: str | os.PathLike, examples: Sequence[Example]) -> dict:
    """Compare new documents with those that the operating points of a model were computed from.

    Args:
        folder: Folder of a model with operating points.
        examples: New documents, with gold spans or without.

    Returns: Result of `kospan.operating_points.check_shift`.

    Raises: FileNotFoundError if the folder holds no model or no sample of calibration documents, ValueError if the
        documents do not suit the model.
    """
    folder = Path(folder)
    config_of(folder)
    if not (folder / SAMPLE).is_file():
        raise FileNotFoundError(
            f"expected {SAMPLE} in {folder}, with which new texts are compared, found none; calibrate the model with "
            "--recall first"
        )
    task = open_saved(os.fspath(folder))
    task.spec.check_examples(task, examples, "data")
    return check_shift(task, read_object(folder / SAMPLE), examples)


def _training_keys(folder: Path, training: Sequence[Example] | None) -> set[str]:
    if training is not None:
        return text_keys(training)
    if not (folder / TRAINING_TEXTS).is_file():
        raise ValueError(
            f"expected the keys of the training texts ({TRAINING_TEXTS}) in {folder}, because a guarantee needs other "
            "texts, found none; pass the training data with --train FILE"
        )
    return read_keys(folder / TRAINING_TEXTS)


def _unseen(examples: Sequence[Example], keys: set[str], say: Callable[[str], None]) -> list[Example]:
    seen = {id(example) for example in seen_among(examples, keys)}
    if seen:
        say(f"left out            {len(seen):,} texts that were trained on")
    return [example for example in examples if id(example) not in seen]


def _write_json(path: Path, value: dict, indent: int = 1, **settings) -> None:
    path.write_text(json.dumps(value, indent=indent, **settings) + "\n", encoding="utf-8")


def _operating_points(
    folder: Path, task: Task, report: dict, goals: Sequence[Goal], parts: Parts, say: Callable[[str], None]
) -> dict[str, dict]:
    """Operating points of the config: those requested now, and earlier ones of the same temperature and documents.

    Their results are added to `report`.
    """
    config, path = task.model.config, folder / "calibration.json"
    earlier = dict(getattr(config, "operating_points", None) or {})
    results = (read_object(path) if path.is_file() else {}).get("recall", {})
    before = read_object(folder / "config.json").get("calibration_temperature", 1.0)
    names = ", ".join(sorted(earlier))
    if earlier and before != report["temperature"]:
        say(f"removed             {names}: the thresholds are of the former temperature, {before:g}")
        earlier, results = {}, {}
    sample = read_object(folder / SAMPLE) if (folder / SAMPLE).is_file() else {}
    if earlier and goals and sample.get("texts") != digest(parts.calibration):
        say(f"removed             {names}: certified on other documents than the new ones")
        earlier, results = {}, {}
    points, found = operating_points(score_parts(task, parts), goals) if goals else ({}, {})
    points, results = earlier | points, {name: results[name] for name in earlier if name in results} | found
    if results:
        report["recall"] = results
    return points


def _threshold(folder: Path, config: dict, report: dict) -> dict[str, float]:
    """The threshold for a config that has one; empty if it does not change."""
    if "threshold" not in config:
        return {}
    chosen = report.get("threshold")
    if chosen is not None and chosen["value"] is not None:
        return {"threshold": chosen["value"]}
    before = read_object(folder / "calibration.json") if (folder / "calibration.json").is_file() else {}
    # A threshold that was set by hand does not change.
    was_chosen = (before.get("threshold") or {}).get("value") == config["threshold"]
    return {"threshold": 0.0} if was_chosen else {}


def _say_missed(chosen: dict, say: Callable[[str], None]) -> None:
    """Say that no threshold gives the requested precision."""
    if chosen["value"] is None:
        best = "nothing was predicted" if chosen["best"] is None else f"the best one gives {chosen['best']:.4f}"
        say(
            f"no threshold        expected one that gives a precision of {chosen['wished']:g} on the texts that the "
            f"temperature is fitted to, {best}; request less, or calibrate with more texts"
        )


def config_of(folder: Path) -> dict:
    """The config of a model that can be calibrated. Raises: FileNotFoundError or ValueError if there is none."""
    check_not_exported(folder, "calibrate")
    check_not_installed(folder, "calibrate")
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"expected a folder with a model to calibrate, found no config.json in {folder}; fetch a model from the "
            "Hub with `hf download NAME --local-dir FOLDER`"
        )
    config = read_object(folder / "config.json")
    if not str(config.get("model_type")).startswith("kospan-"):
        raise ValueError(
            f"expected a model that kospan trained in {folder}, got one of type {config.get('model_type')!r}; only "
            "models of ours have a temperature"
        )
    return config


def _unreported(examples: Sequence[Example], reported: Sequence[Example], say: Callable[[str], None]) -> list[Example]:
    """The examples with texts on which no score is reported."""
    shown = {example.text for example in reported}
    kept = [example for example in examples if example.text not in shown]
    if not kept:
        raise ValueError(
            f"expected texts on which no score is reported to fit a temperature to, got {len(examples):,} that are all "
            "in predictions.jsonl or among those to report on; calibrate with other labelled texts"
        )
    if len(kept) < len(examples):
        say(f"left out            {len(examples) - len(kept):,} texts on which scores are reported")
    return kept


def _halves(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """The examples of every other text, from the first and from the second; questions about a text stay together."""
    texts = {text: at for at, text in enumerate(dict.fromkeys(example.text for example in examples))}
    if len(texts) < 2:
        raise ValueError(
            f"expected two texts or more, one to fit a temperature to and one to report on, got {len(texts)}; "
            "calibrate with more of them, or name others to report on with --report"
        )
    first, second = ([example for example in examples if texts[example.text] % 2 == half] for half in (0, 1))
    return first, second
