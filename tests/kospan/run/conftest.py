"""Fixtures of complete runs: data, a recipe, and finished runs that tests only read."""

import pytest
from run_cases import STEPS, TINY, sentences

from kospan.data.jsonl import write_jsonl
from kospan.recipe import load_recipe
from kospan.run import train


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> dict[str, str]:
    """Paths of a training and a validation file, as a recipe names them."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 17), ("validation", 8)):
        write_jsonl(folder / f"{split}.jsonl", sentences(count, split))
    return {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}


@pytest.fixture
def recipe(data, tmp_path):
    """Builds a recipe of the tiny run; keyword arguments win."""

    def build(**flags):
        return load_recipe(None, {**TINY, **data, "output_dir": str(tmp_path / "out"), **flags})

    return build


@pytest.fixture(scope="session")
def finished(data, tmp_path_factory):
    """The folder that one run has left behind, its metrics, and what it printed (for tests that only look)."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    metrics = train(load_recipe(None, {**TINY, **data, "num_train_epochs": 8, "output_dir": str(folder)}))
    return folder, metrics


@pytest.fixture(scope="session")
def stepwise(data, tmp_path_factory):
    """A run of six steps with a checkpoint every second step."""
    folder = tmp_path_factory.mktemp("stepwise") / "out"
    flags = {**STEPS, "output_dir": str(folder)}
    train(load_recipe(None, {**TINY, **data, **flags}))
    return folder
