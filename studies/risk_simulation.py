"""Guarantees of recall on simulated documents, whose risk is known.

    python studies/risk_simulation.py --out docs/studies/risk_simulation.md

Emissions are random; tags are drawn from a CRF. The documents with a span are the population, whose risk at a threshold
is a mean over all of it. Each draw takes documents from it with replacement, chooses a threshold, and reads its risk.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from kospan.data.text import write_text
from kospan.evaluation.operating_point import Misses
from kospan.evaluation.risk_control import GRID, METHODS, choose_bound, largest_threshold, risk_of
from kospan.modeling import CRF
from kospan.modeling.tags import may_follow, may_start, span_tags, tag_names, tags_to_spans

LABELS, LEVELS, DELTA, LONGEST = ("A", "B"), (0.9, 0.95, 0.99), 0.1, 16
TAGS = tag_names(list(LABELS), "BIO")


def chain(seed: int, scale: float = 1.0) -> CRF:
    """A CRF over BIO tags with random scores, which favour short spans."""
    torch.manual_seed(seed)
    crf = CRF(len(TAGS), batch_first=True)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5)
    allowed = torch.tensor([[may_follow(one, two, "BIO") for two in TAGS] for one in TAGS])
    crf.constrain(allowed, torch.tensor([may_start(tag) for tag in TAGS]), torch.ones(len(TAGS)).bool())
    crf.temperature = 1 / scale
    return crf


@torch.no_grad()
def sample(crf: CRF, emissions: torch.Tensor) -> torch.Tensor:
    """Draw one tag sequence per row `(rows, units)` from the chain, from left to right.

    p(y_t | y_1..t-1, x) is proportional to the transition, the emission and the weight of all ways to go on.
    """
    transitions = crf.transitions.double().masked_fill(~crf.allowed_transitions, -torch.inf)
    starts = crf.start_transitions.double().masked_fill(~crf.allowed_starts, -torch.inf)
    rows, units, tags = emissions.shape
    onward = torch.empty(rows, units, tags, dtype=torch.float64)
    onward[:, -1] = crf.end_transitions.double()
    for at in range(units - 2, -1, -1):
        onward[:, at] = torch.logsumexp(transitions + (emissions[:, at + 1] + onward[:, at + 1]).unsqueeze(1), dim=2)
    drawn = torch.empty(rows, units, dtype=torch.long)
    for at in range(units):
        before = starts.expand(rows, tags) if at == 0 else transitions[drawn[:, at - 1]]
        drawn[:, at] = torch.distributions.Categorical(logits=before + emissions[:, at] + onward[:, at]).sample()
    return drawn


class Population(NamedTuple):
    """Gold spans of all documents with their posteriors under a model.

    Args:
        name: The model.
        misses: The spans that each threshold misses.
    """

    name: str
    misses: Misses


@torch.no_grad()
def populations(documents: int, seed: int) -> list[Population]:
    """Documents from one CRF, with posteriors of that CRF and of another one that reads the emissions with noise."""
    truth, other = chain(seed), chain(seed + 1, scale=1.4)
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list] = {"model = truth": [], "misspecified model": []}
    per_length = documents // 16
    for units in range(10, 42, 2):
        emissions = 2.5 * torch.randn(per_length, units, len(TAGS), generator=generator, dtype=torch.float64)
        emissions[..., 0] += 3.0
        gold = [tags_to_spans([TAGS[tag] for tag in row], "BIO") for row in sample(truth, emissions).tolist()]
        noisy = emissions + 0.7 * torch.randn(emissions.shape, generator=generator, dtype=torch.float64)
        for name, crf, seen in (("model = truth", truth, emissions), ("misspecified model", other, noisy)):
            segments = [
                (
                    at,
                    first,
                    [TAGS.index(tag) for tag in span_tags(last - first, label, "BIO")],
                    TAGS.index("I-" + label),
                )
                for at, spans in enumerate(gold)
                for first, last, label in spans
            ]
            posteriors = iter(crf.segment_posteriors(seen, segments).tolist())
            scored = [[(label, next(posteriors), last - first) for first, last, label in spans] for spans in gold]
            found[name] += [
                [(label, score if length <= LONGEST else -1) for label, score, length in spans] for spans in scored
            ]
    return [Population(name, Misses.of(rows, LABELS)) for name, rows in found.items()]


class Setting(NamedTuple):
    """A guarantee.

    Args:
        unit: "document" or "corpus".
        labels: The labels: one guarantee for all of a tuple, one for each of several.
        delta: Error probability of each guarantee; None bounds the mean risk.
    """

    unit: str
    labels: tuple[tuple[str, ...], ...]
    delta: float | None


def simulate(population: Population, setting: Setting, level: float, calibration: int, draws: int, seed: int) -> dict:
    """Choose thresholds from many draws, and return rows of results by bound.

    Returns: For each bound the true risks `(draws, guarantees)` divided by the allowed one; NaN where it is refused.
    """
    risk, generator = risk_of(level), np.random.default_rng(seed)
    misses = population.misses
    whole = [misses.losses(labels, setting.unit, risk, misses.most(labels)) for labels in setting.labels]
    # Row of each document among the losses; -1 without a span of the labels.
    counts = [misses.gold[:, [LABELS.index(label) for label in labels]].sum(axis=1) for labels in setting.labels]
    row_of = [np.where(count > 0, np.cumsum(count > 0) - 1, -1) for count in counts]
    truths = [true_risk(misses, labels, setting.unit) for labels in setting.labels]
    bounds = METHODS[1:] if setting.delta else METHODS[:1]
    results = {name: np.full((draws, len(whole)), np.nan) for name in ("uncorrected", *bounds)}
    if setting.delta:
        results["chosen on other documents"] = np.full((draws, len(whole)), np.nan)
    for draw in range(draws):
        drawn, others = (generator.integers(len(misses.gold), size=size) for size in (calibration, calibration // 2))
        for place, (losses, row, truth) in enumerate(zip(whole, row_of, truths)):
            own, other = (losses[row[each][row[each] >= 0]] for each in (drawn, others))
            found = {"uncorrected": _last(own.mean(axis=0) <= risk)}
            found |= {name: largest_threshold(own, risk, name, setting.delta) for name in bounds}
            if setting.delta:
                found["chosen on other documents"] = found[choose_bound(other, len(own), risk, setting.delta)]
            for name, at in found.items():
                if at is not None:
                    results[name][draw, place] = truth[at] / risk
    return results


def true_risk(misses: Misses, labels: tuple[str, ...], unit: str) -> np.ndarray:
    """Share of missed spans at each threshold: mean over documents, or of all spans together `(thresholds,)`."""
    chosen = [LABELS.index(label) for label in labels]
    if unit == "corpus":
        return misses.missed[:, chosen].sum(axis=(0, 1)) / misses.gold[:, chosen].sum()
    return misses.losses(labels, unit, 0.0).mean(axis=0)


def _last(fits: np.ndarray) -> int | None:
    return int(np.flatnonzero(fits)[-1]) if fits.any() else None


def table(rows: list[tuple]) -> str:
    """Markdown table of the results of `simulate`."""
    lines = [
        "| model | recall of | guarantee | level | bound | refused | mean risk / allowed | draws above it | holds |",
        "|---|---|---|---:|---|---:|---:|---:|---|",
    ]
    for population, words, setting, level, results in rows:
        for name, ratios in results.items():
            kept = ratios[~np.isnan(ratios).any(axis=1)]
            count, draws = len(kept), len(ratios)
            if not count:
                lines.append(f"| {population} | {setting.unit} | {words} | {level} | {name} | {draws:,} | | | |")
                continue
            above = (kept > 1 + 1e-9).any(axis=1).sum() / draws
            error = np.sqrt(above * (1 - above) / draws)
            mean, mean_error = kept.mean(), kept.mean(axis=1).std() / np.sqrt(count)
            if setting.delta:
                limit = DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / draws)
                holds = above <= limit
            else:
                holds = mean <= 1 + 2 * mean_error
            verdict = "(reference)" if name == "uncorrected" else "yes" if holds else "NO"
            lines.append(
                f"| {population} | {setting.unit} | {words} | {level} | {name} | {draws - count:,} | "
                f"{mean:.3f} ± {mean_error:.3f} | {above:.3f} ± {error:.3f} | {verdict} |"
            )
    return "\n".join(lines)


def main(words: list[str] | None = None) -> None:
    """Run all settings and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--population", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=1000, help="calibration documents of a draw")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    both, single = (LABELS,), tuple((label,) for label in LABELS)
    settings = [
        ("on average", Setting("document", both, None)),
        ("on average", Setting("corpus", both, None)),
        ("confidence 0.9", Setting("document", both, DELTA)),
        ("confidence 0.9", Setting("corpus", both, DELTA)),
        ("confidence 0.9, both labels jointly", Setting("document", single, DELTA / 2)),
    ]
    rows = []
    for population in populations(arguments.population, arguments.seed):
        for name, setting in settings:
            for level in LEVELS:
                results = simulate(population, setting, level, arguments.documents, arguments.draws, arguments.seed)
                rows.append((population.name, name, setting, level, results))
                print(table(rows[-1:]).splitlines()[2:], flush=True)
    write_text(arguments.out, PAGE.format(table=table(rows), **vars(arguments), least=GRID[0], longest=LONGEST))


