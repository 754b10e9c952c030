"""Positional attention one number at a time, in plain Python: what the tensors are held against."""

import math
from fractions import Fraction

EPSILON = 1e-6


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def linear(vector: list[float], weight: list[list[float]], bias: list[float]) -> list[float]:
    return [sum(w * x for w, x in zip(row, vector)) + b for row, b in zip(weight, bias)]


def acting(gates: list[float], kind: str, share: float, gold: list[int] | None, gold_share: float) -> list[float]:
    """The gates of one row as they act."""
    found = list(gates)
    if kind == "hard":
        found = [1.0 if gate >= 0.5 else 0.0 for gate in gates]
    if kind == "share":
        closed = sorted(range(len(gates)), key=lambda at: (gates[at], at))[
            : math.floor(Fraction(str(share)) * len(gates))
        ]
        found = [0.0 if at in closed else 1.0 for at in range(len(gates))]
    if gold is not None:
        found = [gold_share * wanted + (1 - gold_share) * gate for wanted, gate in zip(gold, found)]
    return found


def attend(row, positions, weights: dict, heads: int, kind: str, share: float, gold=None, gold_share: float = 0.0):
    """One row without padding.

    Args:
        row: Unit states, a list of vectors.
        positions: Position of each unit.
        weights: The module's state dict as nested lists.

    Returns: states, gate logits and attention `[head][query][key]`.
    """
    width, units = len(row[0]), len(row)
    size = width // heads
    logits = [linear(state, weights["gates.weight"], weights["gates.bias"]) for state in row]
    gates = acting([sigmoid(each[0]) for each in logits], kind, share, gold, gold_share)
    padding = weights["padding_state"]
    gated = [[gate * x + (1 - gate) * e for x, e in zip(state, padding)] for gate, state in zip(gates, row)]
    table = weights["position_embedding.weight"]
    to_device = [[x + p for x, p in zip(state, table[at])] for state, at in zip(gated, positions)]
    query, key, value = (
        [linear(state, weights[f"{name}.weight"], weights[f"{name}.bias"]) for state in states]
        for name, states in (("query", to_device), ("key", to_device), ("value", gated))
    )
    mixed = [[] for _ in row]
    attention = []
    for head in range(heads):
        part = range(head * size, (head + 1) * size)
        rows = []
        for t in range(units):
            scores = [
                sum(query[t][d] * key[s][d] for d in part) / math.sqrt(size) + math.log(gates[s] + EPSILON)
                for s in range(units)
            ]
            top = max(scores)
            powers = [math.exp(score - top) for score in scores]
            rows.append([power / sum(powers) for power in powers])
            mixed[t] += [sum(rows[-1][s] * value[s][d] for s in range(units)) for d in part]
        attention.append(rows)
    states = []
    for t in range(units):
        total = [x + y for x, y in zip(gated[t], linear(mixed[t], weights["output.weight"], weights["output.bias"]))]
        mean = sum(total) / width
        spread = math.sqrt(sum((x - mean) ** 2 for x in total) / width + 1e-5)
        states.append(
            [(x - mean) / spread * w + b for x, w, b in zip(total, weights["norm.weight"], weights["norm.bias"])]
        )
    return states, logits, attention


def gate_loss(logits, tags: list[str], ends_here: bool = True) -> float:
    """Of one row, from tag names: BCE inside + half BCE starts + half BCE ends, summed."""

    def cross_entropy(logit: float, wanted: bool) -> float:
        return -math.log(sigmoid(logit if wanted else -logit))

    total = 0.0
    for t, tag in enumerate(tags):
        after = tags[t + 1] if t + 1 < len(tags) else "O"
        goes_on = tag != "O" and after[:2] in ("I-", "E-") and after[2:] == tag[2:]
        total += cross_entropy(logits[t][0], tag != "O")
        total += 0.5 * cross_entropy(logits[t][1], tag[:2] in ("B-", "S-"))
        if ends_here or t + 1 < len(tags):
            total += 0.5 * cross_entropy(logits[t][2], tag != "O" and not goes_on)
    return total
