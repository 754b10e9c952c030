"""A saved model for the tests of corpora."""

import pytest


@pytest.fixture
def model_folder(make_token_classifier, tmp_path):
    """A saved model; its random weights find spans in most texts."""
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")
