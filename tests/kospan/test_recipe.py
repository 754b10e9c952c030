import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kospan.flags import from_command_line, manual, parse_flags
from kospan.modeling.settings import CHOICES
from kospan.recipe import (
    FIELDS,
    Recipe,
    default_of,
    load_recipe,
    parse_settings,
    save_recipe,
    trainer_fields,
)
from kospan.recipe_defaults import RENAMED
from kospan.setting import check, parse
from kospan.training.arguments import training_arguments

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def write(tmp_path):
    """Writes a recipe file of the given text and gives its path."""

    def written(text: str, name: str = "my_run.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


def arguments(recipe: Recipe, folder: Path):
    recipe.trainer.update({"output_dir": str(folder), "use_cpu": True})
    return training_arguments(recipe)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["3e-5", "3E-5", "0.00003", "3.0e-5", "'3e-5'"])
def test_a_rate_may_be_written_as_people_write_it(write, tmp_path, written):
    recipe = load_recipe(write(f"learning_rate: {written}\nfgm_epsilon: {written}\n"))
    assert recipe.fgm_epsilon == 3e-5
    assert arguments(recipe, tmp_path).learning_rate == 3e-5


def test_flags_win_over_the_file_and_the_file_over_the_defaults(write, tmp_path):
    path = write("head: linear\nseed: 5\nlstm_hidden_size: 8\nnum_train_epochs: 2\n")
    recipe = load_recipe(path, {"lstm_hidden_size": "16", "seed": "7"})
    assert (recipe.head, recipe.lstm_hidden_size, recipe.dropout) == ("linear", 16, 0.1)
    found = arguments(recipe, tmp_path)
    assert (found.seed, found.num_train_epochs, found.per_device_train_batch_size) == (7, 2.0, 32)


def test_a_run_is_named_after_its_file_unless_it_says_otherwise(write):
    assert load_recipe(write("seed: 1\n")).name == "my_run"
    assert Path(load_recipe(write("seed: 1\n")).output_dir) == Path("outputs/my_run")
    assert load_recipe(write("name: other\n")).trainer["run_name"] == "other"
    assert Path(load_recipe(write(""), {"output_dir": "there"}).output_dir) == Path("there")
    assert load_recipe().name == "run"


def test_an_empty_file_gives_the_defaults(write):
    assert load_recipe(write("# nothing\n", "run.yaml")) == load_recipe()


@pytest.mark.parametrize("written, value", [("true", True), ("yes", True), ("1", True), ("no", False), ("off", False)])
def test_truth_values_may_be_written_as_people_write_them(write, tmp_path, written, value):
    recipe = load_recipe(write(f"freeze_encoder: {written}\ndataloader_drop_last: {written}\n"))
    assert recipe.freeze_encoder is value
    assert arguments(recipe, tmp_path).dataloader_drop_last is value


@pytest.mark.parametrize("key", ["eval_strategy", "save_strategy", "logging_strategy"])
@pytest.mark.parametrize("written", ["no", "'no'"])
def test_a_strategy_of_no_is_no_truth_value(write, tmp_path, key, written):
    recipe = load_recipe(write(f"{key}: {written}\nload_best_model_at_end: false\n"))
    assert getattr(arguments(recipe, tmp_path), key) == "no"


