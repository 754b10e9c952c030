"""Damage that keeps the size of a checkpoint's files is found by their checksums."""

import json
import shutil
import zlib

import pytest
import resume_cases as cases
import torch

from kospan.run import prepare_output, train
from kospan.training.checksums import NAME, checksum, damaged_file, write_checksums
from kospan.training.saving import broken_part


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(cases.recipe_of("token-classification", folder, save_total_limit=9))
    return folder


def test_every_binary_file_of_a_checkpoint_has_a_checksum(trained):
    for checkpoint in (trained / "out").glob("checkpoint-*"):
        sums = json.loads((checkpoint / NAME).read_text(encoding="utf-8"))
        assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"} <= set(sums)
        assert not [name for name in sums if name.endswith(".json")]
        for name, found in sums.items():
            data = (checkpoint / name).read_bytes()
            assert found == [len(data), zlib.crc32(data)]
        assert broken_part(checkpoint) is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth"])
def test_a_checkpoint_with_a_changed_byte_is_skipped(trained, name, tmp_path, capsys):
    checkpoint = max((trained / "out").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    path = checkpoint / name
    data = path.read_bytes()
    middle = len(data) // 2
    try:
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
        assert broken_part(checkpoint) == f"{name} is damaged: its checksum differs"
        earlier = prepare_output(cases.recipe_of("token-classification", trained, resume_from_checkpoint=True))
        assert earlier != str(checkpoint) and f"skipped             {checkpoint}: {name}" in capsys.readouterr().out
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("content", ["[]", '{"a.pt": 3}', '{"a.pt": [1]}', "{", ""])
def test_a_damaged_list_of_checksums_is_named(content, tmp_path):
    (tmp_path / NAME).write_text(content, encoding="utf-8")
    assert damaged_file(tmp_path) == f"{NAME} is damaged"


def test_a_damaged_pickle_is_named_without_checksums(trained, tmp_path):
    """Of a checkpoint of an earlier version: torch raises more than its own errors, here UnicodeDecodeError."""
    shutil.copytree(next((trained / "out").glob("checkpoint-*")), tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / NAME).unlink()
    path = tmp_path / "checkpoint" / "scheduler.pt"
    torch.save({"a": torch.zeros(100)}, path)
    data = path.read_bytes()
    first = data.find(b"data.pkl") + 100
    path.write_bytes(data[:first] + bytes(20) + data[first + 20 :])
    assert broken_part(tmp_path / "checkpoint").startswith("scheduler.pt is damaged: ")


def test_sums_of_a_folder(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"a" * 10_000_000)
    (tmp_path / "rng_state_1.pth").write_bytes(b"r")
    (tmp_path / "b.json").write_bytes(b"{}")
    assert checksum(tmp_path / "a.pt") == zlib.crc32(b"a" * 10_000_000)
    assert damaged_file(tmp_path) is None
    write_checksums(tmp_path, ("rng_state",))
    assert list(json.loads((tmp_path / NAME).read_text(encoding="utf-8"))) == ["a.pt"]
    assert damaged_file(tmp_path) is None
    (tmp_path / "a.pt").write_bytes(b"a" * 9_999_999)
    assert damaged_file(tmp_path) == "a.pt is truncated"
    (tmp_path / "a.pt").write_bytes(b"a" * 10_000_001)
    assert damaged_file(tmp_path) == "a.pt is damaged: its checksum differs"
    (tmp_path / "a.pt").unlink()
    assert damaged_file(tmp_path) == "a.pt is missing"
