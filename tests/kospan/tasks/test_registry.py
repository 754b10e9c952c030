"""Registration of tasks, and their former names."""

import importlib.util
import json
from importlib.resources import files
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoModel

from kospan.modeling.configuration_generative_ner import read_generative_config
from kospan.modeling.pipelines import PIPELINES
from kospan.modeling.settings import FORMER_MODEL_TYPES
from kospan.task import Task
from kospan.tasks.encoders import load_config
from kospan.tasks.loading import load_saved
from kospan.tasks.registry import TASKS, spec_of_model, task_spec

APP = Path(__file__).resolve().parents[3] / "space" / "app.py"


def test_every_task_has_a_card_a_report_and_a_tab():
    spec = importlib.util.spec_from_file_location("app_of_the_space", APP)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    tasks = {name: task for name, task in TASKS.items() if task.predicts}
    assert TASKS.keys() - tasks.keys() == {"pretraining"}
    kinds = {task.model_type for task in tasks.values()}
    assert set(app.TABS) == kinds
    # A causal language model has no encoder to explain.
    assert [name for name, task in tasks.items() if task.explainer is None] == ["generative-ner"]
    for task in tasks.values():
        assert (files(task.report.package) / "report.html.jinja").is_file()
        assert all((task.card.templates / f"card.{language}.md.jinja").is_file() for language in ("en", "ko"))
    # A pipeline is found by the Hub's name of the task; a generative model has that of its language model.
    assert {task.pipeline_tag for task in tasks.values()} == {*PIPELINES, "text-generation"}


def test_a_task_is_found_by_its_name_and_by_its_models():
    for name, spec in TASKS.items():
        assert task_spec(name) is spec and spec.task.spec is spec
        # A pretrained encoder is a stock model.
        assert spec_of_model(spec.model_type) is (spec if spec.predicts else TASKS["token-classification"])
    assert spec_of_model("bert") is TASKS["token-classification"]
    with pytest.raises(ValueError, match=f"expected task to be one of {', '.join(TASKS)}, got 'tag'; choose one"):
        task_spec("tag")


def test_a_task_has_at_most_ten_methods():
    methods = {name for name, value in vars(Task).items() if callable(value) or isinstance(value, classmethod)}
    methods = {name for name in methods if not name.startswith("_")}
    assert len(methods) <= 10
    for spec in TASKS.values():
        assert all(callable(getattr(spec.task, name)) for name in methods)


@pytest.mark.parametrize(
    ("former", "present"),
    [
        *(("tagging", "token-classification"), ("reading", "question-answering")),
        *(("classifying", "text-classification"), ("writing", "generative-ner")),
    ],
)
def test_a_former_name_of_a_task_is_refused_with_the_present_one(former, present):
    with pytest.raises(ValueError, match=f"got '{former}'; {former} is now {present}$"):
        task_spec(former)
    former_names = {spec.former_name for spec in TASKS.values() if spec.former_name}
    assert former_names == {"tagging", "reading", "classifying", "writing"}


@pytest.mark.parametrize("former", FORMER_MODEL_TYPES)
def test_a_model_of_an_earlier_version_has_to_be_trained_again(former, tmp_path):
    assert set(FORMER_MODEL_TYPES.values()) == {spec.model_type for spec in TASKS.values() if spec.predicts}
    spec = spec_of_model(FORMER_MODEL_TYPES[former])
    (tmp_path / spec.config_file).write_text(json.dumps({"model_type": former, "labels": ["LC"]}), encoding="utf-8")
    message = f"expected a model of type {spec.model_type} in .*, got {former} of an earlier version .*; train the mod"
    with pytest.raises(ValueError, match=message):
        load_saved(str(tmp_path))
    with pytest.raises(ValueError, match=message):
        spec_of_model(former)
    if spec.config_file == "config.json":
        for load in (AutoConfig.from_pretrained, AutoModel.from_pretrained):
            with pytest.raises(ValueError, match=message):
                load(tmp_path)
        with pytest.raises(ValueError, match=message):
            load_config(str(tmp_path), {})
    else:
        with pytest.raises(ValueError, match=message):
            read_generative_config(tmp_path)
