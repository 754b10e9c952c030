"""Plots of a report: the arrays, axes and labels that reach matplotlib."""

import numpy as np
import pytest
from drawing_cases import drawn, lines_of, texts_of  # noqa: F401

from kospan.evaluation.confidence import Claims, describe
from kospan.evaluation.explain import EncodedText, Evidence
from kospan.evaluation.speed import Speed
from kospan.modeling.spans import Span
from kospan.report import plots

ROWS = [
    {"group": "PS", "gold": 1200, "f1": 0.8, "f1 interval": [0.7, 0.85], "recall": 0.9, "recall interval": [0.8, 1.0]},
    {"group": "LC", "gold": 30, "f1": 0.5, "f1 interval": [0.2, 0.6], "recall": 0.4, "recall interval": [0.3, 0.7]},
]


def encoded_text(layers: int = 4, length: int = 5) -> EncodedText:
    generator = np.random.default_rng(3)
    subwords = ["[CLS]", "서울", "은", "춥다", "[SEP]"][:length]
    offsets = [(0, 0), (0, 2), (2, 3), (4, 6), (0, 0)][:length]
    attentions = generator.random((layers, length, length)).astype(np.float32)
    return EncodedText("서울은 춥다", subwords, offsets, attentions, [Span(0, 2, "LC", 0.75)])


# --- scores -----------------------------------------------------------------------------------------------------------


def test_bars_stand_at_their_groups_with_their_intervals(drawn):  # noqa: F811
    plots.scores(ROWS, "by type")
    [axes] = drawn[0].axes
    bars = {float(bar.get_y() + bar.get_height() / 2): float(bar.get_width()) for bar in axes.patches}
    assert bars == pytest.approx({0.0: 0.8, 1.0: 0.5})
    [segments] = [each.get_segments() for each in axes.collections]
    assert [[tuple(map(float, end)) for end in line] for line in segments] == [
        [pytest.approx((0.7, 0.0)), pytest.approx((0.85, 0.0))],
        [pytest.approx((0.2, 1.0)), pytest.approx((0.6, 1.0))],
    ]
    assert list(axes.get_yticks()) == [0, 1] and texts_of(axes.get_yticklabels()) == ["PS  (1,200)", "LC  (30)"]
    low, high = axes.get_ylim()
    assert low > 1 and high < 0, "the first group stands on top"
    assert axes.get_xlim() == (0, 1) and axes.get_xlabel() == "F1, 95 % interval (gold spans in brackets)"
    assert axes.get_title(loc="left") == "by type"


def test_several_scores_of_a_group_stand_side_by_side_and_are_distinguished(drawn):  # noqa: F811
    plots.scores(ROWS, "by type", ("f1", "recall"))
    [axes] = drawn[0].axes
    colours = {}
    for bar in axes.patches:
        colours.setdefault(bar.get_facecolor(), []).append(float(bar.get_width()))
    assert list(colours.values()) == [[0.8, 0.5], [0.9, 0.4]]
    edges = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches)
    assert all(one[1] <= other[0] + 1e-9 for one, other in zip(edges, edges[1:])), "bars overlap"
    [legend] = drawn[0].figure.legends
    assert texts_of(legend.get_texts()) == ["f1", "recall"] and axes.get_xlabel().startswith("mean, ")
    handles = [handle.get_facecolor() for handle in legend.legend_handles]
    assert handles == list(colours)


def test_an_error_that_is_larger_than_one_still_fits(drawn):  # noqa: F811
    row = {"group": "long", "documents": 7, "mae": 1.5, "mae interval": [1.0, 2.0]}
    plots.scores([row], "by length", ("mae",), "documents")
    [axes] = drawn[0].axes
    assert axes.get_xlim() == pytest.approx((0, 2.1)) and "mean absolute error" in axes.get_xlabel()
    assert "texts in brackets" in axes.get_xlabel()


def test_classes_of_errors_are_shares_of_what_is_wrong(drawn):  # noqa: F811
    ways = {
        "kept": {"correct": 90, "boundary": 5, "type": 3, "missed": 2},
        "taken out": {"correct": 95, "boundary": 0, "type": 4, "missed": 4},
    }
    plots.error_classes(ways)
    [axes] = drawn[0].axes
    rows: dict[float, list] = {}
    for bar in axes.patches:
        rows.setdefault(round(bar.get_y() + bar.get_height() / 2, 6), []).append((bar.get_x(), bar.get_width()))
    assert rows[0.0] == [pytest.approx(pair) for pair in [(0.0, 0.5), (0.5, 0.3), (0.8, 0.2)]]
    assert rows[1.0] == [pytest.approx(pair) for pair in [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5)]]
    assert texts_of(axes.get_yticklabels()) == ["kept", "taken out"] and axes.yaxis_inverted()
    assert axes.get_xlim() == (0, 1) and axes.get_xlabel() == "share of all errors"
    assert texts_of(axes.get_legend().get_texts()) == ["boundary", "type", "missed"]
    shades = [handle.get_facecolor() for handle in axes.get_legend().legend_handles]
    assert [bar.get_facecolor() for bar in axes.patches] == shades * 2
    assert [(each.get_text(), each.get_position()) for each in axes.texts][:2] == [
        ("50%", pytest.approx((0.25, 0))),
        ("30%", pytest.approx((0.65, 0))),
    ]


