"""Calibrates a saved model: a temperature for its config, and what shows scores in its folder written anew."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from kospan.data.jsonl import read_jsonl, record
from kospan.evaluation.confidence import Claims, calibration_report
from kospan.evaluation.spans import check_gold
from kospan.example import Example
from kospan.publishing.card.card import write_card
from kospan.tasks.saved import load_saved
from kospan.tasks.tagging import check_labels
from kospan.training.saving import check_output, read_object, written_whole
from modeling.tags import labels_of

# What `eval_results.json` gains: figures of the spans' confidence after calibration, on the documents reported on.
FIGURES = ("n", "ece", "brier", "auroc")


def calibrate(
    folder: str | os.PathLike,
    examples: Sequence[Example],
    reported: Sequence[Example] | None = None,
    say: Callable[[str], None] = print,
) -> dict:
    """Fits the temperature, and rewrites predictions, results, config and a card that is there in a model's folder.

    Which spans are found does not change, only how sure they are.

    Args:
        folder: A model of ours that finds spans by tags, as a run leaves it.
        examples: Documents with gold spans to fit the temperature to. Those whose text stands in the folder's
            predictions or in `reported` are left out: no score may be reported on what it was fitted to.
        reported: Documents with gold spans on which calibration is reported; None takes every other one of `examples`,
            from the second, and fits to the rest.
        say: Takes a line about what was left out.

    Returns: what `kospan.evaluation.confidence.calibration_report` gives; it also lies in `calibration.json`.

    Raises: FileNotFoundError or ValueError where the folder holds no such model, or the documents cannot fit a
        temperature, leave none to report on, or hold a label that the model does not know.
    """
    folder = Path(folder)
    config = _config_of(folder)
    check_output(folder, folder=True)
    check_gold([*examples, *(reported or ())])
    stored = read_jsonl(folder / "predictions.jsonl") if (folder / "predictions.jsonl").is_file() else []
    kept = _unreported(examples, [*stored, *(reported or ())], say)
    if reported is None:
        if len(kept) < 2:
            raise ValueError(
                f"expected two texts or more, one to fit a temperature to and one to report on, got {len(kept)}; "
                "calibrate with more of them, or name others to report on with --report"
            )
        kept, reported = kept[::2], kept[1::2]
    model = load_saved(os.fspath(folder))
    for example in [*kept, *reported]:
        check_labels(example, labels_of(model.config.tags))
    report = calibration_report(Claims(model, kept), Claims(model, reported))
    model.head.crf.temperature = config["calibration_temperature"] = report["temperature"]
    with written_whole(folder) as temporary:
        (temporary / "calibration.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if stored:
            found = model.extract([example.text for example in stored])
            lines = [
                json.dumps(record(example, spans=spans), ensure_ascii=False) + "\n"
                for example, spans in zip(stored, found)
            ]
            (temporary / "predictions.jsonl").write_text("".join(lines), encoding="utf-8")
        if (folder / "eval_results.json").is_file():
            results = read_object(folder / "eval_results.json")
            after = report["spans"]["posterior"]["after"]["figures"]
            results["eval_calibration_temperature"] = report["temperature"]
            results |= {f"eval_calibration_{name}": after[name] for name in FIGURES}
            (temporary / "eval_results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        (temporary / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if (folder / "README.md").is_file():
        write_card(folder)
    return report


def _config_of(folder: Path) -> dict:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"expected a folder with a model to calibrate, found no config.json in {folder}; fetch a model from the "
            "Hub with `hf download NAME --local-dir FOLDER`"
        )
    config = read_object(folder / "config.json")
    if config.get("model_type") != "kospan-tagger":
        raise ValueError(
            f"expected a tagger that kospan trained in {folder}, got a model of type {config.get('model_type')!r}; "
            "only a chain of ours has a temperature"
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
