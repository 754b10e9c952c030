"""Drawings kept for tests: the arrays of a plot say more than its bytes."""

import pytest

from kospan.drawing import Canvas


@pytest.fixture
def drawn(monkeypatch) -> list[Canvas]:
    """Every canvas that is drawn, in order, with its `axes`."""
    found: list[Canvas] = []
    close = Canvas.__exit__

    def keep(canvas, *error):
        found.append(canvas)
        return close(canvas, *error)

    monkeypatch.setattr(Canvas, "__exit__", keep)
    return found


def lines_of(axes) -> dict[str, list[tuple[float, float]]]:
    """The points of each named line."""
    return {
        line.get_label(): list(zip(map(float, line.get_xdata()), map(float, line.get_ydata())))
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def texts_of(labels) -> list[str]:
    """Tick labels, or the texts of a legend, as words."""
    return [label.get_text() for label in labels]
