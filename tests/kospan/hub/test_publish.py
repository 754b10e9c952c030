"""A release from the run's folder to those who load it, over a Hub on this machine, and what goes wrong on the way."""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path

import pytest
import yaml
from clean_environment_cases import STRANGER
from huggingface_hub import ModelCard
from local_hub import OWNER_TOKEN, READER_TOKEN, LocalHub, chain, local_hub, online, unused_address  # noqa: F401
from release_cases import command, save_run

from kospan.cli import main
from kospan.hub import publish as publishing
from kospan.hub import verify as verifying
from kospan.hub.hub import Hub
from kospan.tasks.token_classification.spec import SPEC

ROOT = Path(__file__).parents[3]
NAME = "mina/tagger"
KEPT: dict = {}

CONSUMER = (
    STRANGER
    + """
from huggingface_hub import snapshot_download
from transformers import AutoModelForTokenClassification
name, texts = sys.argv[1], json.loads(sys.argv[2])
def entities(lists):
    return [[[each[key] for key in ("start", "end", "entity_group", "score")] for each in one] for one in lists]
for auto in (AutoModel, AutoModelForTokenClassification):
    model = auto.from_pretrained(name, trust_remote_code=True)
    found[auto.__name__] = [[list(span) for span in spans] for spans in model.extract(texts)]
found["pipeline"] = entities(pipeline("token-classification", model=name, trust_remote_code=True, device=-1)(texts))
found["handler"] = entities(endpoint(snapshot_download(name))({"inputs": texts}))
print("FOUND" + json.dumps(found))
"""
)
DOWNLOAD = "import sys; from huggingface_hub.cli.hf import main; sys.argv[0] = 'hf'; main()"


@pytest.fixture(scope="module", autouse=True)
def closed():
    """Closes the hub that some tests share."""
    yield
    if "hub" in KEPT:
        KEPT["hub"].close()
    KEPT.clear()


@pytest.fixture
def run_folder(make_token_classifier, texts, tmp_path, tmp_path_factory) -> Path:
    """What a run has left; made once, a copy for each test."""
    if "run" not in KEPT:
        KEPT["run"] = save_run(
            make_token_classifier(encoder_input="units"), tmp_path_factory.mktemp("run") / "tagger", texts
        )
    return shutil.copytree(KEPT["run"], tmp_path / "tagger")


def stored(folder: Path) -> list[list]:
    """The spans of predictions.jsonl."""
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        [[span[key] for key in ("start", "end", "label", "score")] for span in json.loads(line)["spans"]]
        for line in lines
    ]


@pytest.fixture
def published(run_folder, tmp_path, tmp_path_factory):
    """A Hub to which push_to_hub.py has pushed, once for all tests that only read it, and what the command printed."""
    if "hub" not in KEPT:
        hub = KEPT["hub"] = LocalHub()
        words = [ROOT / "push_to_hub.py", KEPT["run"], "--repo_id", "tagger", "--space", "page", "--predictions"]
        KEPT["push"] = command(words, hub.environment(tmp_path_factory.mktemp("home")), tmp_path)
    assert KEPT["push"].returncode == 0, KEPT["push"].stderr
    return KEPT["hub"], KEPT["push"]


@pytest.fixture
def checked(monkeypatch) -> list[Path]:
    """Spares the fresh process where a test is about what comes around it; gives the folders it was asked for."""
    asked: list[Path] = []

    def verify(folder, predictions, calls, hub=None):
        asked.append(folder)
        return len(Path(predictions).read_text(encoding="utf-8").splitlines())

    monkeypatch.setattr(publishing, "verify", verify)
    return asked


@pytest.fixture
def hub(local_hub, online) -> Hub:  # noqa: F811
    return Hub(OWNER_TOKEN, local_hub.url, sleep=lambda seconds: None)


def publish(folder, hub: Hub, name: str = NAME, **settings) -> list:
    """As the command does it; the lines go to `publish.lines`."""
    publish.lines = []
    return publishing.publish(folder, name, SPEC, hub=hub, say=publish.lines.append, **settings)


