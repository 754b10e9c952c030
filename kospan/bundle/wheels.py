"""Wheels of a bundle: their names and metadata, and the wheels of kospan itself."""

import base64
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kospan.bundle.pip import run_pip

# Entries of a source folder that a build needs; others, such as an old build/lib, would get into the wheel.
_SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "kospan", "modeling", "src")
# Files of an installation that no wheel has.
_INSTALLED = {"INSTALLER", "REQUESTED", "direct_url.json", "RECORD"}
CHECKOUT = Path(__file__).resolve().parents[2]
# Distribution -> folder of its sources in a checkout.
_FOLDERS = {"kospan": ".", "kospan-ko": "packages/kospan_ko"}


class Wheel(NamedTuple):
    """A wheel.

    Args:
        path: The file.
        name: Normalised name of the distribution.
        version: Its version, with the local part if there is one.
        licence: The licence as the metadata state it; None if they do not.
        requires: Its requirements, with their markers.
    """

    path: Path
    name: str
    version: str
    licence: str | None
    requires: tuple[Requirement, ...]


def read_wheel(path: Path) -> Wheel:
    """Read the metadata of a wheel.

    Raises:
        ValueError: If it is truncated or has none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            [name] = [each for each in archive.namelist() if _is_metadata(each)]
            found = Metadata.from_email(archive.read(name), validate=False)
    except (zipfile.BadZipFile, ValueError) as error:
        raise ValueError(f"{path}: expected a whole wheel, got {error}; remove it and run the command again") from error
    licence = found.license_expression or (found.license or "").strip().partition("\n")[0] or None
    requires = tuple(found.requires_dist or ())
    return Wheel(path, canonicalize_name(found.name), str(found.version), licence, requires)


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return folder.endswith(".dist-info") and file == "METADATA"


def own_wheel(name: str, target: Path) -> Path | None:
    """Build the wheel of kospan or of a package with its models, from the installed files or the checkout.

    Args:
        name: "kospan" or "kospan-ko".
        target: Folder for the wheel.

    Returns:
        The wheel; None if the package is neither installed nor in the checkout.

    Raises:
        ValueError: If it cannot be built.
    """
    # The metadata that a build leaves in a checkout, which may come first, have no WHEEL.
    found = metadata.distributions(name=name)
    installed = next((each for each in found if each.read_text("WHEEL") is not None), None)
    source = _editable_source(installed) if installed else CHECKOUT / _FOLDERS[name]
    with tempfile.TemporaryDirectory(dir=target, prefix=".building-") as temporary:
        if source is None:
            built = _packed(installed, Path(temporary))
        elif (source / "setup.cfg").is_file():
            built = _built(source, Path(temporary))
        else:
            return None
        os.replace(built, target / built.name)
        return target / built.name


def _editable_source(installed: metadata.Distribution) -> Path | None:
    """The source folder of an editable installation; None of another one."""
    found = json.loads(installed.read_text("direct_url.json") or "{}")
    if not found.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(found["url"]).path))


def _built(source: Path, temporary: Path) -> Path:
    copy = temporary / "source"
    copy.mkdir()
    for entry in (source / name for name in _SOURCES):
        if entry.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(entry, copy / entry.name, ignore=ignored)
        elif entry.is_file():
            shutil.copyfile(entry, copy / entry.name)
    run_pip("wheel", "--no-deps", "--wheel-dir", str(temporary), str(copy))
    [built] = temporary.glob("*.whl")
    return built


def _packed(installed: metadata.Distribution, temporary: Path) -> Path:
    """Pack an installed distribution of pure Python into a wheel again."""
    folder = f"{installed.name.replace('-', '_')}-{installed.version}"
    path = temporary / f"{folder}-py3-none-any.whl"
    lines = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(installed.files or (), key=str):
            # Scripts, outside of the site folder, are written again by the entry points.
            if file.name in _INSTALLED or ".." in file.parts or "__pycache__" in file.parts:
                continue
            data = file.read_binary()
            archive.writestr(zipfile.ZipInfo(file.as_posix(), (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
            lines.append(f"{file.as_posix()},sha256={digest},{len(data)}\n")
        record = f"{folder}.dist-info/RECORD"
        archive.writestr(record, "".join([*lines, f"{record},,\n"]))
    return path
