"""Targets of fuzzing: their cases, the judgement of errors, and files of found cases.

A case is a value of JSON, in which bytes are allowed as well, so that it can be stored and replayed.
"""

import json
import math
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypothesis.strategies import SearchStrategy

import kospan.modeling

CORPUS = Path(__file__).parent / "corpus"
ACCEPTED, REFUSED = "accepted", "refused"
# Errors that commands print as one line.
NAMED = (ValueError, TypeError, OSError, ImportError)
_BYTES, _NUMBER = "$bytes", "$float"
_OWN = [Path(package.__file__).parent for package in (kospan, kospan.modeling)]


class Target(NamedTuple):
    """Code under test.

    Args:
        cases: Strategy of its cases.
        check: Function that runs a case, returns `ACCEPTED` or `REFUSED`, and raises any other error.
        share: Cases of this target in a run of 100 over all targets.
    """

    cases: SearchStrategy
    check: Callable[[object], str]
    share: float


def is_named(error: BaseException) -> bool:
    """Whether an error says what was expected and what was received, or is one of the operating system."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return True
    return isinstance(error, NAMED) and is_sentence(str(error))


def is_sentence(message: str) -> bool:
    """Whether a message has the form of our errors."""
    return "expected " in message and any(word in message for word in (", got", ", found", " got ", "found "))


def checked(run: Callable[[], object]) -> str:
    """Run a case, and return its outcome.

    Raises:
        Exception: An error that is not named, as it is.
    """
    try:
        run()
    except AssertionError:
        raise
    except Exception as error:
        if not is_named(error):
            raise
        return REFUSED
    return ACCEPTED


@contextmanager
def folder_of(files: dict[str, bytes]) -> Iterator[Path]:
    """A temporary folder with files of these names."""
    with tempfile.TemporaryDirectory(prefix="kospan-fuzz-") as name:
        for path, data in files.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(data)
        yield Path(name)


def signature(error: BaseException) -> str:
    """Type of an error and the innermost of our functions, by which failures are distinguished."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(folder) for folder in _OWN)]
    frame = (own or frames)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.name}"


def to_json(value):
    """Convert a case to a value of JSON."""
    if isinstance(value, bytes):
        return {_BYTES: value.decode("latin-1")}
    if isinstance(value, float) and not math.isfinite(value):
        return {_NUMBER: repr(value)}
    if isinstance(value, dict):
        return {key: to_json(each) for key, each in value.items()}
    return [to_json(each) for each in value] if isinstance(value, (list, tuple)) else value


def from_json(value):
    """Convert a value of JSON to the case that it was written from."""
    if isinstance(value, dict):
        if value.keys() == {_BYTES}:
            return value[_BYTES].encode("latin-1")
        if value.keys() == {_NUMBER}:
            return float(value[_NUMBER])
        return {key: from_json(each) for key, each in value.items()}
    return [from_json(each) for each in value] if isinstance(value, list) else value


def read_cases(target: str) -> list[tuple[str, object]]:
    """Names and cases of the corpus of a target."""
    paths = sorted((CORPUS / target).glob("*.json"))
    return [(path.stem, from_json(json.loads(path.read_text(encoding="utf-8")))) for path in paths]


def write_case(target: str, name: str, case) -> Path:
    """Write a case to the corpus of a target."""
    path = CORPUS / target / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_json(case), ensure_ascii=True, indent=1) + "\n", encoding="utf-8")
    return path
