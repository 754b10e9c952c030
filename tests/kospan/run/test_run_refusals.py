"""Errors about data and recipe before a run."""

import pytest
from run_cases import TINY, sentences

from kospan.data.jsonl import write_jsonl
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.run import build_trainer, train


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
    with pytest.raises(FileNotFoundError, match=r"expected the package no_such_package\.inner for encoder"):
        build_trainer(recipe(encoder="package:no_such_package.inner/model"))
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
