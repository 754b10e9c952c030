"""Recipes, flags and studies: wrong keys and values are named errors, and a saved recipe equals its original."""

from functools import cache
from pathlib import Path

import yaml
from fuzz.cases import Target, checked, folder_of
from fuzz.mutations import NUMBERS, PARTS, encoded, mutated, mutated_bytes, mutated_text, texts
from hypothesis import strategies as st

from kospan.ablation.plan import load_study
from kospan.flags import parse_flags
from kospan.recipe import FIELDS, load_recipe, save_recipe
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import settled
from kospan.training.arguments import training_arguments

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
_KEYS = (*FIELDS, "learning_rate", "num_train_epochs", "eval_strategy", "report_to", "trust_remote_code", "epochs")
_STUDY = {
    "recipe": "r.yaml",
    "seeds": [1, 2],
    "more_seeds": {"seeds": [3], "variants": ["linear"], "best": 1},
    "settings": {"num_train_epochs": 1},
    "baseline": "linear",
    "variants": {"linear": {"head": "linear"}, "crf": {"like": "linear", "head": "crf", "seeds": [4]}},
}
_GRID = {
    "recipe": "r.yaml",
    "name": "grid",
    "experiments": {
        "one": {
            "seeds": [1],
            "grid": {"head": {"crf": {}, "linear": {"head": "linear"}}, "lr": {"a": {"learning_rate": 1}}},
        },
        "two": {"seeds": [1], "variants": {"crf": {}}, "metric": "f1", "keep_models": False},
    },
}


@cache
def shipped() -> list[str]:
    """The texts of all shipped recipes."""
    return [path.read_text(encoding="utf-8") for path in sorted(RECIPES.glob("*.yaml"))]


@st.composite
def yaml_data(draw, text: str) -> bytes:
    """A YAML file that is almost valid."""
    if draw(st.booleans()):
        text = draw(mutated_text(text, ": {},"))
    else:
        value = draw(mutated(yaml.safe_load(text), _KEYS))
        try:
            text = yaml.dump(value, allow_unicode=draw(st.booleans()), sort_keys=False)
        except RecursionError:
            text = "a: " + "[" * 2000
    return draw(mutated_bytes(encoded(text), whole=6))


_VALUES = st.one_of(
    st.sampled_from([str(number) for number in NUMBERS]),
    st.sampled_from(
        ("none", "null", "true", "crf", "linear", "{a: 1}", "{", "[1, 2]", "3e-5", "", "&a *a", "2020-99-99")
    ),
    st.sampled_from(PARTS),
    texts(2, surrogates=True),
)


@st.composite
def recipe_cases(draw) -> dict:
    """A recipe file with flags."""
    words = []
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.one_of(st.sampled_from(_KEYS), st.sampled_from(("", "é", "head.x", "seed", "-"))))
        value = draw(_VALUES)
        words += [f"--{key}={value}"] if draw(st.booleans()) else [f"--{key}", value]
    return {
        "data": draw(st.one_of(st.none(), yaml_data(draw(st.sampled_from(shipped()))))),
        "words": words,
        "arguments": draw(st.integers(0, 7)) == 0,
    }


def check_recipe(case: dict) -> str:
    """Read a recipe as `kospan train` does before it loads data."""

    def run():
        with folder_of({} if case["data"] is None else {"r.yaml": case["data"]}) as folder:
            path = [] if case["data"] is None else [str(folder / "r.yaml")]
            given, flags = parse_flags([*path, *case["words"]])
            recipe = load_recipe(given, flags)
            save_recipe(recipe, folder / "saved.yaml")
            again = load_recipe(folder / "saved.yaml")
            for key in FIELDS:
                one, other = getattr(recipe, key), getattr(again, key)
                assert one == other or one != one, (key, one, other)
            spec = task_spec(recipe.task)
            if case["arguments"]:
                training_arguments(settled(recipe, spec).recipe)
            else:
                settled(recipe, spec)

    return checked(run)


@st.composite
def study_cases(draw) -> dict:
    """A study file beside its recipe."""
    study = yaml.dump(draw(st.sampled_from((_STUDY, _GRID))), sort_keys=False)
    return {
        "data": draw(yaml_data(study)),
        "only": draw(st.sampled_from((None, None, "linear", "one/crf", "x", ""))),
        "flags": draw(st.sampled_from(({}, {}, {"head": "crf"}, {"seed": "1"}, {"x": "1"}))),
    }


def check_study(case: dict) -> str:
    """Read a study."""

    def run():
        recipe = b"task: token-classification\ndataset: sample\nencoder: scratch\n"
        with folder_of({"s.yaml": case["data"], "r.yaml": recipe}) as folder:
            for experiment in load_study(folder / "s.yaml", case["flags"], case["only"], str(folder / "out")):
                assert experiment.variants

    return checked(run)


TARGETS = {
    "recipes": Target(recipe_cases(), check_recipe, 6),
    "studies": Target(study_cases(), check_study, 2),
}
