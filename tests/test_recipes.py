"""Every shipped recipe is read, reaches the trainer setting by setting, and trains two steps on a tiny model."""

from pathlib import Path

import label_cases
import pytest
import question_cases
import torch
import yaml
from generative_cases import byte_level, tiny_lm
from transformers import (
    AutoModel,
    BertConfig,
    BigBirdConfig,
    DebertaV2Config,
    EarlyStoppingCallback,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)

import kospan.tasks.building
from kospan.ablation.plan import load_study
from kospan.data.corpus import Corpus
from kospan.data.registry import dataset_spec
from kospan.example import Example
from kospan.modeling.spans import Span
from kospan.recipe import FIELDS, Recipe, load_recipe
from kospan.run import build_trainer, finish
from kospan.tasks.encoders import character_tokenizer
from kospan.tasks.registry import task_spec
from kospan.tasks.unused_settings import settled
from kospan.training.arguments import training_arguments
from kospan.training.learning_rates import check_rates, rate_of

FOLDER = Path(__file__).parent.parent / "recipes"
STUDIES = sorted((FOLDER / "studies").glob("*.yaml"))
LAUNCHES = sorted((FOLDER / "accelerate").glob("*.yaml"))
RECIPES = sorted(set(FOLDER.rglob("*.yaml")) - set(STUDIES) - set(LAUNCHES))
TASK_OF = {path: yaml.safe_load(path.read_text(encoding="utf-8")).get("task") for path in RECIPES}
GENERATIVE = [path for path in RECIPES if TASK_OF[path] == "generative-ner"]
PRETRAINING = [path for path in RECIPES if TASK_OF[path] == "pretraining"]
by_recipe = pytest.mark.parametrize("path", RECIPES, ids=[str(path.relative_to(FOLDER)) for path in RECIPES])

# What a recipe's encoder is built as here, by what its name holds (the first that fits); ELECTRA where nothing does.
FAMILIES = {
    "bigbird": BigBirdConfig,
    "modernbert": ModernBertConfig,
    "deberta": DebertaV2Config,
    "roberta": RobertaConfig,
    "electra": ElectraConfig,
    "bert": BertConfig,
    "minilm": BertConfig,
}
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
# Where the run happens and for how long; all else is the recipe's own. The best model may be the one before any step.
OURS = {"max_steps": 2, "use_cpu": True, "logging_steps": 1, "load_best_model_at_end": False}


# Per unit: a sentence, its labels, and its continuation to a long text.
SENTENCES = {
    "character": (
        "{name} 회장이 {place}에서 세종 대왕을 말했다.",
        {"김민수": "PS", "이재용": "PS", "박 서연": "PS", "서울": "LC", "부산": "LC", "세종 대왕": "PS"},
        " 비가 온다.",
    ),
    "word": (
        "{name} works for Acme Corp in {place} .",
        {"Kim": "PER", "Lee Min": "PER", "Jo": "PER", "Seoul": "LOC", "Rome": "LOC", "Acme Corp": "ORG"},
        " It rained .",
    ),
}


def asked(recipe: Recipe) -> Corpus:
    """A few questions, one about a text longer than the recipe's window."""
    return question_cases.corpus(8, long=recipe.max_length)


