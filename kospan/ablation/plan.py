"""Study files: variants x seeds over one recipe, with all settings checked before anything runs.

recipe: ../klue_ner_char_bilstm_crf.yaml
seeds: [42]
more_seeds: {seeds: [42, 43, 44], variants: [linear], best: 3}
baseline: linear
variants:
  linear: {head: linear, lstm_hidden_size: 0}
  crf: {lstm_hidden_size: 0}
"""

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from kospan.ablation.settings import check_setting, mapping, named, same_settings
from kospan.evaluation.metrics import larger_is_better
from kospan.files import read_yaml
from kospan.recipe import FIELDS, Recipe, check_names, load_recipe, parse_settings
from kospan.setting import suggestion
from kospan.tasks.unused_settings import settled

KEYS = {
    "recipe": "path of the recipe of every run, relative to the study file",
    "seeds": "seeds of every variant",
    "more_seeds": "further seeds of some variants: {seeds: [...], variants: [names], best: N}",
    "settings": "settings of every run",
    "baseline": "the variant that the others are compared with; default: the first",
    "variants": "named variants: {name: {setting: value}}; `like: NAME` starts from another, `seeds` replaces seeds",
    "grid": "factors: {factor: {level: {setting: value}}}; the variants are all combinations",
    "metric": "the metric that ranks variants; default: f1",
    "keep_models": "whether the weights of every run are kept; default: false",
}
OUTER = {
    "name": "name of the output folder; default: the file's name",
    "output_dir": "folder of the results; default: outputs/studies/NAME",
    "experiments": "several experiments of one file: {name: {any key}}; keys outside apply to all",
}
# Names in the folder of results beside the runs.
RESERVED = ("report",)
_NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True)
class More:
    """Further seeds of some variants.

    Args:
        seeds: The seeds.
        variants: Variants that get them.
        best: Number of best variants that get them too.
    """

    seeds: tuple[int, ...] = ()
    variants: tuple[str, ...] = ()
    best: int = 0


