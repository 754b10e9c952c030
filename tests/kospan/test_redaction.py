"""Removal of secrets from text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kospan import redaction
from kospan.redaction import environment_secrets, redacted, redacted_values, remember


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token hf_abcdefgh12345 refused", "token <redacted> refused"),
        ("https://kim:p%40ss@hub.example/api", "https://<redacted>@hub.example/api"),
        ("https://kim:p@ss@hub.example/api", "https://<redacted>@hub.example/api"),
        ("https://hf_abcdefgh12345@huggingface.co/x", "https://<redacted>@huggingface.co/x"),
        ("found none at https:/kim:pw@host/a.txt", "found none at https:/<redacted>@host/a.txt"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer <redacted>"),
        ("https://host/x?page=1&api_key=abc&n=2", "https://host/x?page=1&api_key=<redacted>&n=2"),
        ("https://host/x?sig=a%2Fb", "https://host/x?sig=<redacted>"),
        # No secrets.
        ("hub:/data@v1 and C:/data@v1/x.jsonl and 12@34", None),
        ("write to kim@example.com about hf_hub and key=value", None),
        ("https://huggingface.co/kim/model?page=2", None),
    ],
)
def test_forms(text, expected):
    assert redacted(text) == (text if expected is None else expected)
    assert redacted(redacted(text)) == redacted(text)


def test_values_of_the_environment(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "MY_SECRET", "DB_PASSWORD", "HF_TOKEN", "KOSPAN_API_KEYS"):
        monkeypatch.setenv(name, "first-canary,second-canary")
        assert redacted("got second-canary") == "got <redacted>", name
        monkeypatch.delenv(name)
        assert redacted("got second-canary") == "got second-canary"
    # A path and a short value are no secrets, and other variables are not read.
    (tmp_path / "key.pem").touch()
    given = {"SSL_KEY": str(tmp_path / "key.pem"), "A_KEY": "id", "PAGER": "less --raw"}
    assert environment_secrets(given) == ()


def test_remembered_secrets(monkeypatch):
    monkeypatch.setattr(redaction, "_REMEMBERED", set())
    remember("canary-of-a-flag")
    remember("id")
    remember(None)
    assert redacted("id canary-of-a-flag") == "id <redacted>"


@given(st.text(min_size=1), st.text(), st.text(alphabet=st.characters(exclude_characters="<>redact"), min_size=8))
def test_a_given_secret_never_remains(before, after, secret):
    assert secret not in redacted(before + secret + after, [secret])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(values)
def test_other_values_stay(value):
    assert redacted_values(value) == value


def test_a_secret_inside_values_is_removed():
    given = {"a": [{"canary-1234": ("x canary-1234", 1)}]}
    assert redacted_values(given, ["x", ""]) == {"a": [{"canary-1234": ["x canary-1234", 1]}]}
    assert redacted_values(given, ["canary-1234"]) == {"a": [{"<redacted>": ["x <redacted>", 1]}]}
