"""Settings, names of models and API keys."""

import pytest

from kospan.serving.settings import KEYS_VARIABLE, ServeSettings, named_models, read_keys

ONE, TWO = "0123456789abcdef", "fedcba9876543210"


def test_names(tmp_path):
    (tmp_path / "a=b").mkdir()
    (tmp_path / "news").mkdir()
    assert named_models([str(tmp_path / "news"), "user/name", f"other={tmp_path / 'a=b'}"]) == {
        "news": str(tmp_path / "news"),
        "user/name": "user/name",
        "other": str(tmp_path / "a=b"),
    }
    for words, message in (
        ([str(tmp_path / "a=b")], "expected a name of ASCII letters.*, got 'a=b'"),
        (["news="], "expected a folder or a Hub name after news="),
        (["개=user/name"], "expected a name of ASCII letters"),
        (["a=x", "a=y"], "expected different names, got 'a' for x and y"),
    ):
        with pytest.raises(ValueError, match=message):
            named_models(words)


def test_keys(tmp_path, monkeypatch):
    monkeypatch.delenv(KEYS_VARIABLE, raising=False)
    path = tmp_path / "keys"
    assert read_keys(None) == ()
    path.write_text(f"# of the newsroom\n{ONE}\n\n{TWO} \n", encoding="utf-8")
    assert read_keys(path) == (ONE, TWO)
    monkeypatch.setenv(KEYS_VARIABLE, f"{TWO}, {TWO}0")
    assert read_keys(path) == (TWO, f"{TWO}0", ONE)
    path.write_text("# none\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected an API key per line"):
        read_keys(path)
    for key in ("short", "비밀열쇠는이것이다아주아주아주길다", "with spaces in the middle"):
        path.write_text(key, encoding="utf-8")
        with pytest.raises(ValueError, match="expected API keys of at least 16 printable") as error:
            read_keys(path)
        assert key not in str(error.value)
    with pytest.raises(FileNotFoundError, match="expected a file with API keys"):
        read_keys(tmp_path / "missing")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": {}}, "expected a model to serve"),
        ({"backend": "jax"}, "expected backend to be one of torch, onnx, got 'jax'"),
        ({"workers": 0}, "expected workers to be 1 or more, got 0"),
        ({"queue": 0}, "expected queue to be 1 or more"),
        ({"timeout": float("nan")}, "expected timeout to be a number of seconds above 0"),
        ({"read_timeout": 0}, "expected read_timeout to be a number of seconds above 0"),
        ({"batch_wait": -1}, "expected batch_wait to be 0 or more"),
        ({"port": 70_000}, "expected port to be a number from 0 to 65535"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ServeSettings(**{"models": {"a": "a"}, **settings})


def test_keys_are_not_shown():
    assert ONE not in repr(ServeSettings({"a": "a"}, keys=(ONE,)))