def titles(local_hub, name: str = NAME, revision: str = "main", kind: str = "model") -> list[str]:  # noqa: F811
    return [commit.title for commit in local_hub.repo(name, kind).history(revision)]


# --- what somebody gets who knows the name alone ----------------------------------------------------------------------


def check_consumer(python: str, published, folder: Path, texts: list[str], tmp_path: Path) -> str:
    local, _ = published
    environment = local.environment(tmp_path / "home", token=None) | {"TRANSFORMERS_VERBOSITY": "error"}
    (tmp_path / "elsewhere").mkdir()
    done = command(["-c", CONSUMER, NAME, json.dumps(texts)], environment, tmp_path / "elsewhere", python)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    version = found.pop("version")
    assert set(found) == {"AutoModel", "AutoModelForTokenClassification", "pipeline", "handler"}
    for door, lists in found.items():
        for ours, theirs in zip(stored(folder), lists, strict=True):
            assert [span[:3] for span in theirs] == [span[:3] for span in ours], door
            assert [span[3] for span in theirs] == pytest.approx([span[3] for span in ours], abs=1e-5), door
    return version


def test_everybody_finds_what_the_run_has_stored(published, run_folder, texts, tmp_path):
    check_consumer(sys.executable, published, run_folder, texts, tmp_path)


def test_so_does_transformers_4(published, run_folder, texts, tmp_path, transformers_4):
    assert check_consumer(transformers_4, published, run_folder, texts, tmp_path).startswith("4.51")


