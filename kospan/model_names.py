"""Models inside installed packages, by name.

A package offers a model by an entry point `NAME = PACKAGE` of the group `kospan.models`: the folder NAME inside PACKAGE
holds it. Models of any task and encoders are offered in the same way.
"""

import importlib.util
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from kospan.setting import suggestion

GROUP = "kospan.models"
# Models that extras of kospan install, with the extra.
EXTRAS = {"ko-ner": "ko", "ko-ner-onnx": "ko"}


def installed_models() -> dict[str, str]:
    """Return the folders of the models in installed packages, by name.

    >>> all(name and folder for name, folder in installed_models().items())
    True
    """
    folders = {name: package_folder(entry.value, name) for name, entry in _entries().items()}
    return {name: str(folder) for name, folder in sorted(folders.items()) if _holds_model(folder)}


def model_path(name: str | os.PathLike) -> str:
    """Return the place of a model: a folder, or a name on the Hub.

    A folder on disk is returned as it is; otherwise the name of an installed model becomes its folder; any other name
    is one on the Hub and is returned as it is.

    Args:
        name: A folder, the name of an installed model such as "ko-ner", or a name on the Hub.

    Raises:
        FileNotFoundError: If the package of the model is not installed, or does not contain it.
        ValueError: If several packages have a model of this name.

    >>> model_path("klue/roberta-base")
    'klue/roberta-base'
    """
    name = os.fspath(name)
    if not _may_be_installed(name):
        return name
    entry = _entries().get(name)
    if entry is not None:
        folder = package_folder(entry.value, name)
        if not _holds_model(folder):
            raise FileNotFoundError(
                f"expected the model {name} in the package {_package(entry)}, found no config.json in "
                f"{folder or entry.value}; install the package again"
            )
        return str(folder)
    if name in EXTRAS:
        raise FileNotFoundError(
            f'expected a package with the model {name}, found none; pip install "kospan[{EXTRAS[name]}]", or in a '
            f"clone pip install -e packages/kospan_{EXTRAS[name]}"
        )
    return name


def package_folder(package: str, folder: str) -> Path | None:
    """Return the place of a folder in a package, whether or not it exists; None if there is no such package.

    >>> package_folder("kospan.no_such", "model"), package_folder("no_such.inner", "model")
    (None, None)
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ModuleNotFoundError, ValueError):  # The package's own parent is missing, or the name is empty.
        spec = None
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) / folder if places else None


def is_installed(name: str) -> bool:
    """Return whether a name is that of an installed model, which no folder of the same name hides."""
    return _may_be_installed(name) and name in installed_models()


def name_advice(name: str | os.PathLike) -> str:
    """Return the end of an error about a model that was not found; empty if no installed model explains it."""
    name = os.fspath(name)
    known = {*_entries(), *EXTRAS}
    if name in known and os.path.isdir(name):
        return f"; the folder {name} hides the installed model of this name, rename it"
    advice = suggestion(name, known, "") if _may_be_installed(name) else ""
    return f"; {advice}" if advice else ""


def check_not_installed(name: str | os.PathLike, action: str) -> None:
    """Check that a name is not that of an installed model, whose files are not changed.

    Args:
        name: Folder, or name of a model.
        action: Verb for the action on the model's folder, for the error.

    Raises:
        ValueError: If it is one.
    """
    if is_installed(os.fspath(name)):
        advice = f'copy it first with kospan.load("{name}").save_pretrained("FOLDER")'
        if action == "push":  # A release needs files that only a run writes.
            advice = f"train it further with encoder: {name}, and push that run"
        raise ValueError(f"expected a folder to {action}, got the name of the installed model {name}; {advice}")


def _may_be_installed(name: str) -> bool:
    return name == os.path.basename(name) and not os.path.isdir(name)


def _entries() -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if _package(other) != _package(entry):
            raise ValueError(
                f"expected one package with the model {entry.name}, got {_package(other)} and {_package(entry)}; "
                "uninstall one of them"
            )
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def _holds_model(folder: Path | None) -> bool:
    return folder is not None and (folder / "config.json").is_file()
