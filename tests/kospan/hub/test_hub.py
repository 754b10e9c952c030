"""Commits arrive whole, once, or not at all, whatever goes wrong on the way; nobody sees the token."""

import traceback

import pytest
from local_hub import OWNER_TOKEN, READER_TOKEN, chain, local_hub, online, unused_address  # noqa: F401

from kospan.hub.hub import Hub
from kospan.hub.retries import LONGEST_WAIT

NAME = "mina/model"
WAITS = [1.0, 2.0, 4.0, 8.0]
PASSING = [408, 429, 500, 502, 503, 504]
STEPS = [
    ("GET", "/api/whoami-v2"),
    ("GET", "/api/models/mina/model$"),
    ("POST", "/api/repos/create"),
    ("GET", "/tree/"),
    ("POST", "/preupload/"),
    ("POST", "/objects/batch"),
    ("PUT", "/lfs/put/"),
    ("POST", "/lfs/verify"),
    ("POST", "/commit/"),
]


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def hub(local_hub, online, slept) -> Hub:  # noqa: F811
    return Hub(OWNER_TOKEN, local_hub.url, sleep=slept.append)


@pytest.fixture
def files(tmp_path) -> dict:
    """A card, code and weights; the last go to LFS."""
    contents = {"README.md": b"---\nlicense: mit\n---\n", "code.py": b"x = 1\n", "model.safetensors": bytes(5000)}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return {name: tmp_path / name for name in contents}


def push(hub: Hub, files: dict, **settings):
    """The steps of every push, in one commit."""
    name, _ = hub.open(NAME, proposes=settings.get("create_pr", False))
    return hub.commit(name, files, "Release", **settings)


def holds(local_hub, files: dict, revision: str = "main") -> bool:  # noqa: F811
    """Return whether a revision of the repository holds exactly these files beside the Hub's own."""
    there = local_hub.repo(NAME).files(revision)
    there.pop(".gitattributes")
    return there == {name: path.read_bytes() for name, path in files.items()}


def commits(local_hub) -> list[str]:  # noqa: F811
    return [commit.title for commit in local_hub.repo(NAME).history()]


def refused(function, kind: type[Exception] = Exception) -> str:
    """The one sentence of an error that shows no token anywhere, and hangs on no other error."""
    with pytest.raises(kind) as caught:
        function()
    error = caught.value
    assert type(error) in (ValueError, PermissionError, ConnectionError, FileNotFoundError)
    assert list(chain(error)) == [error], "what the client raised holds requests with headers"
    for text in (str(error), repr(error), "".join(traceback.format_exception(error))):
        assert OWNER_TOKEN not in text and READER_TOKEN not in text
    assert str(error).startswith("expected ") and "\n" not in str(error)
    return str(error)


# --- what arrives -----------------------------------------------------------------------------------------------------


def test_push_is_one_commit_with_all_files(hub, local_hub, files):  # noqa: F811
    pushed = push(hub, files)
    assert holds(local_hub, files)
    assert commits(local_hub) == ["Release", "initial commit"]
    assert pushed == (f"{local_hub.url}/{NAME}", local_hub.repo(NAME).at().oid, True)
    assert local_hub.repo(NAME).at().files["model.safetensors"].sha256, "weights go to LFS"


def test_repeated_push_makes_no_commit(hub, local_hub, files):  # noqa: F811
    first = push(hub, files)
    again = push(Hub(OWNER_TOKEN, local_hub.url), files)
    assert again == (first.url, first.oid, False)
    assert local_hub.count("POST", "/commit/") == 1 and local_hub.count("PUT", "/lfs/") == 1


def test_unchanged_files_are_not_sent_again(hub, local_hub, files):  # noqa: F811
    push(hub, files)
    files["code.py"].write_bytes(b"x = 2\n")
    push(hub, files)
    assert holds(local_hub, files) and local_hub.count("PUT", "/lfs/") == 1


def test_old_weights_are_deleted_and_other_files_kept(hub, local_hub, files):  # noqa: F811
    old = {"pytorch_model.bin": b"old", "model-00001-of-00002.safetensors": b"old", "logo.png": b"png"}
    local_hub.fill(NAME, {**old, "last-checkpoint/optimizer.bin": b"kept"})
    push(hub, files, replaces=("*.safetensors", "*.bin"))
    there = set(local_hub.repo(NAME).files())
    assert there == {".gitattributes", "logo.png", "last-checkpoint/optimizer.bin", *files}
    assert len(commits(local_hub)) == 3


def test_missing_branch_is_created(hub, local_hub, files):  # noqa: F811
    for _ in range(2):
        hub.open(NAME, revision="v2/next")
        hub.commit(NAME, files, "Release", revision="v2/next")
    assert holds(local_hub, files, "v2/next") and set(local_hub.repo(NAME).files()) == {".gitattributes"}
    assert local_hub.count("POST", "/commit/") == 1