@dataclass(frozen=True)
class Variant:
    """A set of settings.

    Args:
        name: Name of the variant.
        recipe: Its recipe.
        seeds: Its seeds.
        levels: Level of each factor, in a grid.
        dropped: Settings without effect in this variant, with the reason.
    """

    name: str
    recipe: Recipe
    seeds: tuple[int, ...]
    levels: dict[str, str] = field(default_factory=dict)
    dropped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Run:
    """A variant with a seed."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return f"{self.variant}-{self.seed}"


@dataclass(frozen=True)
class Experiment:
    """Variants that are compared with each other.

    Args:
        name: Name of the experiment.
        folder: Folder of the results.
        recipe: File name of the recipe.
        variants: Variants by name.
        baseline: Variant that the others are compared with.
        more: Further seeds.
        metric: Metric that ranks variants.
        keep_models: Whether the weights of every run are kept.
        chosen: Variants to run; None runs all.
    """

    name: str
    folder: Path
    recipe: str
    variants: dict[str, Variant]
    baseline: str
    more: More = More()
    metric: str = "f1"
    keep_models: bool = False
    chosen: tuple[str, ...] | None = None

    def of_chosen(self, runs: Iterable[Run]) -> list[Run]:
        """The runs of the chosen variants."""
        return [run for run in runs if self.chosen is None or run.variant in self.chosen]

    @property
    def notice(self) -> str:
        """A line about settings that were dropped in variants where they have no effect; empty without any."""
        found: dict[tuple[str, str], list[str]] = {}
        for variant in self.variants.values():
            for each in variant.dropped if self.chosen is None or variant.name in self.chosen else ():
                found.setdefault(each, []).append(variant.name)
        parts = [
            f"{name} (no effect with {reason}) in {', '.join(variants)}" for (name, reason), variants in found.items()
        ]
        return f"dropped settings    {'; '.join(parts)}" if parts else ""

    def first(self) -> list[Run]:
        """The runs that are known before any has ended, seed by seed, so that every variant has one early."""
        runs = [Run(variant.name, seed) for variant in self.variants.values() for seed in variant.seeds]
        place = {run: (self.variants[run.variant].seeds.index(run.seed), at) for at, run in enumerate(runs)}
        return sorted(runs, key=place.get)

    def further(self, best: list[str]) -> list[Run]:
        """The runs that `more_seeds` adds: of the variants it names, and of the best ones."""
        names = [name for name in self.variants if name in self.more.variants or name in best]
        known = set(self.first())
        runs = [Run(name, seed) for seed in self.more.seeds for name in names]
        return [run for run in runs if run not in known]

    @property
    def larger_is_better(self) -> bool:
        """Whether larger values of the metric are better."""
        from kospan.tasks.registry import task_spec  # Imports torch, which --help does not need.

        return larger_is_better(task_spec(self.variants[self.baseline].recipe.task).metrics, self.metric)

    def best(self, scores: dict[Run, float]) -> list[str] | None:
        """The best variants by the mean metric of their first seeds, without those that `more_seeds` names.

        Args:
            scores: The metric of each finished run.

        Returns: `best` names at most; None if a first run has not ended yet.
        """
        if not self.more.best:
            return []
        if any(run not in scores for run in self.first()):
            return None
        rest = [
            variant for variant in self.variants.values() if variant.name not in (*self.more.variants, self.baseline)
        ]
        means = {
            variant.name: sum(scores[Run(variant.name, seed)] for seed in variant.seeds) / len(variant.seeds)
            for variant in rest
        }
        return sorted(means, key=means.get, reverse=self.larger_is_better)[: self.more.best]


def load_study(
    path: str | os.PathLike, flags: dict | None = None, only: str | None = None, output_dir: str | None = None
) -> list[Experiment]:
    """The experiments of a study file.

    Args:
        path: The file.
        flags: Settings of every run, which override the file's.
        only: Names of experiments, variants, or EXPERIMENT/VARIANT where a variant's name is in several experiments,
            separated by commas; None gives all.
        output_dir: Folder of the results, which overrides the file's.

    Raises:
        FileNotFoundError: The study or its recipe is missing.
        ValueError: The file is not a study, a setting is misspelt or cannot be read, two variants are the same, or a
            name is unknown.

    >>> [experiment] = load_study("recipes/studies/klue_ablation.yaml")
    >>> experiment.baseline, len(experiment.variants), experiment.first()[0].name
    ('linear', 7, 'linear-42')
    """
    path = Path(path)
    where = str(path)
    document = mapping(read_yaml(path, "study", "recipes/studies/"), where)
    _known(document, {**KEYS, **OUTER}, where)
    name = _name(document.get("name", path.stem), where)
    root = Path(output_dir or document.get("output_dir") or Path("outputs", "studies", name))
    shared = {key: value for key, value in document.items() if key in KEYS}
    experiments = named(document.get("experiments", {}), f"{where}: experiments")
    if "experiments" in document and not experiments:
        raise ValueError(f"{where}: expected at least one experiment, got none; give it a name and variants")
    if not experiments:
        return _chosen([_experiment(name, root, shared, path, flags or {}, where)], only, where)
    _distinct(experiments, where)
    found = []
    for key, part in experiments.items():
        inner = f"{where}, experiment {key}"
        part = mapping(part, inner)
        _known(part, KEYS, inner)
        merged = {**shared, **part}
        merged["settings"] = {**(shared.get("settings") or {}), **(part.get("settings") or {})}
        found.append(_experiment(_name(key, where), root / key, merged, path, flags or {}, inner))
    return _chosen(found, only, where)


def _chosen(experiments: list[Experiment], only: str | None, where: str) -> list[Experiment]:
    """The experiments that `only` names, each with its chosen variants."""
    if only is None:
        return experiments
    names = [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise ValueError(f"{where}: expected --experiment to name variants or experiments, got {only!r}; name one")
    variants: dict[str, list[str]] = {}
    for name in names:
        part, slash, variant = name.rpartition("/")
        holders = [each for each in experiments if each.name == name]
        wanted = list(holders[0].variants) if holders else [variant]
        if not holders:
            holders = [each for each in experiments if variant in each.variants and part in ("", each.name)]
        if len(holders) > 1:
            choices = ", ".join(f"{each.name}/{variant}" for each in holders)
            raise ValueError(
                f"{where}: expected --experiment to name one variant, got {name!r}, which is in several experiments; "
                f"write one of {choices}"
            )
        if not holders:
            known = [each.name for each in experiments] if len(experiments) > 1 else []
            known += dict.fromkeys(
                f"{each.name}/{variant}" if slash else variant for each in experiments for variant in each.variants
            )
            advice = suggestion(name, known, f"there are {', '.join(known)}")
            raise ValueError(f"{where}: expected --experiment to name variants or experiments, got {name!r}; {advice}")
        variants.setdefault(holders[0].name, []).extend(wanted)
    found = []
    for each in experiments:
        if each.name in variants:
            chosen = tuple(dict.fromkeys(variants[each.name]))
            found.append(replace(each, chosen=None if set(each.variants) <= set(chosen) else chosen))
    return found


def _experiment(name: str, folder: Path, document: dict, path: Path, flags: dict, where: str) -> Experiment:
    if "recipe" not in document:
        raise ValueError(f"{where}: expected the key recipe, got none; name the recipe of every run")
    recipe = Path(os.path.normpath(path.parent / str(document["recipe"])))
    if not recipe.is_file():
        raise FileNotFoundError(
            f"{where}: expected a recipe at {recipe}, found no such file; paths are relative to the study file"
        )
    from kospan.tasks.registry import task_spec  # Imports torch, which --help does not need.

    common = f"{where}, settings", _settings(document.get("settings") or {}, f"{where}, settings")
    flags = _settings(flags, "flags")
    seeds = _seeds(document.get("seeds", [42]), where)
    variants = {}
    for key, layers, levels in [*_variants(document, where), *_grid(document, where)]:
        inner = f"{where}, variant {key}"
        if key in variants:
            raise ValueError(f"{where}: expected each variant once, got {key!r} in variants and in grid; rename one")
        own = _seeds(layers[-1][1].pop("seeds"), inner) if "seeds" in layers[-1][1] else seeds
        layers = [common, *((place, _settings(settings, place)) for place, settings in layers)]
        try:
            loaded = load_recipe(recipe, {**flags, "name": key}, layers)
            found = settled(loaded, task_spec(loaded.task), shared=(common[0], "flags"))
        except ValueError as error:
            raise ValueError(f"{'' if str(error).startswith(inner) else f'{inner}: '}{error}") from error
        variants[key] = Variant(key, found.recipe, own, levels, tuple(found.dropped))
    if not variants:
        raise ValueError(
            f"{where}: expected variants or grid, got neither; a study without variants has nothing to run"
        )
    for place, settings in (common, ("flags", flags)):
        _check_effect(settings, variants, place)
    _distinct(variants, where)
    names = list(variants)
    for at, one in enumerate(names):
        for other in names[:at]:
            if same_settings(variants[one].recipe, variants[other].recipe):
                raise ValueError(
                    f"{where}: expected variants that differ, got the same settings for {other} and {one}; remove one "
                    "of them"
                )
    baseline = str(document.get("baseline", names[0]))
    _variant(baseline, names, f"{where}, baseline")
    keep = document.get("keep_models", False)
    if not isinstance(keep, bool):
        raise ValueError(f"{where}: expected keep_models to be true or false, got {keep!r}")
    more = _more(document.get("more_seeds"), names, where)
    rest = [key for key in names if key not in (*more.variants, baseline)]
    if more.best > len(rest):
        raise ValueError(
            f"{where}, more_seeds: expected best to be at most {len(rest)}, the variants that are neither the "
            f"baseline nor named in variants, got {more.best}; lower it"
        )
    metric = str(document.get("metric", "f1")).removeprefix("eval_")
    return Experiment(name, folder, recipe.name, variants, baseline, more, metric, keep)


def _check_effect(settings: dict, variants: dict[str, Variant], where: str) -> None:
    """Raises: ValueError where a setting of all variants has no effect in any."""
    dropped = [dict(variant.dropped) for variant in variants.values()]
    for key in settings:
        if all(key in each for each in dropped):
            raise ValueError(
                f"{where}: expected no {key}, which has no effect in any variant (with {dropped[0][key]}); remove it"
            )


def _variants(document: dict, where: str):
    """Name, layers of settings and no levels of each variant; layers of `like` come before its own."""
    variants = named(document.get("variants") or {}, f"{where}, variants")

    def layers(key: str, trail: tuple = ()) -> list[tuple[str, dict]]:
        inner = f"{where}, variant {key}"
        own = dict(mapping(variants[key] or {}, inner))
        like = own.pop("like", None)
        if like is None:
            return [(inner, own)]
        like = str(like)
        if like in (*trail, key):
            circle = " -> ".join([*trail, key, like])
            raise ValueError(f"{inner}, like: expected a variant that does not start from this one, got {circle}")
        _variant(like, [name for name in variants if name != key], f"{inner}, like")
        base = layers(like, (*trail, key))
        # Seeds are not inherited.
        return [
            *((place, {key: settings[key] for key in settings if key != "seeds"}) for place, settings in base),
            (inner, own),
        ]

    for key in variants:
        yield _name(key, where), layers(key), {}


def _grid(document: dict, where: str):
    """Name, one layer of settings, and levels of each cell: the full product of the factors' levels."""
    factors = named(document.get("grid") or {}, f"{where}, grid")
    for factor in factors:
        factors[factor] = levels = named(factors[factor], f"{where}, grid, {factor}")
        if len(levels) < 2:
            raise ValueError(
                f"{where}: expected two levels or more of the factor {factor}, got {len(levels)}; a constant belongs "
                "into settings"
            )
    for cell in product(*factors.values()) if factors else ():
        chosen = dict(zip(factors, cell))
        settings: dict = {}
        for factor, level in zip(factors, cell):
            for key, value in mapping(factors[factor][level] or {}, f"{where}, grid, {factor}, {level}").items():
                if key in settings:
                    raise ValueError(
                        f"{where}: expected each setting in one factor, got {key} in {factor} and in another; a "
                        "combination would hide one of them"
                    )
                if key == "seeds":
                    raise ValueError(f"{where}, grid, {factor}, {level}: expected no seeds; set them for all variants")
                settings[key] = value
        name = _name("+".join(chosen.values()), where)
        yield name, [(f"{where}, variant {name}", settings)], chosen


