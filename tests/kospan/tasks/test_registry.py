"""Every task has all that a task brings along."""

import importlib.util
from pathlib import Path

import pytest

from kospan.evaluation.views import VIEWS
from kospan.publishing.card.kinds.registry import KINDS as CARDS
from kospan.publishing.hub.stranger import KINDS as STRANGERS
from kospan.publishing.report.kinds import KINDS as REPORTS
from kospan.study.page import WORDS
from kospan.tasks.registry import TASKS, task_class, task_of_model
from modeling.pipelines import PIPELINES

APP = Path(__file__).resolve().parents[3] / "space" / "app.py"


def test_every_kind_of_model_is_known_everywhere():
    spec = importlib.util.spec_from_file_location("app_of_the_space", APP)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    kinds = {task.model_type for task in TASKS.values()}
    for registry in (CARDS, STRANGERS, REPORTS, app.TABS):
        assert set(registry) == kinds
    # A causal LM that writes is no encoder to look inside.
    assert set(VIEWS) == kinds - {"kospan-writer"}
    assert set(WORDS) == set(TASKS)
    # A pipeline is found by the Hub's name of the task; a writer goes out under that of its language model.
    assert {kind.PIPELINE for kind in CARDS.values()} == {*PIPELINES, "text-generation"}


def test_a_task_is_found_by_its_name_and_by_its_models():
    for name, task in TASKS.items():
        assert task_class(name) is task and task_of_model(task.model_type) is task
    assert task_of_model("bert") is TASKS["tagging"]
    with pytest.raises(
        ValueError, match="expected task to be one of tagging, reading, classifying, writing, got 'tag'"
    ):
        task_class("tag")
