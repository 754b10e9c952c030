"""A release on a local Hub: what it holds, who can load it, and what is sent."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from clean_environment_cases import CLEAN_ENVIRONMENT
from huggingface_hub import ModelCard
from local_hub import OWNER_TOKEN, READER_TOKEN, LocalHub, chain, local_hub, online, unused_address  # noqa: F401
from publish_cases import KEPT, NAME, publish, titles
from release_cases import command, save_run

from kospan.cli import main
from kospan.hub import publish as publishing
from kospan.hub import verify as verifying
from kospan.hub.hub import Hub
from kospan.tasks.token_classification.spec import SPEC

ROOT = Path(__file__).parents[3]
CONSUMER = (
    CLEAN_ENVIRONMENT
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


def stored(folder: Path) -> list[list]:
    """The spans of predictions.jsonl."""
    lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        [[span[key] for key in ("start", "end", "label", "score")] for span in json.loads(line)["spans"]]
        for line in lines
    ]


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
    for way, lists in found.items():
        for ours, theirs in zip(stored(folder), lists, strict=True):
            assert [span[:3] for span in theirs] == [span[:3] for span in ours], way
            assert [span[3] for span in theirs] == pytest.approx([span[3] for span in ours], abs=1e-5), way
    return version


def test_published_model_predicts_the_stored_spans(published, run_folder, texts, tmp_path):
    check_consumer(sys.executable, published, run_folder, texts, tmp_path)


def test_published_model_works_on_transformers_4(published, run_folder, texts, tmp_path, transformers_4):
    assert check_consumer(transformers_4, published, run_folder, texts, tmp_path).startswith("4.51")


def test_interrupted_download_is_complete_and_can_be_published_again(
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


def test_release_is_one_commit(published, run_folder):
    local, push = published
    assert titles(local) == ["Release ner_model", "initial commit"] and local.count("POST", "/commit/") == 2
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


def test_card_has_the_scores_of_the_results(published, tmp_path):
    there = published[0].repo(NAME).files()
    (tmp_path / "README.md").write_bytes(there["README.md"])
    data = ModelCard.load(tmp_path / "README.md").data
    # Without it the Hub would guess the task from the class and offer a widget that does not fit.
    assert data.pipeline_tag == "token-classification" and data.library_name == "transformers"
    results = json.loads(there["eval_results.json"])
    assert {result.metric_value for result in data.eval_results} == set(results.values())
    text = there["README.md"].decode()
    assert f'from_pretrained("{NAME}", trust_remote_code=True)' in text and str(tmp_path) not in text


def test_space_has_page_code_and_model_name(published, tmp_path):
    local, _ = published
    there = local.repo("mina/page", "space").files()
    for part, prefix in ((ROOT / "space", ""), (ROOT / "modeling", "kospan/modeling/")):
        for path in part.glob("*.py"):
            assert there[prefix + path.name] == path.read_bytes()
    assert {"style.css", "requirements.txt"} <= set(there)
    assert json.loads(there["space.json"]) == {"model": NAME}
    front = yaml.safe_load(there["README.md"].decode().split("---")[1])
    assert front["models"] == [NAME] and front["sdk"] == "gradio" and front["app_file"] == "app.py"
    assert titles(local, "mina/page", kind="space") == ["Release ner_model", "initial commit"]
    for path, data in there.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    code = "import app; print(app.settings_from(None)['model'])"
    done = command(["-c", code], {**os.environ, "PYTHONPATH": str(tmp_path)}, tmp_path)
    assert done.stdout.strip() == NAME, done.stderr


# --- what is sent, and where to ---------------------------------------------------------------------------------------


def test_second_push_sends_nothing(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, space="mina/page")
    first = [line for line in publish.lines if "commit" in line]
    again = publish(run_folder, Hub(OWNER_TOKEN, local_hub.url), space="mina/page")
    assert len(first) == 2 and not any(pushed.new for pushed in again)
    assert publish.lines[-1].endswith("(up to date, nothing sent)")
    assert local_hub.count("POST", "/commit/") == 2 and local_hub.count("PUT", "/lfs/") == 1
    assert sorted(path.name for path in run_folder.iterdir() if path.name.startswith(".")) == []


def test_new_release_deletes_old_weights(
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
    assert titles(local_hub) == ["Release later", "Release ner_model", "filled", "initial commit"]
    assert there["model.safetensors"] != weights == (run_folder / "model.safetensors").read_bytes()
    assert not set(old) & set(there) and "model.safetensors.index.json" not in there
    assert there["logo.png"] == b"png", "what others put there stays"


def test_private_repositories(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, private=True, space="mina/page")
    assert local_hub.repo(NAME).private and local_hub.repo("mina/page", "space").private
    assert "HF_TOKEN" in publish.lines[-1]


def test_branch(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub, revision="v2")
    assert titles(local_hub, revision="v2") == ["Release ner_model", "initial commit"]
    assert titles(local_hub) == ["initial commit"]


def test_pull_request(run_folder, hub, local_hub, checked):  # noqa: F811
    pushed = publish(run_folder, hub, create_pr=True, space="mina/page", message="Better spans")
    assert [each.url.rpartition("/")[2] for each in pushed] == ["1", "1"]
    assert titles(local_hub) == ["initial commit"] and titles(local_hub, revision="refs/pr/1")[0] == "Better spans"
    assert publish.lines[-1] == f"note                the Space loads the main branch of {NAME}"


def test_predictions_are_published_on_request_only(run_folder, hub, local_hub, checked):  # noqa: F811
    publish(run_folder, hub)
    assert "predictions.jsonl" not in local_hub.repo(NAME).files()
    publish(run_folder, hub, predictions=True)
    assert local_hub.repo(NAME).files()["predictions.jsonl"] == (run_folder / "predictions.jsonl").read_bytes()


def test_dry_run_needs_no_token_and_sends_nothing(run_folder, checked, monkeypatch, capsys, texts):
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


def test_dry_run_overwrites_no_other_files(run_folder, checked, tmp_path):
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
    """Predictions of a fresh process for this release, computed once."""
    if "found" not in KEPT:
        folder = run_folder.parent / "prepared"
        publishing.prepare(run_folder, folder)
        KEPT["found"] = verifying._run_clean(folder, SPEC.published, [{"text": text} for text in texts])
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: KEPT["found"])


def test_every_way_to_load_is_checked(recorded, run_folder):
    assert set(KEPT["found"]) == {"AutoModel", "AutoModelForTokenClassification", "pipeline", "handler.py"}
    assert verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC) == 5


@pytest.mark.parametrize(("name", "notes"), [("mina/ner_model-1", 0), ("mina/ner_model-1.0", 1)])
def test_name_with_a_dot_is_noted_in_one_line(recorded, run_folder, tmp_path, name, notes):
    said = []
    publishing.publish(run_folder, name, SPEC, dry_run=tmp_path / "kept", say=said.append)
    assert sum(f"under a name with a dot, got {name};" in line for line in said) == notes


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_different_spans_are_refused_with_the_example_id(difference, recorded, run_folder, hub, local_hub):  # noqa: F811
    name = spoil(run_folder, DIFFERENCES[difference])
    with pytest.raises(ValueError, match=f"got other ones through AutoModel in example '{name}': "):
        publish(run_folder, hub)
    assert not local_hub.repos and not local_hub.count("POST", "") and not local_hub.count("PUT", "")


@pytest.mark.parametrize("way", ["AutoModelForTokenClassification", "pipeline", "handler.py"])
def test_different_spans_of_one_way_to_load_are_refused(way, recorded, run_folder, monkeypatch):
    found = json.loads(json.dumps(KEPT["found"]))
    next(spans for _, spans in found[way] if spans).pop()
    monkeypatch.setattr(verifying, "_run_clean", lambda folder, calls, items: found)
    with pytest.raises(ValueError, match=f"got other ones through {way} in example 'v-"):
        verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC)


def test_release_that_cannot_be_loaded_is_not_sent(run_folder, hub, local_hub):  # noqa: F811
    path = run_folder / "modeling_token_classification.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nraise RuntimeError('only here')\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"to load in a fresh process .* RuntimeError: only here; nothing was sent"):
        publish(run_folder, hub)
    assert not local_hub.repos


def test_predictions_without_spans_are_refused(run_folder, recorded):
    for text, message in (("", "got an empty file"), ('{"id": "a", "text": "x"}\n', "for example 'a'")):
        (run_folder / "predictions.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            verifying.verify(run_folder, run_folder / "predictions.jsonl", SPEC)