def test_pull_request_is_opened_once_and_main_unchanged(hub, local_hub, files):  # noqa: F811
    first = push(hub, files, create_pr=True)
    again = push(hub, files, create_pr=True)
    assert first.url == again.url == f"{local_hub.url}/{NAME}/discussions/1"
    assert (first.new, again.new) == (True, False)
    assert holds(local_hub, files, "refs/pr/1") and commits(local_hub) == ["initial commit"]
    files["code.py"].write_bytes(b"x = 3\n")
    assert push(hub, files, create_pr=True).url.endswith("/2"), "another proposal is another pull request"


def test_bare_name_belongs_to_the_user_with_the_wanted_visibility(hub, local_hub):  # noqa: F811
    assert hub.open("other", private=True) == ("mina/other", True)
    assert local_hub.repo("mina/other").private
    assert hub.open("other", private=True) == ("mina/other", False)
    hub.open("page", kind="space")
    assert ("space", "mina/page") in local_hub.repos


def test_private_push_to_a_public_repository_is_refused(hub, local_hub):  # noqa: F811
    local_hub.make(NAME)
    assert "expected a private repository, got mina/model, which is public" in refused(
        lambda: hub.open(NAME, private=True), ValueError
    )


# --- faults that pass -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
@pytest.mark.parametrize("fault", ["status", "reset", "lose"])
def test_retryable_fault_leaves_no_trace(hub, local_hub, files, step, fault):  # noqa: F811
    if fault == "status":
        for status in PASSING[1:3]:
            local_hub.fail(*step, status=status)
    else:
        (local_hub.reset if fault == "reset" else local_hub.lose_answer)(*step)
    pushed = push(hub, files)
    assert pushed.new and pushed.oid == local_hub.repo(NAME).at().oid
    assert holds(local_hub, files) and commits(local_hub) == ["Release", "initial commit"]


def test_commit_with_a_lost_response_is_not_made_twice(hub, local_hub, files, slept):  # noqa: F811
    local_hub.lose_answer("POST", "/commit/")
    push(hub, files)
    assert local_hub.count("POST", "/commit/") == 1 and slept == [WAITS[0]]


def test_pull_request_with_a_lost_response_is_not_opened_twice(hub, local_hub, files):  # noqa: F811
    local_hub.lose_answer("POST", "/commit/")
    assert push(hub, files, create_pr=True).url.endswith("/discussions/1")
    assert len(local_hub.repo(NAME).pulls) == 1


def test_response_lost_at_the_last_attempt_is_recovered(local_hub, online, files):  # noqa: F811
    hub = Hub(OWNER_TOKEN, local_hub.url, attempts=1)
    local_hub.lose_answer("POST", "/commit/")
    assert push(hub, files).new and holds(local_hub, files)


def test_concurrent_commit_is_kept(hub, local_hub, files, monkeypatch):  # noqa: F811
    name, _ = hub.open(NAME)
    honest, done = hub.api.create_commit, []

    def overtaken(*args, **kwargs):
        if not done:
            done.append(local_hub.fill(NAME, {"theirs.txt": b"theirs"}))
        return honest(*args, **kwargs)

    monkeypatch.setattr(hub.api, "create_commit", overtaken)
    hub.commit(name, files, "Release")
    assert set(local_hub.repo(NAME).files()) == {".gitattributes", "theirs.txt", *files}
    assert commits(local_hub) == ["Release", "filled", "initial commit"]


def test_waits_grow_and_respect_the_hubs_limits(hub, local_hub, slept):  # noqa: F811
    local_hub.fail("GET", "whoami", times=2)
    local_hub.fail("GET", "whoami", status=429, headers={"Retry-After": "37"})
    local_hub.fail("GET", "whoami", status=429, headers={"ratelimit": '"api";r=0;t=41'})
    assert hub.user() == "mina"
    assert slept == [WAITS[0], WAITS[1], 37, 41]


def test_long_wait_is_reported(hub, local_hub, slept):  # noqa: F811
    local_hub.fail("GET", "whoami", status=429, headers={"Retry-After": str(int(LONGEST_WAIT) + 1)})
    message = refused(hub.user, ConnectionError)
    assert "accepts no more requests for 301 seconds (429)" in message and not slept


