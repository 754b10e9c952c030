"""Platforms: tags as packaging gives them, markers, and packages that pip's own markers would miss."""

import pytest
from packaging.requirements import Requirement

from kospan.bundle.closure import closure
from kospan.bundle.target import Target, platform_tags


def test_tags_of_manylinux_are_those_of_packaging(monkeypatch):
    from packaging import _manylinux

    monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: (2, 28))
    monkeypatch.setattr(_manylinux, "_have_compatible_abi", lambda *_: True)
    expected = set(_manylinux.platform_tags(["x86_64"]))
    assert set(platform_tags("manylinux_2_28_x86_64")) == expected | {"linux_x86_64"}
    assert platform_tags("manylinux2014_x86_64") == [
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        *platform_tags("manylinux_2_16_x86_64"),
    ]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("manylinux_2_28_aarch64", ("linux", "Linux", "posix", "aarch64")),
        ("manylinux2014_x86_64", ("linux", "Linux", "posix", "x86_64")),
        ("macosx_14_0_arm64", ("darwin", "Darwin", "posix", "arm64")),
        ("win_amd64", ("win32", "Windows", "nt", "AMD64")),
    ],
)
def test_markers_of_a_platform(platform, expected):
    found = Target(platform, "3.12").environment()
    keys = ("sys_platform", "platform_system", "os_name", "platform_machine")
    assert tuple(found[key] for key in keys) == expected
    assert (found["python_version"], found["python_full_version"]) == ("3.12", "3.12.0")
    assert f"--platform={platform}" in Target(platform).options()


@pytest.mark.parametrize("target", [Target("linux"), Target("amd64"), Target(None, "3"), Target(None, "3.12.1")])
def test_other_names_are_refused(target):
    with pytest.raises(ValueError, match=r"expected --(platform|python_version)"):
        target.environment()


def test_this_machine_needs_no_options():
    assert Target().options() == [] and not Target().is_other
    assert Target().environment()["sys_platform"]


def test_requirements_are_followed_as_they_apply_to_the_target():
    requires = {
        "a": (
            Requirement('b; sys_platform == "win32"'),
            Requirement('c; extra == "x"'),
            Requirement('old; python_version < "3.11"'),
            Requirement("A.B_c[y]"),
        ),
        "a-b-c": (Requirement('d; extra == "y"'), Requirement("a")),
        "d": (),
        "unused": (),
    }
    edges, missing = closure([Requirement("a")], requires, Target("win_amd64", "3.12").environment())
    assert edges == {"a": {"b", "a-b-c"}, "a-b-c": {"d", "a"}, "d": set()}
    assert [each.name for each in missing] == ["b"]
    edges, missing = closure([Requirement("a[x]")], requires, Target("manylinux_2_28_x86_64").environment())
    assert "b" not in edges["a"] and [each.name for each in missing] == ["c"]
