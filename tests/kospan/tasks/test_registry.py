"""Every task has all that a task brings along."""

import importlib.util
from pathlib import Path

import pytest

from kospan.ablation.page import WORDS
from kospan.evaluation.explain import VIEWS
from kospan.modeling.pipelines import PIPELINES
from kospan.report.kinds import KINDS as REPORTS
from kospan.tasks.registry import TASKS, spec_of_model, task_class

APP = Path(__file__).resolve().parents[3] / "space" / "app.py"


def test_every_kind_of_model_is_known_everywhere():
    spec = importlib.util.spec_from_file_location("app_of_the_space", APP)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    kinds = {task.model_type for task in TASKS.values()}
    for registry in (REPORTS, app.TABS):
        assert set(registry) == kinds
    # A causal LM that writes is no encoder to look inside.
    assert set(VIEWS) == kinds - {"kospan-generative-ner"}
    assert set(WORDS) == set(TASKS)
    for task in TASKS.values():
        assert task.published.is_file()
        assert all((task.card.templates / f"card.{language}.md.jinja").is_file() for language in ("en", "ko"))
    # A pipeline is found by the Hub's name of the task; a generative model has that of its language model.
    assert {task.pipeline_tag for task in TASKS.values()} == {*PIPELINES, "text-generation"}


def test_a_task_is_found_by_its_name_and_by_its_models():
    for name, task in TASKS.items():
        assert task_class(name) is task.task and spec_of_model(task.model_type) is task
    assert spec_of_model("bert") is TASKS["token-classification"]
    with pytest.raises(
        ValueError, match="expected task to be one of token-classification, question-answering, text-classification, generative-ner, got 'tag'"
    ):
        task_class("tag")
