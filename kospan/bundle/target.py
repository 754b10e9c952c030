"""The machine that a bundle is for."""

import re
from typing import NamedTuple

from packaging.markers import default_environment

# Beginning of a platform tag -> sys_platform, platform_system, os_name.
_SYSTEMS = {
    "manylinux": ("linux", "Linux", "posix"),
    "musllinux": ("linux", "Linux", "posix"),
    "macosx": ("darwin", "Darwin", "posix"),
    "win": ("win32", "Windows", "nt"),
}
_TAG = re.compile(r"(manylinux|musllinux|macosx|win)(?:\d{1,4})?(?:_\d+_\d+)?_(x86_64|i686|amd64|arm64|aarch64)")
# Older names of manylinux tags.
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


class Target(NamedTuple):
    """A platform and a version of Python; None means those of this interpreter.

    Args:
        platform: Tag of wheels, such as "manylinux_2_28_x86_64" or "win_amd64".
        python_version: Version, such as "3.12".
    """

    platform: str | None = None
    python_version: str | None = None

    @property
    def is_other(self) -> bool:
        """Whether anything is given, so that only binary wheels can be used."""
        return self.platform is not None or self.python_version is not None

    def options(self) -> list[str]:
        """Options of pip."""
        if not self.is_other:
            return []
        found = ["--only-binary=:all:", "--implementation=cp"]
        if self.python_version:
            found.append(f"--python-version={self.python_version}")
        return found + [f"--platform={tag}" for tag in platform_tags(self.platform)]

    def environment(self) -> dict[str, str]:
        """Values of environment markers, which pip itself takes from this interpreter.

        Raises:
            ValueError: If the platform or the version is not known.
        """
        found = dict(default_environment())
        if self.python_version:
            if not re.fullmatch(r"3\.\d+", self.python_version):
                raise ValueError(f"expected --python_version such as 3.12, got {self.python_version!r}; correct it")
            full = f"{self.python_version}.0"
            found |= {"python_version": self.python_version, "python_full_version": full}
            found["implementation_version"] = full
        if self.platform:
            match = _TAG.fullmatch(self.platform)
            if not match:
                raise ValueError(
                    "expected --platform to be a tag of wheels such as manylinux_2_28_x86_64, macosx_14_0_arm64 or "
                    f"win_amd64, got {self.platform!r}; correct it"
                )
            system, machine = match.groups()
            found |= dict(zip(("sys_platform", "platform_system", "os_name"), _SYSTEMS[system]))
            # Windows names its machines in capitals.
            found["platform_machine"] = machine.upper() if system == "win" else machine
            found |= {"platform_release": "", "platform_version": ""}
        return found

    def __str__(self) -> str:
        values = self.environment()
        return f"Python {values['python_version']}, {self.platform or values['sys_platform']}"


def platform_tags(tag: str | None) -> list[str]:
    """Tags of the wheels that a platform can install, which pip expands only in part.

    >>> platform_tags("manylinux_2_12_x86_64")[:3], platform_tags("win_amd64")
    (['manylinux_2_12_x86_64', 'manylinux2010_x86_64', 'manylinux_2_11_x86_64'], ['win_amd64'])
    """
    aliases = {name: version for version, name in _LEGACY.items()}
    match = re.fullmatch(r"(manylinux_2_(\d+)|manylinux\d+)_(\w+)", tag or "")
    if not match:
        return [tag] if tag else []
    newest = int(match[2]) if match[2] else aliases.get(match[1], 5)
    found = []
    for version in range(newest, 4, -1):
        found.append(f"manylinux_2_{version}_{match[3]}")
        if version in _LEGACY:
            found.append(f"{_LEGACY[version]}_{match[3]}")
    return [*found, f"linux_{match[3]}"]
