"""Model cards: README.md of a model's folder, rendered from the record of its run by the templates of its task."""

import os
import re
from pathlib import Path

from huggingface_hub import ModelCard
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kospan.card.markdown import FILTERS
from kospan.card.metadata import EVAL_RESULTS, card_data, eval_results_file, other_metrics
from kospan.card.record import read_record
from kospan.card.values import changed_settings, learning_curve, recipe_files
from kospan.data.text import write_text
from kospan.redaction import redacted
from kospan.task import TaskSpec


def write_card(folder: str | os.PathLike, spec: TaskSpec, repo_id: str | None = None) -> None:
    """Write the README.md of a model's folder; every number in it comes from a file there.

    Where the scores are of a whole split of the Hub, `.eval_results/kospan.yaml` gets the main one for the Hub's
    leaderboards; otherwise an older file of that name is removed.

    Args:
        folder: The folder that a run wrote: config.json, recipe.yaml, eval_results.json, and training_record.json and
            calibration.json, without which the card has fewer sections.
        spec: The model's task.
        repo_id: `user/name` on the Hub for the snippets; None names the folder.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not as a run writes it; the error names file and key.
    """
    folder = Path(folder)
    record = record_with_values(folder, spec)
    card, entry = _render(record, folder, spec, repo_id), eval_results_file(record, spec)
    write_text(folder / "README.md", str(card))
    path = folder / EVAL_RESULTS
    if entry is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(exist_ok=True)
        write_text(path, entry)


def record_with_values(folder: Path, spec: TaskSpec) -> dict:
    """The record of a run with all values that the templates show."""
    record = read_record(folder, spec)
    examples = record["examples"]
    record |= {
        "task": spec.card,
        "metrics": spec.metrics,
        "pipeline_tag": spec.pipeline_tag,
        "has_pipeline": spec.pipeline_tag in (record["config"].get("custom_pipelines") or {}),
        "has_output": bool(examples),
        "examples": examples or _unanswered_examples(record, spec),
        "changed_settings": changed_settings(record["recipe"]),
        "curve": learning_curve(record["training"]) if record["training"] else None,
        "recipe_files": recipe_files(record["settings"]),
        "other_metrics": other_metrics(record, spec),
    }
    return record | spec.card.values(record)


def _unanswered_examples(record: dict, spec: TaskSpec) -> list[dict]:
    items = spec.card.examples(record["settings"]["dataset"], record["about"].language or "ko")
    return [item | {"spans": []} for item in items]


def _render(record: dict, folder: Path, spec: TaskSpec, repo_id: str | None) -> ModelCard:
    path = repo_id or _shown(folder)
    title = path.rstrip("/").rpartition("/")[2]
    environment = template_environment(spec.card.templates)
    context = record | {"title": title, "path": path, "on_hub": repo_id is not None}
    held_out = environment.get_template("macros.en.jinja").make_module(context).held_out()
    metadata = card_data(record, spec, title, unwrapped(held_out)).to_yaml()
    text = unwrapped(environment.get_template("card.en.md.jinja").render(context))
    return ModelCard(redacted(f"---\n{metadata}\n---\n\n{text}\n"))


def template_environment(templates: Path) -> Environment:
    """Jinja for the templates of a task, which may extend those of this folder and of other tasks."""
    folders = [templates, templates.parent, Path(__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= FILTERS
    return environment


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph and list item; templates break them where conditions and width ask for it."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    for at in range(0, len(parts), 2):  # Code is at the odd places.
        joined = re.sub(r"(?<=[^\n|])[ ]*\n[ ]*(?=[^\s#|>-]|-\S)", " ", parts[at])
        parts[at] = re.sub(r"\n{3,}", "\n\n", joined)
    return "".join(parts).strip()


def _shown(folder: Path) -> str:
    """A folder as a card may name it: relative to the working directory, else its bare name."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return folder.resolve().name
