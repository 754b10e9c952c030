"""The writing task: what is learnt is the reply alone, evaluation asks as users do, and runs leave what can be used."""

import dataclasses
import json
import os
import pickle
import unicodedata
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from ablation_generative_cases import TINY, corpus, labelled, recipe_over
from generative_cases import TEXTS, make_generative_model
from hypothesis import given, settings
from hypothesis import strategies as st

from kospan.cli import main
from kospan.data.corpus import Corpus
from kospan.data.jsonl import read_jsonl, write_jsonl
from kospan.example import Example
from kospan.modeling import KospanGenerativeNER
from kospan.modeling.prompt_windows import composed
from kospan.modeling.prompts import locate, parse_reply
from kospan.modeling.spans import Span
from kospan.recipe import Recipe
from kospan.run import build_trainer, train
from kospan.task import NotedSpans
from kospan.tasks.generative_ner.base_model import loading
from kospan.tasks.generative_ner.metrics import REPLY_METRICS
from kospan.tasks.generative_ner.model import build_model, new_config, shown_examples, window_reply
from kospan.tasks.generative_ner.task import GenerativeNERTask
from kospan.tasks.loading import open_saved
from kospan.tasks.token_classification.metrics import score_spans
from kospan.training.lora import adapter_lines
from kospan.training.saving import broken_part
from kospan.training.trainer import round_scores
from kospan.training.validation import ValidationLoss


@pytest.fixture
def recipe_of(tmp_path):
    """A recipe over a few texts in files."""
    return lambda **flags: recipe_over(tmp_path, **flags)


@pytest.fixture
def base(tmp_path):
    """The folder of a stock causal LM."""
    generator = make_generative_model("bytes", lm={"factor": 1.0, "max_position_embeddings": 700})
    generator.model.save_pretrained(tmp_path / "base")
    generator.tokenizer.save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece", "characters"])
def test_the_loss_is_that_of_the_reply_alone(kind):
    task = GenerativeNERTask(corpus(), make_generative_model(kind))
    features = task.train_features(task.examples("train"))
    for example, feature in zip(task.examples("train"), features):
        prompt = task.generator.passages(example.text)[0].input_ids
        assert feature["input_ids"][: len(prompt)] == prompt
        assert feature["labels"] == [-100] * len(prompt) + feature["input_ids"][len(prompt) :]
        *reply, end = feature["input_ids"][len(prompt) :]
        assert end == task.tokenizer.eos_token_id
        read = parse_reply(task.generator.subwords.text(reply), ["LC", "PS"])
        assert read.whole and sorted(locate(example.text, read.entities)) == list(example.spans)
    batch = task.collate(features)
    lengths = [len(feature["input_ids"]) for feature in features]
    assert batch["attention_mask"].sum(1).tolist() == lengths and batch["input_ids"].shape == (6, max(lengths))
    # Against the definition, row by row without padding.
    with torch.no_grad():
        loss = task.model(**batch).loss
        total = count = 0
        for feature in features:
            ids, labels = torch.tensor([feature["input_ids"]]), feature["labels"]
            logits = task.model(ids).logits[0].log_softmax(-1)
            total -= sum(logits[at - 1, label] for at, label in enumerate(labels) if label != -100)
            count += sum(label != -100 for label in labels)
    assert loss.item() == pytest.approx((total / count).item(), rel=1e-5)
    trainer_loss = sum(float(loss * number) for loss, number in task.spec.losses(task, task.model, features, 2)) / count
    assert trainer_loss == pytest.approx(loss.item(), rel=1e-5)


def test_long_texts_train_window_by_window_and_a_cut_span_belongs_to_the_window_that_holds_it():
    data = corpus(long=60)
    task = GenerativeNERTask(data, make_generative_model("characters", max_length=90, max_new_tokens=30))
    features = task.train_features(task.examples("train"))
    assert (task.documents, task.windowed) == (7, 2) and len(features) > 9
    assert all(len(feature["input_ids"]) <= 90 for feature in features)
    assert (
        next(iter(task.windows(task.examples("train"))))["input_ids"]
        == features[0]["input_ids"][: features[0]["labels"].count(-100)]
    )
    text = "서울은 " * 40
    spans = tuple(Span(at, at + 2, "LC") for at in range(0, len(text), 4))
    whole, places = composed(text)
    for passage in task.generator.passages(whole):
        named = parse_reply(window_reply(Example("a", text, spans), places, passage), ["LC"]).entities
        assert len(named) == passage.text.count("서울")


