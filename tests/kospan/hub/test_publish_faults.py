"""Publication under faults of the Hub, and without showing the token."""

import traceback

import pytest
from local_hub import OWNER_TOKEN, READER_TOKEN, LocalHub, chain, local_hub, online, unused_address  # noqa: F401
from publish_cases import KEPT, NAME, publish, titles

from kospan.cli import main
from kospan.hub import verify as verifying
from kospan.hub.hub import Hub
from kospan.tasks.token_classification.spec import SPEC

# --- faults -----------------------------------------------------------------------------------------------------------

PASSING = {
    "500": lambda it: it.fail("POST", "/commit/", status=500),
    "503": lambda it: it.fail("POST", "/preupload/", status=503),
    "429": lambda it: it.fail("POST", "/commit/", status=429, headers={"Retry-After": "7"}),
    "dropped": lambda it: it.drop("GET", "/tree/"),
    "dropped answer to the commit": lambda it: it.drop("POST", "/commit/"),
    "reset in the middle of a file": lambda it: it.reset("PUT", "/lfs/put/"),
    "reset": lambda it: it.reset("POST", "/commit/"),
    "lost answer": lambda it: it.lose_answer("POST", "/commit/"),
    "lost answer to creation": lambda it: it.lose_answer("POST", "/repos/create"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_retryable_fault_does_not_show(fault, run_folder, local_hub, online, checked):  # noqa: F811
    PASSING[fault](local_hub)
    slept: list[float] = []
    pushed = publish(run_folder, Hub(OWNER_TOKEN, local_hub.url, sleep=slept.append))
    assert pushed[0].new and titles(local_hub) == ["Release ner_model", "initial commit"]
    assert 7 in slept or fault != "429"


STAYING = {
    "500": ({"status": 500}, ConnectionError, "answered 500 to every attempt; try again later, same command"),
    "503": ({"status": 503}, ConnectionError, "answered 503 to every attempt"),
    "429": (
        {"status": 429, "headers": {"Retry-After": "9"}},
        ConnectionError,
        "accepts no more requests for 9 seconds (429)",
    ),
    "401": ({"status": 401}, PermissionError, "does not know the access token (401)"),
    "403": ({"status": 403}, PermissionError, "has no write permission here (403); use one that has"),
    "422": (
        {"status": 422, "body": {"error": f"no {OWNER_TOKEN}"}},
        ValueError,
        "refused the request (422: no <redacted>)",
    ),
    "reset": (None, ConnectionError, "could not be reached"),
}


def error_of(function) -> Exception:
    """An error of one sentence that hangs on nothing and shows no token."""
    with pytest.raises((OSError, ValueError)) as caught:
        function()
    error = caught.value
    assert list(chain(error)) == [error] and "\n" not in str(error) and str(error).startswith("expected ")
    for text in (repr(error), "".join(traceback.format_exception(error)), *publish.lines):
        assert OWNER_TOKEN not in text and READER_TOKEN not in text
    return error


@pytest.mark.parametrize("where", ["/preupload/", "/commit/"])
@pytest.mark.parametrize("fault", STAYING)
def test_lasting_fault_is_reported_and_the_next_push_completes(fault, where, run_folder, hub, local_hub, checked):  # noqa: F811
    settings, kind, message = STAYING[fault]
    if settings is None:
        local_hub.reset("POST", where, times=100)
    else:
        local_hub.fail("POST", where, times=100, **settings)
    error = error_of(lambda: publish(run_folder, hub))
    assert type(error) is kind and message in str(error)
    assert str(error).endswith(f"nothing of this release is public, {NAME} was created and is still empty")
    assert titles(local_hub) == ["initial commit"]
    local_hub.faults.clear()
    assert publish(run_folder, hub)[0].new and titles(local_hub) == ["Release ner_model", "initial commit"]


def test_failed_push_keeps_the_older_release(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.fill(NAME, {"model.safetensors": b"older"})
    local_hub.fail("POST", "/commit/", times=100)
    assert str(error_of(lambda: publish(run_folder, hub))).endswith(f"is public, {NAME} is unchanged")
    assert local_hub.repo(NAME).files()["model.safetensors"] == b"older"


def test_failed_space_keeps_the_model_and_completes_with_the_next_push(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.fail("POST", "spaces/mina/page/commit/", times=100)
    message = str(error_of(lambda: publish(run_folder, hub, space="mina/page")))
    assert message.endswith(
        f"the model is complete at {local_hub.url}/{NAME}, the Space mina/page was created and is still empty"
    )
    local_hub.faults.clear()
    assert [pushed.new for pushed in publish(run_folder, hub, space="mina/page")] == [False, True]


@pytest.mark.parametrize("case", ["wrong token", "no right", "somebody else's", "a Space of somebody else"])
def test_missing_permission_changes_nothing(case, run_folder, local_hub, online, checked):  # noqa: F811
    local_hub.fill("juho/theirs", {"a.txt": b"a"})
    local_hub.fill("juho/theirs", {"a.txt": b"a"}, kind="space")
    token = {"wrong token": "hf_WRONGdistinctive42", "no right": READER_TOKEN}.get(case, OWNER_TOKEN)
    name = "juho/theirs" if case == "somebody else's" else NAME
    space = "juho/theirs" if case.startswith("a Space") else None
    error = error_of(lambda: publish(run_folder, Hub(token, local_hub.url), name, space=space))
    assert type(error) is PermissionError and ("(401)" if case == "wrong token" else "(403)") in str(error)
    assert "hf_WRONG" not in str(error)
    assert local_hub.repo("juho/theirs").files().keys() == {".gitattributes", "a.txt"}
    assert not any(
        title.startswith("Release")
        for repo in local_hub.repos.values()
        for title in [commit.title for commit in repo.history()]
    )


def test_existing_repository_is_used(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.make(NAME)
    local_hub.fail("POST", "/repos/create", status=409, body={"error": "You already created this model repo"})
    publish(run_folder, hub)
    assert titles(local_hub) == ["Release ner_model", "initial commit"]


def test_invalid_name_is_refused_first(hub, local_hub, checked, tmp_path):  # noqa: F811
    assert "choose another name" in str(error_of(lambda: publish(tmp_path / "none", hub, "mina/my model")))
    assert "choose another name" in str(error_of(lambda: publish(tmp_path / "none", hub, space="a/b/c")))
    assert not local_hub.requests and not checked


def test_unreachable_hub(run_folder, online, checked):  # noqa: F811
    address = unused_address()
    error = error_of(lambda: publish(run_folder, Hub(OWNER_TOKEN, address, sleep=lambda seconds: None)))
    assert type(error) is ConnectionError and f"{address} could not be reached" in str(error)
    assert not checked, "it shows before the long check"


@pytest.mark.parametrize("words", [["--repo_id", "a/b/c"], ["--repo_id", "x", "--dry_run"]])
def test_error_on_the_command_line_is_one_line_and_status_2(words, tmp_path, capsys):
    assert main(["push", str(tmp_path / "none"), *words]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("kospan: expected ") and said.err.count("\n") == 1 and not said.out


# --- the token --------------------------------------------------------------------------------------------------------


def test_token_is_in_no_file_and_no_line(published, run_folder, tmp_path):
    local, push = published
    assert OWNER_TOKEN not in push.stdout + push.stderr
    for repo in local.repos.values():
        for path, data in repo.files().items():
            assert OWNER_TOKEN.encode() not in data, path
    for path in KEPT["run"].rglob("*"):
        assert not path.is_file() or OWNER_TOKEN.encode() not in path.read_bytes(), path


def test_command_does_not_print_the_token(run_folder, local_hub, online, checked, capfd, monkeypatch):  # noqa: F811
    monkeypatch.delenv("HF_TOKEN", raising=False)
    token = "Zq7.distinctive-secret"  # Not of the usual form, so that no pattern can help.
    local_hub.tokens[token] = ("mina", True)
    local_hub.fail("POST", "/commit/", status=422, body={"error": f"Bearer {token}"})
    words = ["push", str(run_folder), "--repo_id", "other", "--token", token]
    assert [main(words), main(words)] == [2, 0]
    said = capfd.readouterr()
    assert "Bearer <redacted>" in said.err and token not in said.out + said.err
    assert "mina/other" in said.out
    (run_folder / "eval_results.json").write_text(f'{{"note": "{token}"}}', encoding="utf-8")
    assert main(words) == 2 and "found one in eval_results.json" in capfd.readouterr().err


def test_token_in_the_folder_is_not_published(run_folder, hub, local_hub, checked):  # noqa: F811
    (run_folder / "eval_results.json").write_text(f'{{"note": "{OWNER_TOKEN}"}}', encoding="utf-8")
    assert "found one in eval_results.json" in str(error_of(lambda: publish(run_folder, hub)))
    assert not local_hub.repos and not checked


def test_clean_environment_has_no_token_and_no_network(run_folder, monkeypatch):
    seen: dict = {}

    def start(words, env, **settings):
        seen.update(env, words=words)
        raise KeyboardInterrupt

    monkeypatch.setenv("HF_TOKEN", OWNER_TOKEN)
    monkeypatch.setattr(verifying.subprocess, "run", start)
    with pytest.raises(KeyboardInterrupt):
        verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC)
    assert OWNER_TOKEN not in map(str, seen.values()) and seen["HF_HUB_OFFLINE"] == "1" and "-I" in seen["words"]
    assert not list(run_folder.glob(".release-*")), "an interrupted check leaves nothing behind"
