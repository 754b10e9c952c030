"""What a loss is the sum of, logged beside it."""


class LossParts:
    """Adds up the parts of the loss between two log entries, and gives their means over steps, as the Trainer's loss.

    Parts are what a model's output has as `parts` (scalars by name) and R-Drop's `divergence`.
    """

    def __init__(self):
        self._sums: dict = {}
        self._first: int | None = None

    def add(self, outputs, step: int, scale: float = 1) -> None:
        """Takes the parts of one pass, which may be one of several of a step.

        Args:
            outputs: The model's output.
            step: Steps that are done.
            scale: What the loss of the pass is multiplied with.
        """
        # A model that gives a tuple has no parts.
        found = dict(outputs.get("parts") or {}) if hasattr(outputs, "get") else {}
        if hasattr(outputs, "get") and outputs.get("divergence") is not None:
            found["divergence"] = outputs["divergence"]
        if found and self._first is None:
            self._first = step
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + scale * value.detach()

    def report(self, step: int) -> dict[str, float]:
        """The parts' means over the steps since the last report, and begins anew; empty where there were none.

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


def part_names(entries) -> list[str]:
    """The parts of the loss that a log holds, in order of first appearance: what ends in `_loss`, evaluation aside.

    Args:
        entries: Dicts of a log.

    >>> part_names([{"loss": 2.0, "tag_loss": 1.5, "eval_loss": 1.0}, {"train_loss": 1.0}])
    ['tag_loss']
    """
    names = (name for entry in entries for name in entry)
    return list(
        dict.fromkeys(name for name in names if name.endswith("_loss") and not name.startswith(("eval_", "train_")))
    )


def curve_points(history, name: str) -> list[tuple[float, float]]:
    """Epoch and value of every line of a log that holds both.

    Args:
        history: Dicts of a log.
        name: What is drawn over the epochs.

    >>> curve_points([{"epoch": 1.0, "loss": 2.0}, {"epoch": 1.0, "eval_f1": 0.5}, {"loss": 1.0}], "loss")
    [(1.0, 2.0)]
    """
    pairs = [(line.get("epoch"), line.get(name)) for line in history]
    return [(epoch, value) for epoch, value in pairs if epoch is not None and value is not None]
