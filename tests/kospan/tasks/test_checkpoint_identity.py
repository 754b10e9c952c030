"""A checkpoint is resumed from only where its weights mean what data and recipe say."""

import gc
import re
import shutil
from dataclasses import replace

import pytest
import resume_cases as cases
from label_cases import labelled

from kospan.cli import main
from kospan.modeling.spans import Span
from kospan.recipe import save_recipe
from kospan.run import build_trainer, prepare, train
from kospan.tasks.checkpoint_identity import check_checkpoint


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """The folder of a finished tiny run of a task; one run per task."""
    made = {}

    def start(task: str):
        if task not in made:
            folder = tmp_path_factory.mktemp(task.replace(" ", "-"))
            train(cases.recipe_of(task, folder))
            made[task] = folder
        return made[task]

    return start


def refusal(recipe) -> str:
    """Error of a refused resumed run; nothing in its folder may change."""
    folder = cases.Path(recipe.output_dir)
    gc.collect()  # Trainers of earlier runs, which hold the folder's lock.
    before = cases.contents(folder)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        prepare(recipe)
    assert cases.contents(folder) == before
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("task", cases.TASKS)
def test_the_same_data_and_recipe_are_resumed(task, started):
    folder = started(task)
    trainer, checkpoint = prepare(cases.recipe_of(task, folder, resume_from_checkpoint=True))
    assert checkpoint and trainer.task.spec.identity(trainer.task, None) != {}
    # What a training may set anew: more of it, other dropout.
    more = {"num_train_epochs": 3} | ({} if task == "generative-ner" else {"dropout": 0.3})
    prepare(cases.recipe_of(task, folder, resume_from_checkpoint=True, **more))


def renamed(examples, old, new):
    """The examples with one label of another name."""

    def changed(span):
        return span._replace(label=new) if span.label == old else span

    return [replace(example, spans=tuple(map(changed, example.spans))) for example in examples]


@pytest.mark.parametrize(
    ("task", "old", "new", "expected"),
    [
        # The new name sorts behind PS, so that names and weights would be swapped.
        (
            "token-classification",
            "LC",
            "ZLC",
            "other labels (O, B-LC, I-LC, B-PS, I-PS in the checkpoint, O, B-PS, I-PS, B-ZLC",
        ),
        (
            "text-classification",
            "경제",
            "환율",
            "other labels (경제, 사회, 정치 in the checkpoint, 사회, 정치, 환율 now)",
        ),
        ("generative-ner", "LC", "ZLC", "other labels (LC, PS in the checkpoint, PS, ZLC now)"),
    ],
)
def test_a_renamed_label_is_named(task, old, new, expected, started):
    data = renamed(cases.data_of(task), old, new)
    message = refusal(cases.recipe_of(task, started(task), data, resume_from_checkpoint=True))
    assert expected in message and "start again with --overwrite" in message
    cases.recipe_of(task, started(task))  # writes the data as they were


def test_a_removed_or_an_added_label_is_named(started):
    fewer = [replace(example, spans=example.spans[:1]) for example in cases.people(12)]
    more = [replace(each, spans=(each.spans[0], Span(4, 5, "TI"), each.spans[1])) for each in cases.people(12)]
    for data, now in ((fewer, "O, B-PS, I-PS now"), (more, "O, B-LC, I-LC, B-PS, I-PS, B-TI, I-TI now")):
        message = refusal(
            cases.recipe_of("token-classification", started("token-classification"), data, resume_from_checkpoint=True)
        )
        assert f"other labels (O, B-LC, I-LC, B-PS, I-PS in the checkpoint, {now})" in message
    cases.recipe_of("token-classification", started("token-classification"))


@pytest.mark.parametrize(
    "task", ["token-classification", "question-answering", "text-classification", "generative-ner"]
)
def test_a_scratch_vocabulary_of_other_texts_is_named(task, started):
    """Two characters change places in every text, so that the vocabulary has another order; spans stay."""
    swap = str.maketrans({"왔": "씨", "씨": "왔", "도": "서", "서": "도", "상": "이", "이": "상"})
    data = [replace(example, text=example.text.translate(swap)) for example in cases.data_of(task)]
    message = refusal(cases.recipe_of(task, started(task), data, resume_from_checkpoint=True))
    assert "other vocabulary (" in message and "in the checkpoint" in message and "vocab_size" not in message
    cases.recipe_of(task, started(task))


def test_a_vocabulary_of_equal_size_is_compared_entry_by_entry(started):
    swap = str.maketrans({"한": "왔", "왔": "한"})
    data = [replace(example, text=example.text.translate(swap)) for example in cases.people(12)]
    message = refusal(
        cases.recipe_of("token-classification", started("token-classification"), data, resume_from_checkpoint=True)
    )
    assert re.search(r"other vocabulary \(entry \d+ is '.' in the checkpoint, '.' now\)", message)
    cases.recipe_of("token-classification", started("token-classification"))


