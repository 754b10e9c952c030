"""Calibrates a saved model: a temperature for its config, and what shows scores in its folder written anew."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from kospan.card.card import write_card
from kospan.card.record import read_record
from kospan.card.training_record import predicted_examples
from kospan.data.jsonl import read_jsonl, record
from kospan.evaluation.calibration import check_precision
from kospan.example import Example
from kospan.tasks.encoders import load_ours
from kospan.tasks.loading import open_saved
from kospan.tasks.registry import spec_of_folder
from kospan.tasks.token_classification.confidence import calibration_report, threshold_report
from kospan.tasks.token_classification.metrics import check_gold
from kospan.training.record import NAME
from kospan.training.saving import check_output, read_object, written_whole

# What `eval_results.json` gains: metrics of the spans' confidence after calibration, on the documents reported on.
FIGURES = ("n", "ece", "brier", "auroc")


def calibrate(
    folder: str | os.PathLike,
    examples: Sequence[Example],
    reported: Sequence[Example] | None = None,
    say: Callable[[str], None] = print,
    precision: float | None = None,
) -> dict:
    """Fits the temperature, and rewrites predictions, results, config and a card that is there in a model's folder.

    Which spans are found does not change, only how sure they are; a reader leaves out the answers below its threshold.

    Args:
        folder: A model of ours, as a run leaves it.
        examples: Documents with gold spans to fit the temperature to. Those whose text stands in the folder's
            predictions or in `reported` are left out: no score may be reported on what it was fitted to.
        reported: Documents with gold spans on which calibration is reported; None takes those of every other text of
            `examples`, from the second, and fits to the rest.
        say: Takes a line about what was left out, and where no threshold gives the wished precision.
        precision: Also choose the smallest threshold at which this share of what is kept is right, where the
            temperature is fitted. A config that knows a threshold gets it. None takes back one that an earlier
            calibration chose, for other confidences.

    Returns: what `kospan.tasks.token_classification.confidence.calibration_report` gives, and under `threshold` what
        `threshold_report` does where a precision is wished; it also lies in `calibration.json`.

    Raises: FileNotFoundError or ValueError where the folder holds no such model, or the documents cannot fit a
        temperature, leave none to report on, or hold a label that the model does not know, or the precision is no
        share.
    """
    folder = Path(folder)
    if precision is not None:
        check_precision(precision)
    config, spec = config_of(folder), spec_of_folder(folder)
    check_output(folder, folder=True)
    if (folder / "README.md").is_file():
        # The card is written anew at the end; what it lacks is told before the work.
        read_record(folder, spec)
    check_gold([*examples, *(reported or ())])
    stored = read_jsonl(folder / "predictions.jsonl") if (folder / "predictions.jsonl").is_file() else []
    kept = _unreported(examples, [*stored, *(reported or ())], say)
    if reported is None:
        texts = {text: at for at, text in enumerate(dict.fromkeys(example.text for example in kept))}
        if len(texts) < 2:
            raise ValueError(
                f"expected two texts or more, one to fit a temperature to and one to report on, got {len(texts)}; "
                "calibrate with more of them, or name others to report on with --report"
            )
        # All questions about a text stay together.
        kept, reported = ([example for example in kept if texts[example.text] % 2 == half] for half in (0, 1))
    task = open_saved(os.fspath(folder))
    task.spec.check_examples(task, [*kept, *reported], "data")
    claims = tuple(task.spec.confidence(task, part) for part in (kept, reported))
    report = calibration_report(*claims)
    # The card may name the validation data as what these metrics are of only where they are.
    read, scored = ([(each.question, each.text) for each in part] for part in (reported, stored))
    report["reported"]["validation"] = read == scored
    if precision is not None:
        report["threshold"] = threshold_report(*claims, report["temperature"], precision)
        _tell(report["threshold"], say)
    changed = {"calibration_temperature": report["temperature"]} | _threshold(folder, config, report)
    config |= changed
    with written_whole(folder) as temporary:
        (temporary / "calibration.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        model = load_ours(folder, **changed, dtype=torch.float32).to(task.model.device).eval()
        if stored:
            found = task.predict(stored, model=model)
            lines = [
                json.dumps(record(example, spans=spans), ensure_ascii=False) + "\n"
                for example, spans in zip(stored, found)
            ]
            (temporary / "predictions.jsonl").write_text("".join(lines), encoding="utf-8")
        if (folder / "eval_results.json").is_file():
            results = read_object(folder / "eval_results.json")
            after = report["spans"]["posterior"]["after"]["metrics"]
            results["eval_calibration_temperature"] = report["temperature"]
            results |= {f"eval_calibration_{name}": after[name] for name in FIGURES}
            (temporary / "eval_results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        if (folder / NAME).is_file():
            written = read_object(folder / NAME)
            written["examples"] = predicted_examples(spec, model, written.get("examples", []))
            (temporary / NAME).write_text(
                json.dumps(written, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
            )
        (temporary / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if (folder / "README.md").is_file():
        write_card(folder, spec)
    return report


def _threshold(folder: Path, config: dict, report: dict) -> dict[str, float]:
    """What becomes of a threshold in the config, where it knows one."""
    if "threshold" not in config:
        return {}
    chosen = report.get("threshold")
    if chosen is not None and chosen["value"] is not None:
        return {"threshold": chosen["value"]}
    before = read_object(folder / "calibration.json") if (folder / "calibration.json").is_file() else {}
    # One that somebody has set by hand stays.
    was_chosen = (before.get("threshold") or {}).get("value") == config["threshold"]
    return {"threshold": 0.0} if was_chosen else {}


def _tell(chosen: dict, say: Callable[[str], None]) -> None:
    """A line where no threshold gives the wished precision."""
    if chosen["value"] is None:
        best = "nothing was predicted" if chosen["best"] is None else f"the best one gives {chosen['best']:.4f}"
        say(
            f"no threshold        expected one that gives a precision of {chosen['wished']:g} where the temperature "
            f"is fitted, {best}; wish for less, or calibrate with more texts"
        )


def config_of(folder: Path) -> dict:
    """The config of a model that can be calibrated. Raises: FileNotFoundError or ValueError where there is none."""
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
    """The examples on whose texts no score is reported."""
    shown = {example.text for example in reported}
    kept = [example for example in examples if example.text not in shown]
    if not kept:
        raise ValueError(
            f"expected texts on which no score is reported to fit a temperature to, got {len(examples):,} that all "
            "stand in predictions.jsonl or among those to report on; calibrate with other labelled texts"
        )
    if len(kept) < len(examples):
        say(f"left out            {len(examples) - len(kept):,} texts on which scores are reported")
    return kept
