"""Files of a run's folder that are published, those that are not, and refused folders."""

import json
import shutil

import pytest
import yaml
from ngram_cases import NGRAM_SETTINGS, NGRAMS, with_ngrams
from release_cases import save_run

from kospan.hub.release import prepare
from kospan.training.run_folder import is_local_path

TOKEN = "hf_DISTINCTIVEreleaseToken7"


@pytest.fixture
def run_folder(make_token_classifier, texts, tmp_path):
    return save_run(make_token_classifier(), tmp_path / "tiny", texts)


def edit_json(path, change) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def test_release_has_weights_code_tokenizer_and_metrics_only(run_folder, tmp_path):
    release = prepare(run_folder, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == release.files
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "recipe.yaml"}
    expected |= {
        "modeling_token_classification.py",
        "crf.py",
        "spans.py",
        "pipelines.py",
        "handler.py",
        "requirements.txt",
    }
    assert expected | {"eval_results.json"} <= set(release.files)
    assert release.left_out == ["checkpoint-4/", "notes.txt", "predictions.jsonl", "training_args.bin"]


def test_the_ngrams_of_a_model_are_published(make_token_classifier, texts, tmp_path):
    model = with_ngrams(make_token_classifier(**NGRAM_SETTINGS))
    prepare(save_run(model, tmp_path / "tiny", texts), tmp_path / "out")
    assert type(model).from_pretrained(tmp_path / "out").ngrams.ngrams == NGRAMS


def test_validation_texts_are_published_on_request_only(run_folder, tmp_path):
    assert "predictions.jsonl" not in prepare(run_folder, tmp_path / "one").files
    assert "predictions.jsonl" in prepare(run_folder, tmp_path / "two", predictions=True).files


def test_published_recipe_has_no_paths_and_no_hub_settings(run_folder, tmp_path):
    prepare(run_folder, tmp_path / "out")
    recipe = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe == {
        "name": "tiny",
        "dataset": "jsonl",
        "train_file": "train.jsonl",
        "validation_file": "validation.jsonl",
        "encoder": "monologg/koelectra-base-v3-discriminator",
        "encoder_options": {"path": "vocab.txt"},
        "learning_rate": 5e-05,
        "output_dir": "outputs/tiny",
    }
    assert "/home/kim" in (run_folder / "recipe.yaml").read_text(encoding="utf-8"), "the run's own stays as it is"


def test_tokenizer_class_works_on_version_4(run_folder, tmp_path):
    saved = {"tokenizer_class": "TokenizersBackend", "is_local": True, "local_files_only": True}
    edit_json(run_folder / "tokenizer_config.json", lambda it: it.update(saved))
    prepare(run_folder, tmp_path / "out")
    settings = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast" and "local_files_only" not in settings


def test_checkpoint_is_published_without_training_state(run_folder, tmp_path):
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (run_folder / name).write_bytes(b"pickled")
    (run_folder / "predictions.jsonl").unlink()
    files = prepare(run_folder, tmp_path / "out", checkpoint=True).files
    assert "model.safetensors" in files and not [name for name in files if name.endswith((".pt", ".pth", ".bin"))]


# --- refusals ---------------------------------------------------------------------------------------------------------


def change(name: str, **values):
    return lambda folder: edit_json(folder / name, lambda it: it.update(values))


def change_inside(name: str, key: str, **values):
    return lambda folder: edit_json(folder / name, lambda it: it[key].update(values))


def without(name: str):
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str = "x", append: bool = False):
    def act(folder):
        before = (folder / name).read_text(encoding="utf-8") if append else ""
        (folder / name).write_text(before + text, encoding="utf-8")

    return act


