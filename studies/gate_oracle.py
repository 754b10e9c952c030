"""Gold labels in the gates of positional attention: an upper bound that LEAKS LABELS.

    python studies/gate_oracle.py MODEL --dataset gmb --data ner_dataset.csv.zip --out docs/benchmarks/gate_oracle.md

The published mechanism masks by gold labels, which new texts do not have. A model trained so (`head_options:
{oracle: true}`) is scored twice on the validation split: with gold gates, which is leakage and no result, and with the
gates that it predicts itself, as `extract` does. Texts that need several windows are not scored; the result has their
number.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

import torch
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from kospan.ablation.settings import flat  # noqa: E402
from kospan.data.corpus import load_corpus  # noqa: E402
from kospan.data.text import write_text  # noqa: E402
from kospan.modeling.spans import Span  # noqa: E402
from kospan.modeling.tags import tags_to_spans  # noqa: E402
from kospan.recipe import load_recipe  # noqa: E402
from kospan.tasks.loading import open_saved  # noqa: E402


@torch.no_grad()
def found_with_labels(task, examples: list, batch_size: int) -> list[list[Span]]:
    """Spans of each text from a forward pass that is given the labels."""
    model, found = task.model.eval(), []
    for start in range(0, len(examples), batch_size):
        some = examples[start : start + batch_size]
        batch = model.to_device(model.collate(task.train_features(some)))
        units = [document.units for document in model.aligner.documents([example.document for example in some])]
        for own, row in zip(units, model(**batch).tags):
            paths = tags_to_spans([model.config.tags[tag] for tag in row[: len(own)].tolist()], model.config.scheme)
            found.append([Span(own[first][0], own[last - 1][1], label) for first, last, label in paths])
    return found


PAGE = """# Gold gates: an upper bound that leaks labels

A model whose gates were the gold ones while training (`head_options: {{oracle: true}}`), scored on {texts:,} validation
texts; {omitted:,} further ones need several windows and are not scored. With gold gates the score is leakage: the
labels are given to the model. With predicted gates it is what `extract` finds.

| gates | strict F1 | flat F1 | flat F1 with O |
| --- | ---: | ---: | ---: |
{rows}

Reproduce, FILE being `ner_dataset.csv.zip`:

```
kospan train recipes/{recipe}.yaml --train_file FILE {flags} --output_dir MODEL
python studies/gate_oracle.py MODEL --data FILE --out docs/benchmarks/gate_oracle.md
```

Seed {seed}; the model was trained at commit {commit}, on {device}, torch {torch}.
"""


def page(model: Path, result: dict) -> str:
    """The result as a page, with the command that trained the model, from the files of its run."""
    used = load_recipe(model / "recipe.yaml")
    record = json.loads((model / "training_record.json").read_text(encoding="utf-8"))["training"]
    shipped, settings = flat(load_recipe(ROOT / "recipes" / f"{used.name}.yaml")), flat(used)
    changed = {key: value for key, value in settings.items() if shipped.get(key) != value and key != "train_file"}
    return PAGE.format(
        texts=result["texts"],
        omitted=result["omitted"],
        rows="\n".join(
            f"| {name} | " + " | ".join(f"{value:.4f}" for value in scores.values()) + " |"
            for name, scores in result["scores"].items()
        ),
        recipe=used.name,
        flags=" ".join(f"--{key} {_word(value)}" for key, value in changed.items()),
        seed=used.trainer["seed"],
        commit=record["commit"],
        device=record["device"],
        torch=record["versions"]["torch"],
    )


def _word(value) -> str:
    """A setting as a word of the command line."""
    if isinstance(value, dict):
        return shlex.quote(yaml.safe_dump(value, default_flow_style=True, width=1000).strip())
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else shlex.quote(str(value))


def main(words: list[str] | None = None) -> None:
    """Print both scores as JSON, and write them as a page if --out is set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of a model with head: positional, trained with oracle: true")
    parser.add_argument("--dataset", default="gmb")
    parser.add_argument("--data", required=True, help="the file it was trained on")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--out", help="Markdown file to write")
    arguments = parser.parse_args(words)
    task = open_saved(arguments.model, dataset=arguments.dataset)
    if not getattr(task.model.config, "head_options", {}).get("oracle"):
        parser.error("expected a model trained with head_options {oracle: true}, got one without")
    examples = load_corpus(arguments.dataset, arguments.data).splits["validation"]
    aligner = task.model.aligner
    whole = [each for each in examples if len(list(aligner.windows(aligner.documents([each.document])[0]))) == 1]
    scores = {}
    for name, found in (
        ("gold (leakage)", found_with_labels(task, whole, arguments.batch_size)),
        ("predicted", task.predict(whole)),
    ):
        metrics = task.metrics(whole, found)
        scores[name] = {key: metrics[key] for key in ("f1", "flat_f1", "flat_f1_with_o")}
    result = {"texts": len(whole), "omitted": len(examples) - len(whole), "scores": scores}
    print(json.dumps(result, indent=1))
    if arguments.out:
        write_text(Path(arguments.out), page(Path(arguments.model), result))


if __name__ == "__main__":
    main()
