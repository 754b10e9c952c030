"""The record of a run from which its model card is rendered: one dict, read from the files of the run's folder."""

import re
from pathlib import Path

from kospan.data.records import HubSplit
from kospan.data.registry import dataset_spec
from kospan.recipe import FIELDS, default_of
from kospan.recipe_defaults import TRAINER_DEFAULTS
from kospan.task import TaskSpec
from kospan.training.record import NAME
from kospan.training.run_folder import public_recipe, read_config
from kospan.training.saving import read_object

# Folder of the exported model inside a release.
ONNX = "onnx"


class FileDict(dict):
    """A mapping read from a file; a missing key is an error that names the file.

    Args:
        values: The mapping; those inside it become `FileDict`s too.
        place: The file, and the place in it.
    """

    def __init__(self, values: dict, place: str):
        super().__init__({key: _with_place(value, f"{place}: {key}") for key, value in values.items()})
        self.place = place

    def __missing__(self, key):
        raise ValueError(
            f"expected the key {key!r} in {self.place}, found none; another version of kospan wrote that file: copy it "
            "from the run again"
        )


def _with_place(value, place: str):
    if isinstance(value, dict):
        return FileDict(value, place)
    if isinstance(value, list):
        return [_with_place(each, f"{place}[{at}]") for at, each in enumerate(value)]
    return value


def read_record(folder: Path, spec: TaskSpec) -> dict:
    """Read the record of a model's folder.

    Args:
        folder: The folder that a run wrote.
        spec: The model's task.

    Returns:
        `config`; `layers` of its encoder; `recipe` as it may be published and `settings`, the same with all defaults;
        `results`, metrics by name without `eval_`; `calibration`; `onnx`, the settings of the exported model; what
        `training_record.json` holds (`training`, `evaluation`, `origins`, ...), which is None where the run wrote none;
        `about`, the data set; and what follows from them.

    Raises:
        FileNotFoundError: config.json, recipe.yaml or eval_results.json is missing.
        ValueError: One of the files does not hold what a run writes, or the model is not one of the task.
    """
    config = FileDict(read_config(folder), "config.json")
    if config["model_type"] != spec.model_type:
        raise ValueError(
            f"expected a model of type {spec.model_type} to write a card about, got {config['model_type']!r}; only "
            "models of kospan have one"
        )
    recipe = public_recipe(_required(folder, "recipe.yaml"))
    run = _optional(folder, NAME)
    record = {
        "config": config,
        "layers": _layers(config.get("encoder_config") or {}),
        "recipe": recipe,
        "settings": _settings(recipe),
        "results": _results(_required(folder, "eval_results.json")),
        "calibration": _optional(folder, "calibration.json"),
        "onnx": _optional(folder, f"{ONNX}/runtime.json"),
        "training": run and run["training"],
        "evaluation": run and run["evaluation"],
        "adjusted": run and run["adjusted"],
        "examples": run and run["examples"],
        "origins": (run or {}).get("origins") or {},
    }
    if run is not None:
        _check_same_run(record)
    dataset = record["settings"]["dataset"]
    record["about"] = dataset_spec(str(dataset), bool(run and run["names"]["dataset"]))
    record["base_model"] = run["names"]["encoder"] if run else _hub_name(str(record["settings"]["encoder"]))
    record["is_adapter"] = config.get("base") is not None
    record["smoke"] = dataset == "sample"
    record["trained_on_hub"] = _trained_on_hub(record)
    record["scored_on_hub"] = _scored_on_hub(record)
    return record


def _layers(encoder: dict) -> int:
    """Number of layers by the config of an encoder, whose name for it depends on the type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = encoder.get("model_type")
    names = CONFIG_MAPPING[kind].attribute_map if kind in CONFIG_MAPPING else {}
    return encoder.get(names.get("num_hidden_layers", "num_hidden_layers"), 0)


def _required(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(
            f"expected {name} in {folder}, from which the model card is written, found none; copy it from the output "
            "of the run, or train again"
        )
    return folder / name


def _optional(folder: Path, name: str) -> FileDict | None:
    return FileDict(read_object(folder / name), name) if (folder / name).is_file() else None


def _results(path: Path) -> dict[str, float | None]:
    results = read_object(path)
    for name, value in results.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(
                f"expected numbers in eval_results.json, got {value!r} at {name!r}; copy the file from the run again"
            )
    return {name.removeprefix("eval_"): value for name, value in results.items()}


def _settings(recipe: dict) -> dict:
    """Fill in the defaults; settings whose default is a number become numbers, as flags are stored as typed."""
    settings = {key: default_of(key) for key in [*FIELDS, *TRAINER_DEFAULTS]} | recipe
    for key in settings:
        if type(default_of(key)) in (int, float):
            settings[key] = number(settings[key])
    return settings


def number(value) -> float:
    """A setting of a recipe as a number.

    >>> number("3e-5"), number(None), number(42)
    (3e-05, 0, 42)
    """
    if isinstance(value, (int, float)) or not value:
        return value or 0
    try:
        return int(value) if re.fullmatch(r"\d+", str(value)) else float(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected a number in recipe.yaml, got {value!r}; copy the recipe from the run again"
        ) from None


def _check_same_run(record: dict) -> None:
    """Refuse a training record whose scores are not those of eval_results.json."""
    for name, recorded in record["evaluation"]["overall"].items():
        stored = record["results"].get(name)
        if isinstance(recorded, (int, float)) and stored is not None and abs(stored - recorded) > 1e-9:
            title = "F1" if name == "f1" else name.replace("_", " ")
            raise ValueError(
                f"expected training_record.json and eval_results.json of one run, got {title} {recorded:.6f} and "
                f"{stored:.6f}; copy both from the same run"
            )


def _hub_name(encoder: str) -> str | None:
    return encoder if encoder.count("/") == 1 and ":" not in encoder else None


def _trained_on_hub(record: dict) -> str | None:
    """The data set on the Hub that was trained on; None for files and folders."""
    origin = record["origins"].get("train")
    return (record["about"].hub or origin["hub"]["name"]) if origin and origin["hub"] else None


def _scored_on_hub(record: dict) -> HubSplit | None:
    """The split on the Hub that the scores are of.

    None unless training and validation data are whole splits of the Hub: scores of a file, or of a part of a split,
    are not scores of the data set, whatever it is called.
    """
    origins = [record["origins"].get(split) for split in ("train", "validation")]
    if not all(origin and origin["whole"] for origin in origins):
        return None
    split, known = HubSplit(**origins[1]["hub"]), record["about"]
    return split._replace(name=known.hub or split.name, config=split.config or known.config)
