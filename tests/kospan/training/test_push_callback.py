"""Pushes during training: each commit can be loaded and holds the step it names, and none is lost in silence."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clean_environment_cases import CLEAN_ENVIRONMENT
from local_hub import OWNER_TOKEN, READER_TOKEN, chain, local_hub, online, snapshot, unused_address  # noqa: F401
from release_cases import command
from time_limits import SECONDS
from transformers import Trainer, TrainerCallback

from kospan.cli import main
from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.hub import publish as publishing
from kospan.hub import publisher
from kospan.hub.hub import ATTEMPTS, Hub
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import build_trainer, fit, prepare
from kospan.training.push_callback import Push, PushQueue

ROOT = Path(__file__).parents[3]
NAME = "mina/tiny"
TINY = {
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": "{num_hidden_layers: 0, hidden_size: 16, embedding_size: 16, num_attention_heads: 2}",
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "max_steps": 6,
    "eval_strategy": "no",
    "save_strategy": "steps",
    "save_steps": 2,
    "save_total_limit": 9,
    "load_best_model_at_end": "false",
    "per_device_train_batch_size": 4,
    "use_cpu": "true",
    "push_to_hub": "true",
    "hub_model_id": NAME,
    "hub_token": OWNER_TOKEN,
}

LOADER = (
    CLEAN_ENVIRONMENT
    + """
from safetensors.torch import load_file
for folder in sys.argv[1:]:
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    weights = load_file(folder + "/model.safetensors")
    assert all((model.state_dict()[name] == each).all() for name, each in weights.items()), folder
    model.extract(["이재용 회장이 서울에서 말했다.", ""])
"""
)

# As train.py, without the release's fresh process.
TRAIN = """
import sys
from kospan.cli import main
from kospan.hub import publish
publish.verify = lambda folder, predictions, calls, hub: 1
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Pushes wait for nothing, and the release's fresh process is spared: test_publish.py has it."""
    monkeypatch.setattr(publisher, "Hub", functools.partial(Hub, sleep=lambda seconds: None))
    monkeypatch.setattr(publishing, "verify", lambda folder, predictions, calls, hub: 1)
    monkeypatch.delenv("HF_TOKEN", raising=False)


@pytest.fixture
def settings(tmp_path):
    """Builds the settings of a tiny run; keyword arguments win."""
    texts = [f"{name} 회장이 {place}에서 말했다." for name in ("이재용", "김민수") for place in ("서울", "부산")]
    examples = [Example(f"e-{at}", text, (Span(0, 3, "PS"), Span(8, 10, "LC"))) for at, text in enumerate(texts)]
    write_jsonl(tmp_path / "data.jsonl", examples)
    files = {"train_file": str(tmp_path / "data.jsonl"), "validation_file": str(tmp_path / "data.jsonl")}
    return lambda **flags: {**TINY, **files, "output_dir": str(tmp_path / "out"), **flags}


class Watch(TrainerCallback):
    """Keeps the weights that each checkpoint was saved with, and acts at some of them."""

    def __init__(self, **acts):
        self.weights: dict[int, bytes] = {}
        self.acts = {int(name.removeprefix("at_")): act for name, act in acts.items()}

    def on_save(self, args, state, control, **kwargs):
        """Called after a checkpoint has been written and its push put into the queue."""
        step = state.global_step
        self.weights[step] = Path(args.output_dir, f"checkpoint-{step}", "model.safetensors").read_bytes()
        self.acts.get(step, lambda: None)()


def trained(settings: dict, watch: Watch | None = None) -> Watch:
    watch = watch or Watch()
    trainer, checkpoint = prepare(load_recipe(None, settings))
    trainer.add_callback(watch)
    fit(trainer, checkpoint)
    return watch


def commits(local_hub, name: str = NAME, revision: str = "main") -> list:  # noqa: F811
    """Oldest first, without the Hub's own."""
    return local_hub.repo(name).history(revision)[::-1][1:]


def step_of(commit) -> int:
    return int(commit.title.rpartition(" ")[2])


