"""The wheels that a bundle needs: resolved once, and fetched in small batches, so that a later call continues."""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kospan.bundle.checksums import file_hash
from kospan.bundle.closure import closure
from kospan.bundle.pip import resolve, run_pip
from kospan.bundle.target import Target
from kospan.bundle.wheels import Wheel, own_wheel, read_wheel
from kospan.data.text import write_text

OWN = ("kospan", "kospan-ko")
# Dependencies of pure Python without a wheel on the index, which --only-binary would refuse.
SOURCE_ONLY = ("seqeval",)
_BATCH, _ROUNDS = 8, 5


class Package(NamedTuple):
    """A resolved package.

    Args:
        name: Normalised name.
        version: Version.
        url: Address of its wheel or source.
        sha256: Hash of that file.
        requires: Its requirements, with their markers.
    """

    name: str
    version: str
    url: str
    sha256: str
    requires: tuple[str, ...]

    @property
    def file(self) -> str:
        """Name of the file."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


class Wheelhouse:
    """A folder of wheels.

    Args:
        folder: The folder.
        target: The machine that they are for.
        constraints: A constraints file; None uses the newest versions.
        say: Function that takes a line about each step.
    """

    def __init__(self, folder: Path, target: Target, constraints: Path | None, say: Callable[[str], None]):
        self.folder, self.target, self.say = folder, target, say
        self.constraints = ["--constraint", str(constraints)] if constraints else []
        self.options = ["--find-links", str(folder), *target.options(), *self.constraints]

    def fill(self, extras: Sequence[str]) -> tuple[list[Wheel], dict[str, set[str]]]:
        """Fetch the wheels of kospan, its models and all that they need.

        Args:
            extras: Extras of kospan.

        Returns:
            The wheels, and the names that each package needs.

        Raises:
            ValueError: If there is no solution, an extra is unknown, or a wheel does not fit.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        own = [built for name in OWN if (built := own_wheel(name, self.folder)) is not None]
        known = {each.name for each in map(read_wheel, own)}
        for name in (name for name in OWN if name not in known):
            self.say(f"without             {name}: it is neither installed nor in the checkout")
        _check_extras(extras, own[0])
        if self.target.is_other:
            self._build_sources()
        packages, edges = self._resolved(own, extras)
        self._fetch([package for package in packages.values() if package.name not in known])
        wheels = [read_wheel(path) for path in sorted(self.folder.glob("*.whl"))]
        for wheel in wheels:
            if wheel.name not in packages or wheel.version != packages[wheel.name].version or wheel.name not in edges:
                wheel.path.unlink()  # Of an earlier call with other settings.
        return [wheel for wheel in wheels if wheel.path.exists()], edges

    def _resolved(self, own: list[Path], extras: Sequence[str]) -> tuple[dict[str, Package], dict[str, set[str]]]:
        """Resolve with markers of the target: pip evaluates them for this interpreter."""
        name = f"kospan[{','.join(sorted(set(extras)))}]" if extras else "kospan"
        roots = [Requirement(name), *(Requirement(read_wheel(path).name) for path in own[1:])]
        words = [f"{root} @ {path.resolve().as_uri()}" for root, path in zip(roots, own)]
        environment = self.target.environment()
        self.say(f"resolving           {name} for {self.target}")
        for _ in range(_ROUNDS):
            packages = {package.name: package for package in map(_package, resolve([*self.options, *words]))}
            requires = {key: tuple(map(Requirement, each.requires)) for key, each in packages.items()}
            edges, missing = closure(roots, requires, environment)
            if not missing:
                return {key: each for key, each in packages.items() if key in edges}, edges
            for requirement in missing:
                requirement.marker = None
            words += [str(requirement) for requirement in missing if str(requirement) not in words]
        raise ValueError(f"expected a solution for {self.target}, got none for {missing[0]}; add it to the constraints")

    def _build_sources(self) -> None:
        for name in SOURCE_ONLY:
            if not any(read_wheel(path).name == name for path in self.folder.glob("*.whl")):
                run_pip("wheel", "--no-deps", "--wheel-dir", str(self.folder), *self.constraints, name)

    def _fetch(self, packages: Iterable[Package]) -> None:
        left = [package for package in packages if not self._is_present(package)]
        total = len(left)
        while left:
            batch, left = left[:_BATCH], left[_BATCH:]
            for command in ("download", "wheel"):
                chosen = [each for each in batch if each.file.endswith(".whl") == (command == "download")]
                if chosen:
                    self._fetch_batch(command, chosen)
            self.say(f"fetched             {total - len(left)} of {total} packages")

    def _fetch_batch(self, command: str, packages: list[Package]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".fetching-") as temporary:
            lines = (f"{each.name} @ {each.url} --hash=sha256:{each.sha256}\n" for each in packages)
            write_text(Path(temporary, "batch.txt"), "".join(lines))
            folder = "--dest" if command == "download" else "--wheel-dir"
            options = self.target.options() if command == "download" else []
            run_pip(command, "--no-deps", folder, temporary, "-r", str(Path(temporary, "batch.txt")), *options)
            for path in Path(temporary).glob("*.whl"):
                os.replace(path, self.folder / path.name)

    def _is_present(self, package: Package) -> bool:
        path = self.folder / package.file
        if package.file.endswith(".whl"):
            return path.is_file() and file_hash(path) == package.sha256
        built = (read_wheel(each) for each in self.folder.glob("*.whl"))
        return any(wheel.name == package.name and wheel.version == package.version for wheel in built)


def _package(entry: dict) -> Package:
    about, info = entry["metadata"], entry["download_info"]
    sha256 = (info.get("archive_info") or {}).get("hashes", {}).get("sha256", "")
    name = canonicalize_name(about["name"])
    return Package(name, about["version"], info["url"], sha256, tuple(about.get("requires_dist", ())))


def _check_extras(extras: Sequence[str], own: Path) -> None:
    markers = (str(each.marker) for each in read_wheel(own).requires if each.marker)
    known = sorted({extra for marker in markers for extra in re.findall(r'extra == "([^"]+)"', marker)})
    for extra in extras:
        if extra not in known:
            raise ValueError(f"expected --extra to be one of {', '.join(known)}, got {extra!r}; correct it")


def requirements(wheels: Sequence[Wheel]) -> str:
    """Return a requirements file with the version and the hash of each wheel."""
    lines = (f"{each.name}=={each.version} --hash=sha256:{file_hash(each.path)}\n" for each in wheels)
    return "".join(lines)