def test_replies_that_cannot_be_learnt_are_counted():
    task = GenerativeNERTask(corpus(), make_generative_model("characters", max_new_tokens=8))
    assert len(task.train_features(task.examples("train"))) == 1 and task.too_long == 5
    task.train_features([Example("x", "뷁", (Span(0, 1, "LC"),))])
    assert task.unwritable == 1
    lines = "\n".join(task.spec.remarks(task))
    assert "skipped replies     5 are longer" in lines and "unknown subwords    1 replies" in lines


def test_data_without_a_reply_that_fits_are_refused():
    task = GenerativeNERTask(corpus(), make_generative_model("characters", max_new_tokens=8))
    message = "expected texts whose replies are shorter than max_new_tokens 8, got 2 without one; raise max_new_tokens"
    with pytest.raises(ValueError, match=message):
        task.train_features(corpus().splits["train"][:2])
    assert task.train_features([]) == []


def test_examples_that_are_shown_are_not_trained_on(recipe_of, base):
    for encoder in (base, "scratch"):
        trainer = build_trainer(recipe_of(few_shot=2, encoder=encoder, encoder_options={}))
        shown = trainer.task.generator.config.examples
        assert len(shown) == 2 and {label for _, reply in shown for label in ("PS", "LC") if label in reply} == {
            "PS",
            "LC",
        }
        assert len(trainer.train_dataset) == 4
        assert not {text for text, _ in shown} & {each.text for each in trainer.task.examples("train")}
    with pytest.raises(ValueError, match="expected few_shot below the 6 training examples, got 6"):
        shown_examples(corpus().splits["train"], 6)


def test_decomposed_examples_are_shown_composed_and_not_trained_on():
    def decomposed(text):
        return unicodedata.normalize("NFD", text)

    first = Example("a", decomposed("이재용은"), (Span(0, len(decomposed("이재용")), "PS"),))
    data = Corpus(("PS",), {"train": [first, Example("b", decomposed("이재용은 갔다"), ())]}, 0)
    config = new_config(Recipe(few_shot=1), data)
    assert config.examples == [["이재용은", "[PS: 이재용]"]]
    task = GenerativeNERTask(data, make_generative_model("characters", labels=["PS"], examples=config.examples))
    assert [example.id for example in task.examples("train")] == ["b"]


def test_the_prompt_says_what_the_recipe_and_the_data_set_say():
    config = new_config(Recipe(dataset="klue_ner", label_descriptions={"LC": "곳"}), corpus())
    assert (
        config.descriptions == {"PS": "사람", "LC": "곳"}
        and config.words[0] == "유형"
        and "개체명" in config.instruction
    )
    english = Corpus(("PER",), {"train": [Example("a", "Kim left", (Span(0, 3, "PER"),))]}, 0)
    config = new_config(Recipe(dataset="jsonl"), english)
    assert (config.descriptions, config.words[0], config.unit) == ({}, "Types", "character")
    config = new_config(Recipe(dataset="conll2003", instruction="Find names."), english)
    assert (config.instruction, config.descriptions, config.unit) == ("Find names.", {"PER": "person"}, "word")
    recipe = Recipe(label_descriptions={"LC\u00a0": "곳"})
    assert new_config(recipe, corpus()).descriptions["LC"] == "곳"
    with pytest.raises(
        ValueError, match="expected label_descriptions of the labels LC, PS, got 'XX'; correct the name"
    ):
        new_config(Recipe(label_descriptions={"XX": "?"}), corpus())


def test_the_budget_holds_every_training_reply(recipe_of):
    task = build_trainer(recipe_of()).task
    replies = [feature["labels"] for feature in task.train_features(task.examples("train"))]
    longest = max(sum(label != -100 for label in labels) for labels in replies)
    assert longest <= task.generator.config.max_new_tokens <= longest * 1.25 + 16 and task.too_long == 0