# --- what arrives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["end", "every_save", "checkpoint", "all_checkpoints"])
def test_each_commit_holds_a_model_of_the_step_it_names(strategy, settings, local_hub, online, tmp_path_factory):  # noqa: F811
    flags = settings(hub_strategy=strategy, hub_always_push="true")
    watch = trained(flags)
    expected = [] if strategy == "end" else [f"Training in progress, step {step}" for step in (2, 4, 6)]
    found = commits(local_hub)
    titles = [commit.title for commit in found]
    assert titles[: len(expected)] == expected and titles[len(expected) :] == ["End of training, step 6"]
    trees = []
    for commit in found:
        files = {path: blob.data for path, blob in commit.files.items()}
        assert files["model.safetensors"] == watch.weights[step_of(commit)], commit.title
        assert {"config.json", "tokenizer.json", "modeling_token_classification.py", "handler.py"} <= set(files)
        folders = {path.partition("/")[0] for path in files if "/" in path}
        seen = [step for step in (2, 4, 6) if step <= step_of(commit)]
        kept = {"checkpoint": {"last-checkpoint"}, "all_checkpoints": {f"checkpoint-{step}" for step in seen}}
        assert folders == kept.get(strategy, set())
        for folder in folders:
            step = step_of(commit) if folder == "last-checkpoint" else int(folder.rpartition("-")[2])
            assert files[f"{folder}/model.safetensors"] == watch.weights[step]
            state = json.loads(files[f"{folder}/trainer_state.json"])
            assert state["global_step"] == step and f"{folder}/optimizer.pt" in files
            assert f"{folder}/training_args.bin" not in files
        for path, data in files.items():
            assert OWNER_TOKEN.encode() not in data, path
        tree = tmp_path_factory.mktemp("tree")
        trees.append(snapshot(local_hub.repo(NAME), tree, commit.oid))
        trees += [tree / sorted(folders)[0]] if folders else []
    out = Path(flags["output_dir"])
    assert not list(out.glob(".pushing-*")) and {"eval_results.json", "recipe.yaml"} <= set(files)
    # Checkpoints and the release; twice where a folder can be resumed from.
    assert len(trees) == len(found) * (2 if strategy in kept else 1)
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HF_MODULES_CACHE")}
    home = tmp_path_factory.mktemp("home")
    environment |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    done = command(["-c", LOADER, *trees], environment, home)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_push_with_a_newer_one_waiting_is_skipped_and_no_commit_holds_another_steps_weights(
    settings,
    local_hub,  # noqa: F811
    online,  # noqa: F811
    capsys,
):
    gate = local_hub.hold("/commit/")

    def begun():
        assert local_hub.wait_for("POST", "/commit/")

    # Step 2 is under way while 4 and 6 are saved, and its checkpoint has been deleted by then.
    watch = trained(settings(hub_strategy="every_save", save_total_limit=1), Watch(at_2=begun, at_6=gate.set))
    found = commits(local_hub)
    assert [commit.title for commit in found[:2]] == [f"Training in progress, step {step}" for step in (2, 6)]
    for commit in found:
        assert commit.files["model.safetensors"].data == watch.weights[step_of(commit)]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("push")]
    address = f"{local_hub.url}/{NAME}"
    assert lines == [
        "push skipped        step 4: step 6 is newer",
        f"pushed              step 2: {address}",
        f"pushed              step 6: {address}",
    ]


def test_with_hub_always_push_none_is_left_out(settings, local_hub, online):  # noqa: F811
    gate = local_hub.hold("/commit/")
    watch = trained(
        settings(hub_strategy="every_save", hub_always_push="true", save_total_limit=1), Watch(at_6=gate.set)
    )
    assert [step_of(commit) for commit in commits(local_hub)] == [2, 4, 6, 6]
    for commit in commits(local_hub):
        assert commit.files["model.safetensors"].data == watch.weights[step_of(commit)]


def test_the_end_takes_older_weights_away_and_keeps_what_is_resumable(settings, local_hub, online):  # noqa: F811
    local_hub.fill(NAME, {"pytorch_model.bin": b"old", "last-checkpoint/old.bin": b"old", "logo.png": b"png"})
    trained(settings(hub_strategy="checkpoint", hub_revision="next", max_steps=2))
    assert {"pytorch_model.bin", "logo.png"} <= set(local_hub.repo(NAME).files()), "main stays as it was"
    there = local_hub.repo(NAME).files("next")
    assert not {"pytorch_model.bin", "last-checkpoint/old.bin"} & set(there)
    assert {"logo.png", "last-checkpoint/optimizer.pt"} <= set(there)


def test_the_name_is_the_output_folders_where_none_is_given(settings, local_hub, online):  # noqa: F811
    flags = settings(max_steps=1, save_strategy="no", hub_strategy="end", hub_private_repo="true")
    del flags["hub_model_id"]
    trained(flags)
    assert local_hub.repo("mina/out").private and len(commits(local_hub, "mina/out")) == 1


# --- what does not arrive ---------------------------------------------------------------------------------------------


def words(settings: dict) -> list[str]:
    return ["train", *(f"--{key}={value}" for key, value in settings.items())]


def test_a_failed_push_is_reported_at_once_and_at_the_end(settings, local_hub, online, capfd):  # noqa: F811
    local_hub.fail("POST", "/commit/", times=ATTEMPTS, status=500)
    flags = settings(hub_strategy="all_checkpoints")
    assert main(words(flags)) == 1
    said, out = capfd.readouterr(), Path(flags["output_dir"])
    errors = [line for line in said.err.splitlines() if line.startswith("kospan: ")]
    assert said.err.splitlines()[-1:] == errors and len(errors) == 1
    assert f"expected every push to {NAME} to arrive, 1 did not: step 2: expected to push to {NAME}" in errors[0]
    assert errors[0].endswith(f"The trained model is complete in {out}; the release at the end arrived")
    assert any(line.startswith("push failed         step 2: expected to push") for line in said.out.splitlines())
    assert [step_of(commit) for commit in commits(local_hub)] == [4, 6, 6]
    assert OWNER_TOKEN not in said.out + said.err
    assert {"model.safetensors", "predictions.jsonl", "eval_results.json"} <= {path.name for path in out.iterdir()}