REFUSALS = {
    "a pickle of weights": (write("pytorch_model.bin"), ValueError, "got pytorch_model.bin, which can run code"),
    "a checkpoint of torch": (write("model.pt"), ValueError, "got model.pt, which can run code"),
    "a plain pickle": (write("heads.pkl"), ValueError, "got heads.pkl, which can run code"),
    "a lightning checkpoint": (write("best.CKPT"), ValueError, "got best.CKPT, which can run code"),
    "no config": (without("config.json"), FileNotFoundError, "found no config.json"),
    "a config cut short": (write("config.json", "{"), ValueError, "config.json: expected JSON"),
    "no weights": (without("model.safetensors"), FileNotFoundError, "expected the weights model.safetensors"),
    "weights cut short": (write("model.safetensors", "abc"), ValueError, "expected whole weights"),
    "a shard that is missing": (
        write("model.safetensors.index.json", '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'),
        FileNotFoundError,
        "expected the weights model-00001-of-00002.safetensors",
    ),
    "no predictions": (without("predictions.jsonl"), FileNotFoundError, "expected predictions.jsonl"),
    "no tokenizer": (without("tokenizer_config.json"), FileNotFoundError, "expected a tokenizer"),
    "half a tokenizer": (without("tokenizer.json"), FileNotFoundError, "expected a tokenizer"),
    "a path in the config": (
        change("config.json", _name_or_path="/home/kim/models/base"),
        ValueError,
        "no path of this machine in config.json, got '/home/kim/models/base' at _name_or_path",
    ),
    "a path in the nested config": (
        change_inside("config.json", "encoder_config", vocab="C:\\Users\\kim\\vocab.txt"),
        ValueError,
        "at encoder_config.vocab",
    ),
    "a path in the tokenizer's settings": (
        change("tokenizer_config.json", name_or_path="~/models/base"),
        ValueError,
        "in tokenizer_config.json, got '~/models/base'",
    ),
    "a path in a file of metrics": (
        write("training_record.json", '{"runs": [{"log": "/var/log/kim/run.txt"}]}'),
        ValueError,
        "in training_record.json, got '/var/log/kim/run.txt' at runs.0.log",
    ),
    "trust given in the config": (
        change("config.json", trust_remote_code=True),
        ValueError,
        "no trust_remote_code in config.json, got it at trust_remote_code",
    ),
    "trust given in the nested config": (
        change_inside("config.json", "encoder_config", trust_remote_code=False),
        ValueError,
        "at encoder_config.trust_remote_code",
    ),
    "no auto_map": (change("config.json", auto_map=None), ValueError, "to name AutoConfig, AutoModel and one"),
    "no AutoModel": (
        change("config.json", auto_map={"AutoConfig": "configuration_kospan.KospanTokenClassificationConfig"}),
        ValueError,
        "got AutoConfig; save the model again",
    ),
    "a type that transformers knows": (
        change("config.json", model_type="electra"),
        ValueError,
        "got 'electra', which transformers would load without the head",
    ),
    "code in another repository": (
        change_inside(
            "config.json", "auto_map", AutoModel="mina/old--modeling_token_classification.KospanForTokenClassification"
        ),
        ValueError,
        "got a reference to another repository (mina/old--modeling_token_classification.KospanForTokenClassification)",
    ),
    "the model's code is missing": (
        without("modeling_token_classification.py"),
        FileNotFoundError,
        "modeling_token_classification.py",
    ),
    "code far down is missing": (without("spans.py"), FileNotFoundError, "expected the code spans.py"),
    "the pipeline's code is missing": (without("pipelines.py"), FileNotFoundError, "expected the code pipelines.py"),
    "an import that brings no file along": (
        write("crf.py", "\nfrom . import spans\n", append=True),
        ValueError,
        "in crf.py, got 'from . import'",
    ),
    "an import from a folder": (
        write("crf.py", "\nfrom .sub.x import y\n", True),
        ValueError,
        "got 'from .sub.x import'",
    ),
    "an import from above": (write("crf.py", "\nfrom ..x import y\n", True), ValueError, "got 'from ..x import'"),
    "such a line in a docstring": (
        write("crf.py", '\nNOTE = """\nfrom ..kospan import x\n"""\n', True),
        ValueError,
        "got 'from ..kospan import'",
    ),
    "a package that nobody has": (
        write("crf.py", "\ndef late():\n    import torchcrf\n", append=True),
        ValueError,
        "got crf.py, which imports torchcrf",
    ),
    "our own package": (write("crf.py", "\nfrom kospan.run import run\n", True), ValueError, "which imports kospan"),
    "a handler that leans on its neighbours": (
        write("handler.py", "\nfrom .spans import Span\n", append=True),
        ValueError,
        "expected a handler.py without relative imports",
    ),
    "a recipe that is none": (write("recipe.yaml", "- a\n- b\n"), ValueError, "lines in recipe.yaml"),
    "a token of somebody else": (
        write("eval_results.json", '{"note": "hf_' + "a" * 34 + '"}'),
        ValueError,
        "found one in eval_results.json",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused(case, run_folder, tmp_path):
    act, kind, message = REFUSALS[case]
    act(run_folder)
    with pytest.raises(kind) as caught:
        prepare(run_folder, tmp_path / "out", secrets=(TOKEN,))
    assert message in str(caught.value), str(caught.value)
    assert str(caught.value).startswith(("expected", str(run_folder))) and "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value) and "hf_aaa" not in str(caught.value)


def test_a_token_in_the_recipe_is_removed(run_folder, tmp_path):
    write("recipe.yaml", f"\nnote: my {TOKEN}\n", append=True)(run_folder)
    prepare(run_folder, tmp_path / "out", secrets=(TOKEN,))
    recipe = (tmp_path / "out" / "recipe.yaml").read_text(encoding="utf-8")
    assert "note: my" in recipe and TOKEN not in recipe


@pytest.mark.parametrize("name", ["model.safetensors", "notes.txt", "checkpoint-4"])
def test_symbolic_links_are_refused(name, run_folder, tmp_path):
    shutil.move(run_folder / name, tmp_path / "elsewhere")
    (run_folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"got the symbolic link {name}"):
        prepare(run_folder, tmp_path / "out")


def test_import_inside_try_is_allowed(run_folder, tmp_path):
    write("crf.py", "\ntry:\n    import triton\nexcept ImportError:\n    triton = None\n", append=True)(run_folder)
    assert "crf.py" in prepare(run_folder, tmp_path / "out").files


def test_words_of_a_vocabulary_are_not_paths(run_folder, tmp_path):
    edit_json(run_folder / "tokenizer.json", lambda it: it["model"]["vocab"].update({"/usr/bin/env": 999}))
    prepare(run_folder, tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["/", "</s>", "a/b", "./a/b", "1/2", "/ /", "user/name", "https://x.y/z", "[/INST]", ""]
)
def test_not_a_local_path(text):
    assert not is_local_path(text)


@pytest.mark.parametrize("text", ["/home/kim", "/tmp", "~/x", "C:/x", "d:\\x", "\\\\server\\share", "file:///etc/x"])
def test_local_path(text):
    assert is_local_path(text)
