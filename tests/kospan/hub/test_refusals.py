"""Checks of a folder before it is published."""

import pytest

from kospan.hub.refusals import check_configs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{"),
        ("config.json", b"\xb0\xa1"),
        ("config.json", b"[" * 5000),
        ("recipe.yaml", b"a: [b"),
        ("recipe.yaml", b"a: " + b"[" * 5000),
        ("recipe.yaml", b"a: 2020-99-99"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"expected JSON or YAML in {name}, got: .*; save it again"):
        check_configs(tmp_path)
