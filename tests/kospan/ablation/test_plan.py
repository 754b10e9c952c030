"""Study files: their meaning, and errors of bad ones before anything runs."""

from pathlib import Path

import pytest
import yaml

from kospan.ablation.command import ablate
from kospan.ablation.plan import Run, load_study
from kospan.ablation.settings import canonical, differences, fingerprint, shown
from kospan.recipe import load_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "quickstart.yaml"
LINEAR = {"head": "linear", "lstm_hidden_size": 0}


@pytest.fixture
def study(tmp_path):
    """Writes a study of the given keys and reads it."""

    def read(*args, text: str | None = None, **keys):
        path = tmp_path / "mine.yaml"
        if text is None:
            text = yaml.safe_dump({"recipe": str(RECIPE), **keys}, sort_keys=False, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        return load_study(path, *args)

    return read


def test_variants_become_variants_over_the_recipe(study):
    [found] = study(
        settings={"num_train_epochs": 3, "dropout": 0.1},
        seeds=[7, 8],
        variants={"linear": LINEAR, "crf": {"like": "linear", "head": "crf", "seeds": [7]}, "full": None},
        baseline="crf",
    )
    assert (found.name, found.folder, found.baseline) == ("mine", Path("outputs/studies/mine"), "crf")
    assert [run.name for run in found.first()] == ["linear-7", "crf-7", "full-7", "linear-8", "full-8"]
    crf, full = found.variants["crf"].recipe, found.variants["full"].recipe
    assert (crf.head, crf.lstm_hidden_size, crf.dropout, crf.trainer["num_train_epochs"]) == ("crf", 0, 0.1, 3)
    assert full.lstm_hidden_size == load_recipe(RECIPE).lstm_hidden_size


def test_flags_win_over_the_file(study):
    [found] = study({"num_train_epochs": "1", "dropout": "0.3"}, variants={"a": {"dropout": 0.2}, "b": LINEAR})
    assert found.variants["a"].recipe.dropout == 0.3 and found.variants["a"].recipe.trainer["num_train_epochs"] == "1"


def test_settings_without_effect_in_a_variant_are_dropped_with_a_notice(study):
    fgm = {"fgm_epsilon": 0.5, "fgm_space": "parameter"}
    [found] = study(
        {"lstm_layers": "2"},
        settings={"crf_backend": "torchcrf"},
        variants={
            "full": fgm,
            "plain": {"like": "full", "fgm_epsilon": 0},
            "linear": {"like": "plain", **LINEAR},
            "classes": {"task": "text-classification", "problem_type": "single_label_classification"},
        },
    )
    recipes = {name: variant.recipe for name, variant in found.variants.items()}
    assert [recipes[name].fgm_space for name in ("full", "plain", "linear")] == ["parameter", *["activation"] * 2]
    assert [recipe.lstm_layers for recipe in recipes.values()] == [2, 2, 1, 1]
    assert [recipe.crf_backend for recipe in recipes.values()] == ["torchcrf", "torchcrf", "kospan", "kospan"]
    assert recipes["classes"].lstm_hidden_size == 0 < recipes["full"].lstm_hidden_size
    assert found.variants["full"].dropped == ()
    for part in (
        "dropped settings    fgm_space (no effect with fgm_epsilon: 0) in plain, linear; ",
        "lstm_layers (no effect with lstm_hidden_size: 0) in linear; ",
        "lstm_hidden_size (no effect with task: text-classification) in classes",
    ):
        assert part in found.notice
    # A run reads what is left as a recipe of its own.
    assert fingerprint(recipes["plain"], 1) == fingerprint(
        load_recipe(RECIPE, {"lstm_layers": 2, "crf_backend": "torchcrf"}), 1
    )


def test_the_notice_is_printed_once_before_anything_runs(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    variants = {"a": {"fgm_epsilon": 0.5, "fgm_space": "parameter"}, "b": {"like": "a", "fgm_epsilon": 0}, "c": LINEAR}
    keys = {"recipe": str(RECIPE), "variants": variants, "settings": {"crf_backend": "torchcrf", "use_cpu": True}}
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    assert callable(ablate([str(path), "--output_dir", str(tmp_path / "out")]))
    assert capsys.readouterr().out == (
        "mine: dropped settings    fgm_space (no effect with fgm_epsilon: 0) in b; crf_backend (no effect with "
        "head: linear) in c\n"
    )


@pytest.mark.parametrize("place", ["settings", "flags"])
def test_what_no_variant_uses_is_refused(study, place):
    asked = {"pooling": "mean"}
    with pytest.raises(
        ValueError, match=f"{place}: expected no pooling, which has no effect in any variant .with task: token-"
    ):
        study(asked if place == "flags" else {}, settings=asked if place == "settings" else {}, variants=TWO)


def test_null_is_accepted_where_a_setting_has_no_effect_and_refused_elsewhere(study):
    [found] = study(
        variants={
            "a": {},
            "b": {"task": "text-classification", "problem_type": "single_label_classification", "head": None},
        }
    )
    assert found.variants["b"].recipe.task == "text-classification"
    with pytest.raises(ValueError, match="variant b: expected a value for head, got none; remove the line"):
        study(variants={"a": {}, "b": {"head": None}})


def test_a_grid_is_the_full_product(study):
    [found] = study(
        grid={
            "head": {"linear": {"head": "linear"}, "crf": {}},
            "fgm": {"plain": {}, "fgm": {"fgm_epsilon": 0.5}},
            "rate": {0.5: {"dropout": 0.5}, 0.1: {"dropout": 0.1}},
        }
    )
    assert list(found.variants)[:3] == ["linear+plain+0.5", "linear+plain+0.1", "linear+fgm+0.5"]
    assert len(found.variants) == 8 and found.baseline == "linear+plain+0.5"
    variant = found.variants["crf+fgm+0.1"]
    assert (variant.recipe.fgm_epsilon, variant.recipe.dropout) == (0.5, 0.1)
    assert variant.levels == {"head": "crf", "fgm": "fgm", "rate": "0.1"}


def test_one_file_may_hold_several_experiments(study):
    keys = {
        "variants": {"a": LINEAR, "b": {}},
        "settings": {"dropout": 0.1, "num_train_epochs": 2},
        "experiments": {"kurz": {"settings": {"dropout": 0.2}}, "seeds": {"seeds": [1, 2]}},
    }
    first, second = study(**keys)
    assert (first.name, first.folder) == ("kurz", Path("outputs/studies/mine/kurz"))
    assert first.variants["b"].recipe.dropout == 0.2 and first.variants["b"].recipe.trainer["num_train_epochs"] == 2
    assert len(second.first()) == 4
    assert [each.name for each in study({}, "seeds", **keys)] == ["seeds"]


CHOICES = {
    "one variant": ("b", {"first": ["b"]}),
    "several": ("d, b", {"first": ["b", "d"]}),
    "twice": ("b,b,", {"first": ["b"]}),
    "an experiment": ("first", {"first": None}),
    "all of its variants": ("first/a,b,d,first/c", {"first": None}),
    "with its experiment": ("second/a", {"second": ["a"]}),
    "of two experiments": ("e,b", {"first": ["b"], "second": ["e"]}),
    "an experiment and a variant": ("second,first/a", {"first": ["a"], "second": None}),
    "an experiment named like a variant": ("c", {"c": None}),
    "a variant named like an experiment": ("first/c", {"first": ["c"]}),
}


@pytest.fixture
def several(study):
    """Three experiments with variants of some equal names, loaded with `only`."""
    rates = dict(zip("abcde", (0.1, 0.2, 0.3, 0.4, 0.5)))
    parts = {"first": "abcd", "second": "ae", "c": "ae"}
    experiments = {
        part: {"variants": {name: {"dropout": rates[name]} for name in names}} for part, names in parts.items()
    }
    experiments["c"]["variants"]["f"] = experiments["c"]["variants"].pop("e")
    experiments["c"]["variants"]["g"] = experiments["c"]["variants"].pop("a")
    return lambda only: study({}, only, experiments=experiments)


@pytest.mark.parametrize("name", CHOICES)
def test_names_choose_experiments_and_variants(several, name):
    only, wanted = CHOICES[name]
    found = several(only)
    assert {each.name: each.chosen and sorted(each.chosen) for each in found} == wanted
    for each in found:
        # What is left out stays part of the experiment, for baseline, ranks and report.
        assert len(each.variants) == {"first": 4, "second": 2, "c": 2}[each.name]
        assert {run.variant for run in each.of_chosen(each.first())} == set(each.chosen or each.variants)


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ("a", "to name one variant, got 'a', which is in several experiments; write one of first/a, second/a"),
        ("firs", "got 'firs'; did you mean first?"),
        ("first/e", "got 'first/e'; did you mean"),
        ("b,zzzz", "got 'zzzz'; there are first, second, c, a, b, "),
        ("third/zz/a", "got 'third/zz/a'"),
        ("", "to name variants or experiments, got ''; name one"),
        (" , ", "to name variants or experiments, got ' , '; name one"),
    ],
)
def test_a_name_that_chooses_nothing_is_refused(several, only, says):
    with pytest.raises(ValueError, match=r"mine\.yaml: expected --experiment ") as caught:
        several(only)
    assert says in str(caught.value)


