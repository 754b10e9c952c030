"""Checks of a folder before it is published."""

import pytest

from kospan.hub.refusals import check_base, check_configs, check_weights


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


@pytest.mark.parametrize("content", [b"{", b"\xb0\xa1", b"[" * 5000, b"[]"])
def test_indexes_and_adapters_that_cannot_be_read_are_named(tmp_path, content):
    for name in ("model.safetensors.index.json", "adapter_config.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"adapter_config\.json: expected .* save the adapter again"):
        check_base(tmp_path)
    (tmp_path / "adapter_config.json").unlink()
    with pytest.raises(ValueError, match=r"index\.json: expected .* save the model again"):
        check_weights(tmp_path)


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}'])
def test_index_without_weights_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the weight_map of the weights in .*, got none"):
        check_weights(tmp_path)
