"""The report's numbers against computations by hand, and its bytes against themselves."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from ablation_cases import experiment_of, finish_by_hand
from drawing_cases import drawn, lines_of, texts_of  # noqa: F401
from scipy import stats

from kospan.ablation.page import curves_picture, picture, write_report
from kospan.ablation.plan import Run
from kospan.ablation.statistics import curves, study_numbers
from kospan.evaluation.bootstrap import mean_difference, paired

SAMPLES = 500
GOLD = [2, 1, 3, 0, 2, 1, 4, 2]
VARIANTS = {
    "linear": {"head": "linear"},
    "crf": {},
    "가나다": {"fgm_epsilon": 0.5, "lstm_hidden_size": 0},
    "fgm": {"fgm_epsilon": 0.5},
}


def rows(*correct: int) -> list[list[int]]:
    """Counts with one wrong span beside the right ones in every document."""
    return [[right, right + 1, gold] for right, gold in zip(correct, GOLD)]


COUNTS = {
    Run("linear", 1): rows(1, 0, 1, 0, 1, 0, 2, 0),
    Run("linear", 2): rows(1, 1, 1, 0, 1, 0, 2, 0),
    Run("crf", 1): rows(2, 1, 2, 0, 1, 1, 3, 1),
    Run("crf", 2): rows(2, 1, 3, 0, 2, 1, 3, 1),
    Run("crf", 3): rows(2, 1, 3, 0, 2, 1, 4, 2),
    Run("가나다", 1): rows(0, 0, 1, 0, 0, 0, 1, 0),
}


@pytest.fixture
def experiment(tmp_path):
    found = experiment_of(
        tmp_path, variants=VARIANTS, seeds=[1], more_seeds={"seeds": [1, 2, 3], "variants": ["linear", "crf"]}
    )
    for at, (run, counts) in enumerate(COUNTS.items()):
        finish_by_hand(found, run, counts, cpu=1.0 + at, klue_entity_f1=0.1 * at)
    return found


def micro(counts) -> float:
    correct, predicted, gold = np.sum(counts, axis=0)
    return 2 * correct / (predicted + gold)


def test_mean_and_spread_are_those_of_the_seeds(experiment):
    numbers = study_numbers(experiment, SAMPLES)
    found = numbers["variants"]["crf"]
    values = [micro(COUNTS[Run("crf", seed)]) for seed in (1, 2, 3)]
    assert found["seeds"] == [1, 2, 3] and found["settings"] == "head crf"
    assert found["metrics"]["f1"]["by_seed"] == pytest.approx(values)
    assert found["metrics"]["f1"]["mean"] == pytest.approx(sum(values) / 3)
    assert found["metrics"]["f1"]["sd"] == pytest.approx(stats.tstd(values))
    assert found["metrics"]["f1"]["range"] == [min(values), max(values)]
    assert found["metrics"]["klue_entity_f1"]["mean"] == pytest.approx(0.3)
    assert "support_PS" not in found["metrics"]
    assert numbers["variants"]["가나다"]["metrics"]["f1"]["sd"] is None
    assert numbers["missing"] == ["fgm-1", "linear-3"] and "fgm" not in numbers["variants"]


def test_differences_are_paired_over_documents_and_the_common_seeds(experiment):
    numbers = study_numbers(experiment, SAMPLES)
    crf, other = numbers["differences"]
    mine, theirs = (sum(np.array(COUNTS[Run(variant, seed)]) for seed in (1, 2)) for variant in ("crf", "linear"))
    assert crf["seeds"] == [1, 2] and other["seeds"] == [1]
    assert crf["difference"] == pytest.approx(micro(mine) - micro(theirs))
    expected = paired(mine, theirs, SAMPLES)
    assert (crf["low"], crf["high"], crf["p_value"]) == (expected.low, expected.high, expected.p_value)
    assert other["difference"] < 0  # what did not help is shown like the rest
    smallest, largest = sorted([crf, other], key=lambda row: row["p_value"])
    assert smallest["p_holm"] == pytest.approx(min(1, 2 * smallest["p_value"]))
    assert largest["p_holm"] == pytest.approx(max(largest["p_value"], smallest["p_holm"]))


def test_variants_one_technique_apart_give_a_single_effect(experiment):
    finish_by_hand(experiment, Run("fgm", 1), COUNTS[Run("crf", 3)])
    effects = {(row["variant"], row["against"]): row for row in study_numbers(experiment, SAMPLES)["effects"]}
    assert set(effects) == {("crf", "linear"), ("fgm", "crf"), ("fgm", "가나다")}
    row = effects["fgm", "crf"]
    assert (row["what"], row["from"], row["to"]) == ("fgm", "fgm_epsilon 0", "fgm_epsilon 0.5")
    assert row["difference"] == pytest.approx(micro(COUNTS[Run("crf", 3)]) - micro(COUNTS[Run("crf", 1)]))


def test_cost_is_a_ratio_over_the_common_seeds(experiment):
    cost = study_numbers(experiment, SAMPLES)["measured"]["cost"]
    assert cost["linear"]["ratio"] == 1.0
    assert cost["crf"]["ratio"] == pytest.approx((3 + 4) / (1 + 2)) and cost["crf"]["cpu"] == pytest.approx(4.0)
    assert cost["가나다"]["ratio"] == pytest.approx(6 / 1)


def test_a_factor_is_a_mean_over_the_others(tmp_path):
    found = experiment_of(
        tmp_path,
        seeds=[1],
        grid={
            "head": {"linear": {"head": "linear"}, "crf": {}},
            "fgm": {"plain": {}, "fgm": {"fgm_epsilon": 0.5}},
        },
    )
    names = ["linear+plain", "linear+fgm", "crf+plain", "crf+fgm"]
    counts = dict(
        zip(names, [COUNTS[run] for run in (Run("linear", 1), Run("linear", 2), Run("crf", 1), Run("crf", 3))])
    )
    for name in names[:3]:
        finish_by_hand(found, Run(name, 1), counts[name])
    head, fgm = study_numbers(found, SAMPLES)["factors"]
    assert (head["pairs"], head["of"], fgm["pairs"]) == (1, 2, 1)
    finish_by_hand(found, Run("crf+fgm", 1), counts["crf+fgm"])
    head, fgm = study_numbers(found, SAMPLES)["factors"]
    score = {name: micro(counts[name]) for name in names}
    expected = (score["crf+plain"] - score["linear+plain"] + score["crf+fgm"] - score["linear+fgm"]) / 2
    assert (head["factor"], head["level"], head["against"], head["pairs"]) == ("head", "crf", "linear", 2)
    assert head["difference"] == pytest.approx(expected)
    assert head["low"] <= expected <= head["high"]
    expected = (score["linear+fgm"] - score["linear+plain"] + score["crf+fgm"] - score["crf+plain"]) / 2
    assert fgm["difference"] == pytest.approx(expected)


def test_one_pair_is_the_paired_bootstrap():
    generator = np.random.default_rng(3)
    gold = generator.integers(1, 5, 60)
    one, other = (
        np.stack([generator.integers(0, gold + 1), gold + generator.integers(0, 2, 60), gold], axis=1) for _ in "ab"
    )
    assert mean_difference([(one, other)], SAMPLES) == paired(one, other, SAMPLES)
    with pytest.raises(ValueError, match="on the same documents"):
        mean_difference([(one, other + 1)], SAMPLES)


def test_runs_on_other_documents_are_refused(experiment):
    path = experiment.folder / "crf-2" / "counts.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    found["ids"][0] = "other"
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(ValueError, match="expected the documents of linear-1, got others"):
        study_numbers(experiment, SAMPLES)


def test_a_report_without_runs_or_with_an_unknown_metric_is_refused(tmp_path, experiment):
    with pytest.raises(ValueError, match="expected metric to be one that the runs have, got 'f2'; there are f1"):
        study_numbers(replace(experiment, metric="f2"), SAMPLES)
    with pytest.raises(ValueError, match="found none; run the study first"):
        study_numbers(replace(experiment, folder=tmp_path / "none"), SAMPLES)


def test_the_same_folders_give_the_same_bytes(experiment, tmp_path):
    def report(name: str, **keys) -> dict[str, bytes]:
        folder = write_report(experiment, tmp_path / name, samples=SAMPLES, **keys).parent
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    first = report("first")
    assert first == report("second") and set(first) == {"report.json", "report.md", "report.png"}
    page = first["report.md"].decode("utf-8")
    assert "| `가나다` |" in page and "| -0." in page and "Not finished yet: fgm-1, linear-3." in page
    assert "| `crf` | head crf | 1, 2, 3 | " in page and "## Cost" in page
    assert first["report.png"].startswith(b"\x89PNG")
    # What was measured is the only thing that an interruption may change.
    without = report("without", measured=False)
    path = experiment.folder / "crf-1" / "run.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    found["seconds"] = {"wall": 9.0, "cpu": 9.0, "starts": 3}
    path.write_text(json.dumps(found), encoding="utf-8")
    assert report("slower") != first and report("again", measured=False) == without
    assert "Cost" not in without["report.md"].decode("utf-8")


# --- learning curves and pictures -------------------------------------------------------------------------------------


def log_of(*scores: float, loss: float = 1.0) -> list[dict]:
    """A log with a score, a validation loss and a training loss at the end of each epoch."""
    lines = []
    for epoch, score in enumerate(scores, 1):
        lines.append({"epoch": float(epoch), "step": 10 * epoch, "loss": loss / epoch})
        lines.append({"epoch": float(epoch), "step": 10 * epoch, "eval_f1": score, "eval_loss": loss + epoch})
    return lines


CURVES = {
    Run("linear", 1): log_of(0.1, 0.3, 0.2),
    Run("linear", 2): log_of(0.3, 0.1),
    Run("crf", 1): log_of(0.25, 0.5, 0.5, loss=2.0),
}


@pytest.fixture
def logged(tmp_path):
    """Two variants whose runs were scored after every epoch, and one that was not."""
    found = experiment_of(
        tmp_path,
        variants={"linear": {"head": "linear"}, "crf": {}, "fgm": {"fgm_epsilon": 0.5}},
        seeds=[1],
        more_seeds={"seeds": [2], "variants": ["linear"]},
    )
    for run, curve in CURVES.items():
        finish_by_hand(found, run, COUNTS[run], curve=curve)
    finish_by_hand(found, Run("fgm", 1), COUNTS[Run("crf", 3)])
    return found


def test_a_curve_and_the_epoch_of_its_best_score():
    log = [*log_of(0.25, 0.5, 0.5), {"epoch": 3.0, "eval_f1": None}, {"train_loss": 1.0}]
    assert curves(log, "f1") == {
        "scores": [(1.0, 0.25), (2.0, 0.5), (3.0, 0.5)],
        "validation_loss": [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)],
        "loss": [(1.0, 1.0), (2.0, 0.5), (3.0, pytest.approx(1 / 3))],
        "best_epoch": 2.0,
    }
    # Of an error the smallest is the best.
    errors = [{"epoch": at, "eval_mae": value} for at, value in ((1, 0.5), (2, 0.25), (3, 0.75))]
    assert curves(errors, "mae", larger_is_better=False)["best_epoch"] == 2


def test_curves_of_the_variants_are_drawn_with_their_means(logged, drawn):  # noqa: F811
    curves_picture(study_numbers(logged, SAMPLES))
    scores, validation, training = drawn[0].axes
    assert lines_of(scores) == {
        "linear": [(1.0, pytest.approx(0.2)), (2.0, pytest.approx(0.2))],
        "crf": [(1.0, 0.25), (2.0, 0.5), (3.0, 0.5)],
    }
    assert lines_of(validation) == {
        "linear": [(1.0, 2.0), (2.0, 3.0)],
        "crf": [(1.0, 3.0), (2.0, 4.0), (3.0, 5.0)],
    }
    assert lines_of(training)["crf"] == [(1.0, 2.0), (2.0, 1.0), (3.0, pytest.approx(2 / 3))]
    assert [axes.get_title() for axes in (scores, validation, training)] == ["f1", "validation loss", "training loss"]
    # Single seeds as thin lines in the colour of their variant, and a ring at the best of the mean.
    colour = {line.get_label(): line.get_color() for line in scores.lines if not line.get_label().startswith("_")}
    thin = [line for line in scores.lines if line.get_linewidth() < 1]
    points = [list(zip(map(float, line.get_xdata()), map(float, line.get_ydata()))) for line in thin]
    assert points == [[(1.0, 0.1), (2.0, 0.3), (3.0, 0.2)], [(1.0, 0.3), (2.0, 0.1)]]
    assert {line.get_color() for line in thin} == {colour["linear"]}
    wide = [line for line in scores.lines if line.get_markersize() > 5 and line.get_marker() == "o"]
    rings = {line.get_color(): (*line.get_xdata(), *line.get_ydata()) for line in wide}
    assert rings == {colour["linear"]: (1.0, pytest.approx(0.2)), colour["crf"]: (2.0, 0.5)}
    [legend] = drawn[0].figure.legends
    assert texts_of(legend.get_texts()) == ["linear", "crf"] and len(set(colour.values())) == 2


def test_the_report_shows_the_curves_and_the_best_epoch(logged, tmp_path):
    page = write_report(logged, tmp_path / "report", samples=SAMPLES)
    assert {path.name for path in page.parent.iterdir()} == {"report.md", "report.json", "report.png", "curves.png"}
    text = page.read_text(encoding="utf-8")
    assert "![learning curves](curves.png)" in text and "| best epoch |" in text
    for variant, best in (("linear", "2, 1"), ("crf", "2"), ("fgm", "–")):
        row = re.search(rf"^\| `{variant}` .*\|$", text, re.MULTILINE)[0]
        assert row.split("|")[-2].strip() == best
    stored = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))
    assert [run["best_epoch"] for run in stored["variants"]["linear"]["curves"]] == [2.0, 1.0]


def test_the_picture_has_the_seeds_their_mean_and_the_difference(experiment, drawn):  # noqa: F811
    numbers = study_numbers(experiment, SAMPLES)
    picture(numbers)
    left, right = drawn[0].axes
    names = list(numbers["variants"])
    assert texts_of(left.get_yticklabels()) == names and texts_of(right.get_yticklabels()) == [""] * len(names)
    assert left.get_ylim() == right.get_ylim() == (len(names) - 0.5, -0.5)
    seeds = [(list(line.get_xdata()), list(line.get_ydata())) for line in left.lines if line.get_marker() == "o"]
    means = [(*line.get_xdata(), *line.get_ydata()) for line in left.lines if line.get_marker() == "|"]
    for at, name in enumerate(names):
        found = numbers["variants"][name]["metrics"]["f1"]
        assert seeds[at] == (found["by_seed"], [at] * found["n"]) and means[at] == (found["mean"], at)
    rows = {row["variant"]: row for row in numbers["differences"]}
    bars = [bar.lines[2][0].get_segments()[0] for bar in right.containers]
    drawn_at = [(*bar.lines[0].get_xdata(), *bar.lines[0].get_ydata()) for bar in right.containers]
    expected = [(names.index(name), row) for name, row in rows.items()]
    assert drawn_at == [(row["difference"], at) for at, row in expected]
    for bar, (at, row) in zip(bars, expected, strict=True):
        np.testing.assert_allclose(bar, [[row["low"], at], [row["high"], at]])
    assert left.get_xlabel() == "f1: seeds and mean" and right.get_xlabel().startswith("f1 minus linear's")
    assert any(list(line.get_xdata()) == [0, 0] for line in right.lines)


def test_the_variants_of_more_seeds_with_the_smallest_loss_are_the_best(tmp_path):
    found = experiment_of(
        tmp_path, variants=VARIANTS, seeds=[1], metric="loss", more_seeds={"seeds": [2], "best": 1, "variants": []}
    )
    scores = {Run(name, 1): value for name, value in zip(VARIANTS, (0.5, 0.75, 0.25, 1.0))}
    assert found.best(scores) == ["가나다"]
    assert replace(found, metric="f1").best(scores) == ["fgm"]


def test_the_page_holds_factors_and_the_metric_that_variants_are_ranked_by(tmp_path):
    found = experiment_of(
        tmp_path,
        seeds=[1],
        metric="custom",
        grid={"head": {"linear": {"head": "linear"}, "crf": {}}, "fgm": {"plain": {}, "fgm": {"fgm_epsilon": 0.5}}},
    )
    names = ["linear+plain", "linear+fgm", "crf+plain", "crf+fgm"]
    for name, run in zip(names[:3], (Run("linear", 1), Run("linear", 2), Run("crf", 1))):
        finish_by_hand(found, Run(name, 1), COUNTS[run], custom=0.25)
    page = write_report(found, samples=SAMPLES)
    assert page == found.folder / "report" / "report.md"
    text = page.read_text(encoding="utf-8")
    assert "| variant | against the baseline | seeds | `custom` | `f1` |\n| --- |" in text and "| 0.2500 |" in text
    assert "| difference | 95 % | p | p (Holm) |\n| --- |" in text and text.count("| --- |") >= 3
    head, fgm = study_numbers(found, SAMPLES)["factors"]
    for row, pairs in ((head, "1 of 2"), (fgm, "1 of 2")):
        words = [row["factor"], row["level"], row["against"], pairs, f"{row['difference']:+.4f}"]
        assert f"| {' | '.join(words)} | [{row['low']:+.4f}, {row['high']:+.4f}] | {row['p_value']:.4f} |" in text


def test_the_page_holds_single_effects_and_differences(experiment, tmp_path):
    finish_by_hand(experiment, Run("fgm", 1), COUNTS[Run("crf", 3)])
    numbers = study_numbers(experiment, SAMPLES)
    text = write_report(experiment, tmp_path / "report", samples=SAMPLES).read_text(encoding="utf-8")
    for row in numbers["effects"]:
        cells = [row["what"], f"`{row['variant']}`", f"`{row['against']}`", row["from"], row["to"]]
        cells += [", ".join(map(str, row["seeds"])), f"{row['difference']:+.4f}"]
        assert f"| {' | '.join(cells)} |" in text
    for row in numbers["differences"]:
        assert f"| `{row['variant']}` | {', '.join(map(str, row['seeds']))} | {row['difference']:+.4f} |" in text
    for name, variant in numbers["variants"].items():
        f1 = variant["metrics"]["f1"]
        shown = f"{f1['mean']:.4f}" + (f" ± {f1['sd']:.4f}" if f1["n"] > 1 else "")
        assert re.search(rf"^\| `{name}` \| .* \| {re.escape(shown)}", text, re.MULTILINE)