def test_the_default_reply_length_keeps_room_for_windows_of_long_documents(recipe_of):
    """A reply about all of it would fill the context; each window's own fits into half of what the prompt leaves."""
    text = "이재용 " * 600
    spans = tuple(Span(at, at + 3, "PS") for at in range(0, len(text), 4))
    long = Corpus(("PS",), {"train": [Example("long", text, spans)], "validation": corpus().splits["validation"]}, 0)
    for window, context in ((None, 1024), (300, 300)):
        generator = build_model(recipe_of(encoder_options={}, max_length=window), long)
        left = context - sum(map(len, generator.frame))
        assert generator.config.max_new_tokens == left // 2 and generator.room == left - left // 2
        assert len(generator.passages(text)) > 3


# --- evaluation -------------------------------------------------------------------------------------------------------


def test_evaluation_predicts_as_extract_and_scores_spans():
    task = GenerativeNERTask(corpus(), make_generative_model("characters"))
    documents = task.examples("validation")
    found = task.predict(documents)
    expected = task.generator.extract([each.text for each in documents])
    assert [[span[:3] for span in spans] for spans in found] == [[span[:3] for span in spans] for spans in expected]
    assert any(expected)
    metrics = task.metrics(documents, found)
    assert set(metrics) == set(task.spec.metric_names(task)) and set(REPLY_METRICS) < set(metrics)
    assert score_spans(documents, expected, "character", ["LC", "PS"]).items() <= metrics.items()
    assert task.spec.confidence(task, documents) is None
    half = sorted(span.score for spans in expected for span in spans)[1]
    assert sum(map(len, task.predict(documents, half))) == sum(map(len, expected)) - 1
    with pytest.raises(ValueError, match="expected threshold to be a number from 0 to 1, got 2"):
        task.predict(documents, 2.0)
    with pytest.raises(ValueError, match="expected batch_size to be 1 or more windows, got 0"):
        task.predict(documents, None, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(-1, 1), st.booleans())