# --- confusion --------------------------------------------------------------------------------------------------------


def test_a_confusion_has_gold_down_and_predicted_across(drawn):  # noqa: F811
    counts = [[8, 2, 0], [0, 3, 1], [5, 0, 0]]
    plots.heatmap(["PS", "LC", "none"], counts, "types")
    axes = drawn[0].axes[0]
    [image] = axes.images
    np.testing.assert_allclose(image.get_array(), [[0.8, 0.2, 0], [0, 0.75, 0.25], [1, 0, 0]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "gold")
    assert texts_of(axes.get_xticklabels()) == texts_of(axes.get_yticklabels()) == ["PS", "LC", "none"]
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == [0, 1, 2]
    assert axes.yaxis_inverted() and not axes.xaxis_inverted() and image.get_clim() == (0, 1)
    cells = {each.get_position(): each.get_text() for each in axes.texts}
    # Across and down, as matplotlib counts.
    assert cells == {(0, 0): ".80", (1, 0): ".20", (1, 1): ".75", (2, 1): ".25", (0, 2): "1"}
    [scale] = [each for each in drawn[0].figure.axes if each is not axes]
    assert scale.get_ylim() == (0, 1), "what the shades mean"
    dark = {each.get_position() for each in axes.texts if each.get_color() == "white"}
    assert dark == {(0, 0), (1, 1), (0, 2)}
    assert axes.get_title(loc="left") == "types"


def test_a_row_without_gold_is_empty(drawn):  # noqa: F811
    plots.heatmap(["PS", "LC"], [[0, 0], [1, 3]], "types")
    np.testing.assert_allclose(drawn[0].axes[0].images[0].get_array(), [[0, 0], [0.25, 0.75]])


# --- confidence -------------------------------------------------------------------------------------------------------


def test_reliability_has_confidence_across_and_the_share_that_is_right_up(drawn):  # noqa: F811
    # Sure and mostly wrong: a line far below the diagonal, which swapped axes would put above it.
    confidence = np.array([0.9, 0.92, 0.94, 0.96] * 30)
    right = np.arange(120) // 4 % 4 == 0
    kind = describe(Claims(np.array(["PS"] * 120, dtype=object), right, confidence))
    other = {"bins": {"mass": [[0.0, 1.0, 4, 0.25, 0.5]]}, "risk": [[0.5, 0.1], [1.0, 0.3]]}
    plots.confidence({"posterior": kind, "softmax": other}, "spans")
    left, risk = drawn[0].axes
    lines = lines_of(left)
    assert all(x > 0.89 for x, _ in lines["posterior"]) and lines["softmax"] == [(0.25, 0.5)]
    for (x, y), each in zip(lines["posterior"], kind["bins"]["mass"], strict=True):
        inside = (confidence >= each[0]) & (confidence <= each[1])
        assert x == pytest.approx(confidence[inside].mean()) and y == pytest.approx(right[inside].mean())
        assert x > y + 0.5
    assert left.get_xlabel().startswith("mean confidence") and left.get_ylabel() == "share that is right"
    assert left.get_title(loc="left") == "spans"
    assert left.get_xlim() == left.get_ylim() == (0, 1)
    assert list(left.lines[0].get_xdata()) == list(left.lines[0].get_ydata()) == [0, 1]
    assert texts_of(left.get_legend().get_texts()) == ["posterior", "softmax"]
    assert all(line.get_marker() == "o" for line in left.lines[1:])
    assert lines_of(risk) == {
        "posterior": [pytest.approx(tuple(each)) for each in kind["risk"]],
        "softmax": [(0.5, 0.1), (1.0, 0.3)],
    }
    assert risk.get_xlabel().startswith("share that is kept") and risk.get_ylabel() == "share of it that is wrong"
    assert risk.get_xlim() == (0, 1) and risk.get_ylim()[0] == 0
    assert [line.get_color() for line in left.lines[1:]] == [line.get_color() for line in risk.lines]


# --- learning curves --------------------------------------------------------------------------------------------------


HISTORY = [
    {"epoch": 0.5, "loss": 3.0, "tag_loss": 2.0, "positional_loss": 1.0},
    {"epoch": 1.0, "loss": 2.0, "tag_loss": 1.5, "positional_loss": 0.5},
    {"epoch": 1.0, "eval_f1": 0.5, "eval_recall": 0.25, "eval_loss": 2.5, "loss": None},
    {"epoch": 2.0, "loss": 1.0, "tag_loss": 0.75, "positional_loss": 0.25},
    {"epoch": 2.0, "eval_f1": 0.75, "eval_recall": 0.5, "eval_loss": 2.75, "eval_runtime": 9.0},
    {"epoch": 2.0, "train_loss": 2.0, "train_runtime": 60.0},
]


def test_curves_hold_every_point_of_the_log(drawn):  # noqa: F811
    plots.learning_curves(HISTORY)
    losses, scores = drawn[0].axes
    assert lines_of(losses) == {
        "loss": [(0.5, 3.0), (1.0, 2.0), (2.0, 1.0)],
        "tag loss": [(0.5, 2.0), (1.0, 1.5), (2.0, 0.75)],
        "positional loss": [(0.5, 1.0), (1.0, 0.5), (2.0, 0.25)],
        "validation loss": [(1.0, 2.5), (2.0, 2.75)],
    }
    assert lines_of(scores) == {"f1": [(1.0, 0.5), (2.0, 0.75)], "recall": [(1.0, 0.25), (2.0, 0.5)]}
    assert losses.get_yscale() == "log" and losses.get_title() == "loss" and losses.get_xlabel() == "epoch"
    assert scores.get_title() == "validation" and scores.get_xlabel() == "epoch"
    assert set(texts_of(losses.get_legend().get_texts())) == set(lines_of(losses))
    assert set(texts_of(scores.get_legend().get_texts())) == {"f1", "recall"} and scores.get_ylim() == (0, 1)
    assert len({line.get_color() for line in losses.lines}) == 4
    assert len({line.get_color() for line in scores.lines}) == 2


def test_single_points_are_marked(drawn):  # noqa: F811
    one = [{"epoch": 1.0, "loss": 3.0}, {"epoch": 1.0, "eval_f1": 0.5, "eval_loss": 0.0}]
    plots.learning_curves(one)
    losses, scores = drawn[0].axes
    assert [line.get_marker() for line in [*losses.lines, *scores.lines]] == ["o"] * 3
    assert lines_of(losses) == {"loss": [(1.0, 3.0)], "validation loss": [(1.0, 0.0)]}
    assert losses.get_yscale() == "linear", "a loss of 0 has no logarithm"
    # Of a long log marks would hide the line.
    plots.learning_curves([{"epoch": at / 100, "loss": 1.0 + at} for at in range(200)])
    assert [line.get_marker() for line in drawn[1].axes[0].lines] == ["None"]


def test_a_log_without_scores_or_without_losses(drawn):  # noqa: F811
    plots.learning_curves([{"epoch": 1.0, "loss": 3.0}, {"epoch": 1.0, "loss": None}])
    losses, scores = drawn[0].axes
    assert lines_of(losses) == {"loss": [(1.0, 3.0)]} and losses.get_legend() is None and not scores.lines
    assert losses.get_title() == "training loss"
    plots.learning_curves([{"epoch": 1.0, "eval_pearson": -0.25}, {"epoch": 2.0, "eval_pearson": 0.5}])
    losses, scores = drawn[1].axes
    assert not losses.lines and scores.get_ylim() == (-0.25, 1)


# --- attention --------------------------------------------------------------------------------------------------------


def test_each_layer_has_a_panel_of_its_own_attention(drawn):  # noqa: F811
    encoded, shown = encoded_text(layers=4), [0, 1, 3]
    plots.attention_layers(encoded, shown)
    axes = drawn[0].axes
    assert len(axes) == 6 and [each.get_visible() for each in axes] == [True] * 4 + [False] * 2
    for at in range(4):
        [image] = axes[at].images
        expected = [[encoded.attentions[at][row][column] for column in shown] for row in shown]
        np.testing.assert_allclose(image.get_array(), expected)
        assert axes[at].get_title(loc="left") == f"layer {at + 1}" and image.get_clim()[0] == 0
        assert texts_of(axes[at].get_xticklabels()) == texts_of(axes[at].get_yticklabels()) == ["[CLS]", "서울", "춥다"]
        assert axes[at].yaxis_inverted()
    places = [each.get_position() for each in axes[:4]]
    assert places[0].y0 == places[1].y0 == places[2].y0 > places[3].y1 and places[0].x1 <= places[1].x0
    arrays = [each.images[0].get_array() for each in axes[:4]]
    assert all(not np.allclose(one, other) for at, one in enumerate(arrays) for other in arrays[:at])


@pytest.mark.parametrize("layers", [0, 3])
def test_evidence_for_a_span_stands_at_its_subwords(drawn, layers):  # noqa: F811
    encoded, shown = encoded_text(layers=3), [0, 1, 3]
    attention = np.arange(15, dtype=float).reshape(3, 5)[:layers]
    attribution = np.array([0.25, -0.5, 9.0, 0.75, 9.0])
    plots.evidence(encoded, shown, Evidence(encoded.spans[0], attention, attribution))
    axes = drawn[0].axes
    bars = [(round(bar.get_x() + bar.get_width() / 2, 6), float(bar.get_height())) for bar in axes[-1].patches]
    assert bars == [(0, 0.25), (1, -0.5), (2, 0.75)]
    assert len({bar.get_facecolor() for bar in axes[-1].patches}) == 2
    assert [line.get_ydata() for line in axes[-1].lines] == [[0, 0]], "values below zero are evidence against the span"
    assert axes[-1].patches[0].get_facecolor() == axes[-1].patches[2].get_facecolor()
    assert texts_of(axes[-1].get_xticklabels()) == ["[CLS]", "서울", "춥다"]
    assert list(axes[-1].get_xticks()) == [0, 1, 2] and axes[-1].get_xlim() == (-0.5, 2.5)
    assert axes[-1].get_ylabel() == "gradient\ntimes input"
    assert axes[0].get_title(loc="left") == "서울  LC  0.75"
    assert len(axes) == (2 if layers else 1)
    if layers:
        assert axes[0].get_position().y0 >= axes[1].get_position().y1, "attention stands above"
        np.testing.assert_allclose(axes[0].images[0].get_array(), [[0, 1, 3], [5, 6, 8], [10, 11, 13]])
        assert texts_of(axes[0].get_yticklabels()) == ["1", "2", "3"] and axes[0].get_ylabel() == "layer"


def test_the_deletion_test_has_a_line_for_each_method(drawn):  # noqa: F811
    found = {"methods": {"gradient times input": {"curve": [0.9, 0.5, 0.1]}, "random": {"curve": [0.9, 0.8, 0.7]}}}
    plots.deletion(found)
    [axes] = drawn[0].axes
    assert lines_of(axes) == {
        "gradient times input": [(0, 0.9), (1, 0.5), (2, 0.1)],
        "random": [(0, 0.9), (1, 0.8), (2, 0.7)],
    }
    assert axes.get_ylim() == (0, 1) and axes.get_xlabel().startswith("subwords hidden")
    assert axes.get_ylabel() == "mean probability of the span"
    assert texts_of(axes.get_legend().get_texts()) == list(found["methods"])


def test_speed_has_a_line_for_each_batch(drawn):  # noqa: F811
    rows = [
        Speed(length, batch, length * batch / 1000, 9.0, 9.0, length / batch, 9)
        for batch in (8, 1)
        for length in (32, 64)
    ]
    plots.speed(rows)
    throughput, latency = drawn[0].axes
    assert lines_of(throughput) == {"batch 1": [(32, 32), (64, 64)], "batch 8": [(32, 4), (64, 8)]}
    points = [list(zip(line.get_xdata(), map(float, line.get_ydata()))) for line in latency.lines]
    assert points == [[(32, pytest.approx(32)), (64, pytest.approx(64))], [(32, pytest.approx(256)), (64, 512)]]
    assert "characters per second" in throughput.get_ylabel() and "milliseconds" in latency.get_ylabel()
    assert throughput.get_xscale() == throughput.get_yscale() == latency.get_xscale() == latency.get_yscale() == "log"


# --- labels of the data -----------------------------------------------------------------------------------------------


def test_dollar_signs_of_the_data_are_no_formulas(drawn):  # noqa: F811
    names = ["$PS$", r"$\frac{$", "_LC", "none"]
    assert plots.heatmap(names, np.eye(4), "types").startswith(b"\x89PNG")
    row = {"group": "$a_$", "gold": 2, "f1": 0.5, "f1 interval": [0.4, 0.6]}
    assert plots.scores([row], "by source").startswith(b"\x89PNG")
    encoded = encoded_text()._replace(subwords=["$", "^$", "$_$", "$$", "x"], text="$^$x")
    found = Evidence(Span(0, 3, "$\\", 0.5), encoded.attentions[:, 0], np.zeros(5))
    assert plots.attention_layers(encoded, [0, 1, 2, 3]) and plots.evidence(encoded, [0, 1, 2], found)
    assert texts_of(drawn[0].axes[0].get_xticklabels())[0] == r"\$PS\$"
