"""Policies: forms, groups, errors."""

import pytest

from kospan.masking.policy import Action, read_policy


@pytest.mark.parametrize("label", ["PS", "RRN", "ID", "ANYTHING"])
def test_the_default_replaces_all_labels(label):
    for value in (None, "replace", {}, {"default": "replace"}):
        assert read_policy(value).action(label) == Action("replace")


def test_all_forms_are_equal(tmp_path):
    expected = read_policy({"PS": "alias", "default": "keep", "RRN": {"action": "partial", "keep_first": 6}})
    yaml, json = tmp_path / "a.yaml", tmp_path / "a.json"
    yaml.write_text("PS: alias\ndefault: keep\nRRN: {action: partial, keep_first: 6}\n", encoding="utf-8")
    content = '{"PS": "alias", "default": "keep", "RRN": {"action": "partial", "keep_first": 6}}'
    json.write_text(content, encoding="utf-8")
    assert read_policy(yaml) == read_policy(str(json)) == expected == read_policy(expected)
    assert read_policy(" PS = alias , default=keep").action("PS") == Action("alias")


def test_a_label_counts_before_its_group_and_the_group_before_the_default():
    policy = read_policy({"default": "keep", "ID": "hash", "RRN": "partial"})
    found = [policy.action(label).action for label in ("RRN", "FRN", "PASSPORT", "ID", "PHONE")]
    assert found == ["partial", "hash", "hash", "hash", "keep"]
    assert policy.uses("hash") and policy.uses("keep") and not policy.uses("alias")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("mask", ValueError, "expected a policy that is an action"),
        ("PS=alais", ValueError, "hash, alias, keep, got 'alais'; did you mean alias"),
        ("PS=", ValueError, "expected LABEL=ACTION pairs separated by commas, got 'PS='"),
        ("PS=alias,LC", ValueError, "got 'LC'"),
        ("PS=alias,PS=keep", ValueError, "expected each label once"),
        ("missing.yaml", FileNotFoundError, "expected a policy at missing.yaml, found no such file"),
        ({"PS": 3}, TypeError, "policy, PS: expected an action or a mapping with the key action, got 3"),
        ({False: "keep"}, TypeError, "expected labels to be strings, got False"),
        ({"PS": {}}, ValueError, "got None"),
        ({"PS": {"action": "alias", "length": 3}}, ValueError, "expected the keys action, name, .* got 'length'"),
        ({"PS": {"action": "alias", "digits": 8}}, ValueError, "expected digits with hash, got the action alias"),
        ({"PS": {"action": "hash", "digits": 4}}, ValueError, "expected digits to be an integer from 8 to 64, got 4"),
        ({"PS": {"action": "partial", "keep_first": True}}, ValueError, "got True"),
        ({"PS": {"action": "partial", "keep_last": -1}}, ValueError, "got -1"),
        ({"PS": {"action": "alias", "name": "a b"}}, ValueError, "expected a name without white space"),
        ({"PS": {"action": "alias", "name": "[PS]"}}, ValueError, "got '\\[PS\\]'"),
        (["PS"], TypeError, "expected a mapping from labels to actions, got list"),
    ],
)
def test_mistakes_are_errors(value, error, message):
    with pytest.raises(error, match=message):
        read_policy(value)


def test_an_unknown_label_is_an_error_that_names_the_nearest():
    policy = read_policy("PHNOE=keep")
    with pytest.raises(ValueError, match="got 'PHNOE'; did you mean PHONE"):
        policy.check_labels(["PS"])
    with pytest.raises(ValueError, match="got 'PS'; remove it"):
        read_policy("PS=keep").check_labels(["LC"])
    for label in ("PS", "RRN", "ID"):
        read_policy({label: "keep"}).check_labels(["PS"])