def test_notes_survive_gathering_from_several_processes(dropped, unmatched, state, empty):
    spans = [] if empty else [Span(0, 2, "LC", 0.5)]
    predictions = [NotedSpans(spans, (dropped, unmatched, state)), NotedSpans([], (0, 0, 1))]
    first, second = pickle.loads(pickle.dumps(round_scores(predictions)))
    assert (first, first.notes) == (spans, (dropped, unmatched, state)) and (second, second.notes) == ([], (0, 0, 1))


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_from_scratch_saves_a_model_that_commands_open(recipe_of, tmp_path, capsys):
    metrics = train(recipe_of(validation_loss=True, activation_checkpointing=True))
    folder = tmp_path / "out"
    assert 0 <= metrics["eval_f1"] <= 1 and metrics["eval_unparsed"] == metrics["eval_dropped"] == 0
    assert json.loads((folder / "eval_results.json").read_text()) == metrics
    assert "prompt              " in capsys.readouterr().out
    generator = KospanGenerativeNER.from_pretrained(folder)
    stored = read_jsonl(folder / "predictions.jsonl")
    assert [[span[:3] for span in each.spans] for each in stored] == [
        [span[:3] for span in spans] for spans in generator.extract([each.text for each in stored])
    ]
    texts = tmp_path / "texts.jsonl"
    write_jsonl(texts, stored)
    assert main(["predict", str(folder), str(texts), "--output", str(tmp_path / "found.jsonl")]) == 0
    assert [each.spans for each in read_jsonl(tmp_path / "found.jsonl")] == [each.spans for each in stored]
    labelled = str(tmp_path / "validation.jsonl")
    assert main(["evaluate", str(folder), "--data", labelled, "--output", str(tmp_path / "metrics.json")]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["eval_f1"] == metrics["eval_f1"]
    task = open_saved(str(folder))
    assert task.labels == ["LC", "PS"] and task.spec.model_type == "kospan-generative-ner"
    # A new run over it trains the very same model on.
    recipe = recipe_of(encoder=str(folder), output_dir=str(tmp_path / "further"))
    again = build_model(recipe, corpus())
    assert again.config == generator.config and torch.equal(
        again.model.get_input_embeddings().weight, generator.model.get_input_embeddings().weight
    )
    with pytest.raises(ValueError, match=r"expected labels that the model .* knows \(LC, PS\), got 'OG'"):
        build_model(recipe, Corpus(("OG",), corpus().splits, 0))


def test_a_model_learns_to_write_what_it_was_shown(recipe_of):
    """Memorising six texts is little, but nothing of prompt, labels, loss, budget and grammar may be wrong for it."""
    trainer = build_trainer(
        recipe_of(
            max_steps=120,
            num_train_epochs=1,
            learning_rate=0.02,
            eval_strategy="no",
            save_strategy="no",
            load_best_model_at_end=False,
            encoder_options={**TINY["encoder_options"], "hidden_size": 32, "intermediate_size": 64},
        )
    )
    trainer.train()
    metrics = trainer.evaluate()
    assert metrics["eval_f1"] > 0.9 and metrics["eval_exact_reply"] >= 0.75


def test_unconstrained_replies_are_scored(recipe_of):
    metrics = build_trainer(recipe_of(constrained_decoding=False)).evaluate()
    assert metrics["eval_unparsed"] > 0 and metrics["eval_f1"] == 0


def test_an_adapter_is_trained_saved_and_resumed(recipe_of, base, tmp_path):
    pytest.importorskip("peft")
    settings = {"encoder": base, "lora_rank": 2, "learning_rates": {"lora_B": "16x"}, "load_best_model_at_end": False}
    whole = train(recipe_of(**settings))
    folder = tmp_path / "out"
    assert (folder / "adapter_config.json").exists() and not (folder / "model.safetensors").exists()
    assert broken_part(folder / "checkpoint-2") is None
    expected = KospanGenerativeNER.from_pretrained(folder).extract(TEXTS)
    (folder / "adapter_config.json").unlink()
    again = train(recipe_of(**settings, resume_from_checkpoint=True, overwrite_output_dir=False, save_total_limit=9))
    assert again == whole and KospanGenerativeNER.from_pretrained(folder).extract(TEXTS) == expected
    # Starting anew in full, nothing of the adapter is left to be taken for it.
    train(recipe_of(encoder=base, num_train_epochs=1))
    assert not (folder / "adapter_config.json").exists() and (folder / "model.safetensors").exists()


@pytest.fixture
def adapter(base, tmp_path):
    """The folder of an adapter of rank 2 over `base`, and its generator."""
    peft = pytest.importorskip("peft")
    generator = make_generative_model("bytes", lm={"factor": 1.0, "max_position_embeddings": 700})
    torch.manual_seed(0)
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    generator = generator.with_model(peft.get_peft_model(type(generator.model).from_pretrained(base), settings))
    generator.save_pretrained(tmp_path / "adapter")
    return str(tmp_path / "adapter"), generator


def test_an_adapter_is_trained_on(recipe_of, adapter):
    folder, before = adapter
    for asked in ({}, {"lora_rank": 2, "lora_targets": "q_proj, v_proj", "lora_dropout": 0.5}):
        trainer = build_trainer(recipe_of(encoder=folder, encoder_options={}, max_steps=1, **asked))
        model = trainer.model
        learning = {name for name, value in model.named_parameters() if value.requires_grad}
        assert learning == {name for name, _ in model.named_parameters() if ".lora_" in name} and learning
        assert adapter_lines(model)[0].split(";")[0].endswith("rank 2, alpha 8, dropout " + ("0.5" if asked else "0"))
        given = before.model.state_dict()
        assert all(torch.equal(value.cpu(), given[name]) for name, value in model.state_dict().items())
        trainer.train()
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value.cpu(), given[name])}
        assert changed and changed <= learning


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({"lora_rank": 16}, "lora_rank to be 2"),
        ({"lora_rank": 2, "lora_alpha": 4}, "lora_alpha to be 8"),
        ({"lora_rank": 2, "lora_targets": "q_proj"}, "lora_targets to be 'q_proj,v_proj'"),
        ({"lora_rank": 2, "lora_targets": "attention-mlp"}, "lora_targets to be 'q_proj,v_proj'"),
        ({"lora_rslora": True}, "lora_rslora to be False"),
        ({"lora_dora": True}, "lora_dora to be False"),
    ],
)
def test_an_adapter_that_is_trained_on_stays_as_it_was_made(recipe_of, adapter, settings, own):
    with pytest.raises(ValueError, match=f"expected {own} as in the adapter .* change it, or merge the adapter first"):
        build_model(recipe_of(encoder=adapter[0], encoder_options={}, **settings), corpus())


