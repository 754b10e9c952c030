"""Share of positional attention that goes to units inside gold entities.

    python studies/attention_mass.py MODEL [MODEL ...] --data ner_dataset.csv.zip --out docs/studies/NAME/attention

writes `attention.json` and `attention.md`. For each unit of a text, the attention weights to the units of gold entities
are summed and averaged over the heads. The mean is reported over all units of entities and over all other units. Beside
each is what uniform attention would give on the same units: the entities' share of the units of their text. Texts that
need several windows are not counted.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kospan.data.corpus import load_corpus
from kospan.data.text import write_text
from kospan.example import Example
from kospan.recipe import load_recipe
from kospan.tasks.loading import open_saved
from kospan.training.record import commit


def in_entities(units: Sequence[tuple[int, int]], example: Example) -> Tensor:
    """Booleans, whether each unit overlaps a gold span `(units,)`.

    >>> from kospan.modeling.spans import Span
    >>> in_entities([(0, 2), (3, 5)], Example("a", "in Oslo", (Span(3, 5, "LC"),))).tolist()
    [False, True]
    """
    inside = [any(start < span.end and span.start < end for span in example.spans) for start, end in units]
    return torch.tensor(inside, dtype=torch.bool)


def attention_of(model, examples: Iterable[Example]) -> Iterator[tuple[Tensor, Tensor]]:
    """Attention weights `(heads, units, units)` and entity units `(units,)` of each text that fits into one window."""
    for example in examples:
        found = model.inspect(example.document)
        if len(found.windows) == 1:
            yield found.windows[0].head_attention, in_entities(found.units, example)


def masses(texts: Iterable[tuple[Tensor, Tensor]]) -> dict:
    """Means over units, in float64.

    Args:
        texts: Of each text the attention weights `(heads, units, units)`, rows summing to 1, and its entity units
            `(units,)`.

    Returns: `texts`, and for `entity` and `other` units each: `units` (their number), `mass` (mean share of attention
        on entity units, mean over heads), `uniform` (the same with uniform attention) and `by_head`.
    """
    mass = {True: [], False: []}
    uniform = {True: [], False: []}
    count = 0
    for weights, inside in texts:
        count += 1
        on_entities = weights.double()[:, :, inside].sum(dim=2)  # shape: (heads, units)
        for kind in (True, False):
            chosen = inside == kind
            mass[kind].append(on_entities[:, chosen])
            uniform[kind].append(inside.double().mean().expand(int(chosen.sum())))
    result = {"texts": count}
    for kind, name in ((True, "entity"), (False, "other")):
        by_head = torch.cat(mass[kind], dim=1).mean(dim=1)
        shares = torch.cat(uniform[kind])
        result[name] = {
            "units": len(shares),
            "mass": by_head.mean().item(),
            "uniform": shares.mean().item(),
            "by_head": by_head.tolist(),
        }
    return result


PAGE = """# Attention on entities

Mean share of the positional head's attention that goes to units inside gold entities, over all its attention heads.
*Uniform* is what attention spread evenly over each text would give on the same units. Validation texts of `{dataset}`
that fit into one window{first}.

| seed | texts | attention from | units | on entities | range over heads | uniform |
| --- | ---: | --- | ---: | ---: | --- | ---: |
{rows}

Made by `python studies/attention_mass.py`{examples} from models of the study in this folder; commit {commit}.
"""


def page(result: dict) -> str:
    """The result as a page."""
    rows = []
    for run in result["models"]:
        for name in ("entity", "other"):
            each = run[name]
            low, high = min(each["by_head"]), max(each["by_head"])
            rows.append(
                f"| {run['seed']} | {run['texts']:,} | {name} units | {each['units']:,} | {each['mass']:.3f} | "
                f"{low:.3f}–{high:.3f} | {each['uniform']:.3f} |"
            )
    limit = result["examples"]
    return PAGE.format(
        dataset=result["dataset"],
        first="" if limit is None else f", of the first {limit:,}",
        rows="\n".join(rows),
        examples="" if limit is None else f" with `--examples {limit}`",
        commit=result["commit"],
    )


def main(words: list[str] | None = None) -> None:
    """Writes the result as JSON and as a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="folders of taggers with head: positional")
    parser.add_argument("--dataset", default="gmb")
    parser.add_argument("--data", help="the file they were trained on")
    parser.add_argument("--examples", type=int, help="only the first texts of the validation part")
    parser.add_argument("--out", required=True, help="files to write, without their endings")
    arguments = parser.parse_args(words)
    examples = load_corpus(arguments.dataset, arguments.data).splits["validation"][: arguments.examples]
    runs = []
    for folder in map(Path, arguments.models):
        task = open_saved(str(folder), dataset=arguments.dataset)
        if task.model.config.head != "positional":
            parser.error(f"expected models with head: positional, got head: {task.model.config.head} in {folder}")
        seed = load_recipe(folder / "recipe.yaml").trainer["seed"]
        runs.append({"seed": seed, **masses(attention_of(task.model, examples))})
    result = {"dataset": arguments.dataset, "examples": arguments.examples, "models": runs, "commit": commit()}
    write_text(Path(f"{arguments.out}.json"), json.dumps(result, indent=1) + "\n")
    write_text(Path(f"{arguments.out}.md"), page(result))
    print(page(result))


if __name__ == "__main__":
    main()