def test_a_failed_release_says_how_to_push_it(settings, local_hub, online):  # noqa: F811
    flags = settings(hub_strategy="end")
    trainer, _ = prepare(load_recipe(None, flags))
    local_hub.fail("POST", "/commit/", times=1000)
    with pytest.raises(ConnectionError) as caught:
        fit(trainer, None)
    message, out = str(caught.value), flags["output_dir"]
    assert message.endswith(f"is complete in {out}; push it with: python push_to_hub.py {out} --repo_id {NAME}")
    assert not commits(local_hub) and "\n" not in message
    assert all(OWNER_TOKEN not in repr(each) for each in chain(caught.value))
    local_hub.faults.clear()
    assert main(["push", out, "--repo_id", NAME, "--token", OWNER_TOKEN]) == 0
    assert commits(local_hub)[0].files["model.safetensors"].data == Path(out, "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"hub_token": "hf_WRONGdistinctive42"}, "does not know the access token (401)"),
        ({"hub_token": READER_TOKEN}, "(403)"),
        (
            {"hub_model_id": "juho/theirs"},
            "expected to write to juho/theirs, got an error: the access token has no",
        ),
        ({"hub_model_id": "mina/my model"}, "choose another name"),
        ({"hub_token": "hf_two words"}, "expected an access token of printable ASCII"),
    ],
)
def test_what_cannot_arrive_shows_before_the_first_step(
    flags,
    message,
    settings,
    local_hub,  # noqa: F811
    online,  # noqa: F811
    monkeypatch,
    capfd,
):
    local_hub.make("juho/theirs")
    monkeypatch.setattr(Trainer, "train", None)
    assert main(words(settings(**flags))) == 2
    said = capfd.readouterr()
    error = said.err.splitlines()[-1]
    assert error.startswith("kospan: expected ") and message in error and "step" not in said.out
    assert not any(token in said.out + said.err for token in ("hf_WRONG", "hf_two", OWNER_TOKEN, READER_TOKEN))
    assert ("model", NAME) not in local_hub.repos and not local_hub.count("POST", "/commit/")


def test_a_hub_that_is_not_there_shows_before_the_first_step(settings, online, monkeypatch):  # noqa: F811
    address = unused_address()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    with pytest.raises(ConnectionError, match=f"{address} could not be reached"):
        build_trainer(load_recipe(None, settings()))


def test_a_trainer_without_a_publisher_refuses_to_push(make_token_classifier, tmp_path):
    import training_cases

    with pytest.raises(ValueError, match=r"expected a PushCallback with push_to_hub: true, got none; build"):
        training_cases.trainer(make_token_classifier(encoder_input="units"), str(tmp_path), push_to_hub=True)


# --- the token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("push", ["true", "false"])
def test_the_token_is_in_no_file_and_no_line(push, settings, local_hub, online, capfd, tmp_path):  # noqa: F811
    flags = settings(push_to_hub=push, hub_strategy="every_save", max_steps=2)
    assert main(words(flags)) == 0
    said = capfd.readouterr()
    assert OWNER_TOKEN not in said.out + said.err
    files = [path for path in Path(flags["output_dir"]).rglob("*") if path.is_file()]
    assert {"training_args.bin", "recipe.yaml", "trainer_state.json"} <= {path.name for path in files}
    for path in files:
        assert OWNER_TOKEN.encode() not in path.read_bytes(), path
    arguments = torch.load(next(path for path in files if path.name == "training_args.bin"), weights_only=False)
    assert arguments.hub_token is None
    assert bool(local_hub.repos) is (push == "true")


# --- the queue --------------------------------------------------------------------------------------------------------


def test_the_queue_survives_what_a_push_raises(tmp_path):
    lines: list[str] = []

    def push(folder, message, resumable):
        raise {"a": KeyError("odd"), "b": MemoryError()}[message]

    queue = PushQueue(push, lines.append)
    for at, message in enumerate("ab"):
        (tmp_path / message).mkdir()
        queue.put(Push(at, tmp_path / message, message, None), every=True)
    queue.finish()
    assert queue.failures == ["step 0: 'odd'", "step 1: MemoryError"]
    assert lines == [f"push failed         {failure}" for failure in queue.failures]
    assert not list(tmp_path.iterdir()), "copies are gone"


def test_two_processes_push_once(settings, local_hub, tmp_path):  # noqa: F811
    flags = settings(hub_strategy="every_save", hub_always_push="true", max_steps=2, per_device_train_batch_size=2)
    environment = local_hub.environment(tmp_path / "home", token=None) | {"PYTHONPATH": str(ROOT)}
    script = tmp_path / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command += [str(script), *words(flags)]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [commit.title for commit in commits(local_hub)] == [
        "Training in progress, step 2",
        "End of training, step 2",
    ]
    assert local_hub.count("POST", "/repos/create") == 1
    assert OWNER_TOKEN not in done.stdout + done.stderr