def test_weights_may_be_loaded_in_half_precision(recipe_of, base):
    trainer = build_trainer(recipe_of(encoder=base, dtype="bfloat16", max_steps=1))
    assert trainer.model.dtype == torch.bfloat16
    trainer.train()


def test_a_trained_model_is_opened_again_as_it_was_loaded(recipe_of, base, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        KospanGenerativeNER, "from_pretrained", classmethod(lambda cls, name, **kwargs: opened.append((name, kwargs)))
    )
    for flags, expected in (
        ({}, {"dtype": torch.float32}),
        ({"dtype": "bfloat16"}, {"dtype": torch.bfloat16}),
    ):
        GenerativeNERTask.from_recipe(recipe_of(encoder=base, encoder_options={}, **flags)).load(tmp_path)
        assert opened.pop() == (tmp_path, expected)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    task = GenerativeNERTask(
        None, make_generative_model("characters"), loading(Recipe(encoder=base, device_map="auto"))
    )
    task.load(tmp_path)
    assert opened.pop() == (tmp_path, {"dtype": torch.float32, "device_map": "auto"})


def test_further_training_may_change_limits_alone(recipe_of, tmp_path):
    generator = make_generative_model("characters", examples=[["비", "[]"]], descriptions={"LC": "곳", "PS": "사람"})
    generator.save_pretrained(tmp_path / "generator")

    def config_of(**flags):
        return build_model(recipe_of(encoder=str(tmp_path / "generator"), **flags), corpus()).config

    same = {"few_shot": 1, "instruction": "", "unit": "character", "label_descriptions": {"LC": "곳"}}
    assert config_of() == config_of(**same) == generator.config
    anew = {"constrained_decoding": False, "max_new_tokens": 50, "max_length": 200}
    assert config_of(**anew) == dataclasses.replace(generator.config, **anew)
    for flags, message in (
        ({"few_shot": 2}, "few_shot to be 1"),
        ({"instruction": "Find."}, "instruction to be ''"),
        ({"unit": "word"}, "unit to be 'character'"),
        ({"label_descriptions": {"LC": "place"}}, r"label_descriptions\['LC'\] to be '곳'"),
        ({"encoder_options": {"hidden_size": 32}}, r"encoder_options\['hidden_size'\] to be 16"),
    ):
        with pytest.raises(ValueError, match=f"expected {message} as in the model .* remove it, or train a new"):
            config_of(**flags)
    with pytest.raises(ValueError, match="got 'hiden_size'; did you mean hidden_size"):
        config_of(encoder_options={"hiden_size": 3})
    with pytest.raises(ValueError, match="expected a context that holds instruction, examples and reply"):
        config_of(max_length=45)
    with pytest.raises(ValueError, match="expected lora_rank above 0 with load_in_4bit"):
        config_of(load_in_4bit=True)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        ({"rdrop_alpha": 1}, ValueError, r"expected no rdrop_alpha with task: generative-ner, .* got 1\.0"),
        ({"lora_rank": 4}, ValueError, "expected lora_rank: 0 for encoder: scratch, got 4"),
        (
            {"load_in_4bit": True},
            ValueError,
            "expected no load_in_4bit with encoder: scratch, where it has no effect, got True",
        ),
        (
            {"encoder_options": {"vocab_size": 3}},
            ValueError,
            "expected encoder_options without vocab_size for encoder:",
        ),
        ({"encoder_options": {"hiden_size": 3}}, ValueError, "got 'hiden_size'; did you mean hidden_size"),
        (
            {"encoder_options": {"num_attention_heads": 4, "num_key_value_heads": 3}},
            ValueError,
            "expected encoder_options with num_key_value_heads that divide num_attention_heads, got 3 and 4; change",
        ),
        ({"encoder_options": {"num_key_value_heads": 0}}, ValueError, "got 0 and 4; change one of them"),
        ({"encoder_options": {"max_position_embeddings": 16}}, ValueError, "expected a context that holds instruction"),
        ({"max_new_tokens": 2}, ValueError, "expected max_new_tokens to be a number of 3 or more, got 2"),
        ({"load_in_4bit": 4}, ValueError, "expected load_in_4bit to be true or false, got 4"),
        ({"encoder": "nowhere/to-be-found"}, FileNotFoundError, "expected an encoder on the Hub or in a folder"),
    ],
)
def test_impossible_settings_are_refused_before_training(recipe_of, flags, error, message):
    with pytest.raises(error, match=message):
        build_trainer(recipe_of(**flags))


