"""Tests of packages that the `dev` extra leaves out, marked by `@pytest.mark.optional(package, extra)`."""

import importlib.util
import os

import pytest


def needs(package: str, extra: str) -> None:
    """Skips where a package is missing; where KOSPAN_OPTIONAL is set, as in the stage of CI that installs it, fails.

    Args:
        package: The name it is imported by.
        extra: The extra of setup.cfg that brings it.
    """
    if importlib.util.find_spec(package) is not None:
        return
    reason = f'needs {package}: pip install -c constraints.txt -e ".[dev,{extra}]"'
    if os.environ.get("KOSPAN_OPTIONAL"):
        pytest.fail(reason)
    pytest.skip(reason)