def test_hf_download_through_a_cut_connection_gives_the_files_and_they_can_be_published_again(
    published,
    hub,
    local_hub,  # noqa: F811
    checked,
    tmp_path,
):
    local, _ = published
    local.drop("GET", "/resolve/.*/model.safetensors")
    environment, target = local.environment(tmp_path / "home", token=None), tmp_path / "downloaded"
    done = command(["-c", DOWNLOAD, "download", NAME, "--local-dir", target], environment, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    there = local.repo(NAME).files()
    assert {path: (target / path).read_bytes() for path in there} == there
    # Code and auto_map come along, so that the copy stands by itself.
    publish(target, hub, "mina/again", predictions=True)
    again = local_hub.repo("mina/again").files()
    assert {path for path in there if path not in (".gitattributes", "README.md")} <= set(again)
    assert all(again[path] == there[path] for path in again if path not in (".gitattributes", "README.md"))


def test_one_commit_holds_the_whole_release(published, run_folder):
    local, push = published
    assert titles(local) == ["Release tagger", "initial commit"] and local.count("POST", "/commit/") == 2
    there = local.repo(NAME).files()
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "modeling_token_classification.py",
        "handler.py",
    } <= set(there)
    assert {"pipelines.py", "requirements.txt", "eval_results.json", "recipe.yaml", "predictions.jsonl"} <= set(there)
    assert not {"notes.txt", "training_args.bin"} & set(there) and not any("/" in path for path in there)
    config = json.loads(there["config.json"])
    assert config["model_type"] == "kospan-token-classification", "a stock type would be loaded without its head"
    assert set(config["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForTokenClassification"}
    assert json.loads(there["tokenizer_config.json"])["tokenizer_class"] == "PreTrainedTokenizerFast"
    lines = push.stdout.splitlines()
    assert lines[1] == "checked             5 texts: offsets and labels equal, scores to 1e-5"
    assert lines[2].startswith(f"model               {local.url}/{NAME} (commit ")
    assert lines[3].startswith(f"space               {local.url}/spaces/mina/page (commit ") and len(lines) == 4


def test_the_card_goes_out_with_the_scores_that_stand_in_the_results(published, tmp_path):
    there = published[0].repo(NAME).files()
    (tmp_path / "README.md").write_bytes(there["README.md"])
    data = ModelCard.load(tmp_path / "README.md").data
    # Without it the Hub would guess the task from the class and offer a widget that does not fit.
    assert data.pipeline_tag == "token-classification" and data.library_name == "transformers"
    results = json.loads(there["eval_results.json"])
    assert {result.metric_value for result in data.eval_results} == set(results.values())
    text = there["README.md"].decode()
    assert f'from_pretrained("{NAME}", trust_remote_code=True)' in text and str(tmp_path) not in text


def test_the_space_holds_page_code_and_the_models_name(published, tmp_path):
    local, _ = published
    there = local.repo("mina/page", "space").files()
    for part, prefix in ((ROOT / "space", ""), (ROOT / "modeling", "kospan/modeling/")):
        for path in part.glob("*.py"):
            assert there[prefix + path.name] == path.read_bytes()
    assert {"style.css", "requirements.txt"} <= set(there)
    assert json.loads(there["space.json"]) == {"model": NAME}
    front = yaml.safe_load(there["README.md"].decode().split("---")[1])
    assert front["models"] == [NAME] and front["sdk"] == "gradio" and front["app_file"] == "app.py"
    assert titles(local, "mina/page", kind="space") == ["Release tagger", "initial commit"]
    for path, data in there.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    code = "import app; print(app.settings_from(None)['model'])"
    done = command(["-c", code], {**os.environ, "PYTHONPATH": str(tmp_path)}, tmp_path)
    assert done.stdout.strip() == NAME, done.stderr


# --- what is sent, and where to ---------------------------------------------------------------------------------------


def test_a_second_run_sends_nothing(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, space="mina/page")
    first = [line for line in publish.lines if "commit" in line]
    again = publish(run_folder, Hub(OWNER_TOKEN, local_hub.url), space="mina/page")
    assert len(first) == 2 and not any(pushed.new for pushed in again)
    assert publish.lines[-1].endswith("(up to date, nothing sent)")
    assert local_hub.count("POST", "/commit/") == 2 and local_hub.count("PUT", "/lfs/") == 1
    assert sorted(path.name for path in run_folder.iterdir() if path.name.startswith(".")) == []


def test_after_a_new_training_the_old_weights_go(
    run_folder,
    make_token_classifier,
    texts,
    hub,
    local_hub,  # noqa: F811
    checked,
    tmp_path,
):
    old = {"pytorch_model.bin": b"old", "model-00001-of-00002.safetensors": b"old"}
    local_hub.fill(NAME, {**old, "model.safetensors.index.json": b"{}", "logo.png": b"png"})
    publish(run_folder, hub)
    weights = local_hub.repo(NAME).files()["model.safetensors"]
    publish(save_run(make_token_classifier(seed=1, encoder_input="units"), tmp_path / "later", texts), hub)
    there = local_hub.repo(NAME).files()
    assert titles(local_hub) == ["Release later", "Release tagger", "filled", "initial commit"]
    assert there["model.safetensors"] != weights == (run_folder / "model.safetensors").read_bytes()
    assert not set(old) & set(there) and "model.safetensors.index.json" not in there
    assert there["logo.png"] == b"png", "what others put there stays"


def test_private(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, private=True, space="mina/page")
    assert local_hub.repo(NAME).private and local_hub.repo("mina/page", "space").private
    assert "HF_TOKEN" in publish.lines[-1]


def test_a_branch(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, revision="v2")
    assert titles(local_hub, revision="v2") == ["Release tagger", "initial commit"]
    assert titles(local_hub) == ["initial commit"]


def test_a_proposal(run_folder, hub, local_hub, checked):  # noqa: F811
    pushed = publish(run_folder, hub, create_pr=True, space="mina/page", message="Better spans")
    assert [each.url.rpartition("/")[2] for each in pushed] == ["1", "1"]
    assert titles(local_hub) == ["initial commit"] and titles(local_hub, revision="refs/pr/1")[0] == "Better spans"
    assert publish.lines[-1] == f"note                the Space loads the main branch of {NAME}"


def test_predictions_go_out_only_when_asked(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub)
    assert "predictions.jsonl" not in local_hub.repo(NAME).files()
    publish(run_folder, hub, predictions=True)
    assert local_hub.repo(NAME).files()["predictions.jsonl"] == (run_folder / "predictions.jsonl").read_bytes()


def test_a_dry_run_needs_no_token_and_sends_nothing(run_folder, checked, monkeypatch, capsys, texts):
    monkeypatch.setattr(publishing, "Hub", None)
    for _ in range(2):  # The second takes the first one's place.
        assert main(["push", str(run_folder), "--repo_id", NAME, "--space", "mina/page", "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    model, page = run_folder / "release" / "model", run_folder / "release" / "space"
    count = len(list(model.iterdir()))
    assert f"model               {NAME}: {count} files, " in "\n".join(lines) and lines[-1].endswith("nothing was sent")
    size = (model / "config.json").stat().st_size
    assert f"{size:>18,}  config.json" in lines and any(line.endswith("  kospan/modeling/crf.py") for line in lines)
    assert "not published       checkpoint-4/, notes.txt, predictions.jsonl, release/, training_args.bin" in lines
    assert (page / "space.json").is_file() and not (model / "predictions.jsonl").exists()


def test_a_dry_run_writes_over_nothing_of_others(run_folder, checked, tmp_path):
    (tmp_path / "mine" / "space").mkdir(parents=True)
    (tmp_path / "mine" / "space" / "app.py").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="expected --dry_run to name a new folder, or one of an earlier dry run"):
        publishing.publish(run_folder, NAME, SPEC, dry_run=tmp_path / "mine")
    assert (tmp_path / "mine" / "space" / "app.py").read_text(encoding="utf-8") == "mine" and not checked


# --- the model that is loaded is the one that was measured ------------------------------------------------------------


def spoil(folder: Path, how) -> str:
    """Changes one stored span; gives the example's id."""
    path = folder / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    at = max(at for at, line in enumerate(lines) if len(line["spans"]) > 1)
    how(lines[at]["spans"][0] if lines[at]["spans"][0]["start"] else lines[at]["spans"][1])
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return lines[at]["id"]


DIFFERENCES = {
    "start": lambda span: span.update(start=span["start"] - 1),
    "end": lambda span: span.update(end=span["end"] + 1),
    "label": lambda span: span.update(label={"PS": "LC"}.get(span["label"], "PS")),
    "score": lambda span: span.update(score=span["score"] - 1e-4),
    "a score by a little": lambda span: span.update(score=span["score"] + 2e-5),
}


@pytest.fixture
def recorded(run_folder, texts, monkeypatch):
    """What a fresh process has found in this very release, asked once."""
    if "found" not in KEPT:
        folder = run_folder.parent / "prepared"
        publishing.prepare(run_folder, folder)
        KEPT["found"] = verifying._run_clean(folder, SPEC.published, [{"text": text} for text in texts])
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: KEPT["found"])


def test_every_door_is_tried(recorded, run_folder):
    assert set(KEPT["found"]) == {"AutoModel", "AutoModelForTokenClassification", "pipeline", "handler.py"}
    assert verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC) == 5