def _settings(settings, where: str) -> dict:
    """Settings with a recipe's types. Raises: ValueError where one is misspelt, of another type, or the study's."""
    settings = mapping(settings, where)
    for key in settings:
        check_setting(key, where)
    check_names({key: value for key, value in settings.items() if key not in FIELDS}, where)
    return parse_settings(settings, where)


def _more(given, names: list[str], where: str) -> More:
    if given is None:
        return More()
    where = f"{where}, more_seeds"
    given = mapping(given, where)
    _known(given, {"seeds": "", "variants": "", "best": ""}, where)
    variants = given.get("variants") or []
    if not isinstance(variants, list):
        raise ValueError(f"{where}: expected variants to be a list of names, got {variants!r}")
    for name in variants:
        _variant(str(name), names, f"{where}, variants")
    best = given.get("best", 0)
    if isinstance(best, bool) or not isinstance(best, int) or best < 0:
        raise ValueError(f"{where}: expected best to be a number of variants, got {best!r}")
    if not variants and not best:
        raise ValueError(f"{where}: expected variants, best, or both, got neither; name the variants with more seeds")
    return More(_seeds(given.get("seeds"), where), tuple(map(str, variants)), best)


def _seeds(given, where: str) -> tuple[int, ...]:
    # numpy has no larger seeds.
    right = isinstance(given, list) and given and all(type(seed) is int and 0 <= seed < 2**32 for seed in given)
    if not right or len(set(given)) != len(given):
        raise ValueError(
            f"{where}: expected seeds to be a list of different numbers from 0 to 2**32 - 1, got {given!r}"
        )
    return tuple(given)