def labelled(recipe: Recipe) -> Corpus:
    """A few labelled texts in the data set's own unit, one longer than the recipe's window where it names one."""
    sentence, labels, tail = SENTENCES[dataset_spec(recipe.dataset).unit]
    names = list(labels)
    texts = [sentence.format(name=name, place=place) for name in names[:3] for place in names[3:5]]
    if recipe.max_length and recipe.crf_backend == "kospan":
        texts.append(texts[0] + tail * (recipe.max_length // 5))
    examples = []
    for at, text in enumerate(texts):
        places = {surface: text.find(surface) for surface in names if surface in text}
        spans = [Span(start, start + len(surface), labels[surface]) for surface, start in places.items()]
        examples.append(Example(f"text-{at}", text, tuple(sorted(spans))))
    splits = {"train": examples, "validation": examples[-3:]}
    if recipe.calibration_split:
        splits["calibration"] = examples[:3]
    return Corpus(tuple(sorted(set(labels.values()))), splits, 0)


def classified(recipe: Recipe) -> Corpus:
    """A few labelled texts, or values, pairs where the recipe's set has pairs."""
    pairs = recipe.dataset in ("klue_nli", "klue_sts", "ko_fake_news")
    return label_cases.corpus(8, long=recipe.max_length, pairs=pairs, values=recipe.problem_type == "regression")


CORPORA = {
    "token-classification": labelled,
    "question-answering": asked,
    "text-classification": classified,
    "generative-ner": labelled,
}


def tiny_decoder(folder: Path) -> str:
    """A folder with a small causal LM."""
    tokenizer = byte_level()
    tiny_lm(tokenizer, factor=1.0, max_position_embeddings=2048).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def tiny_encoder(name: str, texts: list[str], folder: Path) -> str:
    """A folder with a small encoder of the family that a recipe's encoder is of."""
    cls = next((cls for fragment, cls in FAMILIES.items() if fragment in name.lower()), ElectraConfig)
    tokenizer = character_tokenizer(texts)
    ids = {f"{role}_token_id": tokenizer.convert_tokens_to_ids(f"[{role.upper()}]") for role in ("pad", "cls", "sep")}
    ids |= {"bos_token_id": ids["cls_token_id"], "eos_token_id": ids["sep_token_id"]}
    torch.manual_seed(0)
    positions = 4096 if cls is BigBirdConfig else 520
    config = cls(**SIZES, **ids, vocab_size=len(tokenizer), max_position_embeddings=positions)
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def prepared(monkeypatch, tmp_path):
    """A recipe's trainer over tiny data and a tiny encoder, with the recipe."""

    def build(path: Path):
        states = {"feature_cache_dir": str(tmp_path / "states")} if load_recipe(path).freeze_encoder else {}
        recipe = load_recipe(path, {**OURS, "output_dir": str(tmp_path / "out"), **states})
        data = CORPORA[recipe.task](recipe)
        monkeypatch.setattr(kospan.tasks.building, "load_corpus", lambda *args, **kwargs: data)
        if recipe.task == "generative-ner":
            # Few bits need a GPU, and no model stands here whose weights would be worth it.
            recipe.load_in_8bit = recipe.load_in_4bit = False
            # The labels here are others than the set's.
            recipe.label_descriptions = dict(zip(data.labels, recipe.label_descriptions.values()))
        if recipe.ngram_vectors:
            recipe.ngram_vectors = str(tmp_path / "ko.vec")
            Path(recipe.ngram_vectors).write_text("2 2\n서울 1 0\n수 0 1\n", encoding="utf-8")
        if recipe.encoder != "scratch" and recipe.task == "generative-ner":
            recipe.encoder = tiny_decoder(tmp_path / "encoder")
        elif recipe.encoder != "scratch":
            texts = [example.text for example in data.splits["train"]]
            recipe.encoder = tiny_encoder(recipe.encoder, texts, tmp_path / "encoder")
        return recipe, build_trainer(recipe)

    return build


def test_recipes_are_shipped():
    assert FOLDER / "quickstart.yaml" in RECIPES


@by_recipe
def test_a_recipe_names_its_task_data_and_encoder_and_says_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert {"task", "sources" if path in PRETRAINING else "dataset", "encoder"} <= set(yaml.safe_load(text))
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert not settled(recipe, task_spec(recipe.task)).dropped
    dataset_spec(recipe.dataset)
    # Flat keys, each once: YAML would let the last one win in silence.
    keys = [line.partition(":")[0] for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert len(keys) == len(set(keys))


def check_trainers_own(written: dict, trainer) -> None:
    """The trainer's own settings are those of the recipe."""
    for key, value in written.items():
        if key not in FIELDS and key not in OURS:
            found = getattr(trainer.args, key)
            assert (float(value) if isinstance(found, float) else value) in (found, getattr(found, "value", None)), key


def check_rate_of_each(recipe: Recipe, trainer) -> None:
    """Every parameter has the rate that the table gives it."""
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    rates = check_rates(recipe.learning_rates)
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == rate_of(names[id(parameter)], rates, trainer.args.learning_rate)[1]


@pytest.mark.parametrize("path", GENERATIVE, ids=[path.name for path in GENERATIVE])
def test_a_generative_recipe_reaches_the_trainer_and_trains_two_steps(path, prepared):
    recipe, trainer = prepared(path)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_trainers_own(written, trainer)
    config = trainer.task.generator.config
    assert (config.constrained_decoding, len(config.examples)) == (recipe.constrained_decoding, recipe.few_shot)
    assert recipe.instruction is None or config.instruction == recipe.instruction
    adapted = {name for name, parameter in trainer.model.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in name for name in adapted) == (recipe.lora_rank > 0)
    if recipe.lora_rank:
        assert trainer.model.peft_config["default"].r == recipe.lora_rank
        assert str(trainer.model.get_base_model().dtype) == f"torch.{recipe.dtype}"
    trainer.create_optimizer()
    check_rate_of_each(recipe, trainer)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.state.global_step == 2
    assert all(0 < entry["loss"] < 100 for entry in trainer.state.log_history if "loss" in entry)
    moved = {name for name, value in trainer.model.named_parameters() if not torch.equal(value, before[name])}
    assert moved and moved <= adapted
    metrics = finish(trainer)
    assert 0 <= metrics["eval_f1"] <= 1 and metrics["eval_unparsed"] == 0


@pytest.mark.parametrize("path", PRETRAINING, ids=[path.name for path in PRETRAINING])
def test_a_pretraining_recipe_reaches_the_trainer_and_trains_two_steps(path, tmp_path):
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = tmp_path / "text.txt"
    texts = [f"글 {at}번, 서울에 비가 온다." for at in range(300)]
    text.write_text("\n".join(texts) + "\n", encoding="utf-8")
    sources = {name: {**source, "path": str(text)} for name, source in written["sources"].items()}
    schedule = {"warmup_steps": 1, "lr_scheduler_type": "linear", "lr_scheduler_kwargs": None}
    flags = {**OURS, **schedule, "sources": sources, "output_dir": str(tmp_path / "out")}
    if written["encoder"] != "scratch":
        flags["encoder"] = tiny_encoder(written["encoder"], texts, tmp_path / "encoder")
    trainer = build_trainer(load_recipe(path, flags))
    check_trainers_own({key: value for key, value in written.items() if key not in schedule}, trainer)
    for key, value in written.get("encoder_options", {}).items():
        assert key in ("min_count", "global_attn_every_n_layers") or getattr(trainer.model.config, key) == value, key
    assert trainer.task.aligner.max_length == written["max_length"]
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    assert all(not torch.equal(value, before[name]) for name, value in trainer.model.named_parameters())
    assert 0 < finish(trainer)["eval_bits_per_character"] < 20


@pytest.mark.parametrize(
    "path",
    [path for path in RECIPES if path not in GENERATIVE + PRETRAINING],
    ids=[str(path.relative_to(FOLDER)) for path in RECIPES if path not in GENERATIVE + PRETRAINING],
)
def test_a_recipe_reaches_the_trainer_and_trains_two_steps(path, prepared):
    recipe, trainer = prepared(path)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_trainers_own(written, trainer)
    # Techniques.
    assert (trainer.fgm is not None) == (recipe.fgm_epsilon > 0)
    if trainer.fgm is not None:
        assert (trainer.fgm.epsilon, trainer.fgm.space) == (recipe.fgm_epsilon, recipe.fgm_space)
        assert trainer.fgm_lambda == recipe.fgm_lambda
    assert (trainer.rdrop_alpha, trainer.rdrop_level) == (recipe.rdrop_alpha, recipe.rdrop_level)
    assert trainer.rdrop_on == recipe.rdrop_on
    patience = [each for each in trainer.callback_handler.callbacks if isinstance(each, EarlyStoppingCallback)]
    assert [each.early_stopping_patience for each in patience] == [recipe.early_stopping_patience] * bool(patience)
    assert bool(patience) == (recipe.early_stopping_patience > 0)
    # The model.
    config = trainer.model.config
    for key in written.keys() & set(vars(config)) - {"encoder_config", "ngram_vectors"}:
        assert getattr(config, key) == getattr(recipe, key), key
    assert config.ngram_count == 2 if recipe.ngram_vectors else not getattr(config, "ngram_count", 0)
    assert config.unit == (recipe.unit or dataset_spec(recipe.dataset).unit)
    # Layers on the encoder: the head of a token classifier, or those of a question answering model.
    head = getattr(trainer.model, "head", trainer.model)
    assert head.dropout.p == recipe.dropout
    if head is not trainer.model:
        assert (head.samples, head.merge) == (recipe.multi_sample_dropout, recipe.dropout_merge)
    assert (getattr(trainer.model, "recurrent", None) is not None) == (recipe.lstm_hidden_size > 0)
    frozen = {parameter.requires_grad for parameter in trainer.model.encoder.parameters()} == {False}
    assert frozen == recipe.freeze_encoder
    if recipe.encoder == "scratch":
        for key in recipe.encoder_options.keys() - {"min_count"}:
            assert getattr(config.encoder_config, key) == recipe.encoder_options[key], key
    assert (trainer.task.windowed > 0) == (recipe.max_length is not None and recipe.crf_backend == "kospan")
    # Rates, parameter by parameter.
    trainer.create_optimizer()
    check_rate_of_each(recipe, trainer)

    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    assert trainer.state.global_step == 2
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(logs) == 2
    for entry in logs:
        assert 0 < entry["loss"] < 100
        assert ("divergence" in entry) == (recipe.rdrop_alpha > 0)
        assert ("fgm_ratio" in entry) == (recipe.fgm_epsilon > 0)
    for name, parameter in trainer.model.named_parameters():
        assert torch.isfinite(parameter).all(), name
    moved = {name for name, value in trainer.model.named_parameters() if not torch.equal(value, before[name])}
    moved_ngrams = {name for name in moved if name.startswith("ngram_embedding.projection.")}
    assert len(moved_ngrams) == (2 if recipe.ngram_vectors else 0)
    assert sum(name.endswith(("projection.weight", "projection.bias")) for name in moved - moved_ngrams) == 2
    assert any(name.startswith("encoder.") for name in moved) != recipe.freeze_encoder
    metrics = finish(trainer)
    if recipe.problem_type == "regression":
        assert -1 <= metrics["eval_pearson"] <= 1 and metrics["eval_mae"] >= 0
    else:
        assert 0 <= metrics["eval_f1"] <= 1


@pytest.mark.parametrize("path", STUDIES, ids=[path.name for path in STUDIES])
def test_a_study_is_read_and_its_variants_are_whole_recipes(path):
    assert path.read_text(encoding="utf-8").startswith("# ")
    for experiment in load_study(path, {"use_cpu": True}):
        assert experiment.baseline in experiment.variants
        # Every seed for every variant, further seeds for the variants named beforehand, with the baseline, and for the
        # best.
        assert len(experiment.first()) == sum(len(each.seeds) for each in experiment.variants.values())
        named = set(experiment.more.variants)
        best = experiment.best({run: float(-place) for place, run in enumerate(experiment.first())})
        assert (experiment.baseline in named or not experiment.more.seeds) and named.isdisjoint(best)
        assert len(best) == experiment.more.best
        assert len(experiment.further(best)) == 2 * (len(named) + len(best))
        for variant in experiment.variants.values():
            assert not settled(variant.recipe, task_spec(variant.recipe.task)).dropped
            training_arguments(variant.recipe)
            check_rates(variant.recipe.learning_rates)


def test_studies_are_shipped():
    assert {path.stem for path in STUDIES} >= {"klue_ablation", "klue_scratch", "wnut17_minilm"}


@pytest.mark.parametrize("path", LAUNCHES, ids=lambda path: path.stem)
def test_a_configuration_of_accelerate_is_one(path):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.num_processes == 2 and config.distributed_type.value in ("MULTI_GPU", "FSDP", "DEEPSPEED")
    if config.distributed_type == "FSDP":
        assert config.fsdp_config["fsdp_version"] == 2