@pytest.mark.parametrize(
    "key, value, named",
    [
        ("max_length", "long", "expected max_length to be a whole number, got 'long'"),
        ("max_length", 3.5, "expected max_length to be a whole number, got 3.5"),
        ("stride", True, "expected stride to be a whole number, got True"),
        ("stride", "inf", "expected stride to be a whole number, got 'inf'"),
        ("dropout", "a little", "expected dropout to be a number, got 'a little'"),
        ("dropout", [0.1], r"expected dropout to be a number, got \[0.1\]"),
        ("freeze_encoder", "perhaps", "expected freeze_encoder to be true or false, got 'perhaps'"),
        ("freeze_encoder", 2, "expected freeze_encoder to be true or false, got 2"),
        ("head_options", "16", "expected head_options to be a mapping, got '16'"),
        ("head_options", "{a: [", r"expected head_options to be a mapping, got '{a: \['"),
        ("learning_rates", [1], r"expected learning_rates to be a mapping, got \[1\]"),
        ("encoder", ["a", "b"], r"expected encoder to be text, got \['a', 'b'\]"),
        ("train_file", {"a": 1}, "expected train_file to be text, got {'a': 1}"),
        ("head", True, "expected head to be text, got True"),
        ("lstm_hidden_size", None, "expected a value for lstm_hidden_size, got none; remove the line"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_key_and_value(key, value, named):
    with pytest.raises(ValueError, match=f"^here: {named}"):
        parse(FIELDS[key], value, "here")


@pytest.mark.parametrize("key", ["rdrop_alpha", "fgm_lambda", "fgm_epsilon", "dropout", "subword_dropout"])
@pytest.mark.parametrize("value", ["-0.5", "nan", "inf"])
def test_a_number_that_training_would_take_in_silence_is_refused(key, value):
    with pytest.raises(ValueError, match=f"^flags: expected {key} to be a number .*0.*, got {value}"):
        load_recipe(None, {key: value})


@pytest.mark.parametrize("key", ["whole_word_mask", "mention_replacement"])
def test_a_share_may_be_one_but_not_more(key):
    assert getattr(load_recipe(None, {key: "1.0"}), key) == 1.0
    for value in ("1.01", "inf", "nan", "-0.5"):
        with pytest.raises(ValueError, match=f"expected {key} to be a number from 0 to 1, got {value}; change or"):
            load_recipe(None, {key: value})


@pytest.mark.parametrize("key", ["max_length", "lstm_layers", "multi_sample_dropout"])
def test_a_count_below_one_is_no_default(key):
    with pytest.raises(ValueError, match=f"^flags: expected {key} to be a number of 1 or more, got 0"):
        load_recipe(None, {key: "0"})


@pytest.mark.parametrize(
    "key, value",
    [
        ("learning_rate", "-1"),
        ("learning_rate", "nan"),
        ("weight_decay", "-0.1"),
        ("max_grad_norm", "-1"),
        ("num_train_epochs", "nan"),
        ("num_train_epochs", "-1"),
        ("gradient_accumulation_steps", "0"),
        ("per_device_train_batch_size", "0"),
        ("per_device_eval_batch_size", "0"),
    ],
)
def test_a_number_of_the_trainer_s_is_checked_before_anything_is_built(tmp_path, key, value):
    with pytest.raises(ValueError, match=f"expected {key} to be a number of [01] or more, got {value}"):
        arguments(load_recipe(None, {key: value}), tmp_path)


def test_values_are_read_as_their_keys_take_them():
    def read(key, value):
        return parse(FIELDS[key], value)

    assert read("max_length", "128") == 128 and read("max_length", 64.0) == 64
    assert read("max_length", None) is read("max_length", "none") is read("train_file", "null") is None
    assert read("head_options", "{heads: 8, s: [1, 2]}") == {"heads": 8, "s": [1, 2]}
    assert read("dropout", 0) == 0.0 and isinstance(read("dropout", 0), float)
    assert read("name", 2024) == "2024"
    assert read("resume_from_checkpoint", "true") is read("resume_from_checkpoint", True) is True
    assert read("resume_from_checkpoint", "out/checkpoint-9") == "out/checkpoint-9"
    # Null asks for the default of a setting that takes none; settings of the Trainer are its own.
    settings = {"dropout": None, "max_length": "none", "lstm_layers": "2", "warmup_steps": "3"}
    assert parse_settings(settings) == {**settings, "max_length": None, "lstm_layers": 2}


@pytest.mark.parametrize(
    "key, value",
    [
        *(("overlaps", "keep"), ("fgm_space", "both"), ("rdrop_level", "tag"), ("crf_backend", "jax")),
        *(("scheme", "IOB"), ("constrain", "always"), ("unit", "token"), ("pooling", "max"), ("dtype", "int8")),
    ],
)
def test_a_value_outside_its_choices_is_refused_with_the_choices(key, value):
    with pytest.raises(ValueError, match=f"expected {key} to be one of .*, got '{value}'"):
        load_recipe(None, {key: value})


def test_settings_of_the_trainer_may_be_mappings_and_lists(write, tmp_path):
    recipe = load_recipe(
        write("lr_scheduler_type: cosine_with_restarts\nlr_scheduler_kwargs: {num_cycles: 3}\nreport_to: [none]\n")
    )
    found = arguments(recipe, tmp_path)
    assert found.lr_scheduler_kwargs == {"num_cycles": 3}
    assert found.report_to == []


def test_a_wrong_value_for_the_trainer_is_refused_by_its_key(tmp_path):
    with pytest.raises(ValueError, match=r"TrainingArguments take.*num_train_epochs.*many"):
        arguments(load_recipe(None, {"num_train_epochs": "many"}), tmp_path)
    with pytest.raises(ValueError, match="eval_strategy"):
        arguments(load_recipe(None, {"eval_strategy": "sometimes"}), tmp_path)


def test_documents_reach_the_model_whole_whatever_a_recipe_says(tmp_path):
    found = arguments(load_recipe(None, {"remove_unused_columns": "true"}), tmp_path)
    assert found.remove_unused_columns is False


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key, hint",
    [
        ("learning_rat", "learning_rate"),
        ("lstm_hiden_size", "lstm_hidden_size"),
        ("rdrop_alhpa", "rdrop_alpha"),
        ("num_train_epoch", "num_train_epochs"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_nearest(write, key, hint):
    path = write(f"{key}: 1\n")
    with pytest.raises(ValueError, match=rf"my_run\.yaml: .*got '{key}'; did you mean {hint}\?"):
        load_recipe(path)
    with pytest.raises(ValueError, match=rf"flags: .*got '{key}'; did you mean {hint}\?"):
        load_recipe(None, {key: "1"})


@pytest.mark.parametrize("key", RENAMED)
def test_a_former_key_is_taken_by_the_trainer_or_refused_with_its_new_name(key):
    if key in trainer_fields():
        assert load_recipe(None, {key: "1"}).trainer[key] == "1"
    else:
        with pytest.raises(ValueError) as error:
            load_recipe(None, {key: "1"})
        assert f"did you mean {RENAMED[key]}?" in str(error.value)


def test_every_new_name_is_a_key():
    for old, new in RENAMED.items():
        if old not in trainer_fields():
            assert new.partition(":")[0].partition(" ")[0] in {*FIELDS, *trainer_fields()}, old


def test_a_key_like_no_other_is_sent_to_the_manual():
    with pytest.raises(ValueError, match="got 'xyzzy'; --help and --help-trainer list all keys"):
        load_recipe(None, {"xyzzy": "1"})


def test_a_key_that_is_no_text_is_refused(write):
    with pytest.raises(ValueError, match="got 17"):
        load_recipe(write("17: 3\n"))


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a recipe at .*nowhere\.yaml, found no such file"):
        load_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(FileNotFoundError, match="expected a recipe at"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("text, kind", [("- head: crf\n", "list"), ("just words\n", "str"), ("17\n", "int")])
def test_a_file_that_is_no_mapping_is_refused(write, text, kind):
    with pytest.raises(ValueError, match=rf"my_run\.yaml: expected flat `key: value` lines, got a {kind}"):
        load_recipe(write(text))


def test_a_file_that_cannot_be_read_is_named(write):
    with pytest.raises(ValueError, match=r"my_run\.yaml: expected YAML in UTF-8, got: while .* line 2, column 5"):
        load_recipe(write("head: [crf\nseed: 1\n"))
    path = write("")
    path.write_bytes("name: 이름\n".encode("cp949"))
    with pytest.raises(ValueError, match=r"my_run\.yaml: expected YAML in UTF-8, got: 'utf-8' codec"):
        load_recipe(path)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("? [a, b]\n: 1\n", "a list or a mapping as a key .*line 1"),
        ("? {a: b}\n: 1\n", "a list or a mapping as a key"),
        ("encoder_options: {? [a] : 1}\n", "a list or a mapping as a key"),
        ("name: 2020-99-99\n", "month must be in"),
        ("name: " + "[" * 5000, "recursion"),
        ("seed: " + "9" * 5000, "Exceeds the limit"),
    ],
)
def test_values_that_python_cannot_read_are_named(write, text, reason):
    with pytest.raises(ValueError, match=rf"my_run\.yaml: expected YAML in UTF-8, got: .*{reason}.*; correct the file"):
        load_recipe(write(text))


def test_a_flag_that_python_cannot_read_is_named():
    with pytest.raises(ValueError, match="flags: expected encoder_options to be a mapping"):
        load_recipe(None, {"encoder_options": "[" * 5000})


def test_a_duplicate_key_is_refused_with_its_line(write):
    with pytest.raises(ValueError, match=r"my_run\.yaml: .*the key 'seed' twice.* line 3"):
        load_recipe(write("seed: 1\nhead: crf\nseed: 2\n"))


def test_a_misspelt_flag_is_not_an_error_of_the_file(write):
    with pytest.raises(ValueError, match=r"^flags: .*got 'sed'; did you mean seed"):
        load_recipe(write("seed: 1\n"), {"sed": "2"})
    with pytest.raises(ValueError, match=r"^flags: expected fgm_epsilon to be a number, got 'much'"):
        load_recipe(write("fgm_epsilon: 0.5\n"), {"fgm_epsilon": "much"})


def test_a_saved_recipe_is_the_recipe(write, tmp_path):
    path = write(
        "name: 한국어\nencoder_options: {num_hidden_layers: 1}\nlearning_rates: {encoder: 3e-5, lora_B: 16x}\n"
        "learning_rate: 3e-5\nmax_length: 128\nwarmup_steps: 0.1\nlr_scheduler_kwargs: {num_cycles: 3}\n"
        "eval_strategy: no\n"
    )
    recipe = load_recipe(path, {"fp16": "true", "rdrop_alpha": "1"})
    save_recipe(recipe, tmp_path / "recipe.yaml")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert "한국어" in (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["my_run.yaml", "recipe.yaml"]


def test_a_saved_recipe_asks_neither_to_resume_nor_to_overwrite(tmp_path):
    save_recipe(
        load_recipe(None, {"overwrite_output_dir": "true", "resume_from_checkpoint": "true"}), tmp_path / "recipe.yaml"
    )
    found = load_recipe(tmp_path / "recipe.yaml")
    assert found.overwrite_output_dir is found.resume_from_checkpoint is False
    assert not {"overwrite_output_dir", "resume_from_checkpoint"} & set(
        yaml.safe_load((tmp_path / "recipe.yaml").read_text(encoding="utf-8"))
    )


# --- the command line -------------------------------------------------------------------------------------------------


def test_words_become_a_path_and_settings():
    words = ["a.yaml", "--learning_rate", "3e-5", "--fp16", "--head=linear", "--max-steps", "-1", "--name", "two words"]
    settings = {"learning_rate": "3e-5", "fp16": "true", "head": "linear", "max_steps": "-1", "name": "two words"}
    assert parse_flags(words) == ("a.yaml", settings)
    assert parse_flags([]) == (None, {})
    assert parse_flags(["--head_options={a: b=c}"]) == (None, {"head_options": "{a: b=c}"})


@pytest.mark.parametrize("words", [["a.yaml", "b.yaml"], ["--seed", "7", "a.yaml"], ["--name", "two", "words"]])
def test_a_word_too_many_is_refused(words):
    with pytest.raises(ValueError, match=f"got the extra word '{words[-1]}'"):
        parse_flags(words)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([], False),
        (["--resume_from_checkpoint"], True),
        (["--resume_from_checkpoint", "true"], True),
        (["--resume_from_checkpoint=no"], False),
        (["--resume_from_checkpoint", "outputs/run/checkpoint-12"], "outputs/run/checkpoint-12"),
    ],
)
def test_a_checkpoint_to_resume_from_is_the_last_or_a_path(words, value):
    assert from_command_line(words).resume_from_checkpoint == value


def test_mappings_can_be_given_as_flags(write):
    words = [str(write("learning_rates: {encoder: 1e-5}\n")), "--learning_rates", "{encoder: 3e-5, head: 1e-3}"]
    assert from_command_line(words).learning_rates == {"encoder": "3e-5", "head": "1e-3"}


def test_the_manual_shows_every_setting_of_ours(capsys):
    assert from_command_line(["--help"]) is None
    shown = capsys.readouterr().out
    assert shown.strip() == manual().strip()
    for name, entry in FIELDS.items():
        assert f"\n  --{name} [" in shown
        assert entry.metadata["help"] in shown
        assert not entry.metadata["needs"] or f"only with {' and '.join(entry.metadata['needs'])}" in shown


def test_choices_and_ranges_hold_the_default_and_the_off_value():
    for entry in FIELDS.values():
        for value in (default_of(entry.name), entry.metadata["off"]):
            check(entry, value)
        for choice in entry.metadata["choices"]:
            assert parse(entry, choice) == choice and re.search(rf"\b{choice}\b", entry.metadata["help"]), entry.name


def test_choices_of_model_settings_are_those_of_the_configs():
    assert {key for key, entry in FIELDS.items() if entry.metadata["choices"] == CHOICES.get(key)} == (
        CHOICES.keys() & FIELDS.keys()
    )


def test_the_trainer_s_manual_shows_its_settings(capsys):
    assert from_command_line(["--help-trainer"]) is None
    shown = capsys.readouterr().out
    assert all(f"  --{name}\n" in shown for name in ("learning_rate", "num_train_epochs", "fp16"))


@pytest.mark.parametrize(
    "call",
    [
        "sys.argv[1:] = ['--help']; runpy.run_path('train.py', run_name='__main__')",
        "from kospan.cli import main; main(['train', '--help'])",
    ],
)
def test_help_needs_neither_torch_nor_transformers(call):
    heavy = "('torch', 'transformers', 'numpy', 'datasets', 'accelerate')"
    shown = f"print('loaded:', [name for name in {heavy} if name in sys.modules])"
    script = f"import runpy, sys\ntry:\n    {call}\nexcept SystemExit:\n    pass\n{shown}"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert found.returncode == 0, found.stderr
    assert "--rdrop_alpha [0.0]" in found.stdout
    assert found.stdout.rstrip().endswith("loaded: []")


def test_a_plain_recipe_is_read_without_torch(write):
    path = write("seed: 3\nhead: linear\nlearning_rate: 3e-5\n")
    script = (
        f"import sys; from kospan.recipe import load_recipe; print(load_recipe({str(path)!r}).head);print('loaded:', "
        "[name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert found.stdout.split() == ["linear", "loaded:", "[]"], found.stderr


def test_how_files_are_read(write):
    recipe = load_recipe(write("quoting: none\ntoken_column: 1\ntag_column: -2\nskip_invalid: true\n"))
    assert (recipe.quoting, recipe.token_column, recipe.tag_column, recipe.skip_invalid) == ("none", "1", "-2", True)
    assert load_recipe(None, {"tag_column": "NER", "quoting": "minimal"}).tag_column == "NER"
    with pytest.raises(ValueError, match="expected quoting to be one of auto, minimal, none, got 'all'"):
        load_recipe(None, {"quoting": "all"})


@pytest.mark.parametrize("key", ["class_weights", "focal_loss", "augmentation"])
def test_a_key_that_is_near_to_none_gets_no_wrong_advice(key):
    with pytest.raises(ValueError, match=rf"got '{key}'; --help and --help-trainer list all keys"):
        load_recipe(None, {key: "1"})


@pytest.mark.parametrize(("key", "hint"), [("epochs", "num_train_epochs"), ("patience", "early_stopping_patience")])
def test_a_shortened_key_is_found(key, hint):
    with pytest.raises(ValueError, match=rf"got '{key}'; did you mean {hint}\?"):
        load_recipe(None, {key: "1"})