def test_a_saved_model_without_weights_or_with_an_aggregation_is_refused(tmp_path):
    generator = make_generative_model("characters")
    generator.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="expected no aggregation for a model of ours, got 'simple'"):
        open_saved(str(tmp_path), "simple")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected weights in .*, found none"):
        open_saved(str(tmp_path))


def test_an_adapter_without_its_base_says_where_to_name_it(adapter, base, tmp_path):
    folder, generator = adapter
    os.rename(base, tmp_path / "moved")
    with pytest.raises(
        FileNotFoundError,
        match=r"^expected the base model '.*' of the adapter in .*, found none .*write its name into "
        r"adapter_config\.json \(base_model_name_or_path\)$",
    ):
        open_saved(folder)
    settings = tmp_path / "adapter" / "adapter_config.json"
    place = {"base_model_name_or_path": str(tmp_path / "moved")}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | place))
    assert open_saved(folder).generator.model.config.vocab_size == generator.model.config.vocab_size


def test_validation_texts_without_a_reply_that_fits_are_refused_before_training(recipe_of, tmp_path):
    recipe = recipe_of(validation_loss=True, max_new_tokens=12)
    with pytest.raises(ValueError, match=r"^expected texts whose replies are shorter than max_new_tokens 12, got 1"):
        write_jsonl(tmp_path / "validation.jsonl", [labelled(9, "이재용이 서울 부산 사직 김연아")])
        build_trainer(recipe)


def test_validation_loss_is_the_mean_loss_of_the_replies_subwords():
    """Over batches of unequal length, and by two processes as by one."""
    task = GenerativeNERTask(corpus(), make_generative_model("characters", lm={"attention_dropout": 0.5}))
    features = task.train_features(task.examples("train"))
    task.model.train()
    loss = ValidationLoss(features, 4, partial(task.spec.losses, task))

    def stub(index: int, count: int, reduced: list):
        accelerator = SimpleNamespace(
            process_index=index,
            num_processes=count,
            reduce=lambda sums: reduced.append(sums) or sum(reduced),
        )
        arguments = SimpleNamespace(device=torch.device("cpu"))
        return SimpleNamespace(
            whole_model=lambda: task.model,
            args=arguments,
            accelerator=accelerator,
            compute_loss_context_manager=nullcontext,
        )

    both: list = []
    found = [loss(stub(0, 1, [])), (loss(stub(0, 2, both)), loss(stub(1, 2, both)))[1]]
    assert task.model.training
    task.model.eval()
    subwords = []
    with torch.no_grad():
        for feature in features:
            labels = torch.tensor(feature["labels"])
            scores = task.model(torch.tensor([feature["input_ids"]])).logits[0].log_softmax(-1)
            at = (labels != -100).nonzero().flatten()
            subwords += (-scores[at - 1, labels[at]]).tolist()
    assert found == pytest.approx([sum(subwords) / len(subwords)] * 2, rel=1e-5)
