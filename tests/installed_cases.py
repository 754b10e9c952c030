"""Packages with models, as an installation makes them, in a folder of `sys.path`."""

import importlib
from pathlib import Path

import pytest


def install(site: Path, name: str, model: str, package: str | None = None) -> Path:
    """Write the files of a distribution that offers a model; return the folder for the model.

    Args:
        site: Folder of `sys.path`.
        name: Name of the distribution, such as "kospan-ko".
        model: Name of the model.
        package: Package that holds the model's folder; None takes the distribution's name.
    """
    package = package or name.replace("-", "_")
    info = site / f"{name.replace('-', '_')}-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[kospan.models]\n{model} = {package}\n", encoding="utf-8")
    folder = site / package.replace(".", "/") / model
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch) -> Path:
    """A folder of `sys.path` that comes first; the distributions of this environment have no models."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    found = importlib.metadata.entry_points

    def of_site(**asked):
        return [entry for entry in found(**asked) if Path(entry.dist.locate_file("")).is_relative_to(tmp_path)]

    monkeypatch.setattr("kospan.model_names.entry_points", of_site)
    return folder
