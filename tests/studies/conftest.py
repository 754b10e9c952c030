"""The script that a test module names: `study` of `test_korsts.py` is `studies/korsts.py`."""

import importlib
from pathlib import Path

import pytest

STUDIES = Path(__file__).parent.parent.parent / "studies"


@pytest.fixture
def study(monkeypatch, request):
    """The script, imported in the way that Python runs it: its own folder comes first."""
    monkeypatch.syspath_prepend(STUDIES)
    return importlib.import_module(request.path.stem.removeprefix("test_"))