def _name(given, where: str) -> str:
    name = str(given)
    if not _NAME.fullmatch(name) or len(name) > 80 or name.endswith("."):
        raise ValueError(
            f"{where}: expected names of letters, digits, and . _ + - inside (they name folders), got {name!r}"
        )
    if name.casefold() in RESERVED:
        raise ValueError(f"{where}: expected a name other than {name!r}, which the study needs itself; rename it")
    return name


def _distinct(names, where: str) -> None:
    """Raises: ValueError where names differ by case alone: they become folders, and some file systems ignore case."""
    seen: dict[str, str] = {}
    for name in map(str, names):
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(f"{where}: expected names that differ by more than case, got {other} and {name}")


def _variant(name: str, names: list[str], where: str) -> None:
    if name not in names:
        advice = suggestion(name, names, f"there are {', '.join(names) or 'none'}")
        raise ValueError(f"{where}: expected the name of a variant, got {name!r}; {advice}")


def _known(document: dict, known: dict, where: str) -> None:
    for key in document:
        if key not in known:
            hint = next(iter(difflib.get_close_matches(str(key), [*known, *FIELDS], 1, 0.5)), None)
            advice = suggestion(key, known, f"there are {', '.join(known)}")
            if hint in FIELDS:
                advice = f"{hint} is a setting and belongs under settings"
            raise ValueError(f"{where}: expected only known keys, got {key!r}; {advice}")