def test_a_study_of_one_experiment_is_chosen_from_too(study):
    more = {"seeds": [2], "variants": ["full"]}
    keys = {"variants": {"linear": LINEAR, "full": {}}, "seeds": [1], "more_seeds": more}
    [found] = study({}, "full", **keys)
    assert (found.chosen, found.baseline, list(found.variants)) == (("full",), "linear", ["linear", "full"])
    assert [run.name for run in found.of_chosen(found.first() + found.further([]))] == ["full-1", "full-2"]
    assert study({}, "mine", **keys)[0].chosen is None is study(**keys)[0].chosen
    with pytest.raises(ValueError, match="expected --experiment to name variants or experiments, got 'ful'; did you m"):
        study({}, "ful", **keys)


def test_more_seeds_go_to_named_variants_and_to_the_best(study):
    variants = {name: {"dropout": rate} for name, rate in zip("abcde", (0.1, 0.2, 0.3, 0.4, 0.5))}
    [found] = study(variants=variants, seeds=[1], more_seeds={"seeds": [1, 2, 3], "variants": ["a"], "best": 2})
    assert [run.name for run in found.further([])] == ["a-2", "a-3"]
    scores = {Run(name, 1): score for name, score in zip("abcde", (0.9, 0.1, 0.5, 0.4, 0.5))}
    assert found.best({run: score for run, score in scores.items() if run.variant != "e"}) is None
    assert found.best(scores) == ["c", "e"]  # a is named anyway; equal scores: the file's order
    assert [run.name for run in found.further(["c", "e"])] == ["a-2", "c-2", "e-2", "a-3", "c-3", "e-3"]


