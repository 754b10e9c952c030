"""What a run has left, read for its card; a key that is missing is an error that names its file."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kospan.data.records import HubSplit
from kospan.data.registry import DatasetSpec, dataset_spec
from kospan.modeling.tags import labels_of
from kospan.recipe import default_of
from kospan.training.record import NAME
from kospan.training.run_folder import publish_recipe, read_config
from kospan.training.saving import read_object


class SavedScores(dict):
    """A mapping of a file; asked for a key that is not there it names the file."""

    def __init__(self, values: dict, place: str):
        super().__init__({key: _kept(value, f"{place}: {key}") for key, value in values.items()})
        self.place = place

    def __missing__(self, key):
        raise ValueError(
            f"expected the key {key!r} in {self.place}, found none; this version of kospan did not write that file: "
            "take it from the run again"
        )


def _kept(value, place: str):
    if isinstance(value, dict):
        return SavedScores(value, place)
    if isinstance(value, list):
        return [_kept(each, f"{place}[{at}]") for at, each in enumerate(value)]
    return value


class RunRecord(NamedTuple):
    """
    Args:
        config: The model's config.
        recipe: The recipe as it was used, with bare names in place of paths.
        results: Name without `eval_` -> metric.
        record: `training_record.json`; None where the run left none.
        calibration: `calibration.json`; None where there is none.
        about: The data set.
    """

    config: SavedScores
    recipe: dict[str, Any]
    results: dict[str, float]
    record: SavedScores | None
    calibration: SavedScores | None
    about: DatasetSpec

    @property
    def is_adapter(self) -> bool:
        """Whether the weights are an adapter's alone."""
        return self.config.get("base") is not None

    @property
    def labels(self) -> list[str]:
        """The types in the order of the model's label set."""
        if "labels" in self.config:  # A writer has no tags.
            return list(self.config["labels"])
        tags = self.config["id2label"]
        return labels_of([tags[key] for key in sorted(tags, key=int)])

    def setting(self, key: str):
        """A setting of the recipe, the default where it does not say."""
        return self.recipe[key] if key in self.recipe else default_of(key)

    @property
    def base_model(self) -> str | None:
        """The encoder's name on the Hub."""
        if self.record is not None:
            return self.record["names"]["encoder"]
        encoder = self.setting("encoder")
        return encoder if "/" in encoder and ":" not in encoder and encoder.count("/") == 1 else None

    def origin(self, split: str) -> SavedScores | None:
        """Where the examples of a split come from, as `kospan.data.corpus.Origin`; None where no record says so."""
        return (self.record or {}).get("origins", {}).get(split)

    @property
    def trained_on_hub(self) -> str | None:
        """The data set on the Hub that the training data were read from; None for files and folders."""
        origin = self.origin("train")
        return (self.about.hub or origin["hub"]["name"]) if origin and origin["hub"] else None

    @property
    def scored_on_hub(self) -> HubSplit | None:
        """The split on the Hub that the scores are of.

        None unless training and validation data are whole splits that were read from the Hub: scores of a file, or of a
        part, are no scores of the data set, whatever it is called.
        """
        origins = [self.origin(split) for split in ("train", "validation")]
        if not all(origin and origin["whole"] for origin in origins):
            return None
        found = HubSplit(**origins[1]["hub"])
        return found._replace(name=self.about.hub or found.name, config=found.config or self.about.config)

    @property
    def language(self) -> str | None:
        """The language of the texts as far as it is known."""
        return self.about.language


def read_left(folder: Path) -> RunRecord:
    """Reads what a card is made from.

    Raises: FileNotFoundError where config.json, recipe.yaml or eval_results.json is missing; ValueError where one of
        the files is not what a run leaves.
    """
    config = SavedScores(read_config(folder), "config.json")
    recipe = _recipe(_needed(folder, "recipe.yaml"))
    results = _json(_needed(folder, "eval_results.json"))
    for name, value in results.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(
                f"expected numbers in eval_results.json, got {value!r} at {name!r}; take the file from the run again"
            )
    record = _json(folder / NAME) if (folder / NAME).is_file() else None
    calibration = _json(folder / "calibration.json") if (folder / "calibration.json").is_file() else None
    on_hub = bool(record["names"]["dataset"]) if record else False
    return RunRecord(
        config,
        recipe,
        {name.removeprefix("eval_"): value for name, value in results.items()},
        record,
        calibration,
        dataset_spec(str(recipe.get("dataset", default_of("dataset"))), on_hub),
    )


def _needed(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(
            f"expected {name} in {folder}, from which the model card is written, found none; a run leaves it: copy "
            "it there, or train again"
        )
    return folder / name


def _json(path: Path) -> SavedScores:
    return SavedScores(read_object(path), path.name)


def _recipe(path: Path) -> dict[str, Any]:
    """The recipe as others may see it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        copy.write_bytes(path.read_bytes())
        publish_recipe(copy)
        return yaml.safe_load(copy.read_text(encoding="utf-8"))
