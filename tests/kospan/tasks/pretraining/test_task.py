"""Runs of the task pretraining: what they write, resuming, continued pretraining, and use as `encoder`."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import metadata_load
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertModel

from kospan.ablation.check import check_experiment
from kospan.ablation.plan import load_study
from kospan.api import load
from kospan.cli import main
from kospan.modeling.settings import encoder_limit
from kospan.recipe import load_recipe
from kospan.run import build_trainer, train
from kospan.tasks.encoders import character_tokenizer
from kospan.tasks.pretraining.card import write_card

WORDS = ["서울", "부산", "비가", "온다", "회장", "한국은행이", "금리를", "올렸다", "김연아", "시청"]
TEXTS = [f"{WORDS[at % 10]} {WORDS[at * 3 % 10]}에 {WORDS[at * 7 % 9]} {at}." for at in range(64)]
SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
RUN = {
    **{"task": "pretraining", "encoder": "scratch", "encoder_options": SIZES, "encoder_input": "units"},
    **{"packing": True, "max_length": 48, "use_cpu": True, "learning_rate": 1e-2, "num_train_epochs": 2},
    **{"per_device_train_batch_size": 4, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps"},
    **{"save_steps": 3, "load_best_model_at_end": False, "logging_steps": 1, "save_total_limit": 9},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def run(file, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run") / "encoder"
    train(None, **RUN, train_file=file, output_dir=str(folder))
    return folder


def test_a_run_learns_and_writes_a_stock_encoder(run):
    results = json.loads((run / "eval_results.json").read_text(encoding="utf-8"))
    record = json.loads((run / "training_record.json").read_text(encoding="utf-8"))
    history = record["training"]["history"]
    assert history[-1]["eval_bits_per_character"] < history[0]["eval_bits_per_character"]
    assert results["eval_bits_per_character"] == pytest.approx(history[-1]["eval_bits_per_character"], abs=1e-4)
    # A character is a subword here.
    assert results["eval_bits_per_character"] * 0.6931471805599453 == pytest.approx(results["eval_loss"])
    written = {path.name for path in run.iterdir() if path.is_file()}
    assert written == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "recipe.yaml"),
        *("eval_results.json", "training_record.json", "README.md"),
    }
    assert record["positions"] == 2 * sum(len(text) + 2 for at, text in enumerate(TEXTS) if at % 8)
    tokenizer, ids = AutoTokenizer.from_pretrained(run), torch.tensor([[2, 7, 3]])
    assert tokenizer.mask_token_id == 4
    whole = AutoModelForMaskedLM.from_pretrained(run)
    encoder, report = AutoModel.from_pretrained(run, output_loading_info=True)
    assert not report["missing_keys"]
    torch.testing.assert_close(whole.base_model(ids)[0], encoder(ids)[0])


def test_a_resumed_run_is_the_same_bit_for_bit(run, file, tmp_path):
    """Order, masks and optimizer of the steps after a checkpoint do not depend on the interruption."""
    settings = {**RUN, "train_file": file, "output_dir": str(tmp_path / "again"), "max_steps": 7}
    train(None, **{**settings, "lr_scheduler_type": "constant"})
    whole = load_file(tmp_path / "again" / "model.safetensors")
    losses = losses_of(tmp_path / "again")
    for step in (6, 7):
        checkpoint = tmp_path / "again" / f"checkpoint-{step}"
        for path in sorted(checkpoint.iterdir()):
            path.unlink()
        checkpoint.rmdir()
    train(None, **{**settings, "lr_scheduler_type": "constant", "resume_from_checkpoint": True})
    resumed = load_file(tmp_path / "again" / "model.safetensors")
    assert losses_of(tmp_path / "again") == losses
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_is_resumed_with_the_same_input(run, file, tmp_path):
    """Checkpoints that do not state it are resumed as the recipe says."""
    folder = shutil.copytree(run, tmp_path / "run")
    settings = {**RUN, "encoder_input": "subwords", "train_file": file, "output_dir": str(folder)}
    settings |= {"resume_from_checkpoint": True, "num_train_epochs": 3, "lr_scheduler_type": "constant"}
    with pytest.raises(ValueError, match=r"got other encoder_input \(units in the checkpoint, subwords now\)"):
        train(None, **settings)
    for path in folder.glob("checkpoint-*/config.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        assert config.pop("encoder_input") == "units"
        path.write_text(json.dumps(config), encoding="utf-8")
    train(None, **settings)


def losses_of(folder: Path) -> list:
    history = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))["training"]["history"]
    return [entry.get("loss") for entry in history]


def test_texts_of_several_windows_are_counted(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("가\n나\n" + "다라마바사 " * 30 + "\n" + "바\n", encoding="utf-8")
    task = build_trainer(None, **RUN, train_file=str(path), output_dir=str(tmp_path / "out")).task
    assert (task.documents, task.windowed) == (3, 1)


def test_masks_of_an_epoch_differ_from_those_of_the_last(file, tmp_path):
    trainer = build_trainer(None, **RUN, train_file=file, output_dir=str(tmp_path))
    batch = trainer.task.collate([trainer.train_dataset[0]] * 2)
    first, again, later = (trainer.task.batch_of_step(batch, (42, step, 0, 0))["labels"] for step in (0, 0, 5))
    assert torch.equal(first, again) and not torch.equal(first, later)
    assert not torch.equal(first[0], first[1])


def test_the_encoder_is_what_a_recipe_names(run, tmp_path):
    settings = {"use_cpu": True, "max_steps": 1, "max_train_samples": 8, "max_eval_samples": 4, "eval_strategy": "no"}
    settings |= {"save_strategy": "no", "load_best_model_at_end": False, "encoder_input": "units", "max_length": 48}
    trainer = build_trainer(None, encoder=str(run), output_dir=str(tmp_path), stride=8, **settings)
    trained = load_file(run / "model.safetensors")
    name = "layers.0.attn.Wqkv.weight"
    assert torch.equal(dict(trainer.model.encoder.named_parameters())[name], trained[f"model.{name}"])
    trainer.train()


def test_a_pretrained_encoder_predicts_nothing(run, file, capsys):
    with pytest.raises(ValueError, match=r"got ModernBertForMaskedLM.*; train a model of another task with --encoder"):
        load(run)
    assert main(["predict", str(run), file]) == 2
    assert "ModernBertForMaskedLM" in capsys.readouterr().err


def bert(folder: Path, with_head: bool) -> str:
    """A folder with a small BERT."""
    tokenizer = character_tokenizer(TEXTS)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=60, **SIZES)
    model = AutoModelForMaskedLM.from_config(config) if with_head else BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("with_head", [True, False])
def test_the_pretraining_of_an_encoder_is_continued(file, tmp_path, with_head, packing, capsys):
    encoder = bert(tmp_path / "bert", with_head)
    settings = {key: value for key, value in RUN.items() if key not in ("encoder", "encoder_options", "encoder_input")}
    settings |= {"encoder": encoder, "packing": packing, "max_steps": 2, "train_file": file}
    trainer = build_trainer(None, **settings, output_dir=str(tmp_path / "built"))
    before = load_file(tmp_path / "bert" / "model.safetensors")
    own = {name.removeprefix("bert."): value for name, value in trainer.model.state_dict().items()}
    assert all(
        torch.equal(own[name.removeprefix("bert.")], value) for name, value in before.items() if "pool" not in name
    )
    train(None, **settings, output_dir=str(tmp_path / "out"))
    assert ("new head" in capsys.readouterr().out) != with_head
    after = load_file(tmp_path / "out" / "model.safetensors")
    assert not torch.equal(
        after["bert.encoder.layer.0.output.dense.weight"], own["encoder.layer.0.output.dense.weight"]
    )
    assert ("weights that the checkpoint" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")) != with_head


def test_an_encoder_whose_weights_are_missing_is_refused(file, tmp_path):
    folder = bert(tmp_path / "bert", True)
    config = json.loads((tmp_path / "bert" / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}), encoding="utf-8")
    settings = {key: value for key, value in RUN.items() if not key.startswith("encoder")}
    with pytest.raises(
        ValueError, match=r"expected every weight of the encoder in .*, got a checkpoint that lacks 16 of"
    ):
        build_trainer(None, **settings, encoder=folder, train_file=file, output_dir=str(tmp_path / "out"))


def test_a_tokenizer_without_a_mask_token_is_refused(file, tmp_path):
    folder = bert(tmp_path / "bert", True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(folder)
    settings = {key: value for key, value in RUN.items() if not key.startswith("encoder")}
    for given in ({"encoder": folder}, {"tokenizer": folder}):
        with pytest.raises(ValueError, match=r"expected a tokenizer with a mask token, got that of .*, which has none"):
            build_trainer(None, **settings, **given, train_file=file, output_dir=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder_options": {"model_type": "gpt2"}}, r"expected encoder_options\['model_type'\] of an encoder with a"),
        ({"encoder_options": {"vocab_size": 9}}, "expected encoder_options without vocab_size"),
        ({"encoder_options": {"hidden_sizes": 9}}, "got 'hidden_sizes'; did you mean hidden_size?"),
        (
            {"encoder_options": {"model_type": "bart", "d_model": 16}},
            "scratch of type 'bart', which has an encoder and a de",
        ),
        ({"encoder_options": {**SIZES, "model_type": "mobilebert"}}, "with which an encoder can be built, got .*-112"),
        ({"encoder_options": {**SIZES, "num_hidden_layers": 0}}, "with which an encoder can be built, got .*Error"),
        ({"encoder_options": {"model_type": "reformer"}}, "expected an encoder that returns a hidden state for each"),
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, "of at most 1, got 0.8 . 0.3; lower one of them"),
        ({"mlm_probability": 1.0}, "expected mlm_probability to be a number from 0 to below 1"),
        ({"whole_word_mask": 1.5}, "expected whole_word_mask to be a number from 0 to 1, got 1.5"),
        (
            {"max_length": 900},
            "expected rows of at most 512 positions, which is what the encoder reads, got max_length 9",
        ),
        ({"objective": "clm"}, "expected objective to be one of mlm, got 'clm'"),
        ({"push_to_hub": True}, "expected push_to_hub: false with task: pretraining"),
        ({"head": "linear"}, "expected no head with task: pretraining"),
        ({"normalization": "none"}, "expected no normalization with task: pretraining"),
        ({"dataset": "klue_ner"}, "expected no dataset with task: pretraining"),
        ({"train_file": None}, "expected raw texts, got neither train_file nor sources; name a file"),
        (
            {"metric_for_best_model": "f1"},
            "expected metric_for_best_model to be a metric that evaluation gives, got 'f1",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(file, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        build_trainer(None, **{**RUN, "train_file": file, "output_dir": str(tmp_path), **changes})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("packing", False),
        ("max_length", 40),
        ("encoder_input", "subwords"),
        ("max_train_samples", 8),
        ("encoder_options", {**SIZES, "min_count": 9}),
        ("encoder_options", {"model_type": "bert", **SIZES}),
        ("mlm_probability", 0.6),
        ("whole_word_mask", 0.0),
        ("mask_replace_prob", 0.2),
        ("random_replace_prob", 0.0),
        ("sources", 2),
        ("tokenizer", "folder"),
    ],
)
def test_a_setting_that_is_used_changes_something(file, tmp_path, key, value):
    character_tokenizer(TEXTS[:3]).save_pretrained(tmp_path / "tokenizer")
    value = {"sources": {"a": {"path": file, "repeats": 2}}, "tokenizer": str(tmp_path / "tokenizer")}.get(key, value)
    changes = {key: value} | ({"train_file": None} if key == "sources" else {})
    plain, other = (
        build_trainer(None, **{**RUN, "train_file": file, "output_dir": str(tmp_path), **each})
        for each in ({}, changes)
    )

    def behaviour(trainer) -> tuple:
        rows = [trainer.train_dataset[at]["input_ids"].tolist() for at in range(4)]
        batch = trainer.task.batch_of_step(trainer.task.collate([trainer.train_dataset[at] for at in range(4)]), (1, 2))
        masked = (batch["input_ids"].tolist(), batch["labels"].tolist())
        return rows, masked, len(trainer.train_dataset), str(trainer.model), len(trainer.task.tokenizer)

    assert behaviour(plain) != behaviour(other)


@pytest.mark.parametrize("kind", ["modernbert", "bert", "electra"])
def test_encoder_and_head_have_learning_rates_of_their_own(file, tmp_path, kind):
    settings = {**RUN, "encoder_options": {**SIZES, "model_type": kind}, "packing": False}
    rates = {"encoder": 1e-4, "head": 1e-3, "embeddings": "2x"}
    trainer = build_trainer(None, **settings, learning_rates=rates, train_file=file, output_dir=str(tmp_path))
    trainer.create_optimizer()
    rate_of = {id(each): group["lr"] for group in trainer.optimizer.param_groups for each in group["params"]}
    encoder = dict(trainer.model.base_model.named_parameters())
    assert {rate_of[id(each)] for name, each in encoder.items() if "embeddings" not in name} == {1e-4}
    assert {rate_of[id(each)] for name, each in encoder.items() if name.startswith("embeddings.")} == {2e-4}
    ids = {id(each) for each in encoder.values()}
    assert {rate_of[id(each)] for each in trainer.model.parameters() if id(each) not in ids} == {1e-3}


def test_the_loss_chooses_the_best_model_and_rows_are_drawn_at_random():
    recipe = load_recipe(None, {"task": "pretraining", "train_file": "a.txt"})
    assert recipe.trainer["metric_for_best_model"] == "loss"
    assert recipe.trainer["train_sampling_strategy"] == "random"
    other = load_recipe(None, {"task": "pretraining", "metric_for_best_model": "bits_per_character"})
    assert other.trainer["metric_for_best_model"] == "bits_per_character"
    assert load_recipe(None, {}).trainer["metric_for_best_model"] == "f1"


def test_the_smallest_value_of_the_metric_is_the_best(file, tmp_path):
    for metric in ("loss", "bits_per_character", "eval_bits_per_character"):
        settings = {**RUN, "metric_for_best_model": metric, "train_file": file, "output_dir": str(tmp_path)}
        assert build_trainer(None, **settings).args.greater_is_better is False


def test_an_ablation_is_refused(file, tmp_path):
    (tmp_path / "base.yaml").write_text(json.dumps({**RUN, "train_file": file}), encoding="utf-8")
    study = {"recipe": "base.yaml", "metric": "loss", "variants": {"a": {}, "b": {"mlm_probability": 0.5}}}
    (tmp_path / "study.yaml").write_text(json.dumps(study), encoding="utf-8")
    [experiment] = load_study(tmp_path / "study.yaml", {})
    with pytest.raises(
        ValueError, match="expected a task whose models predict, got pretraining; run each variant with"
    ):
        check_experiment(experiment)


def test_the_card_names_sources_and_licences(file, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("다른 글이다.\n" * 2 + "또 다른 글이다.\n", encoding="utf-8")
    sources = {
        "news": {"path": file, "licence": "cc-by-4.0", "repeats": 2},
        "own": {"path": str(other)},
    }
    train(None, **{**RUN, "sources": sources, "max_steps": 2, "output_dir": str(tmp_path / "out")})
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    data = metadata_load(tmp_path / "out" / "README.md")
    assert "license" not in data and data["language"] == "ko" and data["pipeline_tag"] == "fill-mask"
    assert "| news | 64 |" in card and "| 2 | cc-by-4.0 |" in card and "| own | 2 |" in card
    assert "No licence is stated for own" in card and str(tmp_path) not in card
    assert "한국어 요약" in card and "other.txt" in card
    assert "The terms of own are not known here" in card and "licences in the metadata" not in card


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_types_with_other_names_of_their_sizes_have_a_card_too(kind, file, tmp_path):
    sizes = {"model_type": kind, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    settings = {**RUN, "encoder_options": sizes, "packing": False, "max_steps": 1, "output_dir": str(tmp_path)}
    train(None, **settings, train_file=file)
    assert f"(`{kind}`, 1 layer" in (tmp_path / "README.md").read_text(encoding="utf-8")
    limit = encoder_limit(AutoConfig.from_pretrained(tmp_path))
    assert AutoTokenizer.from_pretrained(tmp_path).model_max_length == limit


def test_the_metadata_of_the_card_name_licences_and_data_sets(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "encoder")
    record = json.loads((folder / "training_record.json").read_text(encoding="utf-8"))
    sources = [("news", "owner/news:ko", "cc-by-4.0"), ("talk", "owner/news:en", "cc0-1.0"), ("own", None, "cc0-1.0")]
    for count, licence in ((1, "cc-by-4.0"), (3, ["cc-by-4.0", "cc0-1.0"])):
        named = [{**record["sources"][0], "name": name, "hub": hub, "licence": of} for name, hub, of in sources[:count]]
        (folder / "training_record.json").write_text(json.dumps({**record, "sources": named}), encoding="utf-8")
        write_card(folder)
        data = metadata_load(folder / "README.md")
        assert data["license"] == licence and data["datasets"] == ["owner/news"]
        assert "The licences in the metadata" in (folder / "README.md").read_text(encoding="utf-8")