@pytest.mark.parametrize(("name", "notes"), [("mina/tagger-1", 0), ("mina/tagger-1.0", 1)])
def test_a_name_with_a_dot_is_noted_in_one_line(recorded, run_folder, tmp_path, name, notes):
    said = []
    publishing.publish(run_folder, name, SPEC, dry_run=tmp_path / "kept", say=said.append)
    assert sum(f"under a name with a dot, got {name};" in line for line in said) == notes


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_any_difference_is_refused_with_the_examples_id(difference, recorded, run_folder, hub, local_hub):  # noqa: F811
    name = spoil(run_folder, DIFFERENCES[difference])
    with pytest.raises(ValueError, match=f"got other ones through AutoModel in example '{name}': "):
        publish(run_folder, hub)
    assert not local_hub.repos and not local_hub.count("POST", "") and not local_hub.count("PUT", "")


@pytest.mark.parametrize("door", ["AutoModelForTokenClassification", "pipeline", "handler.py"])
def test_a_door_that_leads_elsewhere_is_refused(door, recorded, run_folder, monkeypatch):
    found = json.loads(json.dumps(KEPT["found"]))
    next(spans for _, spans in found[door] if spans).pop()
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: found)
    with pytest.raises(ValueError, match=f"got other ones through {door} in example 'v-"):
        verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC)