PAGE = """# Guarantees of recall on simulated documents

`python studies/risk_simulation.py --population {population} --documents {documents} --draws {draws} --seed {seed}
--out FILE`

Documents of 10 to 40 units with random emissions; the gold tags (BIO, two types) are drawn from a CRF. {population:,}
documents are the population; those with a span count. The risk of a threshold, the expected share of missed spans, is
its mean over the population, so it is known exactly. Each of {draws:,} draws takes {documents} documents with
replacement, chooses the threshold and reads its risk. "misspecified model": the posteriors are those of another CRF
with other random transitions, at a temperature of 1 / 1.4, over emissions with noise.

- "on average" (conformal risk control): the mean risk over the draws is at most the allowed one, up to 2 standard
  errors.
- "confidence 0.9": the risk is above the allowed one in at most a tenth of the draws, up to 2 standard errors.
  "jointly": in at most a tenth of the draws for any of the labels, each at an error probability of 0.05.
- "uncorrected": the largest threshold at which the documents of the draw themselves have the recall. It is no
  guarantee, and shows that the test can fail.
- refused: draws in which no threshold can be certified; they count as kept. A span of more than {longest} units, or
  with a posterior below {least:g}, is missed at every threshold.

{table}

A ratio close to 1 says that the guarantee costs little: the thresholds are nearly as large as they may be.
"""


if __name__ == "__main__":
    main()
