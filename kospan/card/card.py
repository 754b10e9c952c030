"""The model card: README.md of a model's folder, written from the files that the run has left there."""

import os
from importlib.resources import files
from pathlib import Path

from huggingface_hub import ModelCard

from kospan.card.kinds.registry import kind_of
from kospan.card.limits import is_smoke, limits
from kospan.card.markdown import plain
from kospan.card.metadata import EVAL_RESULTS, card_data, eval_results_file
from kospan.card.procedure import model_in_words, references, techniques
from kospan.card.run_record import RunRecord, read_left
from kospan.card.scores import score_parts
from kospan.card.training import training_parts
from kospan.data.text import write_text

# What a snippet needs, and what it runs, where a kind says nothing else.
NEEDS = (
    "torch and transformers are all that is needed. `trust_remote_code=True` runs the Python files beside the weights; "
    "read\nthem first if you do not know who made them."
)


def write_card(folder: str | os.PathLike, repo_id: str | None = None) -> None:
    """Writes the README.md of a model's folder; every metric in it comes from a file there.

    Where the scores are of a whole split of the Hub, `.eval_results/kospan.yaml` holds the main one for the Hub's
    leaderboards; an older file of that name is removed otherwise.

    Args:
        folder: What a run has left: config.json, recipe.yaml, eval_results.json, and where they are there
            training_record.json and calibration.json, without which their sections are left out.
        repo_id: `user/name` on the Hub, which the snippets name; None names the folder.

    Raises: FileNotFoundError where a file is missing; ValueError naming file and key where one is not as a run leaves
        it.
    """
    folder = Path(folder)
    card, entry = make_card(folder, repo_id), eval_results_file(read_left(folder))
    write_text(folder / "README.md", str(card))
    path = folder / EVAL_RESULTS
    if entry is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(exist_ok=True)
        write_text(path, entry)


def make_card(folder: str | os.PathLike, repo_id: str | None = None) -> ModelCard:
    """As `write_card`, but gives the card."""
    folder = Path(folder)
    left = read_left(folder)
    path = repo_id or _shown(folder)
    title = path.rstrip("/").rpartition("/")[2]
    template = (files("kospan.card") / "card.md.jinja").read_text(encoding="utf-8")
    parts = {
        "title": plain(title),
        "local": repo_id is None,
        "path": path,
        "needs": NEEDS,
        "smoke": is_smoke(left),
        "limits": limits(left),
        "labels": kind_of(left).labels_table(left),
        "model_in_words": model_in_words(left),
        "techniques": techniques(left),
        "references": references(left),
        "korean_data": korean_data(left),
        **kind_of(left).summary_parts(left),
        **use_parts(left, path),
        **score_parts(left),
        **training_parts(left, path, repo_id is not None),
    }
    return ModelCard.from_template(card_data(left, title), template_str=template, **parts)


def _shown(folder: Path) -> str:
    """A folder as a card may name it: below the place where the run stood, else by its bare name."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return folder.resolve().name


def use_parts(left: RunRecord, path: str) -> dict[str, str | None]:
    """The snippets; that of the pipeline only where the model brings it."""
    parts = kind_of(left).use_parts(left, path)
    if kind_of(left).PIPELINE in (left.config.get("custom_pipelines") or {}):
        return parts
    return parts | {"pipeline": None, "pipeline_output": None}


def korean_data(left: RunRecord) -> str:
    """The data and their terms in Korean."""
    about = left.about
    terms = f" 라이선스: {about.terms[1]}." if about.terms[1] else " 이용 조건은 데이터 제공자가 정합니다."
    return f"**{plain(about.korean or about.title)}**입니다.{terms}"