def test_a_release_that_cannot_be_loaded_sends_nothing(run_folder, hub, local_hub):  # noqa: F811
    path = run_folder / "modeling_token_classification.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nraise RuntimeError('only here')\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"to load in a fresh process .* RuntimeError: only here; nothing was sent"):
        publish(run_folder, hub)
    assert not local_hub.repos


def test_predictions_without_spans_check_nothing(run_folder, recorded):
    for text, message in (("", "got an empty file"), ('{"id": "a", "text": "x"}\n', "for example 'a'")):
        (run_folder / "predictions.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC)


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
def test_a_fault_that_passes_shows_nowhere(fault, run_folder, local_hub, online, checked):  # noqa: F811
    PASSING[fault](local_hub)
    slept: list[float] = []
    pushed = publish(run_folder, Hub(OWNER_TOKEN, local_hub.url, sleep=slept.append))
    assert pushed[0].new and titles(local_hub) == ["Release tagger", "initial commit"]
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
        "refused the request (422: no <token>)",
    ),
    "reset": (None, ConnectionError, "could not be reached"),
}


def told(function) -> Exception:
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
def test_a_fault_that_stays_is_told_and_the_next_run_completes(fault, where, run_folder, hub, local_hub, checked):  # noqa: F811
    settings, kind, message = STAYING[fault]
    if settings is None:
        local_hub.reset("POST", where, times=100)
    else:
        local_hub.fail("POST", where, times=100, **settings)
    error = told(lambda: publish(run_folder, hub))
    assert type(error) is kind and message in str(error)
    assert str(error).endswith(f"nothing of this release is public, {NAME} was created and is still empty")
    assert titles(local_hub) == ["initial commit"]
    local_hub.faults.clear()
    assert publish(run_folder, hub)[0].new and titles(local_hub) == ["Release tagger", "initial commit"]


