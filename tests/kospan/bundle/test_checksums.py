"""Hashes of a bundle: every change is found, and `sha256sum` agrees."""

import shutil
import subprocess

import pytest

from kospan.bundle.checksums import NAME, verify, write_checksums
from kospan.cli import main


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "bundle"
    (found / "wheelhouse").mkdir(parents=True)
    for name in ("a.txt", "wheelhouse/b c.whl", "wheelhouse/한.whl"):
        (found / name).write_bytes(name.encode())
    write_checksums(found)
    return found


def test_a_whole_bundle(folder, capsys):
    assert verify(folder) == 3
    assert main(["bundle", str(folder), "--verify"]) == 0
    assert f"verified            3 files of {folder}" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_agrees(folder):
    subprocess.run(["sha256sum", "--check", "--strict", NAME], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "a.txt").write_bytes(b"b"), "a.txt is changed"),
        (lambda folder: (folder / "a.txt").unlink(), "a.txt is missing"),
        (lambda folder: (folder / "wheelhouse" / "evil.whl").touch(), "wheelhouse/evil.whl is not listed"),
        (lambda folder: (folder / ".hidden").touch(), ".hidden is not listed"),
        (lambda folder: (folder / NAME).write_text("x"), "expected lines `HASH  FILE`, got 'x'"),
        (lambda folder: (folder / NAME).unlink(), f"expected a bundle with {NAME}"),
    ],
)
def test_every_change_is_found(folder, change, message, capsys):
    change(folder)
    assert main(["bundle", str(folder), "--verify"]) == 2
    assert message in capsys.readouterr().err


def test_a_link_is_refused(folder, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a.txt")
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"expected files alone, got the symbolic link a.txt"):
        verify(folder)


def test_verify_takes_no_other_option(folder, capsys):
    assert main(["bundle", str(folder), "--verify", "--extra", "serve"]) == 2
    assert "expected --verify without other options, got --extra" in capsys.readouterr().err
