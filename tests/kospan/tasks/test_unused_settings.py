"""Every setting with every task and head: it changes something, or it is refused."""

import json
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from ablation_generative_cases import corpus
from label_cases import corpus as corpus_of_pairs
from label_cases import labelled
from question_cases import questions
from test_recipes import tiny_decoder, tiny_encoder

from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.heads import HEADS
from kospan.modeling.spans import Span
from kospan.recipe import FIELDS, Given, Recipe, default_of, load_recipe, save_recipe
from kospan.recipe_defaults import FILES
from kospan.run import build_trainer, prepare_output, train
from kospan.tasks.registry import TASKS, task_spec
from kospan.tasks.unused_settings import EVERY_TASK, check_recipe, is_off, needs, settled, unused

# Of each setting a value that turns it on or is another than the default. Paths are completed by `files`.
VALUES = {
    **{"name": "other", "task": "generative-ner", "dataset": "labelled", "train_file": "other.jsonl"},
    **{
        "extra_train_file": "other.jsonl",
        "validation_file": "other.jsonl",
        "max_train_samples": 3,
        "max_eval_samples": 1,
        "overlaps": "longest",
    },
    **{
        "problem_type": "single_label_classification",
        "calibration_split": "0.5",
        "encoder": "scratch",
        "encoder_options": {"initializer_range": 0.05},
    },
    **{"unit": "word", "encoder_input": "units", "normalization": "none", "max_length": 200, "stride": 4},
    **{
        "word_shape_feature": True,
        "exact_match_feature": True,
        "max_query_length": 4,
        "max_answer_length": 3,
        "allow_no_answer": True,
    },
    **{"windowed_field": "text_pair", "pooling": "mean", "scheme": "BIOES", "head": "linear"},
    **{"head_options": {"feedforward": 8}, "lstm_hidden_size": 4, "lstm_layers": 2, "lstm_dropout": 0.2},
    **{"dropout": 0.3, "multi_sample_dropout": 3, "dropout_merge": "mean_loss", "constrain": "both"},
    **{"crf_backend": "torchcrf", "freeze_encoder": True, "feature_cache_dir": "states", "instruction": "Look."},
    **{
        "label_descriptions": {"LC": "place"},
        "few_shot": 1,
        "few_shot_strategy": "similar",
        "constrained_decoding": False,
    },
    **{
        "max_new_tokens": 30,
        "dtype": "bfloat16",
        "load_in_8bit": True,
        "load_in_4bit": True,
        "device_map": "auto",
        "packing": True,
    },
    **{"sources": {"news": "news.txt"}, "tokenizer": "folder", "mlm_probability": 0.2},
    **{"subword_embedding_size": 6, "whole_word_mask": 0.1, "mask_replace_prob": 0.7, "random_replace_prob": 0.2},
    **{"lora_rank": 2, "lora_alpha": 8.0, "lora_dropout": 0.2, "lora_targets": "attention-mlp", "lora_rslora": True},
    **{"lora_dora": True, "learning_rates": {"encoder": 0.1, "head": 0.2}, "fgm_epsilon": 0.1},
    **{"fgm_space": "parameter", "fgm_lambda": 0.5, "rdrop_alpha": 0.5, "rdrop_level": "marginal", "rdrop_on": "both"},
    **{
        "quoting": "none",
        "token_column": "1",
        "tag_column": "2",
        "skip_invalid": True,
        "subword_dropout": 0.2,
        "mention_replacement": 0.5,
        "mention_source": "gazetteer",
        "ngram_vectors": "ko.vec",
        "ngram_dropout": 0.3,
        "nan": "skip",
        "validation_loss": True,
        "early_stopping_patience": 2,
        "resume_from_checkpoint": True,
        "overwrite_output_dir": True,
    },
}
# Settings that have no other value yet.
ONE_VALUE = {"objective"}
# What has to be there for a setting to be used, beside what it needs.
BESIDE = {
    "overlaps": {"train_file": "overlapping.jsonl"},
    "quoting": {"dataset": "labelled", "train_file": "quoted.tsv"},
    "token_column": {"dataset": "conll", "train_file": "columns.conll"},
    "tag_column": {"dataset": "conll", "train_file": "columns.conll"},
    "skip_invalid": {"train_file": "invalid.jsonl"},
    "problem_type": {"train_file": "numbers.jsonl", "metric_for_best_model": "pearson"},
    "windowed_field": {"train_file": "pairs.jsonl"},
    "label_descriptions": {"instruction": "Find."},
    "load_in_8bit": {"lora_rank": 2},
    "load_in_4bit": {"lora_rank": 2},
    "few_shot_strategy": {"few_shot": 1, "train_file": "texts.jsonl"},
    "feature_cache_dir": {"freeze_encoder": True},
    "learning_rates": {"lora_rank": 0},
}
# Settings whose values need other data, or a GPU; and those without which the data are an error.
MAY_FAIL = ("task", "dataset", "problem_type", "load_in_8bit", "load_in_4bit", "device_map")
FAIL_WITHOUT = ("overlaps", "quoting", "tag_column", "skip_invalid")
PATHS = (*FILES, "encoder", "feature_cache_dir", "output_dir")
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
TINY = {"dataset": "jsonl", "use_cpu": True, "num_train_epochs": 1, "per_device_train_batch_size": 4}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with data of every task, a small encoder and a small decoder."""
    folder = tmp_path_factory.mktemp("files")
    texts = [Example(e.id, e.text, e.spans) for e in corpus().splits["train"]] * 2
    texts = [
        Example(f"{at}", f"{at} {e.text}", tuple(_moved(s, len(f"{at} ")) for s in e.spans))
        for at, e in enumerate(texts)
    ]
    pairs = corpus_of_pairs(16, long=80, pairs=True).splits["train"]
    whole = [Example(e.id, e.text, e.spans * 2) for e in labelled(16)]
    numbers = [Example(e.id, e.text, (Span(0, len(e.text), f"{at}.5"),)) for at, e in enumerate(labelled(16))]
    overlapping = [Example(e.id, e.text, (*e.spans, *(Span(0, 4, "LC") for _ in range(2)))) for e in texts]
    sets = {
        "token-classification": {"texts": texts, "other": texts[:6], "overlapping": overlapping},
        "question-answering": {"texts": questions(32), "other": questions(6)},
        "text-classification": {
            **{"texts": labelled(16), "other": labelled(6), "overlapping": whole, "numbers": numbers},
            "pairs": [replace(e, text_pair=f"{e.text_pair} {at}") for at, e in enumerate(pairs)],
        },
    }
    sets["generative-ner"] = sets["token-classification"]
    rows = [f"서울{at}에 서울{at} B-LC O\n간다 가다 O B-PS\n" for at in range(16)]
    quoted = [f'"글 {at}"\t{at % 2}\n' for at in range(16)]
    labels = [
        {"text": f"글 {at}", "spans": [{"start": 0, "end": 1, "label": "LC"}], "label": f"{at % 2}"} for at in range(16)
    ]
    datasets.Dataset.from_list(labels).save_to_disk(str(folder / "set"))
    for task, examples in sets.items():
        (folder / task).mkdir()
        (folder / task / "ko.vec").write_text("2 2\n서울 1 0\n가 0 1\n", encoding="utf-8")
        (folder / task / "columns.conll").write_text("\n".join(rows), encoding="utf-8")
        (folder / task / "quoted.tsv").write_text("".join(["text\tlabel\n", *quoted]), encoding="utf-8")
        for name, found in examples.items():
            write_jsonl(folder / task / f"{name}.jsonl", found)
        lines = (folder / task / "texts.jsonl").read_text(encoding="utf-8")
        (folder / task / "invalid.jsonl").write_text(lines + '{"text": 3}\n', encoding="utf-8")
        everything = [example.text for example in examples["texts"]]
        make = (
            tiny_decoder
            if task == "generative-ner"
            else lambda place, all=everything: tiny_encoder("electra", all, place)
        )
        make(folder / task / "encoder")
        (folder / task / "full").mkdir()
        (folder / task / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    return folder


def _moved(span: Span, by: int) -> Span:
    return span._replace(start=span.start + by, end=span.end + by)


def recipe_of(files: Path, kind: str, **settings) -> Recipe:
    """A recipe over small data and a small pretrained model for a task; `settings` win."""
    given = {**TINY, "task": kind, "train_file": "texts.jsonl", "output_dir": "out", "encoder": "encoder", **settings}
    if kind == "text-classification":
        given.setdefault("metric_for_best_model", "accuracy")
    if given.get("encoder") == "scratch":
        given.setdefault("encoder_options", SIZES | ({} if kind == "generative-ner" else {"embedding_size": 16}))
    folder = files / kind
    if given["dataset"] == "hub:set":
        given["dataset"] = f"hub:{files / 'set'}"
    return load_recipe(
        None,
        {
            key: str(folder / value) if key in PATHS and value not in ("scratch", None) else value
            for key, value in given.items()
        },
    )


def behaviour(recipe: Recipe) -> dict:
    """All that a recipe decides, as values that can be compared: the data, the model, and how it is trained."""
    found: dict = {}
    try:
        found["output"] = prepare_output(
            Recipe(
                trainer={"output_dir": str(Path(recipe.output_dir).with_name("full"))},
                resume_from_checkpoint=recipe.resume_from_checkpoint,
                overwrite_output_dir=recipe.overwrite_output_dir,
            )
        )
    except (FileExistsError, FileNotFoundError) as error:
        found["output"] = str(error)
    try:
        trainer = build_trainer(Recipe(**{**vars(recipe), "resume_from_checkpoint": False}))
    except (ValueError, TypeError, ImportError, OSError) as error:
        return found | {"error": str(error)}
    task, model = trainer.task, trainer.model
    config = task.generator.config if recipe.task == "generative-ner" else model.config
    head = getattr(model, "head", None)
    adapted = [module for module in model.modules() if hasattr(module, "lora_A")]
    return found | {
        "config": (config.to_dict(), model.config.to_dict()),
        "model": str(model),
        "weights": {
            name: (value.dtype, value.sum().item(), value.requires_grad) for name, value in model.named_parameters()
        },
        "adapters": [(module.r, module.scaling, module.use_dora) for module in adapted],
        "likelihood": hasattr(head, "likelihood"),
        "samples": [getattr(head, name, None) for name in ("samples", "merge")],
        "data": {split: task.corpus.splits[split] for split in task.corpus.splits},
        "labels": task.labels,
        "features": list(trainer.train_dataset),
        "evaluated": list(trainer.eval_dataset),
        "names": (trainer.args.output_dir, trainer.args.run_name),
        "fgm": trainer.fgm and (trainer.fgm.epsilon, trainer.fgm.space, trainer.fgm_lambda),
        "rdrop": (trainer.rdrop_alpha, trainer.rdrop_alpha and trainer.rdrop_level, trainer.rdrop_on),
        "rates": trainer.learning_rates,
        "collator": type(trainer.data_collator.collate).__name__,
        "nan": trainer.non_finite.policy,
        "subword dropout": trainer.subword_dropout and trainer.subword_dropout.share,
        "validation loss": trainer.validation_loss is not None,
        "callbacks": [
            (
                type(each).__name__,
                getattr(each, "early_stopping_patience", 0),
                vars(getattr(each, "replacement", object)).get("pools"),
            )
            for each in trainer.callback_handler.callbacks
        ],
        "feature cache": trainer.feature_cache and trainer.feature_cache.root,
        "loading": getattr(task, "loading", None),
    }


@pytest.fixture(scope="module")
def known() -> dict:
    """The behaviour of recipes that several tests start from."""
    return {}


def on(key: str) -> dict:
    """The settings that a setting needs, turned on."""
    return {each: VALUES[each] for each in needs(key) if each in VALUES} | BESIDE.get(key, {})


def pairs(used: bool) -> list:
    """Tasks and settings that they use, or do not use; of tagging with each head."""
    found = []
    for name, spec in TASKS.items():
        if used and not spec.predicts:  # See tests/kospan/tasks/pretraining/test_task.py.
            continue
        for head in HEADS if name == "token-classification" else (None,):
            beside = {"head": head} if head else {}
            none = set(HEADS[head].unused({})) if head else set()
            for key in VALUES:
                if (key in spec.uses and key not in none) == used and not (head and key == "head" and head == "linear"):
                    found.append(pytest.param(name, beside, key, id=f"{name}-{head or 'any'}-{key}"))
    return found


def test_the_table_of_values_is_complete():
    assert VALUES.keys() == FIELDS.keys() - ONE_VALUE
    for key, value in VALUES.items():
        assert key == "encoder" or (value != default_of(key) and not is_off(key, value))
    for spec in TASKS.values():
        assert spec.uses <= FIELDS.keys() and (spec.uses >= EVERY_TASK or not spec.predicts)
    assert set().union(*(spec.uses for spec in TASKS.values())) == FIELDS.keys()
    assert {key for key in FIELDS if needs(key)} >= {"lstm_layers", "rdrop_level", "feature_cache_dir", "lora_alpha"}


@pytest.mark.parametrize(("task", "beside", "key"), pairs(used=True))
def test_a_setting_that_is_used_changes_something(files, known, task, beside, key):
    beside, changed = {**beside, **on(key)}, VALUES[key]
    if (task, key) == ("text-classification", "tag_column"):
        beside, changed = {"dataset": "hub:set", "train_file": None}, "label"
    if task == "generative-ner":
        others = {
            "learning_rates": {"layers": 0.1},
            "lora_targets": "q_proj",
            "task": "token-classification",
            "max_length": 1500,
        }
        changed = others.get(key, changed)
    at = f"{task} {beside}"
    if at not in known:
        known[at] = behaviour(recipe_of(files, task, **beside))
    plain = known[at]
    assert "error" not in plain or key in FAIL_WITHOUT, plain
    other = behaviour(recipe_of(files, task, **beside | {key: changed}))
    assert plain != other
    assert "error" not in other or key in MAY_FAIL, other


@pytest.mark.parametrize(("task", "beside", "key"), pairs(used=False))
def test_a_setting_that_is_not_used_is_refused_beside_its_task_and_dropped_under_it(tmp_path, task, beside, key):
    value = VALUES[key]
    leads = {each: VALUES[each] for each in needs(key) if each in VALUES}
    asked = {
        "task": task,
        **{each: leads[each] for each in leads if each in TASKS[task].uses},
        **beside,
        key: value,
    }
    asked |= {"lstm_hidden_size": 0} if beside.get("head") == "positional" and key != "lstm_hidden_size" else {}
    wanted = rf"expected no {key} with (task: {task}|head: {beside.get('head')}).*, where it has no effect, got "
    for recipe in (load_recipe(None, asked), Recipe(**asked)):
        with pytest.raises(ValueError, match=wanted):
            settled(recipe, task_spec(task))
        with pytest.raises(ValueError, match=wanted):
            check_recipe(recipe, task_spec(task))
    # Null, the default and the value that turns it off are accepted, and so is null where the setting takes none.
    for harmless in (None, default_of(key), FIELDS[key].metadata["off"]):
        assert not settled(load_recipe(None, {**asked, key: harmless}), task_spec(task)).dropped
    # A flag that changes the task, or the head, drops what the file says.
    other = next(name for name, each in TASKS.items() if key in each.uses)
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"task": other, **leads, key: value}), encoding="utf-8")
    found = settled(load_recipe(path, {"task": task, **beside}), task_spec(task))
    assert getattr(found.recipe, key) == default_of(key)
    assert (key, f"head: {beside['head']}" if key in TASKS[task].uses else f"task: {task}") in [
        (name, reason.partition(",")[0]) for name, reason in found.dropped
    ]
    # And the result is a recipe like any other.
    save_recipe(found.recipe, tmp_path / "saved.yaml")
    assert not settled(load_recipe(tmp_path / "saved.yaml"), task_spec(task)).dropped


@pytest.mark.parametrize("key", [key for key in FIELDS if needs(key)])
def test_a_setting_whose_technique_is_off_is_refused_or_dropped(tmp_path, key):
    task = next(name for name, each in TASKS.items() if key in each.uses)
    lead = needs(key)[-1]
    off = {lead: "no" if lead == "eval_strategy" else FIELDS[lead].metadata["off"]}
    turned_on = {each: VALUES[each] for each in needs(key) if each in VALUES} | {"task": task}
    with pytest.raises(ValueError, match=rf"^flags: expected no {key} with .*{lead}: .*; remove it, or set .*{lead}"):
        settled(load_recipe(None, {**turned_on, **off, key: VALUES[key]}), task_spec(task))
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({**turned_on, key: VALUES[key]}), encoding="utf-8")
    assert getattr(settled(load_recipe(path), task_spec(task)).recipe, key) == VALUES[key]
    found = settled(load_recipe(path, off), task_spec(task))
    assert getattr(found.recipe, key) == default_of(key) and key in dict(found.dropped)
    # Set by the very flags that turn it off, it is an error again.
    with pytest.raises(ValueError, match=f"flags: expected no {key}"):
        settled(load_recipe(path, {**off, key: VALUES[key]}), task_spec(task))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"head": "linear", "head_options": {"gate": "soft"}}, "no head_options.gate with head: linear, .* got 'so"),
        ({"encoder": "x/y", "encoder_options": {"min_count": 2}}, "no encoder_options.min_count with encoder: x/y"),
        ({"learning_rates": {"lora_B": "16x"}}, "no learning_rates.lora_B with lora_rank: 0, where it has n"),
        ({"head": "positional", "rdrop_alpha": 1, "rdrop_level": "marginal"}, "with head: positional, head_options"),
        ({"task": "generative-ner", "dtype": "bfloat16"}, "no dtype with encoder: scratch"),
        (
            {"task": "generative-ner", "instruction": "", "label_descriptions": {"a": "b"}},
            "with instruction: '', where",
        ),
        (
            {"task": "text-classification", "problem_type": "regression", "calibration_split": "0.1"},
            "with problem_type: regression",
        ),
        ({"head": None}, "^flags: expected a value for head, got none; remove the line to use the default"),
    ],
)
def test_settings_without_effect_beside_others_are_refused(settings, words):
    recipe = load_recipe(None, settings)
    with pytest.raises(ValueError, match=words):
        settled(recipe, task_spec(recipe.task))


def test_entries_without_effect_under_flags_are_dropped_with_one_notice(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "head: positional\nhead_options: {gate: hard, feedforward: 16}\nlora_rank: 4\nlora_alpha: 8\n"
        "encoder: x/y\nlearning_rates: {encoder: 1e-4, lora_B: 16x}\n",
        encoding="utf-8",
    )
    found = settled(load_recipe(path, {"head": "linear", "lora_rank": "0"}), task_spec("token-classification"))
    assert found.recipe.head_options == {"feedforward": 16} and found.recipe.learning_rates == {"encoder": "1e-4"}
    assert found.notice == (
        "dropped settings    learning_rates.lora_B, lora_alpha (no effect with lora_rank: 0); head_options.gate (no "
        "effect with head: linear)"
    )
    assert load_recipe(path).head_options == {"gate": "hard", "feedforward": 16}
    assert settled(load_recipe(path), task_spec("token-classification")).notice == ""


def test_layers_between_file_and_flags_are_applied_in_their_order(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("head: positional\nhead_options: {gate: hard}\n", encoding="utf-8")
    layers = [("first", {"lstm_hidden_size": 8, "head": "crf"}), ("second", {"lstm_hidden_size": 16})]
    recipe = load_recipe(path, {"dropout": 0.3}, layers)
    assert (recipe.head, recipe.lstm_hidden_size, recipe.dropout) == ("crf", 16, 0.3)
    assert recipe.given["lstm_hidden_size"] == Given(3, "second") and recipe.given["dropout"] == Given(4, "flags")
    assert settled(recipe, task_spec("token-classification")).dropped == [("head_options.gate", "head: crf")]
    layers += [("third", {"head": "positional"})]
    assert ("lstm_hidden_size", "head: positional") in settled(
        load_recipe(path, {}, layers), task_spec("token-classification")
    ).dropped
    with pytest.raises(ValueError, match=r"^flags: expected no lstm_hidden_size with head: positional"):
        settled(load_recipe(path, {"lstm_hidden_size": 2}, layers), task_spec("token-classification"))
    assert settled(
        load_recipe(path, {"lstm_hidden_size": 2}, layers), task_spec("token-classification"), ["flags"]
    ).dropped


def test_a_model_of_ours_brings_its_own_settings(files, tmp_path):
    flags = {
        "encoder": "scratch",
        "lstm_hidden_size": 4,
        "multi_sample_dropout": 2,
        "output_dir": "model",
        "overwrite_output_dir": True,
    }
    train(recipe_of(files, "token-classification", **flags))
    again = {"encoder": "model", "output_dir": "again", "lstm_dropout": 0.2, "dropout_merge": "mean_loss"}
    assert build_trainer(recipe_of(files, "token-classification", **again)).model.config.lstm_dropout == 0.2
    with pytest.raises(ValueError, match="expected no lstm_dropout with lstm_hidden_size: 0"):
        build_trainer(recipe_of(files, "token-classification", **{**again, "encoder": "encoder"}))
    # A folder of another kind of model brings nothing.
    assert task_spec("question-answering").trained_settings(recipe_of(files, "token-classification", **again)) == {}


def test_the_notice_is_printed_once_and_by_the_first_process(files, monkeypatch, capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    recipe = recipe_of(files, "token-classification", encoder="scratch", head="crf", crf_backend="torchcrf")
    save_recipe(recipe, path)
    trainer = build_trainer(path, head="linear")
    shown = capsys.readouterr().out
    assert shown.count("dropped settings    crf_backend (no effect with head: linear)\n") == 1
    assert trainer.recipe.crf_backend == "kospan"
    monkeypatch.setenv("RANK", "1")
    assert list(dict(settled(load_recipe(path, {"head": "linear"}), task_spec("token-classification")).dropped)) == [
        "crf_backend"
    ]
    build_trainer(path, head="linear")
    assert capsys.readouterr().out == ""


def test_what_is_unused_does_not_depend_on_its_value():
    recipe = load_recipe(None, {"task": "question-answering"})
    names = {each.name for each in unused(recipe, task_spec("question-answering"))}
    assert FIELDS.keys() - TASKS["question-answering"].uses <= names
    assert {"lstm_layers", "feature_cache_dir", "rdrop_on"} <= names and "lstm_hidden_size" not in names
