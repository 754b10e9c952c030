"""Cases that once failed, and a few new cases of each target; `studies/fuzzing.py` runs many."""

import pytest
from fuzz.cases import ACCEPTED, CORPUS, REFUSED, from_json, is_named, read_cases, signature, to_json
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings

from kospan.files import parse_json

CASES = 12
# Targets that need the packages of the rules.
RULES = ("policies", "masking", "documents")
NAMES = [
    pytest.param(name, marks=pytest.mark.optional("presidio_analyzer", "mask") if name in RULES else ())
    for name in TARGETS
]


@pytest.mark.parametrize("name", NAMES)
def test_found_cases(name):
    for _, case in read_cases(name):
        assert TARGETS[name].check(case) in (ACCEPTED, REFUSED)


@pytest.mark.parametrize("name", NAMES)
def test_new_cases(name):
    @settings(max_examples=CASES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(TARGETS[name].cases)
    def run(case):
        assert TARGETS[name].check(case) in (ACCEPTED, REFUSED)

    run()


def test_corpus_has_cases_of_known_targets():
    assert {path.name for path in CORPUS.iterdir()} <= {*TARGETS}


def test_cases_are_stored_exactly():
    case = {"data": b"\xff\x00", "n": float("inf"), "text": "\ud800", "list": [1, None, {"a": 1.5}]}
    assert from_json(to_json(case)) == case


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ValueError("a.jsonl:1: expected JSON, got 'x'; correct it"), True),
        (FileNotFoundError("expected a file at a, found none"), True),
        (OSError(28, "No space left on device"), True),
        (ValueError("invalid literal for int()"), False),
        (KeyError("expected a key, got none"), False),
        (RecursionError("expected less, got more"), False),
    ],
)
def test_named_errors(error, named):
    assert is_named(error) == named


def test_failures_are_named_by_the_innermost_function_of_the_package():
    with pytest.raises(ValueError) as caught:
        parse_json("{")
    assert signature(caught.value) == "JSONDecodeError in files.py:parse_json"
