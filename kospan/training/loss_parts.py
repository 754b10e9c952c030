"""Parts of the loss, logged beside it."""

from collections.abc import Iterable, Mapping, Sequence


class LossParts:
    """Sums of the parts of the loss between two log entries, reported as means over steps like the Trainer's loss.

    Parts are the model output's `parts` (scalars by name) and R-Drop's `divergence`.
    """

    def __init__(self):
        self._sums: dict = {}
        self._first: int | None = None

    def add(self, outputs, step: int, scale: float = 1) -> None:
        """Add the parts of one pass, of which a step may have several.

        Args:
            outputs: The model's output.
            step: Finished steps.
            scale: Factor of the pass's loss.
        """
        # A model that returns a tuple has no parts.
        found = dict(outputs.get("parts") or {}) if hasattr(outputs, "get") else {}
        if hasattr(outputs, "get") and outputs.get("divergence") is not None:
            found["divergence"] = outputs["divergence"]
        if found and self._first is None:
            self._first = step
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + scale * value.detach()

    def sums(self) -> tuple[dict, int | None]:
        """The sums since the last report, which `reset` restores."""
        return dict(self._sums), self._first

    def reset(self, sums: tuple[dict, int | None]) -> None:
        """Restore the sums of an earlier moment."""
        self._sums, self._first = dict(sums[0]), sums[1]

    def report(self, step: int) -> dict[str, float]:
        """Means of the parts over the steps since the last report; empty without parts.

        >>> parts = LossParts()
        >>> for value in (1.0, 2.0):  # two passes of one step
        ...     parts.add({"parts": {"tag_loss": torch.tensor(value)}}, step=4)
        >>> parts.report(step=5), parts.report(step=6)
        ({'tag_loss': 3.0}, {})
        """
        if self._first is None:
            return {}
        steps = max(1, step - self._first)
        found = {name: float(total) / steps for name, total in self._sums.items()}
        self._sums, self._first = {}, None
        return found


def part_names(entries: Iterable[Mapping]) -> list[str]:
    """Names of the parts of the loss in a log, in order of first appearance: `*_loss`, evaluation excepted.

    >>> part_names([{"loss": 2.0, "tag_loss": 1.5, "eval_loss": 1.0}, {"train_loss": 1.0}])
    ['tag_loss']
    """
    names = dict.fromkeys(name for entry in entries for name in entry)
    return [name for name in names if name.endswith("_loss") and not name.startswith(("eval_", "train_"))]


def score_names(entries: Iterable[Mapping]) -> list[str]:
    """Names of the validation scores in a log, in order of first appearance: `eval_*` without loss and timings.

    >>> score_names([{"eval_loss": 1.0, "eval_f1": 0.5, "eval_runtime": 3.0}])
    ['eval_f1']
    """
    names = dict.fromkeys(name for entry in entries for name in entry if name.startswith("eval_"))
    return [name for name in names if name not in ("eval_loss", "eval_runtime") and not name.endswith("_per_second")]


def curve_log(history: Iterable[Mapping], metrics: Sequence[str]) -> list[dict]:
    """Return a log with only these validation scores, in this order."""
    shown = [f"eval_{name}" for name in metrics]
    return [
        {key: value for key, value in entry.items() if key == "eval_loss" or not key.startswith("eval_")}
        | {key: entry[key] for key in shown if key in entry}
        for entry in history
    ]


def curve_points(history: Iterable[Mapping], name: str) -> list[tuple[float, float]]:
    """Epoch and value of every entry of a log that has both.

    >>> curve_points([{"epoch": 1.0, "loss": 2.0}, {"epoch": 1.0, "eval_f1": 0.5}, {"loss": 1.0}], "loss")
    [(1.0, 2.0)]
    """
    pairs = [(line.get("epoch"), line.get(name)) for line in history]
    return [(epoch, value) for epoch, value in pairs if epoch is not None and value is not None]
