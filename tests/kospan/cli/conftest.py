"""Fixtures of the command line: a saved model and a labelled file."""

import pytest
from cli_cases import GOLD

from kospan.data.jsonl import write_jsonl


@pytest.fixture
def model_folder(make_token_classifier, tmp_path):
    """A saved model with the labels PS, LC and OG; its random weights find spans in most texts."""
    make_token_classifier(encoder_input="units").save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def gold_file(tmp_path):
    write_jsonl(tmp_path / "gold.jsonl", GOLD)
    return str(tmp_path / "gold.jsonl")
