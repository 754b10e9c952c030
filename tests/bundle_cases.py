"""Stub wheels for the tests of bundles."""

import base64
import hashlib
import re
import zipfile
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent


def write_wheel(folder: Path, name: str, version: str = "9999.0", requires=(), tag: str = "py3-none-any") -> Path:
    """Write a wheel without modules."""
    stem = f"{re.sub('[-.]', '_', name)}-{version}"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"]
    lines += [f"Requires-Dist: {each}\n" for each in requires]
    files = {
        f"{stem}.dist-info/METADATA": "".join(lines),
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: kospan\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = []
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{file},sha256={digest},{len(text.encode())}\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "".join([*record, f"{stem}.dist-info/RECORD,,\n"]))
    return path


def dependencies(extra: str | None = None) -> list[str]:
    """Names of the packages that kospan, or an extra of it, needs."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    section = ("options.extras_require", extra) if extra else ("options", "install_requires")
    return [re.match(r"[\w.-]+", line)[0] for line in parser.get(*section).split("\n") if line.strip()]


def stub_index(folder: Path, extras: tuple[str, ...] = ()) -> Path:
    """Write a folder with a stub of each package that kospan and extras of it need."""
    folder.mkdir()
    for name in {each for extra in (None, *extras) for each in dependencies(extra)}:
        write_wheel(folder, name, _version(name))
    return folder


def _version(name: str) -> str:
    """The installed version, which other packages may check."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "9999.0"