# --- faults that stay -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [step for step in STEPS if "verify" not in step[1]], ids=lambda step: step[1])
@pytest.mark.parametrize("fault", ["500", "reset"])
def test_lasting_fault_commits_nothing_and_the_next_push_completes(hub, local_hub, files, step, fault):  # noqa: F811
    if fault == "500":
        local_hub.fail(*step, times=1000, status=500)
    else:
        local_hub.reset(*step, times=1000)
    message = refused(lambda: push(hub, files), ConnectionError)
    assert local_hub.url in message and "try again later, same command" in message
    if ("model", NAME) in local_hub.repos:
        assert commits(local_hub) == ["initial commit"]
    local_hub.faults.clear()
    assert push(Hub(OWNER_TOKEN, local_hub.url), files).new
    assert holds(local_hub, files) and commits(local_hub) == ["Release", "initial commit"]


def test_interrupted_uploads_are_continued(hub, local_hub, files, online):  # noqa: F811
    files["model.safetensors"].write_bytes(bytes(3_000_000))
    local_hub.reset("PUT", "/lfs/put/", times=2)
    push(hub, files)
    assert holds(local_hub, files) and online, "the client waited"


def test_unknown_token(local_hub, online, files):  # noqa: F811
    hub = Hub("hf_WRONGdistinctiveToken42", local_hub.url)
    message = refused(lambda: push(hub, files), PermissionError)
    assert "does not know the access token (401)" in message and "hf_" not in message
    assert local_hub.count("GET", "whoami") == 1 and not local_hub.repos


def test_missing_token(local_hub, online, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "pass --token, set HF_TOKEN, or run `hf auth login`" in refused(
        Hub(None, local_hub.url).user, PermissionError
    )


def test_read_only_token(local_hub, online, files):  # noqa: F811
    local_hub.make(NAME)
    hub = Hub(READER_TOKEN, local_hub.url)
    assert "(403)" in refused(lambda: push(hub, files), PermissionError)
    assert "(403)" in refused(lambda: hub.open("mina/new"), PermissionError)
    assert commits(local_hub) == ["initial commit"] and ("model", "mina/new") not in local_hub.repos
    assert push(hub, files, create_pr=True).url.endswith("/discussions/1"), "who may not write may propose"


def test_private_repository_of_another_user(local_hub, online, files):  # noqa: F811
    local_hub.make(NAME, private=True)
    refused(lambda: push(Hub(READER_TOKEN, local_hub.url), files), PermissionError)
    assert commits(local_hub) == ["initial commit"]


def test_missing_permission_is_reported_before_the_upload(local_hub, online, slept):  # noqa: F811
    local_hub.make(NAME)
    hub = Hub(READER_TOKEN, local_hub.url, sleep=slept.append)
    assert "to write to mina/model, got an error: the access token has no write permission" in refused(
        lambda: hub.open(NAME), PermissionError
    )
    assert hub.open(NAME, proposes=True) == (NAME, False)
    local_hub.fail("GET", "/auth-check/write", status=404)
    assert hub.open(NAME) == (NAME, False), "a Hub that does not know the question"
    local_hub.fail("GET", "/auth-check/write", times=2)
    assert Hub(OWNER_TOKEN, local_hub.url, sleep=slept.append).open(NAME) == (NAME, False) and slept == [1.0, 2.0]


@pytest.mark.parametrize("name", ["mina/mo del", "a/b/c", "mina/-x", "mina/x..y", "", "mina/" + "x" * 100])
def test_invalid_name_of_a_repository(hub, local_hub, name):  # noqa: F811
    assert "choose another name" in refused(lambda: hub.open(name), ValueError)
    assert local_hub.count("POST", "create") == 0


def test_unreachable_hub(online, files, slept):  # noqa: F811
    address = unused_address()
    message = refused(Hub(OWNER_TOKEN, address, sleep=slept.append).user, ConnectionError)
    assert f"{address} could not be reached" in message and slept == WAITS


def test_offline_mode_is_reported(hub, monkeypatch, slept):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refused(hub.user, ConnectionError) and not slept


def test_invalid_card_is_reported(hub, local_hub, files):  # noqa: F811
    files["README.md"].write_bytes(b"---\n- a list\n---\n")
    assert "metadata must be a mapping" in refused(lambda: push(hub, files), ValueError)
    assert commits(local_hub) == ["initial commit"]


def test_message_of_the_hub_is_shown_without_the_token(hub, local_hub, files):  # noqa: F811
    local_hub.fail("POST", "/commit/", status=422, body={"error": f"bad {OWNER_TOKEN} and\nhf_anotherTOKEN123"})
    message = refused(lambda: push(hub, files), ValueError)
    assert "422: bad <redacted> and <redacted>" in message


@pytest.mark.parametrize("token", ["hf_with space", "hf_line\nbreak", "hf_ünicode", "hf_\x00"])
def test_invalid_token_is_not_shown(token):
    with pytest.raises(ValueError, match="expected an access token of printable ASCII") as caught:
        Hub(token)
    assert token not in repr(caught.value)
