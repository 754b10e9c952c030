"""Files with secrets: modes, contents, errors."""

import os
import stat

import pytest
from masking_cases import KEY

from kospan.masking.private_files import read_key, read_private, write_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


def test_a_written_file_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_private(tmp_path / "key", "key file", "") == KEY == read_key(tmp_path / "key")
    assert [each.name for each in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    path.write_bytes(KEY)
    path.chmod(mode)
    with pytest.raises(PermissionError, match=rf"\(mode 0600\), got mode 0{mode:o}; run `chmod 600"):
        read_key(path)


def test_missing_short_and_irregular_keys_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected the key file at .* found no such file; create one with"):
        read_key(tmp_path / "key")
    with pytest.raises(ValueError, match="got no regular file"):
        read_key(tmp_path)
    write_private(tmp_path / "key", b"short\n")
    with pytest.raises(ValueError, match=r"expected a key of at least 16 bytes in .*, got 5"):
        read_key(tmp_path / "key")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "aliases.json"
    write_private(path, b"old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