@pytest.mark.parametrize(
    ("task", "settings", "expected"),
    [
        ("token-classification", {"unit": "word"}, "unit (character in the checkpoint, word now)"),
        ("token-classification", {"encoder_input": "units"}, "encoder_input (subwords in the checkpoint, units now)"),
        ("token-classification", {"normalization": "none"}, "normalization (NFC in the checkpoint, none now)"),
        ("token-classification", {"head": "linear"}, "head (crf in the checkpoint, linear now)"),
        (
            "token-classification",
            {"head_options": {"feedforward": 8}},
            "head_options ({} in the checkpoint, {'feedforward': 8}",
        ),
        ("token-classification", {"scheme": "BIOES"}, "other labels ("),
        ("token-classification", {"lstm_hidden_size": 4}, "lstm_hidden_size (0 in the checkpoint, 4 now)"),
        ("token-classification", {"max_length": 48}, "max_length (64 in the checkpoint, 48 now)"),
        (
            "token-classification",
            {"word_shape_feature": True},
            "word_shape_feature (False in the checkpoint, True now)",
        ),
        (
            "token-classification",
            {"encoder_options": {**cases.ENCODER, "hidden_size": 8}},
            "the encoder's hidden_size (16 in the checkpoint, 8 now)",
        ),
        (
            "question-answering",
            {"exact_match_feature": True},
            "exact_match_feature (False in the checkpoint, True now)",
        ),
        ("question-answering", {"lstm_hidden_size": 4}, "lstm_hidden_size (0 in the checkpoint, 4 now)"),
        ("text-classification", {"pooling": "mean"}, "pooling (cls in the checkpoint, mean now)"),
        ("generative-ner", {"instruction": "Name them."}, "instruction ("),
        ("generative-ner", {"few_shot": 1}, "examples ("),
        ("generative-ner", {"label_descriptions": {"PS": "people"}}, "descriptions ("),
        (
            "generative-ner",
            {"encoder_options": {**cases.DECODER, "intermediate_size": 32}},
            "intermediate_size (16 in the checkpoint, 32 now)",
        ),
    ],
)
def test_a_setting_that_makes_other_weights_is_named(task, settings, expected, started):
    assert expected in refusal(cases.recipe_of(task, started(task), resume_from_checkpoint=True, **settings))


def test_values_on_another_scale_are_named(started):
    task = "text-classification values"

    def tenfold(span):
        return span._replace(score=10 * span.score)

    data = [replace(example, spans=tuple(map(tenfold, example.spans))) for example in labelled(12, values=True)]
    message = refusal(cases.recipe_of(task, started(task), data, resume_from_checkpoint=True))
    assert "value_mean (2.0 in the checkpoint, 20.0 now)" in message and "value_spread (" in message
    cases.recipe_of(task, started(task))


def test_pairs_in_place_of_texts_are_named(started):
    message = refusal(
        cases.recipe_of(
            "text-classification", started("text-classification"), labelled(12, pairs=True), resume_from_checkpoint=True
        )
    )
    assert "pairs (False in the checkpoint, True now)" in message
    cases.recipe_of("text-classification", started("text-classification"))


def test_another_task_is_named(started, tmp_path):
    shutil.copytree(started("token-classification") / "out", tmp_path / "out")
    assert "in the checkpoint" in refusal(cases.recipe_of("question-answering", tmp_path, resume_from_checkpoint=True))


def test_a_frozen_encoder_of_other_weights_is_named(tmp_path, monkeypatch):
    frozen = {"freeze_encoder": True, "feature_cache_dir": None, "head_options": {"feedforward": 8}}
    train(cases.recipe_of("token-classification", tmp_path, **frozen))
    message = refusal(cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, seed=7, **frozen))
    assert "expected the frozen encoder that the checkpoint" in message and "its seed for encoder: scratch" in message
    prepare(cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, **frozen))


def test_adapters_of_other_settings_are_named(make_token_classifier, tmp_path):
    first = make_token_classifier(encoder={"hidden_dropout_prob": 0.1})
    for each in (first.encoder, first.tokenizer):
        each.save_pretrained(tmp_path / "encoder")
    settings = {"encoder": str(tmp_path / "encoder"), "encoder_options": None, "lora_rank": 2, "max_length": 48}
    train(cases.recipe_of("token-classification", tmp_path, **settings))
    prepare(cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, **settings))
    message = refusal(
        cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, **{**settings, "lora_alpha": 8})
    )
    assert "expected lora_alpha: 32, with which the checkpoint" in message
    message = refusal(
        cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, **{**settings, "lora_rank": 0})
    )
    assert "got one with them; resume with the recipe's lora_rank" in message
    # Another encoder of the same sizes under the same adapters.
    make_token_classifier(seed=5).encoder.save_pretrained(tmp_path / "encoder")
    message = refusal(cases.recipe_of("token-classification", tmp_path, resume_from_checkpoint=True, **settings))
    assert "expected the encoder that the checkpoint" in message


def test_the_command_says_it_in_one_line(started, capsys, tmp_path):
    folder = started("token-classification")
    recipe = cases.recipe_of("token-classification", folder, renamed(cases.people(12), "PS", "ZPS"))
    save_recipe(recipe, tmp_path / "recipe.yaml")
    before = cases.contents(folder / "out")
    assert main(["train", str(tmp_path / "recipe.yaml"), "--resume_from_checkpoint"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kospan: expected the data and settings") and error.count("\n") == 1
    assert cases.contents(folder / "out") == before
    cases.recipe_of("token-classification", folder)


def test_a_trainer_of_its_own_checks_too(started):
    folder = started("token-classification")
    newest = max((folder / "out").glob("checkpoint-*"))
    trainer = build_trainer(cases.recipe_of("token-classification", folder, head="linear"))
    with pytest.raises(ValueError, match=r"head \(crf in the checkpoint, linear now\)"):
        trainer.train(resume_from_checkpoint=str(newest))
    with pytest.raises(ValueError, match=r"head \(crf in the checkpoint, linear now\)"):
        trainer.train(resume_from_checkpoint=True)
    check_checkpoint(build_trainer(cases.recipe_of("token-classification", folder)).task, newest)