def test_an_older_release_stays_as_it_was(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.fill(NAME, {"model.safetensors": b"older"})
    local_hub.fail("POST", "/commit/", times=100)
    assert str(told(lambda: publish(run_folder, hub))).endswith(f"is public, {NAME} is unchanged")
    assert local_hub.repo(NAME).files()["model.safetensors"] == b"older"


def test_a_space_that_fails_leaves_the_model_whole_and_comes_with_the_next_run(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.fail("POST", "spaces/mina/page/commit/", times=100)
    message = str(told(lambda: publish(run_folder, hub, space="mina/page")))
    assert message.endswith(
        f"the model is complete at {local_hub.url}/{NAME}, the Space mina/page was created and is still empty"
    )
    local_hub.faults.clear()
    assert [pushed.new for pushed in publish(run_folder, hub, space="mina/page")] == [False, True]


@pytest.mark.parametrize("case", ["wrong token", "no right", "somebody else's", "a Space of somebody else"])
def test_who_may_not_write_makes_nothing(case, run_folder, local_hub, online, checked):  # noqa: F811
    local_hub.fill("juho/theirs", {"a.txt": b"a"})
    local_hub.fill("juho/theirs", {"a.txt": b"a"}, kind="space")
    token = {"wrong token": "hf_WRONGdistinctive42", "no right": READER_TOKEN}.get(case, OWNER_TOKEN)
    name = "juho/theirs" if case == "somebody else's" else NAME
    space = "juho/theirs" if case.startswith("a Space") else None
    error = told(lambda: publish(run_folder, Hub(token, local_hub.url), name, space=space))
    assert type(error) is PermissionError and ("(401)" if case == "wrong token" else "(403)") in str(error)
    assert "hf_WRONG" not in str(error)
    assert local_hub.repo("juho/theirs").files().keys() == {".gitattributes", "a.txt"}
    assert not any(
        title.startswith("Release")
        for repo in local_hub.repos.values()
        for title in [commit.title for commit in repo.history()]
    )


def test_a_repository_that_is_there_already_is_taken(run_folder, hub, local_hub, checked):  # noqa: F811
    local_hub.make(NAME)
    local_hub.fail("POST", "/repos/create", status=409, body={"error": "You already created this model repo"})
    publish(run_folder, hub)
    assert titles(local_hub) == ["Release tagger", "initial commit"]


def test_a_name_that_cannot_be_is_refused_before_anything_is_read(hub, local_hub, checked, tmp_path):  # noqa: F811
    assert "choose another name" in str(told(lambda: publish(tmp_path / "none", hub, "mina/my model")))
    assert "choose another name" in str(told(lambda: publish(tmp_path / "none", hub, space="a/b/c")))
    assert not local_hub.requests and not checked


def test_a_hub_that_is_not_there(run_folder, online, checked):  # noqa: F811
    address = unused_address()
    error = told(lambda: publish(run_folder, Hub(OWNER_TOKEN, address, sleep=lambda seconds: None)))
    assert type(error) is ConnectionError and f"{address} could not be reached" in str(error)
    assert not checked, "it shows before the long check"


@pytest.mark.parametrize("words", [["--repo_id", "a/b/c"], ["--repo_id", "x", "--dry_run"]])
def test_a_mistake_on_the_command_line_is_one_line_and_status_2(words, tmp_path, capsys):
    assert main(["push", str(tmp_path / "none"), *words]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("kospan: expected ") and said.err.count("\n") == 1 and not said.out


# --- the token --------------------------------------------------------------------------------------------------------


def test_the_token_shows_in_no_file_and_no_line(published, run_folder, tmp_path):
    local, push = published
    assert OWNER_TOKEN not in push.stdout + push.stderr
    for repo in local.repos.values():
        for path, data in repo.files().items():
            assert OWNER_TOKEN.encode() not in data, path
    for path in KEPT["run"].rglob("*"):
        assert not path.is_file() or OWNER_TOKEN.encode() not in path.read_bytes(), path


def test_the_command_keeps_the_token_to_itself(run_folder, local_hub, online, checked, capfd, monkeypatch):  # noqa: F811
    monkeypatch.delenv("HF_TOKEN", raising=False)
    token = "Zq7.distinctive-secret"  # Not of the usual form, so that no pattern can help.
    local_hub.tokens[token] = ("mina", True)
    local_hub.fail("POST", "/commit/", status=422, body={"error": f"Bearer {token}"})
    words = ["push", str(run_folder), "--repo_id", "other", "--token", token]
    assert [main(words), main(words)] == [2, 0]
    said = capfd.readouterr()
    assert "Bearer <token>" in said.err and token not in said.out + said.err
    assert "mina/other" in said.out
    (run_folder / "eval_results.json").write_text(f'{{"note": "{token}"}}', encoding="utf-8")
    assert main(words) == 2 and "found one in eval_results.json" in capfd.readouterr().err


def test_a_token_that_lies_in_the_folder_stays_there(run_folder, hub, local_hub, checked):  # noqa: F811
    (run_folder / "eval_results.json").write_text(f'{{"note": "{OWNER_TOKEN}"}}', encoding="utf-8")
    assert "found one in eval_results.json" in str(told(lambda: publish(run_folder, hub)))
    assert not local_hub.repos and not checked


def test_what_checks_the_release_has_no_token_and_no_network(run_folder, monkeypatch):
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