TWO = {"a": LINEAR, "b": {}}
BAD = {
    "no recipe": ({"recipe": "none.yaml", "variants": TWO}, FileNotFoundError, "relative to the study file"),
    "misspelt key": ({"variant": TWO}, ValueError, "got 'variant'; did you mean variants?"),
    "setting outside": ({"variants": TWO, "dropout": 0.1}, ValueError, "dropout is a setting and belongs under"),
    "misspelt setting": ({"variants": {"a": {"fgm_epsilom": 1}}}, ValueError, "variant a: .*mean fgm_epsilon?"),
    "wrong type": ({"variants": {"a": {"dropout": "much"}}}, ValueError, "variant a: expected dropout to be a number"),
    "wrong choice": ({"variants": {"a": {"fgm_space": "x"}}}, ValueError, "variant a: .*activation, parameter"),
    "unknown baseline": ({"variants": TWO, "baseline": "aa"}, ValueError, "got 'aa'; did you mean a?"),
    "the same twice": ({"variants": TWO | {"c": LINEAR}}, ValueError, "the same settings for a and c"),
    "without effect": (
        {"variants": {"a": {}, "b": {"fgm_space": "parameter"}}},
        ValueError,
        "^[^:]*mine.yaml, variant b: expected no fgm_space with fgm_epsilon: 0, where it has no effect, got 'para",
    ),
    "nothing": ({}, ValueError, "expected variants or grid, got neither"),
    "empty experiments": ({"experiments": {}}, ValueError, "expected at least one experiment"),
    "unknown more": ({"variants": TWO, "more_seeds": {"seeds": [1], "variants": ["c"]}}, ValueError, "got 'c'"),
    "more without variants": ({"variants": TWO, "more_seeds": {"seeds": [1]}}, ValueError, "name the variants"),
    "more than there are": (
        {"variants": TWO, "more_seeds": {"seeds": [1], "best": 9}},
        ValueError,
        "expected best to be at most 1, .* got 9; lower it",
    ),
    "no seeds": ({"variants": TWO, "seeds": []}, ValueError, "list of different numbers from 0"),
    "a seed twice": ({"variants": TWO, "seeds": [1, 1]}, ValueError, "list of different numbers from 0"),
    "too large a seed": ({"variants": TWO, "seeds": [2**32]}, ValueError, "to 2..32 - 1, got .4294967296"),
    "seed as setting": ({"variants": {"a": {"seed": 3}}}, ValueError, "expected no seed, .*use seeds"),
    "output as setting": ({"settings": {"output_dir": "x"}, "variants": TWO}, ValueError, "expected no output_dir"),
    "case": ({"variants": {"CRF": LINEAR, "crf": {}}}, ValueError, "differ by more than case, got CRF and crf"),
    "bad name": ({"variants": {"a/b": LINEAR}}, ValueError, "they name folders"),
    "reserved": ({"variants": {"Report": LINEAR}}, ValueError, "which the study needs itself"),
    "truth name": ({"variants": {False: LINEAR, "b": {}}}, ValueError, "put it in quotes"),
    "one level": ({"grid": {"head": {"crf": {}}}}, ValueError, "two levels or more"),
    "clash": ({"grid": {"x": {"1": {"dropout": 0}, "2": {}}, "y": {"3": {"dropout": 1}, "4": {}}}}, ValueError, "hide"),
    "circle": ({"variants": {"a": {"like": "b"}, "b": {"like": "a"}}}, ValueError, "this one, got a -> b -> a"),
    "its own like": ({"variants": {"a": {"like": "a"}}}, ValueError, "this one, got a -> a"),
    "grid and variant": (
        {
            "variants": {"p+q": LINEAR},
            "grid": {"x": {"p": {}, "r": {"dropout": 0}}, "y": {"q": {}, "s": {"stride": 1}}},
        },
        ValueError,
        "in variants and in grid",
    ),
    "keep": ({"variants": TWO, "keep_models": 3}, ValueError, "keep_models to be true or false"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_study_is_refused(study, case):
    keys, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        study(**keys)


@pytest.mark.parametrize("text", ["- a\n", "recipe: x\nrecipe: y\n", "a: [", "\ufeff"])
def test_what_is_no_mapping_is_refused(study, text):
    with pytest.raises(ValueError, match=r"mine\.yaml"):
        study(text=text)


def test_a_file_that_is_not_there_is_refused(tmp_path, study):
    with pytest.raises(FileNotFoundError, match="recipes/studies"):
        load_study(tmp_path / "none.yaml")


def test_a_fingerprint_knows_what_is_computed_and_not_how_it_was_written():
    def of(seed: int = 1, **flags):
        return fingerprint(load_recipe(RECIPE, flags), seed)

    assert of(num_train_epochs=3, name="x", output_dir="y") == of(num_train_epochs="3.0")
    assert len({of(), of(2), of(num_train_epochs=3), of(dropout=0.2), of(train_file="x")}) == 5
    # A setting that comes later stands at its default in all runs before it.
    assert of(max_answer_length=64) == of() == of(feature_cache_dir="elsewhere")
    assert canonical([True, "false", "1e-3", None, "x"]) == [True, False, 0.001, None, "x"]


def test_differences_are_grouped_by_technique():
    plain = load_recipe(None, {})
    fgm = load_recipe(None, {"fgm_epsilon": 0.5, "fgm_space": "parameter"})
    other = load_recipe(None, {"fgm_epsilon": 0.5})
    assert list(differences(plain, fgm)) == ["fgm"] == list(differences(fgm, other))
    keys = differences(plain, fgm)["fgm"]
    assert (shown(plain, keys), shown(fgm, keys)) == ("fgm_epsilon 0", "fgm_epsilon 0.5, fgm_space parameter")
    assert shown(other, differences(fgm, other)["fgm"]) == "fgm_space activation"
    assert list(differences(plain, load_recipe(None, {"head": "linear", "dropout": 0.3}))) == ["dropout", "head"]
